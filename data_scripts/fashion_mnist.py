"""Fashion-MNIST (``make data-fashion-mnist``)."""

from pathlib import Path

from fetch import Dataset, Remote, main, missing_is_fine

BASE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FOLDER = "FashionMNIST/raw"
FILES = (
    ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
    ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 29_515),
    ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 4_422_102),
    ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 5_148),
)


def check(root: Path) -> dict[str, int]:
    """Read the files that are there; count images."""
    from weaklabels.data.idx import read_idx

    counts = {}
    for part, prefix in (("training", "train"), ("test", "t10k")):
        kinds = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
        images, labels = (
            missing_is_fine(read_idx, root / FOLDER / f"{prefix}-{kind}") for kind in kinds
        )
        if images is not None and labels is not None and len(images) != len(labels):
            raise ValueError(f"{root / FOLDER}: {len(images)} {part} images, {len(labels)} labels")
        counts[f"{part} images"] = 0 if images is None else len(images)
        counts[f"{part} labels"] = 0 if labels is None else len(labels)
    return counts


DATASET = Dataset(
    name="fashion_mnist",
    title="Fashion-MNIST",
    terms="MIT; cite Xiao, Rasul and Vollgraf 2017",
    page="https://github.com/zalandoresearch/fashion-mnist",
    files=tuple(
        Remote(BASE + name, name, FOLDER, f"md5:{md5}", size, unpack=False)
        for name, md5, size in FILES
    ),
    places=(FOLDER,),
    check=check,
    complete={
        "training images": 60_000,
        "training labels": 60_000,
        "test images": 10_000,
        "test labels": 10_000,
    },
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

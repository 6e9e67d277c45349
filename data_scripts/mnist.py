"""MNIST (``make data-mnist``)."""

from pathlib import Path

from fetch import Dataset, Remote, main, missing_is_fine

BASE = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FOLDER = "MNIST/raw"
FILES = (
    ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9_912_422),
    ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28_881),
    ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1_648_877),
    ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4_542),
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
    name="mnist",
    title="MNIST",
    terms="no licence stated on the page; cite LeCun, Bottou, Bengio and Haffner 1998",
    page="http://yann.lecun.com/exdb/mnist/",
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

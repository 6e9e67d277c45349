"""Kuzushiji-MNIST (``make data-kmnist``)."""

from pathlib import Path

from fetch import Dataset, Remote, main, missing_is_fine

BASE = "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"
FOLDER = "KMNIST/raw"
FILES = (
    ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7", 18_165_135),
    ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344", 29_497),
    ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7", 3_041_136),
    ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134", 5_120),
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
    name="kmnist",
    title="Kuzushiji-MNIST",
    terms="CC BY-SA 4.0; cite Clanuwat et al. 2018",
    page="http://codh.rois.ac.jp/kmnist/",
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

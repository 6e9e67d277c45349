"""Tiny-ImageNet (``make data-tiny-imagenet``)."""

from pathlib import Path

from fetch import Dataset, Remote, main

PLACE = "tiny-imagenet-200"


def check(root: Path) -> dict[str, int]:
    """Count classes and images."""
    base = root / PLACE
    if not (base / "wnids.txt").exists():
        raise FileNotFoundError(f"{base / 'wnids.txt'} is not there: the set is incomplete")
    return {
        "classes": len((base / "wnids.txt").read_text().split()),
        "training images": len(list(base.glob("train/*/images/*.JPEG"))),
        "validation images": len(list(base.glob("val/images/*.JPEG"))),
    }


DATASET = Dataset(
    name="tiny_imagenet",
    title="Tiny-ImageNet",
    terms="the terms of ImageNet: non-commercial research and education",
    page="http://cs231n.stanford.edu",
    files=(
        Remote(
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            "tiny-imagenet-200.zip",
            ".",
            "md5:90528d7ca1a48142e341f4ef8d21d0de",
            248_100_043,
        ),
    ),
    places=(PLACE,),
    check=check,
    complete={"classes": 200, "training images": 100_000, "validation images": 10_000},
    note="no checksum stands on the page; the one used here is the one in common use",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

"""MS-COCO 2014 (``make data-coco2014``)."""

from pathlib import Path

from fetch import Dataset, Remote, main

BASE = "http://images.cocodataset.org"


def check(root: Path) -> dict[str, int]:
    """Read both annotation files; count their images and the image files that are there."""
    from weaklabels.data.coco import read_instances

    counts = {}
    for part in ("train2014", "val2014"):
        path = root / "coco" / "annotations" / f"instances_{part}.json"
        names, index = read_instances(path)
        folder = root / "coco" / part
        there = {file.name for file in folder.glob("*.jpg")}
        if not there:
            raise ValueError(f"{folder}: empty, expected the images of {path.name}")
        if unknown := there - set(index.files):
            raise ValueError(f"{folder / min(unknown)}: not an image of {path.name}")
        counts |= {f"{part} images": len(there), f"{part} annotated": int(index.y.any(1).sum())}
        counts["classes"] = len(names)
    return counts


DATASET = Dataset(
    name="coco2014",
    title="MS-COCO 2014",
    terms="annotations CC BY 4.0; images from Flickr under Flickr's terms of use",
    page="https://cocodataset.org",
    files=(
        Remote(
            f"{BASE}/annotations/annotations_trainval2014.zip",
            "annotations_trainval2014.zip",
            "coco",
            None,
            252_872_794,
        ),
        Remote(f"{BASE}/zips/train2014.zip", "train2014.zip", "coco", None, 13_510_573_713),
        Remote(f"{BASE}/zips/val2014.zip", "val2014.zip", "coco", None, 6_645_013_297),
    ),
    places=("coco",),
    check=check,
    complete={"train2014 images": 82_783, "val2014 images": 40_504, "classes": 80},
    note="no checksum is published; each file's own checksum in the zip archive is verified",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

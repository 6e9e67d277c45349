"""OpenImages V3 (``make data-openimages``)."""

from pathlib import Path

from fetch import Dataset, Remote, main

BASE = "https://storage.googleapis.com/openimages/2017_11"
PARTS = ("train", "validation", "test")


def check(root: Path) -> dict[str, int]:
    """Look for the tables; count classes and the images that are there."""
    base = root / "openimages"
    tables = [base / "2017_11" / part / "annotations-human.csv" for part in PARTS]
    classes = base / "2017_11" / "classes-trainable.txt"
    if lost := [path for path in (classes, *tables) if not path.exists()]:
        raise FileNotFoundError(f"{lost[0]} is not there: the set is incomplete")
    for table in tables:
        with open(table) as file:
            columns = file.readline().strip().split(",")
        if not {"ImageID", "LabelName", "Confidence"} <= set(columns):
            raise ValueError(f"{table}: columns {', '.join(columns)}, expected those of V3")
    images = {f"{part} images": len(list((base / part).glob("*.jpg"))) for part in PARTS}
    return {"classes": len(classes.read_text().split())} | images


DATASET = Dataset(
    name="openimages",
    title="OpenImages V3",
    terms="annotations CC BY 4.0; images listed as CC BY 2.0, verify each image's licence yourself",
    page="https://storage.googleapis.com/openimages/web/download.html",
    files=(
        Remote(
            f"{BASE}/annotations_human_2017_11.tar.gz",
            "annotations_human_2017_11.tar.gz",
            "openimages",
        ),
        Remote(f"{BASE}/classes_2017_11.tar.gz", "classes_2017_11.tar.gz", "openimages"),
    ),
    places=("openimages",),
    check=check,
    complete={
        "classes": 5_000,
        "train images": 9_011_219,
        "validation images": 41_620,
        "test images": 125_436,
    },
    note="no checksum is published; only labels are downloaded: put the images you use into "
    "openimages/{train,validation,test}/<ImageID>.jpg, the page names the buckets that hold them",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

"""NUS-WIDE (``make data-nuswide``)."""

from pathlib import Path

from fetch import Dataset, main


def check(root: Path) -> dict[str, int]:
    """Read the concepts, lists and labels; count listed images and those that are there."""
    from weaklabels.data.nuswide import read_concepts, read_part

    base = root / "NUS-WIDE"
    classes = read_concepts(base)
    counts = {"classes": len(classes)}
    for part in ("Train", "Test"):
        files, _ = read_part(base, part, classes)
        there = sum((base / "Flickr" / file).exists() for file in files)
        if not there:
            raise ValueError(f"{base / 'Flickr'}: none of the images of {part}Imagelist.txt")
        counts |= {f"{part.lower()} images listed": len(files), f"{part.lower()} images": there}
    return counts


DATASET = Dataset(
    name="nuswide",
    title="NUS-WIDE",
    terms="non-commercial research; images under Flickr's terms of use; cite Chua et al. 2009",
    page="https://lms.comp.nus.edu.sg/wp-content/uploads/2019/research/nuswide/NUS-WIDE.html",
    files=(),
    places=("NUS-WIDE",),
    check=check,
    complete={
        "classes": 81,
        "train images listed": 161_789,
        "train images": 161_789,
        "test images listed": 107_859,
        "test images": 107_859,
    },
    note="ask for the images on the page; many can no longer be crawled, so copies differ",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

"""PASCAL VOC 2007 (``make data-voc2007``)."""

from pathlib import Path

from fetch import Dataset, Remote, main

PLACE = "VOCdevkit/VOC2007"


def check(root: Path) -> dict[str, int]:
    """Read every list and the annotation of every listed image; count images."""
    from weaklabels.data.voc import check_devkit

    return check_devkit(root / PLACE, ("trainval", "test"))


DATASET = Dataset(
    name="voc2007",
    title="PASCAL VOC 2007",
    terms="images from Flickr under Flickr's terms of use, for research; cite Everingham et al.",
    page="http://host.robots.ox.ac.uk/pascal/VOC/voc2007/",
    files=(
        Remote(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtrainval_06-Nov-2007.tar",
            "VOCtrainval_06-Nov-2007.tar",
            ".",
            "md5:c52e279531787c972589f7e41ab4ae64",
            460_032_000,
        ),
        Remote(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2007/VOCtest_06-Nov-2007.tar",
            "VOCtest_06-Nov-2007.tar",
            ".",
            "md5:b6e924de25625d8de591ea690078ad9f",
            451_020_800,
        ),
    ),
    places=(PLACE,),
    check=check,
    complete={"trainval images": 5_011, "test images": 4_952, "image files": 9_963},
    note="the checksums are those that torchvision publishes",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

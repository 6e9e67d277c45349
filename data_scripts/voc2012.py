"""PASCAL VOC 2012 (``make data-voc2012``)."""

from pathlib import Path

from fetch import Dataset, Remote, main

PLACE = "VOCdevkit/VOC2012"


def check(root: Path) -> dict[str, int]:
    """Read every list and the annotation of every listed image; count images."""
    from weaklabels.data.voc import check_devkit

    return check_devkit(root / PLACE, ("train", "val"))


DATASET = Dataset(
    name="voc2012",
    title="PASCAL VOC 2012",
    terms="images from Flickr under Flickr's terms of use, for research; cite Everingham et al.",
    page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    files=(
        Remote(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "VOCtrainval_11-May-2012.tar",
            ".",
            "md5:6cd6e144f989b92b3379bac3b3de84fd",
            1_999_639_040,
        ),
    ),
    places=(PLACE,),
    check=check,
    complete={"train images": 5_717, "val images": 5_823, "image files": 17_125},
    note="the checksums are those that torchvision publishes",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

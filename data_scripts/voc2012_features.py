"""Features of VOC 2012 images by a frozen network (``make data-voc2012-features MIRROR=...``)."""

from pathlib import Path

from fetch import Dataset, main


def check(root: Path) -> dict[str, int]:
    """Read the file; count images per list."""
    from weaklabels.data.voc import voc2012_features

    splits = voc2012_features(root, validation=0.0)
    return {"train images": len(splits.train), "val images": len(splits.test)}


DATASET = Dataset(
    name="voc2012_features",
    title="Features of PASCAL VOC 2012 by a MobileNet v1 trained on ImageNet",
    terms="derived from PASCAL VOC 2012 (images under Flickr's terms, for research)",
    page="no public page: they can be computed with weaklabels.backbones",
    files=(),
    places=("voc2012-subset-features",),
    check=check,
    complete={"train images": 5_717, "val images": 5_823},
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

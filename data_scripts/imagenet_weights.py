"""Weights of a MobileNet v1 trained on ImageNet (``make data-imagenet-weights MIRROR=...``)."""

from pathlib import Path

from fetch import Dataset, main


def check(root: Path) -> dict[str, int]:
    """Build the network from the file; count its numbers."""
    from weaklabels.backbones import MOBILENET_FILE, mobilenet_v1

    backbone = mobilenet_v1(root / MOBILENET_FILE)
    return {"numbers": sum(p.numel() for p in backbone.network.parameters())}


DATASET = Dataset(
    name="imagenet_weights",
    title="MobileNet v1 (1.0, 224), ImageNet weights up to conv_dw_13",
    terms="MIT (Keras applications)",
    page="https://keras.io/api/applications/mobilenet/",
    files=(),
    places=("imagenet-weights",),
    check=check,
    complete={},
    note="the page has the whole network in another format; torchvision brings ResNet-50 by itself",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

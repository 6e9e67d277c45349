"""CIFAR-100 (``make data-cifar100``)."""

from pathlib import Path

from fetch import Dataset, Remote, main


def check(root: Path) -> dict[str, int]:
    """Read the batches; count images."""
    from weaklabels.data.cifar import cifar100

    splits = cifar100(root, raw=True)
    return {"training images": len(splits.train), "test images": len(splits.test)}


DATASET = Dataset(
    name="cifar100",
    title="CIFAR-100",
    terms="no licence stated; cite Krizhevsky 2009",
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        Remote(
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "cifar-100-python.tar.gz",
            ".",
            "md5:eb9058c3a382ffc7106e4002c42a8d85",
            169_001_437,
        ),
    ),
    places=("cifar-100-python",),
    optional=("cifar-100-python",),
    check=check,
    complete={"training images": 50_000, "test images": 10_000},
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

"""CIFAR-10 (``make data-cifar10``)."""

from pathlib import Path

from fetch import Dataset, Remote, main


def check(root: Path) -> dict[str, int]:
    """Read the batches, or the subset; count images."""
    from weaklabels.data.cifar import cifar10

    splits = cifar10(root, raw=True)
    return {"training images": len(splits.train), "test images": len(splits.test)}


DATASET = Dataset(
    name="cifar10",
    title="CIFAR-10",
    terms="no licence stated; cite Krizhevsky 2009",
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        Remote(
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "cifar-10-python.tar.gz",
            ".",
            "md5:c58f30108f718f92721af3b95e74349a",
            170_498_071,
        ),
    ),
    places=("cifar-10-batches-py", "cifar10-subset"),
    optional=("cifar-10-batches-py", "cifar10-subset"),
    check=check,
    complete={"training images": 50_000, "test images": 10_000},
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

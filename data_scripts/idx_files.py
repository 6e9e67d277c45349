"""What the scripts of the MNIST family share: four idx files, in one layout."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fetch import Dataset, Remote, missing_is_fine

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
COMPLETE = {
    "training images": 60_000,
    "training labels": 60_000,
    "test images": 10_000,
    "test labels": 10_000,
}


def idx_dataset(
    name: str,
    *,
    title: str,
    terms: str,
    page: str,
    base: str,
    folder: str,
    md5: tuple[str, str, str, str],
    sizes: tuple[int, int, int, int],
) -> Dataset:
    """A dataset of four gzipped idx files.

    Args:
        name, title, terms, page: see ``fetch.Dataset``.
        base: address of the files, with a slash at its end.
        folder: where they lie under the root, as torchvision has it.
        md5, sizes: of the files of ``NAMES``, sizes in bytes.
    """
    folder = f"{folder}/raw"
    return Dataset(
        name=name,
        title=title,
        terms=terms,
        page=page,
        files=tuple(
            Remote(base + file, file, folder, f"md5:{digest}", size, unpack=False)
            for file, digest, size in zip(NAMES, md5, sizes, strict=True)
        ),
        places=(folder,),
        check=partial(check, folder=folder),
        complete=COMPLETE,
    )


def check(root: Path, folder: str) -> dict[str, int]:
    """Read the files that are there; count images.

    Raises:
        ValueError: if images and labels differ in number.
    """
    from weaklabels.data.idx import read_idx

    counts = {}
    for part, names in (("training", NAMES[:2]), ("test", NAMES[2:])):
        images, labels = (missing_is_fine(read_idx, root / folder / name) for name in names)
        if images is not None and labels is not None and len(images) != len(labels):
            raise ValueError(f"{root / folder}: {len(images)} {part} images, {len(labels)} labels")
        counts[f"{part} images"] = 0 if images is None else len(images)
        counts[f"{part} labels"] = 0 if labels is None else len(labels)
    return counts

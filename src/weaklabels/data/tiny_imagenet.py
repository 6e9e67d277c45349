"""Tiny-ImageNet: 200 classes, 64 x 64 pixels.

Official layout under ``<root>/tiny-imagenet-200``: ``wnids.txt``, ``train/<class>/images/*.JPEG``,
``val/images/*.JPEG`` with ``val/val_annotations.txt``. The official test labels are not public, so
the validation images test.
"""

from __future__ import annotations

from pathlib import Path

import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find
from weaklabels.data.shards import build


def load(
    root: str | Path | None = None,
    *,
    resolution: int = 64,
    cache: str | Path | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> Splits:
    """The 100,000 training images train, the 10,000 validation images test.

    Args:
        root: folder that holds ``tiny-imagenet-200``.
        resolution: side of the square images, pixels.
        cache: where the decoded images go; default ``<root>/shards``.
        workers: decoding threads.
        progress: show a progress bar while decoding.

    Returns:
        ``x`` memory-mapped uint8 ``(N, 3, resolution, resolution)``; ``y`` ``(N,)`` int64, classes
        in the order of ``wnids.txt``.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a class is unknown or empty.
    """
    base = find(root, "tiny-imagenet-200", "make data-tiny-imagenet")
    cache = Path(cache) if cache is not None else base.parent / "shards"
    for path in (base / "wnids.txt", base / "val" / "val_annotations.txt"):
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: the set is incomplete")
    classes = tuple((base / "wnids.txt").read_text().split())
    column = {name: i for i, name in enumerate(classes)}

    def make(name: str, files: list[Path], labels: list[int]) -> Split:
        x = build(files, resolution, cache, f"tiny-imagenet-{name}", workers=workers,
                  progress=progress)  # fmt: skip
        return Split(x, torch.tensor(labels, dtype=torch.int64))

    files, labels = [], []
    for name in classes:
        images = sorted((base / "train" / name / "images").glob("*.JPEG"))
        if not images:
            raise ValueError(f"{base / 'train' / name / 'images'}: empty, expected JPEG images")
        files += images
        labels += [column[name]] * len(images)
    rows = [
        line.split()[:2]
        for line in (base / "val" / "val_annotations.txt").read_text().splitlines()
        if line.strip()
    ]
    if unknown := [row[1] for row in rows if row[1] not in column]:
        raise ValueError(f"{base}/val/val_annotations.txt: unknown class {unknown[0]!r}")
    test = [base / "val" / "images" / row[0] for row in rows]
    return Splits(
        classes, make("train", files, labels), None,
        make("test", test, [column[row[1]] for row in rows]),
    )  # fmt: skip

"""Low-light photographs: the paired LOL set and the unpaired LIME set.

Layout under ``<root>/lowlight``: ``LOL/our485/{low,high}/*.png``, ``LOL/eval15/{low,high}/*.png``
and ``LIME/*.bmp``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from weaklabels.data import Split, Splits
from weaklabels.data.decode import decode
from weaklabels.data.files import find


def lol(root: str | Path | None = None, *, resolution: tuple[int, int] | None = None) -> Splits:
    """LOL: 485 pairs to train on, 15 to test.

    Args:
        root: folder that holds ``lowlight``.
        resolution: (height, width) to resize to; ``None`` keeps the size (400, 600).

    Returns:
        ``x`` the low-light images, float32 ``(N, 3, h, w)`` RGB in [0, 1];
        ``extra["reference"]`` the well-lit ones; ``y`` zeros, as there are no classes.

    Raises:
        FileNotFoundError: if an image or its partner is missing.
        ValueError: if an image is damaged or the sizes differ.
    """
    base = find(root, "lowlight/LOL", "make data-lowlight")

    def make(part: str) -> Split:
        low = _listed(base / part / "low")
        high = [base / part / "high" / path.name for path in low]
        if lost := [path for path in high if not path.exists()]:
            raise FileNotFoundError(f"{lost[0]} is not there: {low[0].parent} has its partner")
        x = read_images(low, resolution)
        return Split(
            x, torch.zeros(len(x), dtype=torch.int64),
            extra={"reference": read_images(high, resolution)},
        )  # fmt: skip

    return Splits(("photograph",), make("our485"), None, make("eval15"))


def lime(root: str | Path | None = None, *, resolution: tuple[int, int] = (256, 256)) -> Splits:
    """LIME: ten photographs without well-lit partners, the same for training and test.

    Args:
        root: folder that holds ``lowlight``.
        resolution: (height, width) to resize to, as the photographs differ in size.

    Returns:
        ``x`` float32 ``(N, 3, h, w)`` RGB in [0, 1]; ``y`` zeros; ``extra["name"]`` file names.
    """
    files = _listed(find(root, "lowlight/LIME", "make data-lowlight"))
    x = read_images(files, resolution)
    names = np.array([path.name for path in files])
    split = Split(x, torch.zeros(len(x), dtype=torch.int64), extra={"name": names})
    return Splits(("photograph",), split, None, split)


def _listed(folder: Path) -> list[Path]:
    files = [p for p in folder.glob("*") if p.suffix.lower() in (".bmp", ".png", ".jpg")]
    if not files:
        raise FileNotFoundError(f"{folder}: no bmp, png or jpg image in it")
    return sorted(files, key=lambda path: (len(path.stem), path.stem))


def read_images(files: list[Path], resolution: tuple[int, int] | None) -> torch.Tensor:
    """Images as one float32 tensor ``(N, 3, h, w)`` in [0, 1], resized if a size is given."""
    images: list[np.ndarray] = []
    for path in files:
        pixels = decode(path.read_bytes(), path)
        if resolution is not None:
            pixels = pixels.resize(resolution[::-1], Image.Resampling.BILINEAR)
        array = np.asarray(pixels)
        if images and array.shape != images[0].shape:
            raise ValueError(
                f"{path}: {array.shape[1]} x {array.shape[0]} pixels, expected the size of "
                f"{files[0].name}; give a resolution"
            )
        images.append(array)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div_(255)

"""BRISQUE: how natural is a picture, told without a reference?

Lower is better. The package that computes it does not run with the book's NumPy, so that pictures
go as PNG files in a temporary folder to a script with an environment of its own
(``brisque_scores``), which uv makes when it is first needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from sklearn.datasets import load_sample_image
from torch import Tensor

from chapters.all_e import brisque_scores
from weaklabels.methods import all_e
from weaklabels.seeding import numpy_rng

SCRIPT = Path(brisque_scores.__file__)
PRIVATE_UV = Path(__file__).parents[3] / ".uv" / "bin" / "uv"
"""Where ``make env`` puts uv if the machine has none."""

PHOTOGRAPHS = ("china.jpg", "flower.jpg")
"""Of scikit-learn: what is known of BRISQUE is tried on them."""


def brisque(images: Sequence[Tensor]) -> list[float]:
    """BRISQUE of images, each ``(1, 3, h, w)``, after storing them as bytes.

    Raises:
        RuntimeError: if uv is missing, or the script or its environment fails.
    """
    return _scored([all_e.to_bytes(image[0]).permute(1, 2, 0).cpu().numpy() for image in images])


def versions() -> dict[str, str]:
    """Versions of the packages that compute it, which are fetched if need be.

    Raises:
        RuntimeError: as ``brisque``.
    """
    with TemporaryDirectory() as folder:
        return _of_script(folder)["versions"]


def known() -> list[dict[str, Any]]:
    """What is known to spoil a photograph, and what is not, on two undamaged ones: BRISQUE by
    photograph and change."""
    rows, pictures = [], []
    for name in PHOTOGRAPHS:
        for change, picture in _changed(Image.fromarray(load_sample_image(name))).items():
            rows.append({"photograph": name, "change": change})
            pictures.append(np.asarray(picture))
    scores = _scored(pictures)
    return [row | {"brisque": round(x, 4)} for row, x in zip(rows, scores, strict=True)]


def _changed(picture: Image.Image) -> dict[str, Image.Image]:
    """A picture as it is and changed, by change."""
    values = np.asarray(picture) / 255
    noise = numpy_rng(0, "noise of a known photograph").normal(0, 0.1, values.shape)
    stored = BytesIO()
    picture.save(stored, "JPEG", quality=10)
    return {
        "as it is": picture,
        "gamma 0.5": _picture(values**0.5),
        "a tenth of its light": _picture(0.1 * values),
        "blurred, deviation of 2 pixels": picture.filter(ImageFilter.GaussianBlur(2)),
        "noise of deviation 0.1": _picture(values + noise),
        "JPEG of quality 10": Image.open(stored).convert("RGB"),
    }


def _picture(values: np.ndarray) -> Image.Image:
    return Image.fromarray((255 * values.clip(0, 1)).astype(np.uint8))


def _scored(pictures: Sequence[np.ndarray]) -> list[float]:
    """BRISQUE of pictures of bytes ``(h, w, 3)``."""
    with TemporaryDirectory() as folder:
        names = [f"{i:06d}.png" for i in range(len(pictures))]
        for name, pixels in zip(names, pictures, strict=True):
            Image.fromarray(pixels).save(Path(folder) / name)
        scores = _of_script(folder)["scores"]
    return [scores[name] for name in names]


def _of_script(folder: str) -> dict[str, Any]:
    """What the script says of a folder, in an environment that knows nothing of this one."""
    uv = shutil.which("uv") or shutil.which(PRIVATE_UV)
    if uv is None:
        raise RuntimeError("BRISQUE needs uv, which is missing: `make env` installs it")
    mine = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [uv, "run", "--quiet", "--no-project", "--script", SCRIPT, folder],
        env=mine | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1].strip()
        raise RuntimeError(f"BRISQUE cannot be computed in an environment of its own: {reason}")
    return json.loads(done.stdout)

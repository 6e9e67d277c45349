"""Images that lie in files: where they are, and their pixels."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path

from torch import Tensor

from weaklabels.data import shards

SUFFIXES = {
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
"""Endings by which the images of a folder are told from its other files."""


def find(folder: Path, name: str) -> Path | None:
    """The file of this name in a folder, or None.

    Where there is none, the name is tried without blanks around it, with slashes for backslashes,
    and with its accented letters composed or decomposed, as some systems write them.
    """
    short = name.strip()
    tried = [name, short, short.replace("\\", "/")]
    tried += [unicodedata.normalize(form, tried[-1]) for form in ("NFC", "NFD")]
    for each in tried:
        if each and (folder / each).is_file():
            return folder / each
    return None


def listed(source: str | Path | Sequence[str | Path]) -> list[Path]:
    """The images of a folder, sorted by their names, or the files of a list.

    Raises:
        FileNotFoundError: if the folder or a file is missing, or the folder has no images.
    """
    if isinstance(source, str | Path):
        folder = Path(source)
        if folder.is_file():
            return [folder]
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: there is no such folder or file")
        visible = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
        paths = sorted(p for p in visible if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise FileNotFoundError(f"{folder}: there is no image in it ({', '.join(SUFFIXES)})")
        return paths
    paths = [Path(name) for name in source]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such file")
    return paths


def images(
    paths: Sequence[Path], side: int, cache: str | Path | None, folder: str | Path
) -> Tensor:
    """The pixels of the files, as viewers show them: ``(N, 3, side, side)`` uint8.

    Args:
        paths: the files.
        side: of the squares, pixels; the aspect ratio is not kept.
        cache: folder for the decoded images; default: ``.weaklabels`` in ``folder``, or
            ``weaklabels`` in the user's own cache where that cannot be written.
        folder: where the files are.

    Raises:
        ValueError: if a file is no image, or the side is no positive whole number.
    """
    if isinstance(side, bool) or not isinstance(side, Integral) or side < 1:
        raise ValueError(
            f"side is {side!r}: expected the pixels of the images' sides, a whole number"
        )
    if cache is not None:
        place = Path(cache)
    elif os.access(folder, os.W_OK):
        place = Path(folder) / ".weaklabels"
    else:
        place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weaklabels"
    return shards.build(paths, int(side), place, "own", upright=True)

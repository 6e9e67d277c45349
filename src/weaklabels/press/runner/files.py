"""Hashing files and writing them so that a reader never sees half of one."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from weaklabels.press.runner.options import UsageError

PART = ".part"
SCRATCH = "scratch"
"""Folder of a profile for what lasts as long as its notebooks are executed."""
FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The same time stamp for every file in a zip, so that equal contents make equal archives."""


def write_atomically(path: Path, text: str) -> None:
    """Write to a temporary name beside the file, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + PART)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextmanager
def only_one(profile: Path) -> Iterator[None]:
    """Hold a profile's build folder for this process; the system lets go of it when we end.

    Raises:
        UsageError: if another process holds it.
    """
    profile.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(profile / ".lock").acquire(blocking=False)
    except Timeout:
        raise UsageError(
            f"Another command executes notebooks in {profile}: wait for it or stop it."
        ) from None
    with held:
        yield


def remove_leftovers(folder: Path) -> None:
    """Remove a profile's scratch folder, and temporary files, one level down, of dead writers.

    A name like ``<key>.<pid>.tmp`` tells who is writing; while that process lives, it stays.
    """
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    for path in [*folder.glob(f"*/*{PART}"), *folder.glob("*/*.tmp")]:
        writer = path.suffixes[-2:-1]
        alive = writer and writer[0][1:].isdecimal() and psutil.pid_exists(int(writer[0][1:]))
        if not alive:
            path.unlink(missing_ok=True)


def entry(name: str) -> zipfile.ZipInfo:
    """The head of a file in a zip."""
    entry = zipfile.ZipInfo(name, FIRST_DAY)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def sha256(path: Path) -> str | None:
    """Hash of a file's bytes; None if there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def tree(folder: Path, pattern: str = "**/*") -> dict[str, str | None]:
    """Hash of every visible file below a folder, by its path relative to the folder."""
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    names = {path: path.relative_to(folder) for path in paths}
    hidden = {path for path, name in names.items() if any(p.startswith(".") for p in name.parts)}
    return {str(name): sha256(path) for path, name in names.items() if path not in hidden}


def read_json(path: Path) -> Any:
    """Content of a JSON file; None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None

"""What files hold, as sha256; a file that has not changed since is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
from filelock import FileLock

NAME = "digests.json"
SETTLED = 2.0
"""Seconds after a change from which the clock of a file system surely shows the next one."""


def digests(files: Sequence[Path], cache: Path) -> list[str]:
    """The sha256 of each file's content.

    ``<cache>/digests.json`` remembers them together with what tells that a file was written to: its
    size, its inode and the times of its last change, of which the second (``ctime``) is not under
    anyone's control.

    Args:
        files: any number of files, perhaps the same one several times.
        cache: an existing folder.

    Raises:
        FileNotFoundError: if a file is missing.
    """
    known = _read(cache / NAME)
    found: dict[str, tuple[list[int], str]] = {}
    unread: dict[str, list[int]] = {}
    names = [os.path.abspath(path) for path in files]
    for path, name in zip(files, names, strict=True):
        if name in found or name in unread:
            continue
        stamp = _stamp(path)
        if name in known and list(known[name][0]) == stamp:
            found[name] = (stamp, known[name][1])
        else:
            unread[name] = stamp
    if unread:
        with ThreadPoolExecutor(joblib.cpu_count()) as pool:
            read = pool.map(_digest, map(Path, unread))
            new = {name: (unread[name], value) for name, value in zip(unread, read, strict=True)}
        found |= new
        # What was written to a moment ago may be again without a new time: it is not remembered.
        recent = 1e9 * (time.time() - SETTLED)
        _remember(cache, {n: v for n, v in new.items() if max(v[0][2:]) < recent})
    return [found[name][1] for name in names]


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is listed but not there") from None
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> dict[str, tuple[list[int], str]]:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # a damaged memory is no memory
        return {}
    return content if isinstance(content, dict) else {}


def _remember(cache: Path, new: dict[str, tuple[list[int], str]]) -> None:
    if not new:
        return
    with FileLock(cache / f".{NAME}.lock"):
        content = _read(cache / NAME) | new
        temporary = cache / f".{NAME}.{os.getpid()}"
        temporary.write_text(json.dumps(content))
        temporary.replace(cache / NAME)

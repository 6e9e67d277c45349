"""One file: room for it, its download, its checksum, and the one sentence if any of this fails."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pooch
import requests
from tqdm import tqdm

RETRIES = 5
WAIT = 1.0
"""Seconds that the first retry waits; each later one waits twice as long."""
TIMEOUT = 60
CHUNK = 1 << 16


class FetchError(Exception):
    """Something the user should read: the message is one sentence."""


@dataclass(frozen=True)
class Remote:
    """One file at an official address.

    Attributes:
        url: the address; ``None`` if there is none to download from directly.
        name: file name under which a mirror holds it.
        into: folder below the root into which it is unpacked, or in which it is put.
        known_hash: ``"md5:..."`` or ``"sha256:..."``; ``None`` if none is published.
        size: bytes of the download, for the free-space check; 0 if not known.
        unpack: whether it is an archive (tar or zip).
    """

    url: str | None
    name: str
    into: str
    known_hash: str | None = None
    size: int = 0
    unpack: bool = True


def need_space(folder: Path, size: int, what: str) -> None:
    """Check that a disk has room.

    Raises:
        FetchError: if fewer than ``size`` bytes are free where ``folder`` is or will be.
    """
    while not folder.exists():
        folder = folder.absolute().parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise FetchError(f"{folder}: {what} needs {size:,} bytes, {free:,} are free")


def verify(path: Path, known_hash: str | None) -> None:
    """Compare a file with its published hash, ``None`` meaning that there is none.

    Raises:
        FetchError: naming both hashes.
    """
    if known_hash is None:
        return
    algorithm, _, expected = known_hash.partition(":")
    actual = pooch.file_hash(str(path), alg=algorithm)
    if actual != expected:
        raise FetchError(
            f"{path}: {algorithm} {actual}, expected {expected}; the file is damaged or not the "
            "official one"
        )


def download(url: str, remote: Remote, folder: Path) -> Path:
    """Download a file, resuming and retrying, and verify it before it gets its name.

    Returns:
        Where it is, below ``folder``.

    Raises:
        FetchError: if it cannot be had or its hash is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        path = pooch.retrieve(
            url,
            known_hash=remote.known_hash,
            fname=flat(remote.name),
            path=folder,
            downloader=ResumingDownloader(),
        )
    except ValueError as error:
        if "hash" not in str(error).lower():
            raise FetchError(f"{url}: {sentence(error)}") from None
        raise FetchError(
            f"{url}: its checksum is not {remote.known_hash}; the download is damaged or the file "
            "has changed"
        ) from None
    return Path(path)


def flat(name: str) -> str:
    """A file name for what a mirror holds in a folder."""
    return name.replace("/", "-")


class ResumingDownloader:
    """A downloader for ``pooch`` that goes on where an interrupted download stopped.

    Bytes collect in ``<url's digest>.part`` beside the target; a later attempt asks for the rest
    (HTTP Range, guarded by the entity tag), and a server that cannot do this starts again.
    """

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: object) -> None:
        target = Path(output_file if isinstance(output_file, str) else output_file.name)
        part = target.parent / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.part"
        for attempt in range(RETRIES):
            try:
                self._attempt(url, part)
                break
            except (requests.ConnectionError, requests.Timeout, _CutShort) as error:
                if attempt == RETRIES - 1:
                    raise FetchError(
                        f"{url}: no complete answer after {RETRIES} attempts "
                        f"({type(error).__name__})"
                    ) from None
                time.sleep(min(2**attempt, 30) * WAIT)
            except requests.RequestException as error:
                raise FetchError(f"{url}: {sentence(error)}") from None
        _tag(part).unlink(missing_ok=True)
        os.replace(part, target)

    @staticmethod
    def _attempt(url: str, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have and _tag(part).exists():
            headers |= {"Range": f"bytes={have}-", "If-Range": _tag(part).read_text()}
        else:
            have = 0
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as answer:
            if answer.status_code == 416:  # the part is longer than the file: start again
                part.unlink(missing_ok=True)
                raise _CutShort
            answer.raise_for_status()
            if answer.status_code != 206:
                have = 0
            if (tag := answer.headers.get("ETag")) and not tag.startswith("W/"):
                _tag(part).write_text(tag)
            length = answer.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            need_space(part.parent, (total or have) - have, url)
            with (
                open(part, "ab" if have else "wb") as file,
                tqdm(total=total, initial=have, unit="B", unit_scale=True,
                     desc=url.rsplit("/", 1)[-1]) as bar,
            ):  # fmt: skip
                try:
                    for chunk in answer.iter_content(CHUNK):
                        file.write(chunk)
                        bar.update(len(chunk))
                except requests.exceptions.ChunkedEncodingError:
                    raise _CutShort from None
            if total is not None and part.stat().st_size != total:
                raise _CutShort


class _CutShort(Exception):
    """The server closed the connection before the end."""


def _tag(part: Path) -> Path:
    return part.with_suffix(".etag")


def sentence(error: BaseException) -> str:
    """An error's text on one line."""
    text = " ".join(str(error).split())
    return text or type(error).__name__

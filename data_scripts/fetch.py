"""What all data scripts share: bring a dataset, verify it, put it in place in one step.

A script describes its dataset (``Dataset``) and calls ``main``. Files come from the official
address, or from a mirror: an address, or a folder that holds the official archives or the official
layout already unpacked. Everything is prepared in ``<root>/.fetching`` and renamed into place
once it has been checked, so an error or an interruption leaves what was there before. Partial
downloads stay in ``<root>/.downloads`` and are resumed.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import logging
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TypeVar
from urllib.parse import quote

import pooch
import requests
from tqdm import tqdm

T = TypeVar("T")
RETRIES = 5
TIMEOUT = 60
CHUNK = 1 << 16
LIMIT_FACTOR = 100
LIMIT_FLOOR = 64 << 20
"""An archive may not unpack to more than this many times its size (nor than the floor, if it is
small)."""


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


@dataclass(frozen=True)
class Dataset:
    """A dataset that a script brings.

    Attributes:
        name: the script's name.
        title: its full name.
        terms: licence and terms, with the page they stand on.
        page: official page.
        files: what to download; may be empty if the set must be asked for.
        places: the folders (or files) below the root that make up the dataset; each is replaced
            as a whole.
        check: reads a root that holds the places and returns counts; raises ``ValueError`` or
            ``FileNotFoundError`` (one sentence) if anything is wrong.
        complete: the counts of the whole dataset; fewer is a subset.
        optional: places of which some may be missing (the counts then say what is missing).
        note: anything the user must know, such as that no checksum is published.
    """

    name: str
    title: str
    terms: str
    page: str
    files: tuple[Remote, ...]
    places: tuple[str, ...]
    check: Callable[[Path], dict[str, int]]
    complete: dict[str, int]
    optional: tuple[str, ...] = ()
    note: str = ""


def main(dataset: Dataset, arguments: list[str] | None = None) -> int:
    """The command line of a data script; returns its exit status."""
    parser = argparse.ArgumentParser(description=f"Bring {dataset.title}.")
    parser.add_argument("--root", default="data", help="folder for all datasets (default: data)")
    parser.add_argument(
        "--mirror", default="", help="folder or address that has the official files already"
    )
    parser.add_argument("--again", action="store_true", help="replace what is there")
    options = parser.parse_args(arguments)
    try:
        bring(dataset, Path(options.root), options.mirror, again=options.again)
    except KeyboardInterrupt:
        print(
            "interrupted: what was in place is unchanged, a partial download is resumed next time",
            file=sys.stderr,
        )
        return 130
    except (FetchError, ValueError, FileNotFoundError, PermissionError) as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        print(f"error: {options.root}: {os.strerror(error.errno).lower()}", file=sys.stderr)
        return 1
    return 0


def bring(dataset: Dataset, root: Path, mirror: str = "", *, again: bool = False) -> None:
    """Bring a dataset under ``root`` unless it is there.

    Raises:
        FetchError, ValueError, FileNotFoundError: with one sentence for the user.
    """
    print(f"{dataset.title}\n  page:  {dataset.page}\n  terms: {dataset.terms}")
    if dataset.note:
        print(f"  note:  {dataset.note}")
    if not again and (counts := _there(dataset, root)) is not None:
        _report(dataset, counts)
        print(f"  already in {root}: nothing to do")
        return
    if not again and any((root / place).exists() for place in dataset.places):
        if not mirror and (counts := _adopt(dataset, root)) is not None:
            _report(dataset, counts)
            print(f"  found in {root} and verified")
            return
        if not _marker(dataset, root).exists():
            there = next(place for place in dataset.places if (root / place).exists())
            raise FetchError(
                f"{root / there} exists and was not put there by this script: move it away, or "
                "replace it with --again"
            )
    root.mkdir(parents=True, exist_ok=True)
    with _scratch(root, dataset.name) as scratch:
        _gather(dataset, root, mirror, scratch)
        counts = dataset.check(scratch)
        _report(dataset, counts)
        _put(dataset, scratch, root)
    _mark(dataset, root, counts)
    for remote in dataset.files:
        (root / ".downloads" / _flat(remote.name)).unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or never made
        (root / ".downloads").rmdir()
    print(f"  in place under {root}")


# --- what is there -------------------------------------------------------------------------------


def _marker(dataset: Dataset, root: Path) -> Path:
    return root / ".fetched" / f"{dataset.name}.json"


def _listing(dataset: Dataset, root: Path) -> str:
    """A digest of the names and sizes of all files of the dataset."""
    lines = [
        f"{path.relative_to(root)} {path.stat().st_size}"
        for place in dataset.places
        for path in _files(root / place)
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(Path(base, name) for base, _, names in os.walk(place) for name in names)


def _mark(dataset: Dataset, root: Path, counts: dict[str, int]) -> None:
    marker = _marker(dataset, root)
    marker.parent.mkdir(exist_ok=True)
    content = json.dumps({"files": _listing(dataset, root), "counts": counts}, indent=1)
    partial = marker.with_suffix(".partial")
    partial.write_text(content + "\n")
    partial.replace(marker)


def _there(dataset: Dataset, root: Path) -> dict[str, int] | None:
    """The counts noted when the dataset was brought, if its files are still those."""
    try:
        noted = json.loads(_marker(dataset, root).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return noted["counts"] if noted["files"] == _listing(dataset, root) else None


def _adopt(dataset: Dataset, root: Path) -> dict[str, int] | None:
    """Accept a dataset that somebody else put in place, if it passes the check."""
    try:
        counts = dataset.check(root)
    except (ValueError, FileNotFoundError):
        return None
    _mark(dataset, root, counts)
    return counts


def missing_is_fine(read: Callable[[Path], T], path: Path) -> T | None:
    """``read(path)``, or ``None`` if there is no such file."""
    return read(path) if path.exists() else None


def _report(dataset: Dataset, counts: dict[str, int]) -> None:
    print("  counts: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()))
    missing = {
        what: count - counts.get(what, 0)
        for what, count in dataset.complete.items()
        if counts.get(what, 0) < count
    }
    if missing:
        print(
            "  SUBSET: "
            + ", ".join(
                f"{count:,} of {dataset.complete[what]:,} {what}" for what, count in missing.items()
            )
            + " are missing, so results are not those of the full dataset (--again replaces it)"
        )


# --- gathering -----------------------------------------------------------------------------------


@contextmanager
def _scratch(root: Path, name: str) -> Iterator[Path]:
    base = root / ".fetching"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not any(base.iterdir()):
            base.rmdir()


def _gather(dataset: Dataset, root: Path, mirror: str, scratch: Path) -> None:
    """Fill ``scratch`` with the dataset's places, from wherever they come."""
    if mirror and "://" not in mirror:
        _from_folder(dataset, Path(mirror).expanduser(), scratch)
        return
    if not dataset.files or (not mirror and any(remote.url is None for remote in dataset.files)):
        raise FetchError(
            f"{dataset.title} cannot be downloaded directly: get it from {dataset.page} and run "
            "this again with --mirror <folder that holds it>"
        )
    need_space(root, sum(2 * remote.size for remote in dataset.files), dataset.title)
    for remote in dataset.files:
        url = f"{mirror.rstrip('/')}/{quote(remote.name)}" if mirror else remote.url
        _place(remote, download(url, remote, root / ".downloads"), scratch)


def _place(remote: Remote, path: Path, scratch: Path) -> None:
    target = scratch / remote.into
    if remote.unpack:
        extract(path, target)
        return
    target.mkdir(parents=True, exist_ok=True)
    need_space(target, path.stat().st_size, remote.name)
    shutil.copyfile(path, target / Path(remote.name).name)


def _from_folder(dataset: Dataset, mirror: Path, scratch: Path) -> None:
    if not mirror.is_dir():
        raise FetchError(f"{mirror}: no such folder, expected one that holds {dataset.title}")
    if dataset.files and all((mirror / remote.name).is_file() for remote in dataset.files):
        for remote in dataset.files:
            verify(mirror / remote.name, remote.known_hash)
            _place(remote, mirror / remote.name, scratch)
        return
    sums = _sums(mirror)
    hashes = {
        (remote.into, Path(remote.name).name): remote.known_hash
        for remote in dataset.files
        if not remote.unpack
    }
    found = {place: _locate(mirror, place) for place in dataset.places}
    missing = [p for p, at in found.items() if at is None and p not in dataset.optional]
    if missing or not any(found.values()):
        wanted = " and ".join(remote.name for remote in dataset.files)
        raise FetchError(
            f"{mirror} holds neither {wanted or 'an archive'} nor {(missing or dataset.places)[0]}"
        )
    for place, source in found.items():
        if source is None:
            continue
        files = _files(source)
        need_space(scratch, sum(path.stat().st_size for path in files), dataset.title)
        for path in tqdm(files, unit="file", desc=place, disable=len(files) < 100):
            inside = path.relative_to(source)
            known = hashes.get(((Path(place) / inside).parent.as_posix(), path.name))
            verify(path, known or sums.get(path.resolve()))
            target = scratch / place / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _locate(mirror: Path, place: str) -> Path | None:
    """Where a mirror folder holds a place: below it, below one of its folders, or itself."""
    if (mirror / place).exists():
        return mirror / place
    parts = Path(place).parts
    for cut in range(1, len(parts) + 1):
        if mirror.resolve().parts[-cut:] == parts[:cut] and mirror.joinpath(*parts[cut:]).exists():
            return mirror.joinpath(*parts[cut:])
    return next((p / place for p in sorted(mirror.iterdir()) if (p / place).exists()), None)


def _sums(mirror: Path) -> dict[Path, str]:
    """Checksums from a ``SHA256SUMS`` file in the mirror or the folder above it."""
    for base in (mirror, mirror.parent):
        if (base / "SHA256SUMS").is_file():
            lines = (base / "SHA256SUMS").read_text().splitlines()
            pairs = (line.split(maxsplit=1) for line in lines if line.strip())
            return {(base / name.lstrip("*")).resolve(): f"sha256:{digest}"
                    for digest, name in pairs}  # fmt: skip
    return {}


def _put(dataset: Dataset, scratch: Path, root: Path) -> None:
    """Rename the places from ``scratch`` into ``root``; what they replace goes last."""
    for number, place in enumerate(dataset.places):
        new, target = scratch / place, root / place
        old = scratch / f".old-{number}"
        if not new.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            if old.exists() and not target.exists():
                old.rename(target)
            raise


# --- space, hashes, downloads --------------------------------------------------------------------


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
            fname=_flat(remote.name),
            path=folder,
            downloader=ResumingDownloader(),
        )
    except ValueError as error:
        if "hash" not in str(error).lower():
            raise FetchError(f"{url}: {_sentence(error)}") from None
        raise FetchError(
            f"{url}: its checksum is not {remote.known_hash}; the download is damaged or the file "
            "has changed"
        ) from None
    return Path(path)


def _flat(name: str) -> str:
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
                raise FetchError(f"{url}: {_sentence(error)}") from None
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


WAIT = 1.0
"""Seconds that the first retry waits; each later one waits twice as long."""


class _CutShort(Exception):
    """The server closed the connection before the end."""


def _tag(part: Path) -> Path:
    return part.with_suffix(".etag")


# --- extraction ----------------------------------------------------------------------------------


def extract(archive: Path, target: Path, *, limit_factor: int = LIMIT_FACTOR) -> None:
    """Unpack a tar or zip archive into ``target``, or refuse it as a whole.

    Refused are absolute names, names with ``..``, links that lead out of the folder, devices, and
    archives that unpack to more than ``limit_factor`` times their size. The caller gives a folder
    of its own, which it removes on an error.

    Raises:
        FetchError: naming the archive and the member.
    """
    target.mkdir(parents=True, exist_ok=True)
    limit = max(limit_factor * archive.stat().st_size, LIMIT_FLOOR)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, target, limit)
        elif tarfile.is_tarfile(archive):
            _untar(archive, target, limit)
        else:
            raise FetchError(f"{archive}: neither a tar nor a zip archive, or its start is damaged")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FetchError(f"{archive}: damaged or cut short ({_sentence(error)})") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise FetchError(f"{archive}: damaged or cut short ({_sentence(error)})") from None


def _untar(archive: Path, target: Path, limit: int) -> None:
    total = 0
    with tarfile.open(archive) as tar, tqdm(unit="file", desc=archive.name) as bar:
        for member in tar:
            _check_name(archive, member.name)
            if member.islnk() or member.issym():
                base = PurePosixPath(member.name).parent if member.issym() else PurePosixPath()
                _check_link(archive, member.name, base, member.linkname)
            elif not (member.isfile() or member.isdir()):
                raise FetchError(f"{archive}: {member.name} is a device, not a file or a folder")
            total = _check_total(archive, total + member.size, limit)
            need_space(target, member.size, archive.name)
            try:
                tar.extract(member, target, filter="data")
            except tarfile.FilterError as error:
                raise FetchError(f"{archive}: refused, {_sentence(error)}") from None
            bar.update()


def _unzip(archive: Path, target: Path, limit: int) -> None:
    with zipfile.ZipFile(archive) as content:
        total = 0
        for member in content.infolist():
            _check_name(archive, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise FetchError(f"{archive}: {member.filename} is a link, expected only files")
            total = _check_total(archive, total + member.file_size, limit)
        need_space(target, total, archive.name)
        for member in tqdm(content.infolist(), unit="file", desc=archive.name):
            content.extract(member, target)


def _check_name(archive: Path, name: str) -> None:
    windows = PureWindowsPath(name)
    if name.startswith(("/", "\\")) or windows.drive:
        raise FetchError(f"{archive}: {name} is an absolute path, the archive is refused")
    if ".." in windows.parts:
        raise FetchError(f"{archive}: {name} leads out of the folder, the archive is refused")


def _check_link(archive: Path, name: str, base: PurePosixPath, link: str) -> None:
    depth = len(base.parts)
    for part in PurePosixPath(link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            raise FetchError(
                f"{archive}: {name} is a link to {link}, out of the folder, the archive is refused"
            )


def _check_total(archive: Path, total: int, limit: int) -> int:
    if total > limit:
        raise FetchError(
            f"{archive}: it unpacks to more than {limit:,} bytes, {archive.stat().st_size:,} "
            "packed, the archive is refused"
        )
    return total


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__

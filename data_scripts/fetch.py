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
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from archives import extract
from download import FetchError, Remote, download, flat, need_space, sentence, verify
from tqdm import tqdm

T = TypeVar("T")


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
        print(f"error: {sentence(error)}", file=sys.stderr)
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
        (root / ".downloads" / flat(remote.name)).unlink(missing_ok=True)
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

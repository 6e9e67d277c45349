"""Unpacking tar and zip archives that come from elsewhere."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from pathlib import Path
from platform import python_version

from download import FetchError, need_space, sentence
from tqdm import tqdm

LIMIT_FACTOR = 100
LIMIT_FLOOR = 64 << 20
"""An archive may not unpack to more than this many times its size (nor than the floor, if it is
small)."""


def extract(archive: Path, target: Path) -> None:
    """Unpack a tar or zip archive into ``target``, or refuse it as a whole.

    Nothing lands outside: Python's own filters make absolute names relative and refuse ``..``,
    links that lead out of the folder, and devices. Refused are also archives that unpack to far
    more than their size. The caller gives a folder of its own, which it removes on an error.

    Raises:
        FetchError: naming the archive and the member.
    """
    if not hasattr(tarfile, "data_filter"):
        raise FetchError(
            f"{archive}: Python {python_version()} has no filters for archives that come from "
            "elsewhere, use Python 3.11.4 or newer"
        )
    target.mkdir(parents=True, exist_ok=True)
    limit = max(LIMIT_FACTOR * archive.stat().st_size, LIMIT_FLOOR)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, target, limit)
        elif tarfile.is_tarfile(archive):
            _untar(archive, target, limit)
        else:
            raise FetchError(f"{archive}: neither a tar nor a zip archive, or its start is damaged")
    except tarfile.FilterError as error:
        raise FetchError(f"{archive}: refused, {sentence(error)}") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FetchError(f"{archive}: damaged or cut short ({sentence(error)})") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise FetchError(f"{archive}: damaged or cut short ({sentence(error)})") from None


def _untar(archive: Path, target: Path, limit: int) -> None:
    total = 0
    with tarfile.open(archive) as tar, tqdm(unit="file", desc=archive.name) as bar:
        for member in tar:
            total = _check_total(archive, total + member.size, limit)
            need_space(target, member.size, archive.name)
            tar.extract(member, target, filter="data")
            bar.update()


def _unzip(archive: Path, target: Path, limit: int) -> None:
    with zipfile.ZipFile(archive) as content:
        members = content.infolist()
        total = _check_total(archive, sum(member.file_size for member in members), limit)
        need_space(target, total, archive.name)
        for member in tqdm(members, unit="file", desc=archive.name):
            content.extract(member, target)


def _check_total(archive: Path, total: int, limit: int) -> int:
    if total > limit:
        raise FetchError(
            f"{archive}: it unpacks to more than {limit:,} bytes, {archive.stat().st_size:,} "
            "packed, the archive is refused"
        )
    return total

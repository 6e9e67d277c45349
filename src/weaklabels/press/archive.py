"""One zip with everything a reproduction made, and the check that it can be made again.

    make archive                       build/weak-labels-<profile>.zip
    make verify ARCHIVE=file.zip       check its checksums, recompute, compare

The zip holds the HTML book, the executed notebooks, the claims, the records of all runs, where
they come from (``state``), and ``SHA256SUMS``, which ``sha256sum --check`` understands. That of
the record edition has in their place what is committed in ``recorded/`` of every chapter; it is
held against this book's, because computing it again takes days.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

from weaklabels.press import html
from weaklabels.press.runner import options
from weaklabels.press.runner.files import PART, entry, read_json
from weaklabels.press.runner.notebooks import (
    Content,
    Places,
    chapters_of,
    default_parameters,
    read_notebook,
    tags_of,
)
from weaklabels.press.runner.options import Options, Parser, UsageError
from weaklabels.press.runner.reproduction import BookBuilder, places_of, reproduce

REPOSITORY = Path(__file__).parents[3]
PARTS = ("html", "notebooks", "claims", "state", "runs")
RECORDS = "chapters/*/recorded/*"
UNFINISHED = (PART, ".tmp")
SUMS = "SHA256SUMS"


def pack(profile: Path, target: Path, book: Path | None = None) -> Path:
    """Write the archive of a profile's build folder, atomically.

    Args:
        profile: the build folder.
        target: the zip.
        book: folder of the book's sources, for the record edition: its chapters' records are
            packed, and of the build folder the HTML alone.

    Raises:
        UsageError: if nothing has been reproduced, or no record edition been built, there.
    """
    if book and not (profile / "html").is_dir():
        raise UsageError(f"{profile} holds no book: call `make book PROFILE=record` first.")
    if not book and not (any(profile.glob("notebooks/*.ipynb")) and (profile / "html").is_dir()):
        raise UsageError(f"{profile} holds no reproduced book: call `make reproduce` first.")
    part = target.with_name(target.name + PART)
    sums = []
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in _contents(profile, book).items():
            content = path.read_bytes()
            sums.append(f"{sha256(content).hexdigest()}  {name}\n")
            archive.writestr(entry(name), content)
        archive.writestr(entry(SUMS), "".join(sums))
    part.replace(target)
    return target


def _contents(profile: Path, book: Path | None) -> dict[str, Path]:
    """Name in the archive -> file."""
    parts = ("html",) if book else PARTS
    made = _named(profile, [path for part in parts for path in (profile / part).rglob("*")])
    return made | (_named(book, book.glob(RECORDS)) if book else {})


def _named(folder: Path, paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their names below a folder, sorted, without those that are being written."""
    files = (path for path in sorted(paths) if path.is_file() and path.suffix not in UNFINISHED)
    return {path.relative_to(folder).as_posix(): path for path in files}


def damaged(path: Path) -> list[str]:
    """Names of files that are missing, unexpected or differ from their checksum.

    Raises:
        UsageError: if the file is not an archive of this book.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            lines = archive.read(SUMS).decode().splitlines()
            expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
            names = set(archive.namelist()) - {SUMS}
            wrong = names ^ expected.keys()
            for name in names & expected.keys():
                if _digest(archive, name) != expected[name]:
                    wrong.add(name)
    except FileNotFoundError:
        raise UsageError(f"ARCHIVE={path} does not exist: `make archive` makes one.") from None
    except (zipfile.BadZipFile, KeyError, ValueError):
        raise UsageError(f"ARCHIVE={path} is not an archive that `make archive` wrote.") from None
    return sorted(wrong)


def differences(archive: Path, profile: Path) -> list[str]:
    """What the archive holds and the build folder does not have alike, one sentence each.

    Claims are compared whole, notebooks by the outputs of their cells (which hold no times).
    """
    found = []
    with zipfile.ZipFile(archive) as held:
        for name in sorted(held.namelist()):
            part, _, file = name.partition("/")
            if part not in ("claims", "notebooks"):
                continue
            here = profile / name
            if not here.is_file():
                found.append(f"{name}: not made again")
            elif part == "claims":
                rows = json.loads(held.read(name)), read_json(here)
                found += [f"{file}: claim {key} differs" for key in _changed(*rows)]
            else:
                before = _outputs(json.loads(held.read(name)))
                after = _outputs(read_notebook(here))
                if len(before) != len(after):
                    found.append(f"{file}: {len(before)} code cells, and now {len(after)}")
                numbers = [i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b]
                found += [f"{file}: output of code cell {i + 1} differs" for i in numbers]
    return found


def verify(
    archive: Path, places: Places, build_book: BookBuilder, data_root: str | None = None
) -> int:
    """Check an archive, recompute its chapters from nothing, compare.

    Args:
        archive: the zip.
        places: the folders of this book; the build folder is not touched.
        build_book: as for ``reproduce``.
        data_root: folder of the datasets, if they are not where they were.

    Returns:
        Exit status: 0 if everything is the same, else 1.

    Raises:
        UsageError: if the file is no archive, or of another book.
    """
    wrong = damaged(archive)
    if wrong:
        print(f"{archive}: damaged: {', '.join(wrong[:5])}{' ...' if len(wrong) > 5 else ''}")
        return 1
    print(f"{archive}: every file agrees with its checksum.")
    if records := _records(archive):
        return _verify_records(records, places.book)
    request = _options_of(archive, places, data_root)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=archive.parent) as build:
        status = reproduce(request, replace(places, build=Path(build)), build_book)
        found = differences(archive, Path(build) / request.profile)
    print("\n".join(found) or "Everything was computed again and is the same.")
    return 1 if found or status else 0


def _records(archive: Path) -> dict[str, bytes]:
    """What an archive of the record edition has of the chapters; nothing in any other."""
    with zipfile.ZipFile(archive) as held:
        return {name: held.read(name) for name in held.namelist() if PurePath(name).match(RECORDS)}


def _verify_records(records: Mapping[str, bytes], book: Path) -> int:
    """Hold an archive's records against those of the book, and say which differ."""
    here = {name: path.read_bytes() for name, path in _named(book, book.glob(RECORDS)).items()}
    changed = [name for name in sorted({**records, **here}) if records.get(name) != here.get(name)]
    same = "Every record is that of this book; `make record CHAPTERS=<slug>` computes one anew."
    print("\n".join(f"{name}: not the same in this book" for name in changed) or same)
    return 1 if changed else 0


def _options_of(archive: Path, places: Places, data_root: str | None) -> Options:
    """The profile, device, seeds, chapters and data with which the archive was made."""
    with zipfile.ZipFile(archive) as held:
        states = {
            Path(name).stem: json.loads(held.read(name))["fingerprints"]["parameters"]
            for name in held.namelist()
            if name.startswith("state/")
        }
    known = {chapter.slug: chapter.path for chapter in chapters_of(places.book)}
    missing = sorted(states.keys() - known.keys())
    if missing:
        raise UsageError(f"{archive} holds {', '.join(missing)}, which this book does not have.")
    kinds = {(g["profile"], g["device"], data_root or g["data_root"]) for g in states.values()}
    seeds = {
        given["seeds"]
        for slug, given in states.items()
        if given["seeds"] != default_parameters(read_notebook(known[slug]))["seeds"]
    }
    if len(kinds) != 1 or len(seeds) > 1:
        raise UsageError(f"{archive} was made by several commands, which one cannot repeat.")
    profile, device, data = kinds.pop()
    if Path(data).is_absolute() and not Path(data).is_dir():
        raise UsageError(f"{archive} was made with data in {data}: name their folder with DATA.")
    return Options(profile, device, seeds.pop() if seeds else None, data, tuple(sorted(states)))


def _digest(archive: zipfile.ZipFile, name: str) -> str | None:
    try:
        return sha256(archive.read(name)).hexdigest()
    except (zipfile.BadZipFile, zlib.error):
        return None


def _outputs(notebook: Content) -> list[str]:
    """What each code cell put out, without the cell that only one command's parameters bring."""
    return [
        json.dumps(cell["outputs"], sort_keys=True)
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "injected-parameters" not in tags_of(cell)
    ]


def _changed(before: list[dict[str, Any]], after: Any) -> list[str]:
    now = {row["id"]: row for row in after} if isinstance(after, list) else {}
    then = {row["id"]: row for row in before}
    return [key for key in {**then, **now} if then.get(key) != now.get(key)]


def main(arguments: Sequence[str] | None = None) -> int:
    """``archive --profile P`` or ``verify --archive FILE --data FOLDER``."""
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("archive", "verify"))
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--archive", default="", help="the zip; default: in the build folder")
    parser.add_argument("--data", default="", help="folder of the datasets; default: as it was")
    places = places_of(REPOSITORY)
    try:
        given = parser.parse_args(arguments)
        name = f"weak-labels-{options.profile(given.profile)}.zip"
        path = Path(given.archive or places.build / name)
        if given.action == "verify":
            data = options.data_root(given.data) if given.data else None
            return verify(path.absolute(), places, html.build, data)
        book = places.book if given.profile == "record" else None
        print(pack(places.build / given.profile, path, book))
        return 0
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

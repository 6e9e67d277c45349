"""``make record``: compute results that take too long for a reader, and write them down.

A room's module ``record`` holds ``RECORDS``: name -> function of a ``Setting`` that returns the
content of ``recorded/<name>.json``, a dict that begins with ``"what"``, one sentence. Finished runs
are kept in ``build/record/runs``, so that an interrupted record goes on where it stopped; the
file is written at the end, in one step. What the command adds is the same for all records:

``command``
    the command that was typed, with ``folder`` in place of the data's.
``provenance``
    commit, date, type of machine, versions, and ``seeds``, those of the runs, sorted. Records that
    were made before December 2026 do not name these, nor do those without runs that have one.
``keys``
    where the code of the record and of its runs starts (``code``, ``module:definition``), and the
    hash of all that it reaches (``key``, see ``lab.keys``).

``WIDENED`` of the module has, for some of these names, a function of a ``Setting`` and the content
that adds values where a choice stands at an end of those that were tried (see ``lab.widen``). It
follows on the record; with ``WIDEN=1`` it alone is computed, upon the committed record, whose rows
stay as they are where they need no more values.

Every chapter has one record more, ``claims``: the execution of its notebook with the profile
``record`` (see ``runner.edition``), with ``SEEDS`` of the module, or 12, seeds.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from tqdm import tqdm

from weaklabels.lab import keys, sweep
from weaklabels.lab.definitions import Reference
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press import machine
from weaklabels.press.runner import edition, options
from weaklabels.press.runner.files import only_one, read_json, remove_leftovers, write_atomically
from weaklabels.press.runner.interrupt import stopping_cleanly
from weaklabels.press.runner.notebooks import (
    Notebook,
    Places,
    chapters_of,
    default_parameters,
    read_notebook,
)
from weaklabels.press.runner.options import Options, Parser, UsageError
from weaklabels.press.runner.outcome import Failure
from weaklabels.press.runner.reproduction import places_of
from weaklabels.press.stale import reference, stale

REPOSITORY = Path(__file__).parents[3]
AGAIN = "Stopped: finished runs are kept, and the same command goes on from here."

CLAIMS = "claims"
"""Name of the record that is the execution of the notebook."""

SEEDS = 12
"""Repetitions of it, where the room's module does not say otherwise."""

Recorder = Callable[[Setting], dict[str, Any]]
Widen = Callable[[Setting, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Noting(Setting):
    """A setting that notes where the code of its runs starts, their seeds, and what computed them.

    Attributes:
        code, devices, run_seeds: filled by ``run``.
    """

    code: set[Reference] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    run_seeds: set[int] = field(default_factory=set)

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        specs = list(specs)
        for spec in specs:
            self.code.update(keys.starts(function, spec))
        self.run_seeds.update(spec.seed for spec in specs if hasattr(spec, "seed"))
        records = super().run(function, specs)
        self.devices.update(record.provenance["device"] for record in records)
        return records


def record(
    recorder: Recorder, setting: Noting, command: str, commit: str, widen: Widen | None = None
) -> dict[str, Any]:
    """Compute a record: its content, and how it came about.

    Raises:
        ValueError: if the content does not say what it is.
    """
    content = dict(recorder(setting))
    if "what" not in content:
        raise ValueError(f"a record has no 'what': expected one sentence beside {list(content)}")
    content = widen(setting, content) if widen else content
    starts = {_start(each) for each in (recorder, widen) if each}
    return {
        "what": content.pop("what"),
        "command": command,
        "provenance": _provenance(setting, commit),
        **content,
        "keys": _keys(starts | setting.code),
    }


def widened(
    held: dict[str, Any], widen: Widen, setting: Noting, command: str, commit: str
) -> dict[str, Any]:
    """A committed record with values added; its provenance says where and when they were."""
    told = {name: held[name] for name in ("what", "command", "provenance", "keys")}
    before = told["provenance"].get("widened", [])
    content = widen(setting, {key: held[key] for key in held if key not in told})
    added = {"command": command, **_provenance(setting, commit)}
    code = {_start(widen), *setting.code, *map(reference, told["keys"]["code"])}
    return {
        "what": told["what"],
        "command": told["command"],
        "provenance": {**told["provenance"], "widened": [*before, added]},
        **content,
        "keys": _keys(code),
    }


def _start(function: Callable[..., Any]) -> Reference:
    while isinstance(function, partial):
        function = function.func
    return function.__module__, function.__qualname__


def _keys(code: Iterable[Reference]) -> dict[str, Any]:
    code = sorted(code)
    return {"code": [":".join(start) for start in code], "key": keys.code_key(code)}


def _provenance(setting: Noting, commit: str) -> dict[str, Any]:
    today = datetime.now(UTC).date().isoformat()
    found = sweep.provenance(setting.device) | computed_on(setting.devices)
    seeds = {"seeds": sorted(setting.run_seeds)} if setting.run_seeds else {}
    return {**found, "commit": commit, "date": today, **seeds}


def computed_on(devices: Iterable[str]) -> dict[str, str]:
    """The entry of a provenance: some runs compute on the CPU whatever the command names. Nothing
    if there are no runs."""
    named = sorted(set(devices))
    return {"device": ", ".join(named)} if named else {}


def recorders(
    slugs: Sequence[str], name: str, known: Sequence[str]
) -> dict[tuple[str, str], Recorder | None]:
    """What is to be computed, by chapter and name; None stands for the execution of the notebook.

    Args:
        slugs: chapters.
        name: of one record, which each of them has; empty for all of theirs.
        known: all chapters.

    Raises:
        UsageError: if no chapter is named, or one has no such record.
    """
    if not slugs:
        raise UsageError(f"CHAPTERS is missing: expected some of {', '.join(known)}.")
    found: dict[tuple[str, str], Recorder | None] = {}
    for slug in slugs:
        # The notebook shows the others: it comes last.
        records = {**getattr(_module(slug), "RECORDS", {}), CLAIMS: None}
        if name and name not in records:
            raise UsageError(f"NAME={name} is unknown in {slug}: expected {', '.join(records)}.")
        found |= {(slug, each): records[each] for each in ([name] if name else records)}
    return found


def _module(slug: str) -> ModuleType | None:
    """The room's module ``record``, if it has one."""
    name = f"chapters.{slug}.record"
    return importlib.import_module(name) if find_spec(name) else None


def readable(value: Any, depth: int = 0) -> str:
    """JSON for people and for line-wise comparison: one key, one row, one sentence a line.

    Raises:
        ValueError: if a number is not finite.
    """
    begin, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value:
        lines = [f"{_line(str(key))}: {readable(each, depth + 1)}" for key, each in value.items()]
        return "{" + ",".join(begin + line for line in lines) + end + "}"
    if isinstance(value, list) and any(isinstance(each, dict | list | str) for each in value):
        return "[" + ",".join(begin + _line(each) for each in value) + end + "]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def main(arguments: Sequence[str] | None = None, repository: Path = REPOSITORY) -> int:
    """The command behind ``make record``. Returns its exit status: 0, 1 if a cell failed, 2 for
    misuse."""
    try:
        given = _parser().parse_args(arguments)
        if given.stale:
            for folder in sorted((repository / "book" / "chapters").glob("*/recorded")):
                for name, why in stale(folder).items():
                    print(f"{(folder / name).relative_to(repository / 'book').as_posix()}: {why}")
            return 0
        _record_all(given, repository)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except Failure as error:
        print(f"{error.error}, in this cell:\n{error.source}", file=sys.stderr)
        return 1
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m weaklabels.press.record", description=__doc__.splitlines()[0])
    parser.add_argument("--chapters", default="", help="comma-separated slugs")
    parser.add_argument("--name", default="", help="of the record; all of the chapters if left out")
    parser.add_argument("--profile", default="quick", help=" | ".join(options.PROFILES))
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--seeds", default="", help="repetitions; else as many as the record has")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    parser.add_argument("--budget", default="", help="time after which it stops: 90s, 25m, 1.5h")
    parser.add_argument("--refresh", action="store_true", help="claims: only what needs no run")
    parser.add_argument("--widen", action="store_true", help="only add values at ends (see above)")
    parser.add_argument("--stale", action="store_true", help="list records of changed code")
    options.add_workers(parser)
    return parser


def _record_all(given: Any, repository: Path) -> None:
    """Compute and write every record that was asked for."""
    places = places_of(repository)
    notebooks = {chapter.slug: chapter for chapter in chapters_of(places.book)}
    known = sorted(notebooks)
    wanted = recorders(options.chapters(given.chapters, known), given.name, known)
    if given.refresh and (given.widen or given.name != CLAIMS):
        raise UsageError(f"REFRESH=1 is for NAME={CLAIMS} alone.")
    if given.widen and given.name in ("", CLAIMS):
        raise UsageError("WIDEN=1 is for one record: expected its NAME.")
    request = Options(
        options.profile(given.profile),
        options.device(given.device),
        options.number("SEEDS", given.seeds),
        options.data_root(given.data),
        jobs=1,
        workers=options.number("WORKERS", given.workers),
        stored_only=given.refresh,
    )
    commit, limit = machine.commit(repository), options.budget(given.budget)
    with stopping_cleanly(lambda: None, AGAIN, limit):
        for (slug, name), recorder in wanted.items():
            chapter = notebooks[slug]
            path = chapter.path.parent / "recorded" / f"{name}.json"
            asked = replace(request, seeds=request.seeds or seeds_of(path))
            command = _command(slug, name, given, asked.seeds)
            if recorder is None:
                path = _record_claims(chapter, asked, places, command)
            else:
                widen = getattr(_module(slug), "WIDENED", {}).get(name)
                setting = _setting(chapter, asked, places)
                if given.widen:
                    held, widen = _to_widen(path, widen, places.book)
                    content = widened(held, widen, setting, command, commit)
                else:
                    content = record(recorder, setting, command, commit, widen)
                write_atomically(path, readable(content) + "\n")
            print(path.relative_to(repository))


def _to_widen(path: Path, widen: Widen | None, book: Path) -> tuple[dict[str, Any], Widen]:
    """The committed record to which values are to be added, and what adds them.

    Raises:
        UsageError: if there is none, it is not one that is widened, or its code has changed.
    """
    held, name = read_json(path), path.relative_to(book).as_posix()
    if widen is None or not held:
        raise UsageError(f"{name} cannot be widened: expected a record that is named in WIDENED.")
    if why := stale(path.parent).get(path.name):
        raise UsageError(f"{name} cannot be widened, {why}: make it without WIDEN.")
    return held, widen


def _setting(chapter: Notebook, request: Options, places: Places) -> Noting:
    defaults = default_parameters(read_notebook(chapter.path))
    return Noting(
        request.profile,
        request.device,
        request.seeds or defaults["seeds"],
        str(places.book.parent / request.data_root),
        Store(places.build / "record" / "runs"),
        chapter.path.parent / "recorded",
        request.workers or machine.default_workers(request.device, request.profile),
    )


def seeds_of(path: Path) -> int | None:
    """How many seeds the committed record was asked for, if it is there and its command says so."""
    held = read_json(path)
    asked = re.search(r"SEEDS=(\d+)", held.get("command", "") if isinstance(held, dict) else "")
    return int(asked[1]) if asked else None


def _record_claims(chapter: Notebook, request: Options, places: Places, command: str) -> Path:
    """Execute a notebook with the profile ``record``, and write its edition.

    Raises:
        Failure: if a cell raised.
        UsageError: if another process executes notebooks with this profile, or the record
            cannot be refreshed.
    """
    from weaklabels.press.runner.schedule import execute_all  # papermill takes a second to import

    seeds = request.seeds or getattr(_module(chapter.slug), "SEEDS", SEEDS)
    if request.stored_only:
        held = edition.edition_of(chapter.path)
        if not held.provenance or not edition.same_code(held.provenance):
            raise UsageError(
                f"REFRESH=1 cannot be used on {chapter.slug}: expected a record of the same code."
            )
        seeds = held.provenance["seeds"]
    request = replace(request, profile="record", seeds=seeds)
    made = places.build / "record"
    with (
        only_one(made),
        tqdm(total=1, desc="record", unit="chapter", disable=None) as overall,
    ):
        remove_leftovers(made)
        for outcome in execute_all([chapter], request, places, overall):
            if outcome.failure:
                raise outcome.failure
    folder = chapter.path.parent / "recorded"
    found = (
        read_notebook(made / "notebooks" / f"{chapter.slug}.ipynb"),
        read_json(made / "claims" / f"{chapter.slug}.json"),
        read_json(made / "state" / f"{chapter.slug}.json"),
    )
    if request.stored_only:
        (made / "state" / f"{chapter.slug}.json").unlink()  # it is no execution of all cells
        edition.refresh(folder, *found)
    else:
        edition.pack(folder, *found, command)
    return folder / edition.CLAIMS


def _command(slug: str, name: str, given: Any, seeds: int | None) -> str:
    """What to type for one record, without the name of a folder."""
    parts = [f"make record CHAPTERS={slug} NAME={name}"]
    parts += ["DATA=folder"] if given.data else []
    parts += [f"PROFILE={given.profile}"] if given.profile != "quick" else []
    parts += [f"DEVICE={given.device}"] if given.device != "cpu" else []
    parts += [f"SEEDS={seeds}"] if seeds else []
    parts += ["WIDEN=1"] if given.widen else []
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())

"""``make record``: compute results that take too long for a reader, and write them down.

A room's module ``record`` holds ``RECORDS``: name -> function of a ``Setting`` that returns the
content of ``recorded/<name>.json``, a dict that begins with ``"what"``, one sentence. Finished runs
are kept in ``build/recorded/runs``, so that an interrupted record goes on where it stopped; the
file is written at the end, in one step. What the command adds is the same for all records:

``command``
    the command that was typed, with ``folder`` in place of the data's.
``provenance``
    commit, date, type of machine, versions.
``keys``
    where the code of the record and of its runs starts (``code``, ``module:definition``), and the
    hash of all that it reaches (``key``, see ``lab.keys``).
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from weaklabels.lab import keys, sweep
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record, Store
from weaklabels.press import machine
from weaklabels.press.runner import options
from weaklabels.press.runner.files import write_atomically
from weaklabels.press.runner.interrupt import stopping_cleanly
from weaklabels.press.runner.notebooks import default_parameters, read_notebook
from weaklabels.press.runner.options import Parser, UsageError
from weaklabels.press.runner.reproduction import places_of

REPOSITORY = Path(__file__).parents[3]
AGAIN = "Interrupted: finished runs are kept, and the same command goes on from here."

Recorder = Callable[[Setting], dict[str, Any]]


@dataclass(frozen=True)
class Noting(Setting):
    """A setting that notes where the code of its runs starts.

    Attributes:
        code: filled by ``run``.
    """

    code: set[keys.Reference] = field(default_factory=set)

    def run(self, function: sweep.RunFunction, specs: Iterable[Any]) -> list[Record]:
        specs = list(specs)
        for spec in specs:
            self.code.update(keys.starts(function, spec))
        return super().run(function, specs)


def record(recorder: Recorder, setting: Noting, command: str, commit: str) -> dict[str, Any]:
    """Compute a record: its content, and how it came about.

    Raises:
        ValueError: if the content does not say what it is.
    """
    content = dict(recorder(setting))
    if "what" not in content:
        raise ValueError(f"a record has no 'what': expected one sentence beside {list(content)}")
    while isinstance(recorder, partial):
        recorder = recorder.func
    code = sorted({(recorder.__module__, recorder.__qualname__), *setting.code})
    return {
        "what": content.pop("what"),
        "command": command,
        "provenance": {
            **sweep.provenance(setting.device),
            "commit": commit,
            "date": datetime.now(UTC).date().isoformat(),
        },
        **content,
        "keys": {"code": [":".join(start) for start in code], "key": keys.code_key(code)},
    }


def recorders(slugs: Sequence[str], name: str, known: Sequence[str]) -> dict[tuple[str, str], Any]:
    """What is to be computed, by chapter and name.

    Args:
        slugs: chapters.
        name: of one record, which each of them has; empty for all of theirs.
        known: chapters that have records.

    Raises:
        UsageError: if no chapter is named, or one has no such record.
    """
    if not slugs:
        raise UsageError(f"CHAPTERS is missing: expected some of {', '.join(known)}.")
    found: dict[tuple[str, str], Any] = {}
    for slug in slugs:
        records = importlib.import_module(f"chapters.{slug}.record").RECORDS
        if name and name not in records:
            raise UsageError(f"NAME={name} is unknown in {slug}: expected {', '.join(records)}.")
        found |= {(slug, each): records[each] for each in ([name] if name else records)}
    return found


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
    """The command behind ``make record``. Returns its exit status: 0, or 2 for misuse."""
    try:
        _record_all(_parser().parse_args(arguments), repository)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m weaklabels.press.record", description=__doc__.splitlines()[0])
    parser.add_argument("--chapters", default="", help="comma-separated slugs")
    parser.add_argument("--name", default="", help="of the record; all of the chapters if left out")
    parser.add_argument("--profile", default="quick", help=" | ".join(options.PROFILES))
    parser.add_argument("--device", default="cpu", help="cpu | cuda | cuda:N")
    parser.add_argument("--seeds", default="", help="repetitions; else each chapter's own number")
    parser.add_argument("--data", default="", help="folder of the downloaded datasets")
    options.add_workers(parser)
    return parser


def _record_all(given: Any, repository: Path) -> None:
    """Compute and write every record that was asked for."""
    places = places_of(repository)
    rooms = places.book / "chapters"
    known = sorted(path.parent.name for path in rooms.glob("*/record.py"))
    wanted = recorders(options.chapters(given.chapters, known), given.name, known)
    profile, device = options.profile(given.profile), options.device(given.device)
    seeds, workers = options.number("SEEDS", given.seeds), options.number("WORKERS", given.workers)
    data = str(repository / options.data_root(given.data))
    commit = machine.commit(repository)
    for (slug, name), recorder in wanted.items():
        room = rooms / slug
        defaults = default_parameters(read_notebook(room / f"{slug}.ipynb"))
        setting = Noting(
            profile,
            device,
            seeds or defaults["seeds"],
            data,
            Store(places.build / "recorded" / "runs"),
            room / "recorded",
            workers or machine.default_workers(device),
        )
        with stopping_cleanly(lambda: None, AGAIN):
            content = record(recorder, setting, _command(slug, name, given), commit)
        path = room / "recorded" / f"{name}.json"
        write_atomically(path, readable(content) + "\n")
        print(path.relative_to(repository))


def _command(slug: str, name: str, given: Any) -> str:
    """What to type for one record, without the name of a folder."""
    parts = [f"make record CHAPTERS={slug} NAME={name}"]
    parts += ["DATA=folder"] if given.data else []
    parts += [f"PROFILE={given.profile}"] if given.profile != "quick" else []
    parts += [f"DEVICE={given.device}"] if given.device != "cpu" else []
    parts += [f"SEEDS={given.seeds}"] if given.seeds else []
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())

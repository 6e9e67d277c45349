"""The runner on a toy book: what is redone and when, failures, wrong parameters, interruptions."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import psutil
import pytest

from weaklabels.lab import keys
from weaklabels.press.runner import schedule, stamps
from weaklabels.press.runner.notebooks import Places, chapters_of
from weaklabels.press.runner.options import Options, UsageError, parse
from weaklabels.press.runner.reproduction import reproduce

DRIVER = """
import sys
from pathlib import Path
from weaklabels.lab import keys
from weaklabels.press.runner.notebooks import Places
from weaklabels.press.runner.options import Options
from weaklabels.press.runner.reproduction import reproduce
root = Path(sys.argv[1])
keys.ROOTS = {"weaklabels": root / "weaklabels"}
def build_book(profile, build):
    return Path(__file__)
sys.exit(reproduce(
    Options(profile="smoke", jobs=int(sys.argv[2])),
    Places(root / "book", root / "build", root / "requirements.lock"),
    build_book,
))
"""
PARAMETERS = 'profile = "quick"\ndevice = "cpu"\nseeds = 3\ndata_root = "data"'
CLAIM = """
import json, os
from pathlib import Path
folder = Path(os.environ["WEAKLABELS_BUILD"], profile, "claims")
folder.mkdir(parents=True, exist_ok=True)
Path(folder, "{slug}.json").write_text(json.dumps([{{"id": "1", "verdict": "holds"}}]))
"""


class ToyBook:
    """A book of tiny notebooks in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = Places(root / "book", root / "build", root / "requirements.lock")
        self.package = root / "weaklabels"
        self.options = Options(profile="smoke")
        self.built = 0
        (root / "book").mkdir(parents=True)
        (root / "weaklabels").mkdir()
        self.module("__init__", "")
        self.places.lock.write_text("numpy==1\n")

    def module(self, name: str, source: str) -> None:
        (self.package / f"{name}.py").write_text(source)

    def chapter(self, slug: str, *cells: str, after: str | None = None) -> None:
        """A notebook with a parameters cell and further cells; the file is put into the toc."""
        parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
        further = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells]
        notebook = nbformat.v4.new_notebook(cells=[parameters, *further])
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        if after:
            notebook.metadata["weaklabels"] = {"after": after}
        room = self.room(slug)
        room.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, room / f"{slug}.ipynb")
        toc = self.places.book / "_toc.yml"
        text = toc.read_text() if toc.exists() else "format: jb-book\nroot: index\nchapters:\n"
        entry = f"  - file: chapters/{slug}/{slug}\n"
        if entry not in text:
            toc.write_text(f"{text}{entry}")

    def room(self, slug: str) -> Path:
        return self.places.book / "chapters" / slug

    def record(self, slug: str) -> None:
        path = self.room(slug) / "recorded" / "result.json"
        path.parent.mkdir()
        path.write_text("{}")

    def reproduce(self, **changes: object) -> tuple[int, list[str]]:
        """Exit status and the slugs that were executed."""
        before = self.states()
        status = reproduce(replace(self.options, **changes), self.places, self._build)
        after = self.states()
        return status, sorted(slug for slug in after if after[slug] != before.get(slug))

    def states(self) -> dict[str, str]:
        return {p.stem: p.read_text() for p in self._made("state").glob("*.json")}

    def executed(self) -> dict[str, bytes]:
        return {p.stem: p.read_bytes() for p in self._made("notebooks").glob("*")}

    def _made(self, kind: str) -> Path:
        return self.places.build / "smoke" / kind

    def _build(self, profile: str, build: Path) -> Path:
        self.built += 1
        index = build / profile / "html" / "index.html"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("a book")
        return index


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyBook:
    """A book without chapters."""
    monkeypatch.setattr(keys, "ROOTS", {"weaklabels": tmp_path / "weaklabels"})
    return ToyBook(tmp_path)


@pytest.fixture
def toy(empty: ToyBook) -> ToyBook:
    """Two chapters, one of which uses a module, and a third that reads the others' claims."""
    toy = empty
    toy.module("shared", "def double(x):\n    return 2 * x\n")
    toy.module("dynamic", "VALUE = 1\n")
    toy.chapter("alone", "print(1 + 1)", CLAIM.format(slug="alone"))
    toy.chapter(
        "sharing",
        "from weaklabels.shared import double",
        "import os\nwith open(os.environ['WEAKLABELS_USED'], 'a') as f:\n"
        "    _ = f.write('weaklabels.dynamic\\n')",
        "print(profile, seeds)",
    )
    toy.chapter(
        "board",
        "import os\nfrom pathlib import Path",
        "folder = Path(os.environ['WEAKLABELS_BUILD'], profile, 'claims')\n"
        "print(sorted(p.name for p in folder.glob('*.json')))",
        after="chapters",
    )
    return toy


@pytest.fixture(autouse=True)
def _toy_package_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels import the toy's package."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_only_what_changed_is_redone(toy: ToyBook) -> None:
    assert toy.reproduce() == (0, ["alone", "board", "sharing"])
    assert "['alone.json']" in toy.executed()["board"].decode()
    assert toy.built == 1
    before = toy.executed()

    assert toy.reproduce() == (0, [])
    assert (toy.built, toy.executed()) == (1, before)

    toy.module("shared", "def double(x):\n    return x + x\n")
    assert toy.reproduce() == (0, ["sharing"])
    toy.module("dynamic", "VALUE = 2\n")
    assert toy.reproduce() == (0, ["sharing"])
    toy.chapter("alone", "print(5)", CLAIM.format(slug="alone").replace("holds", "fails"))
    assert toy.reproduce() == (0, ["alone", "board"])
    assert toy.built == 4


STALE: dict[str, tuple[Callable[[ToyBook], object], list[str]]] = {
    "comment": (lambda toy: toy.module("shared", "# x\ndef double(x):\n    return 2 * x\n"), []),
    "unused module": (lambda toy: toy.module("other", "VALUE = 3\n"), []),
    "module": (lambda toy: toy.module("shared", "double = abs\n"), ["sharing"]),
    "broken module": (lambda toy: toy.module("shared", "double =\n"), ["sharing"]),
    "lock": (
        lambda toy: toy.places.lock.write_text("numpy==2\n"), ["alone", "board", "sharing"],
    ),
    "recorded": (
        lambda toy: toy.record("alone"),
        ["alone", "board"],
    ),
    "notebook lost": (lambda toy: (toy._made("notebooks") / "alone.ipynb").unlink(), ["alone"]),
    "claims altered": (
        lambda toy: (toy._made("claims") / "alone.json").write_text("[]"), ["alone", "board"],
    ),
    "state damaged": (lambda toy: (toy._made("state") / "alone.json").write_text("{"), ["alone"]),
    "another seed": (
        lambda toy: setattr(toy, "options", replace(toy.options, seeds=4)),
        ["alone", "board", "sharing"],
    ),
}  # fmt: skip


def test_what_makes_a_chapter_stale(toy: ToyBook) -> None:
    """Each change is undone again, so that one execution serves all."""
    toy.reproduce()
    for name, (change, expected) in STALE.items():
        kept = {p: p.read_bytes() for p in toy.root.rglob("*") if p.is_file()}
        options = toy.options
        change(toy)
        stale = [
            chapter.slug
            for chapter in sorted(chapters_of(toy.places.book), key=lambda c: c.slug)
            if stamps.why_stale(chapter, toy.options, toy.places)
        ]
        assert stale == expected, name
        toy.options = options
        for path in set(toy.root.rglob("*.*")) - kept.keys():
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)


def test_a_failure_stays_alone_and_is_shown(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.chapter("broken", "print('fine')", "value = 41\nraise KeyError('lost', value)")
    assert toy.reproduce(jobs=2) == (1, ["alone", "board", "sharing"])
    shown = capsys.readouterr().out
    assert "    | raise KeyError('lost', value)" in shown
    assert "KeyError: ('lost', 41)" in shown
    assert "broken" not in toy.executed()
    assert toy.built == 1

    assert toy.reproduce() == (1, [])  # only the failing one is tried again
    toy.chapter("broken", "print('mended')")
    assert toy.reproduce() == (0, ["broken"])
    assert "mended" in toy.executed()["broken"].decode()
    assert not list((toy.places.build / "smoke" / "failed").glob("*"))


def test_a_dying_kernel_and_a_file_that_is_no_notebook_are_failures(
    toy: ToyBook, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.chapter("dying", "import os\nos._exit(3)")
    toy.chapter("torn", "1")
    (toy.room("torn") / "torn.ipynb").write_text('{"cells": [')
    status, done = toy.reproduce(chapters=("dying", "torn", "alone"))
    shown = capsys.readouterr().out
    assert (status, done) == (1, ["alone"])
    assert "    | os._exit(3)" in shown
    assert "DeadKernelError" in shown
    assert "torn.ipynb is not a notebook" in shown


def test_parameters_reach_the_notebook_and_only_differing_ones_are_injected(toy: ToyBook) -> None:
    toy.options = replace(toy.options, seeds=3)
    assert toy.reproduce(chapters=("sharing",)) == (0, ["sharing"])
    notebook = nbformat.reads(toy.executed()["sharing"].decode(), as_version=4)
    assert [out.text for cell in notebook.cells for out in cell.get("outputs", [])] == ["smoke 3\n"]
    injected = [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert [cell.source for cell in injected] == ['# Parameters\nprofile = "smoke"\n']


@pytest.mark.parametrize(
    ("chapters", "device", "cores", "jobs"),
    [
        (1, "cpu", 8, 1),
        (2, "cpu", 2, 2),
        (15, "cpu", 1, 1),
        (15, "cpu", 16, 2),
        (15, "cuda", 16, 1),
    ],
)
def test_two_notebooks_at_a_time_where_that_helps(
    chapters: int, device: str, cores: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule.joblib, "cpu_count", lambda: cores)
    assert schedule.default_jobs(chapters, device) == jobs


def test_two_executions_give_the_same_bytes_and_record_how(toy: ToyBook) -> None:
    both = ("alone", "sharing")
    toy.reproduce(chapters=both, jobs=1)
    first = toy.executed()
    shutil.rmtree(toy.places.build)
    toy.reproduce(chapters=both, jobs=2)
    assert toy.executed() == first
    state = json.loads(toy.states()["sharing"])
    assert state["parameters"] == {**toy.options.parameters(), "seeds": 3}
    assert state["seeds"] == 3
    assert state["used"] == ["weaklabels.dynamic"]
    assert state["duration"] > 0
    assert {"python", "numpy", "papermill"} <= state["versions"].keys()
    assert state["device"]
    assert "commit" in state


def test_results_of_a_removed_chapter_go(toy: ToyBook) -> None:
    toy.reproduce(chapters=("alone", "board"))
    toc = toy.places.book / "_toc.yml"
    toc.write_text(toc.read_text().replace("  - file: chapters/alone/alone\n", ""))
    toy.reproduce(chapters=("board",))
    assert sorted(toy.executed()) == ["board"]
    assert "alone" not in toy.executed()["board"].decode()


def test_nothing_heavy_is_imported_when_nothing_changed() -> None:
    code = (
        "import sys, weaklabels.press.runner.reproduction\n"
        "print({'torch', 'papermill', 'numpy', 'pandas'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--profile=fast", "PROFILE=fast"),
        ("--chapters=alone,nowhere", "CHAPTERS=nowhere"),
        ("--device=tpu", "DEVICE=tpu"),
        ("--seeds=-1", "SEEDS=-1"),
        ("--seeds=0", "SEEDS=0"),
        ("--seeds=2.5", "SEEDS=2.5"),
        ("--seeds=many", "SEEDS=many"),
        ("--jobs=0", "JOBS=0"),
        ("--data=/nowhere/at/all", "DATA=/nowhere/at/all"),
        ("--data=/dev/null", "DATA=/dev/null"),
        ("--scheduler=here", "SCHEDULER=here"),
        ("--colour=red", "--colour=red"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(toy: ToyBook, argument: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        parse([argument], toy.places.book)
    message = str(error.value)
    assert named in message
    assert message.endswith(".")
    assert "\n" not in message
    assert not toy.places.build.exists()


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, toy: ToyBook) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("weaklabels.press.runner.options.SIGNS_OF_A_GPU", ())
    with pytest.raises(UsageError, match="DEVICE=cuda needs an NVIDIA GPU"):
        parse(["--device=cuda"], toy.places.book)


def test_the_command_itself_refuses(tmp_path: Path) -> None:
    """As typed: one line on stderr, a non-zero status, no folder created."""
    environment = {**os.environ, "WEAKLABELS_BUILD": str(tmp_path / "build")}
    environment.pop("PYTHONPATH")
    command = [sys.executable, "-m", "weaklabels.press.reproduce", "--profile=fast"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "PROFILE=fast is unknown: expected quick, paper, smoke.\n"
    assert not (tmp_path / "build").exists()


# A chapter that takes a moment, whose work survives interruption as the library's sweeps do, and
# which starts a process of its own as they do.
SLOW = """
import json, os, subprocess, sys, time
from pathlib import Path
store = Path(os.environ["WEAKLABELS_BUILD"], "runs")
store.mkdir(parents=True, exist_ok=True)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({marker})"])
for run in range(6):
    path = store / f"{slug}-{{run}}"
    if not path.exists():
        time.sleep(0.1)
        path.with_suffix(".tmp").write_text(str(run ** 2))
        path.with_suffix(".tmp").replace(path)
    print(path.read_text())
worker.kill()
_ = worker.wait()
"""
MARKER = 86_399


def _start(toy: ToyBook) -> subprocess.Popen[str]:
    driver = toy.root / "scripts" / "driver.py"  # not beside the toy's package
    driver.parent.mkdir(exist_ok=True)
    driver.write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": ""}
    return subprocess.Popen(
        [sys.executable, str(driver), str(toy.root), "2"], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def test_interrupted_at_random_moments_it_ends_with_the_same_results(empty: ToyBook) -> None:
    toy = empty
    for slug in ("slow_a", "slow_b"):
        toy.chapter(slug, SLOW.format(slug=slug, marker=MARKER), "print('end')")
    whole = _start(toy)
    printed, said = whole.communicate(timeout=120)
    assert whole.returncode == 0, printed + said
    expected = toy.executed()
    assert len(expected) == 2

    shutil.rmtree(toy.places.build)
    moments = random.Random(2022)
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 2:
        process = _start(toy)
        seen: dict[int, psutil.Process] = {}
        until = time.monotonic() + moments.uniform(0.6, 2.5)
        while time.monotonic() < until and process.poll() is None:
            seen |= {each.pid: each for each in _descendants(process.pid)}
            time.sleep(0.02)
        process.send_signal(sent)
        _, said = process.communicate(timeout=20)
        _, alive = psutil.wait_procs(list(seen.values()), timeout=3)
        for path in toy.places.build.glob("smoke/notebooks/*.ipynb"):
            assert path.read_bytes() == expected[path.stem]  # whole or not there
        if sent == signal.SIGKILL:  # nobody can clean up after that; the toy's workers are ours
            for orphan in alive:
                assert orphan.cmdline()[1] == "-c", "a kernel must notice that its parent is gone"
                orphan.kill()
            continue
        assert not alive
        assert not list(toy.places.build.glob("smoke/*/*.part"))
        if process.returncode != 0:  # it may have been done already
            assert process.returncode == 130, said
            assert said.splitlines()[-1].startswith("Interrupted: ")
            assert "Traceback" not in said
    last = _start(toy)
    printed, said = last.communicate(timeout=120)
    assert last.returncode == 0, printed + said
    assert toy.executed() == expected


def test_two_at_once_are_refused(empty: ToyBook) -> None:
    toy = empty
    toy.chapter("slow", SLOW.format(slug="slow", marker=MARKER))
    first = _start(toy)
    try:
        lock = toy.places.build / "smoke" / ".lock"
        while not lock.exists() and first.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)
        with pytest.raises(UsageError, match="Another `make reproduce` works in"):
            toy.reproduce()
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=20)

"""What is published, and when: the site with its PDF and its archive, and a version's files."""

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from tests.book import toy
from weaklabels.press import archive
from weaklabels.press.html import citation, downloads, picture
from weaklabels.press.html.repository import SETTING
from weaklabels.press.runner.notebooks import source_of
from weaklabels.press.runner.options import UsageError
from weaklabels.press.runner.reproduction import places_of

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"


def workflow(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return {"on": loaded.pop(True), **loaded}  # YAML reads `on` as a truth value


def commands(name: str) -> list[str]:
    return [step["run"] for step in workflow(name)["jobs"]["build"]["steps"] if "run" in step]


def moved(name: str) -> tuple[list[str], str]:
    """The files that a workflow moves to where they are published, and that folder."""
    [line] = [line for line in commands(name) if line.startswith("mv ")]
    *files, folder = shlex.split(line)[1:]
    return files, folder


def test_publishing_waits_for_the_tests() -> None:
    publish, test = workflow("publish"), workflow("test")
    assert publish["on"].keys() == {"workflow_run", "workflow_dispatch"}
    waits = publish["on"]["workflow_run"]
    assert waits == {"workflows": [test["name"]], "types": ["completed"], "branches": ["main"]}
    condition = publish["jobs"]["build"]["if"]
    assert "github.event.workflow_run.conclusion == 'success'" in condition
    checkout = publish["jobs"]["build"]["steps"][0]["with"]
    assert "github.event.workflow_run.head_sha" in checkout["ref"], "what was tested is published"
    assert ".ci/run" in " ".join(step.get("run", "") for step in test["jobs"]["test"]["steps"])
    assert commands("release")[0] == "bash .ci/run"


@pytest.mark.parametrize("name", ["publish", "release"])
def test_what_is_published_has_been_made_of_the_record(name: str) -> None:
    made = commands(name)
    files, _ = moved(name)
    assert set(files) == {f"build/record/{downloads.PDF}", f"build/{downloads.ARCHIVE}"}
    book, packed = (made.index(f"make {each} PROFILE=record") for each in ("book", "archive"))
    assert book < packed < made.index(next(line for line in made if line.startswith("mv ")))
    assert "make pdf PROFILE=record" in made


def test_the_front_page_links_what_stands_beside_it() -> None:
    files, folder = moved("publish")
    links = re.findall(r'href="([^"]+)"', downloads.offered("record", "https://example.org/a/b"))
    assert sorted(links) == sorted([downloads.WHEEL, *(Path(file).name for file in files)])
    published = workflow("publish")["jobs"]["build"]["steps"][-1]["with"]["path"]
    assert folder.rstrip("/") == published
    assert f"python -m pip wheel --no-deps --wheel-dir {published} ." in commands("publish")
    assert downloads.offered("quick", "https://example.org/a/b") == ""
    assert "href" not in downloads.offered("record", ""), "nothing stands beside a copy"
    assert "{include} generated/downloads.md" in (BOOK / "index.md").read_text()


def test_a_release_is_cited_with_its_repository_and_its_date(tmp_path: Path) -> None:
    file, address = ROOT / "CITATION.cff", "https://example.org/somebody/weak-labels"
    text = citation.released(file.read_text("utf-8"), address, "1.2.3", "2026-01-31")
    told = {"version": "1.2.3", "repository-code": address, "date-released": "2026-01-31"}
    assert yaml.safe_load(text) == yaml.safe_load(file.read_text("utf-8")) | told
    (tmp_path / "CITATION.cff").write_text(text, "utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.citation-file-format", str(tmp_path / "CITATION.cff")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_release_has_that_citation_among_its_files() -> None:
    [made] = [line for line in commands("release") if "CITATION.cff" in line]
    command, folder = made.split(" > ")
    assert folder == f"{moved('release')[1].rstrip('/')}/CITATION.cff"
    module = command.removeprefix(".venv/bin/python ")
    told = os.environ | {SETTING: "https://example.org/a/b"}
    done = subprocess.run([sys.executable, *module.split()], env=told, capture_output=True)
    assert yaml.safe_load(done.stdout)["repository-code"] == told[SETTING]


@pytest.fixture
def record(tmp_path: Path) -> tuple[Path, Path]:
    """A built record edition of one chapter, and the folder of its book."""
    book, results = tmp_path / "book", tmp_path / "build" / "record"
    (results / "html").mkdir(parents=True)
    (results / "html" / "index.html").write_text("<p>The book</p>")
    (results / "runs").mkdir()
    (results / "runs" / "one.json").write_text("{}")
    toy.write_json(book / "chapters" / "executed" / "recorded" / "claims.json", [])
    return results, book


def test_the_archive_of_the_record_holds_what_is_committed(record: tuple[Path, Path]) -> None:
    results, book = record
    packed = archive.pack(results, results.parent / downloads.ARCHIVE, book)
    with zipfile.ZipFile(packed) as held:
        assert set(held.namelist()) == {
            "html/index.html",
            "chapters/executed/recorded/claims.json",
            archive.SUMS,
        }
    assert archive.damaged(packed) == []
    (results / "html").rename(results / "elsewhere")
    with pytest.raises(UsageError, match="call `make book PROFILE=record` first"):
        archive.pack(results, packed, book)


def test_an_archived_record_is_held_against_the_book(
    record: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    results, book = record
    packed = archive.pack(results, results.parent / downloads.ARCHIVE, book)
    places = places_of(book.parent)
    assert archive.verify(packed, places, build_book=None) == 0
    assert "Every record is that of this book" in capsys.readouterr().out
    toy.write_json(book / "chapters" / "executed" / "recorded" / "claims.json", [{"id": "1"}])
    toy.write_json(book / "chapters" / "executed" / "recorded" / "more.json", {})
    assert archive.verify(packed, places, build_book=None) == 1
    told = capsys.readouterr().out
    assert "executed/recorded/claims.json: not the same" in told
    assert "executed/recorded/more.json: not the same" in told


def test_the_picture_in_the_readme_shows_the_book_as_it_is() -> None:
    path = BOOK / picture.PICTURE
    assert Image.open(path).text.get(picture.KEY) == picture.shown(BOOK), "call `make picture`"
    assert path.stat().st_size < 200_000
    assert f"](book/{picture.PICTURE})" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("kind", ["markdown", "code"])
def test_the_picture_is_old_once_what_it_shows_has_changed(kind: str, tmp_path: Path) -> None:
    name = f"chapters/{picture.CHAPTER}/{picture.CHAPTER}.ipynb"
    notebook = json.loads((BOOK / name).read_text())
    toy.write_json(tmp_path / name, notebook)
    before = picture.shown(tmp_path)
    below = [cell for cell in notebook["cells"] if "photographs" in source_of(cell)][-1]
    below["source"] = [*below["source"], "\nMore."]
    toy.write_json(tmp_path / name, notebook)
    assert picture.shown(tmp_path) == before, "what stands elsewhere is not in the picture"
    marks = {"markdown": "either a **true negative**", "code": "single = tables.single_labels("}
    [cell] = [cell for cell in notebook["cells"] if marks[kind] in source_of(cell)]
    cell["source"] = source_of(cell) + "\n"
    toy.write_json(tmp_path / name, notebook)
    assert picture.shown(tmp_path) != before


def test_a_piece_that_is_gone_is_named(tmp_path: Path) -> None:
    name = f"chapters/{picture.CHAPTER}/{picture.CHAPTER}.ipynb"
    notebook = json.loads((BOOK / name).read_text())
    notebook["cells"] = [c for c in notebook["cells"] if picture.HEADING not in source_of(c)]
    toy.write_json(tmp_path / name, notebook)
    with pytest.raises(ValueError, match="no fig-llm-memorisation below a heading"):
        picture.shown(tmp_path)

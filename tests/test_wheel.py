"""What `pip install` gives: the library alone, with which the README's example runs, and a chapter
that was downloaded."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from sysconfig import get_path

import numpy as np
import pytest
from PIL import Image

from weaklabels.press.html import downloads

ROOT = Path(__file__).parents[1]
ROOMS = ROOT / "book" / "chapters"

HIDE = """
import sys
from importlib.abc import MetaPathFinder
class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
"""
"""The start of a program for which only what the library itself needs is installed."""

EXECUTE = """
from pathlib import Path
from weaklabels.press.runner.execute import execute
settings = Path("settings").absolute()
settings.mkdir()
told = {{"WEAKLABELS_WORKERS": "1", "OMP_NUM_THREADS": "1"}}
smallest = {{"profile": "smoke", "seeds": 2}}
notebook = Path("book/{slug}.ipynb")
execute(notebook, Path("executed.ipynb"), smallest, told, settings, {{"disable": True}}, str)
"""
"""What Jupyter does with a notebook, in a kernel of the Python that runs this."""

WHERE = (
    "import weaklabels, importlib.util as u; print(weaklabels.__file__, u.find_spec('chapters'))"
)


def uv() -> str:
    found = shutil.which("uv") or shutil.which(ROOT / ".uv" / "bin" / "uv")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("uv is missing: in CI the wheel must be installed")
        pytest.skip("uv is missing: `make env` installs it")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel, and the packages that it needs.

    Those are the ones of this environment: a path that a ``.pth`` file adds is searched, but what
    ``.pth`` files in it add, which is where the repository is, is not.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    python = folder / "bin" / "python"
    subprocess.run([uv(), "venv", "--quiet", "--python", sys.executable, folder], check=True)
    command = [uv(), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python]
    subprocess.run([*command, wheel], check=True)
    [packages] = folder.glob("lib/*/site-packages")
    (packages / "of_the_tests.pth").write_text(get_path("purelib"))
    return python


def run(python: Path, program: str, folder: Path) -> str:
    """What a program prints in an environment, with a folder as its own."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", program], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_photographs(folder: Path) -> None:
    """Small pictures and the three tables of the README's example."""
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for part in ("train", "val", "test"):
        rows = ["file,cat,dog,cow"]
        for number in range(12):
            name = f"{part}{number}.png"
            picture = Image.fromarray(rng.integers(0, 256, (24, 24), np.uint8))
            picture.save(folder / "photos" / name)
            rows.append(f"{name},{number % 2},{1 - number % 2},")
        rows[-1] = f"{name},0,0,1"
        (folder / f"{part}.csv").write_text("\n".join(rows))
    Image.fromarray(rng.integers(0, 256, (24, 24), np.uint8)).save(folder / "new.jpg")


def test_the_wheel_is_what_is_imported_and_brings_no_chapters(python: Path, tmp_path: Path) -> None:
    where, chapters = run(python, WHERE, tmp_path).split()
    assert Path(where).is_relative_to(python.parents[1])
    assert chapters == "None"


def test_readme_example_runs_with_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    """Without the packages of the book, and without the weights that another package brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    book = {re.match(r"[\w.-]+", line)[0] for line in project["optional-dependencies"]["book"]}
    owners = packages_distributions()
    missing = {name for name in owners if book.intersection(map(str.lower, owners[name]))}
    [example] = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(), re.S)
    assert ", pretrained=True" in example
    write_photographs(tmp_path)
    program = HIDE.format(missing=missing) + example.replace(", pretrained=True", ", epochs=2")
    assert "cat" in run(python, program, tmp_path)


def test_the_wheel_has_the_name_that_the_book_tells(wheel: Path) -> None:
    assert wheel.name == downloads.WHEEL


def test_a_downloaded_chapter_runs_with_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    """Where no clone is, and what it computes is kept where it was unpacked."""
    slug = "l2d"
    packed = tmp_path / "downloaded.zip"
    packed.write_bytes(downloads.runnable("A chapter", ROOMS / slug / f"{slug}.ipynb"))
    zipfile.ZipFile(packed).extractall(tmp_path)
    run(python, EXECUTE.format(slug=slug), tmp_path / slug)
    made = tmp_path / slug / "build" / "smoke"
    assert json.loads((made / "claims" / f"{slug}.json").read_text())
    assert list((made / "runs").glob("*.npz"))
    assert (tmp_path / slug / "executed.ipynb").is_file()

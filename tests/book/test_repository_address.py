"""One setting says where the repository is: what leads there is in the book with it, and a plain
sentence without it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.book.conftest import ADDRESS, ToyBook, parsed
from weaklabels.press.html import BOOK
from weaklabels.press.html.repository import SETTING
from weaklabels.press.html.staging import SMOKE, stage
from weaklabels.press.runner.options import UsageError

PUBLISH = BOOK.parent / ".github" / "workflows" / "publish.yml"


@pytest.fixture
def copy(toy_book: ToyBook, tmp_path: Path) -> ToyBook:
    shutil.copytree(toy_book.book.parent, tmp_path / "toy")
    return ToyBook(tmp_path / "toy" / "book", tmp_path / "toy" / "build")


def staged(book: ToyBook, profile: str = "smoke") -> tuple[dict[str, Any], str]:
    """The configuration and the sentence on errors of a staged book."""
    source = stage(profile, book.build / profile, book.book)
    text = (source / "generated" / "errors.md").read_text(encoding="utf-8")
    return yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8")), text


@pytest.mark.parametrize("given", [ADDRESS, f"{ADDRESS}/"])
def test_with_an_address_there_are_buttons_and_a_link(
    copy: ToyBook, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(SETTING, given)
    settings, text = staged(copy)
    assert settings["repository"]["url"] == ADDRESS
    assert settings["html"]["use_repository_button"] is True
    assert settings["html"]["use_issues_button"] is True
    assert settings["html"]["announcement"] == SMOKE
    assert settings["launch_buttons"]["binderhub_url"].startswith("https://")
    assert f"[an issue]({ADDRESS}/issues/new)" in text
    assert SETTING not in text


@pytest.mark.parametrize("given", [None, ""])
def test_without_an_address_the_page_says_so_and_nothing_leads_there(
    copy: ToyBook, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    if given is not None:
        monkeypatch.setenv(SETTING, given)
    settings, text = staged(copy, "record")
    assert settings == yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))
    assert not settings["repository"]["url"]
    assert not settings["html"]["use_repository_button"]
    assert "launch_buttons" not in settings
    assert "without being told where its repository is" in text
    assert "](" not in text


@pytest.mark.parametrize("given", ["github.com/a/b", "https://github.com/a", "https://x.org/a b/c"])
def test_what_is_no_address_is_refused(
    copy: ToyBook, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(SETTING, given)
    with pytest.raises(UsageError, match=SETTING):
        staged(copy)


def test_buttons_lead_to_what_the_repository_holds(toy_book: ToyBook, addressed: Path) -> None:
    """A page stands under its slug in the built book and in its room in the repository."""
    soup = parsed(addressed / "executed.html")
    links = {tag["href"] for tag in soup.select(".article-header-buttons a[href]")}
    assert ADDRESS in links
    assert any(link.startswith(f"{ADDRESS}/issues/new") for link in links)
    (launch,) = (link for link in links if "mybinder.org" in link)
    path = launch.split("lab/tree/")[1]
    assert path == "book/chapters/executed/executed.ipynb"
    assert (toy_book.book.parent / path).is_file()


def test_the_front_page_says_where_to_report() -> None:
    assert "```{include} generated/errors.md\n```" in (BOOK / "index.md").read_text("utf-8")


def test_binder_installs_the_library_and_the_chapters() -> None:
    """Its environment is that of conda, without what `make env` adds to it."""
    script = BOOK.parent / "postBuild"
    assert script.stat().st_mode & 0o111 == 0o111
    installed = re.findall(r"--editable (\S+)", script.read_text(encoding="utf-8"))
    assert installed == [".", "book"]
    assert (BOOK.parent / "environment.yml").is_file()


def test_publishing_sets_the_address() -> None:
    job = yaml.safe_load(PUBLISH.read_text(encoding="utf-8"))["jobs"]["build"]
    assert job["env"][SETTING] == "${{ github.server_url }}/${{ github.repository }}"

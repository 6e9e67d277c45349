"""Staging, generated pages and publishing, on a toy book."""

from __future__ import annotations

import doctest
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from tests.book import toy
from tests.book.conftest import ToyBook, parsed
from weaklabels.press.claims_table import claims_table
from weaklabels.press.html import BOOK, BookError, build, pages
from weaklabels.press.html.__main__ import main
from weaklabels.press.html.markup import plain
from weaklabels.press.html.staging import stage


def page(book: ToyBook, name: str) -> BeautifulSoup:
    return BeautifulSoup((book.html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def text(soup: BeautifulSoup, selector: str) -> str:
    found = soup.select_one(selector)
    assert found is not None, f"no {selector} in the page"
    return " ".join(found.get_text(" ").split())


@pytest.fixture
def copy(toy_book: ToyBook, tmp_path: Path) -> ToyBook:
    """A copy of the toy book to change, with its parsed pages, so that a build is short."""
    shutil.copytree(toy_book.book.parent, tmp_path / "toy")
    return ToyBook(tmp_path / "toy" / "book", tmp_path / "toy" / "build")


def test_figures_tables_and_equations_are_numbered_and_referred_to(toy_book: ToyBook) -> None:
    soup = page(toy_book, "executed")
    figure = soup.select_one("figure#fig-executed-line")
    assert figure.img["alt"] == "A rising line."
    assert (toy_book.html / figure.img["src"]).is_file()
    assert "Figure 1.1" in text(soup, "figure#fig-executed-line figcaption")
    table = soup.select_one("figure#tab-executed-scores")
    assert "Table 1.1 Scores in per cent." in text(soup, "figure#tab-executed-scores figcaption")
    assert [child.name for child in table.find_all(recursive=False)] == ["figcaption", "div"]
    opening = " ".join(soup.article.get_text().split())
    assert "See Figure 1.1, Table 1.1 and (1.1); [Someone, 2020]." in opening


@pytest.mark.timeout(600)  # it builds the book, which may be built for it first
def test_the_command_of_jupyter_book_makes_the_same_pages(
    toy_book: ToyBook, addressed: Path
) -> None:
    """As who knows the tool alone would type it; what it warns of fails it, as in our own build."""
    ours = {path.name for path in toy_book.html.glob("*.html")}
    assert {path.name for path in addressed.glob("*.html")} == ours
    for name in ("index", "executed", "scoreboard"):
        found = parsed(addressed / f"{name}.html")
        assert text(found, "article") == text(page(toy_book, name), "article")


def test_style_sheets_follow_each_other_as_the_configuration_says(toy_book: ToyBook) -> None:
    """Later rules win over earlier ones, and a folder has no order."""
    links = page(toy_book, "executed").select('link[rel="stylesheet"]')
    found = [link["href"].partition("?")[0].removeprefix("_static/") for link in links]
    own = yaml.safe_load((BOOK / "_config.yml").read_text())["sphinx"]["config"]["html_css_files"]
    assert set(own) == {path.name for path in (BOOK / "_static").glob("*.css")}
    assert [name for name in found if name in own] == own


def test_a_chapter_that_was_not_executed_says_so(toy_book: ToyBook) -> None:
    soup = page(toy_book, "unexecuted")
    assert "Not executed in this build" in text(soup, "div.admonition")
    assert "Appears here once" in text(soup, "figure#fig-unexecuted-line")
    assert "Figure 2.1" in text(soup, "figure#fig-unexecuted-line figcaption")
    assert "Table 2.1" in text(soup, "figure#tab-unexecuted-scores figcaption")
    recorded = soup.select_one("#recorded-claims")
    assert "recorded in an earlier execution" in " ".join(recorded.get_text().split())
    assert len(recorded.select("table.claims tbody tr")) == 3
    assert "Not executed" not in page(toy_book, "executed").get_text()


def test_smoke_results_carry_a_banner_and_others_do_not(toy_book: ToyBook, tmp_path: Path) -> None:
    for path in toy_book.html.glob("*.html"):
        banner = text(BeautifulSoup(path.read_text(), "html.parser"), ".bd-header-announcement")
        assert "the numbers in this copy of the book mean nothing" in banner, path.name
    staged = stage("quick", tmp_path / "quick", toy_book.book)
    assert "mean nothing" not in (staged / "_config.yml").read_text()


def test_scoreboard_shows_every_claim_with_its_evidence(toy_book: ToyBook) -> None:
    soup = page(toy_book, "scoreboard")
    totals = [
        [cell.get_text(strip=True) for cell in row.select("td")]
        for row in soup.select("table.totals tbody tr")
    ]
    assert totals == [
        ["Executed executed", "6", "4", "1", "1", "12", "abstract and code; digits, photographs"],
        ["Executed unexecuted", "1", "1", "0", "1", "3", ""],
        ["All chapters", "7", "5", "1", "2", "15", ""],
    ]
    rows = soup.select("table.claims tbody tr")
    assert len(rows) == 15
    cells = rows[0].select("td")
    assert [cell.get_text(strip=True) for cell in cells[:2]] == ["Executed executed", "1"]
    assert cells[6].a["href"] == "executed.html#fig-executed-line"
    assert cells[6].get_text(strip=True) == "Figure 1.1"
    assert "recorded" not in cells[5].get_text()
    assert "recorded" in rows[-1].select("td")[5].get_text()
    assert rows[1].select("td")[6].a["href"] == "executed.html"
    assert rows[2].summary.get_text() == "3 parts: 2 hold, 1 fails"
    assert len(rows[2].select("details li")) == 3
    assert "3 seeds; effect in the paper +4" in cells[4].get_text()
    open_one = rows[4].select("td")[5]
    assert open_one.select_one(".verdict.open") is not None
    assert open_one.get_text(" ", strip=True) == "open about 40 seeds would decide"
    addresses = [row.select_one("td:nth-child(2) a") for row in rows]
    assert [a["href"] for a in addresses] == [f"#{a['id']}" for a in addresses]
    assert addresses[0]["id"] == "claim-executed-1"
    assert addresses[-1]["id"] == "claim-unexecuted-3"


def test_a_chapter_says_what_it_rests_on(toy_book: ToyBook, copy: ToyBook) -> None:
    head = text(page(toy_book, "executed"), "div.admonition.rests")
    assert head.startswith("TOY Toys are played with.")
    assert (
        "When to use it: On rainy days. What a step costs: an hour in 81.0 ± 0.5 seconds." in head
    )
    lines = (
        page(toy_book, "executed").select_one("div.admonition.rests pre").get_text().splitlines()
    )
    assert lines == ["from weaklabels import Classifier", 'Classifier("AN").fit(images, labels)']
    marks = page(toy_book, "executed").select("div.admonition.rests .verdict")
    assert [mark.get_text() for mark in marks] == ["holds", "fails", "open"]  # one of each
    assert "Of its 12 claims here 6 hold, 4 fail, 1 is open, 1 not testable." in head
    assert "Read of the paper: abstract and code. Measured on: digits, photographs." in head
    card = page(toy_book, "index").select_one(".papers .sd-card")
    assert card.select_one("a.sd-stretched-link")["href"] == "executed.html"
    assert card.select_one(".verdict").get_text() == "holds"
    paper = card.select_one("a.external")
    assert paper.get_text() == "Someone, A Conference 2020"
    assert paper["href"] == "https://arxiv.org/abs/2001.00001"
    assert card.select_one(".counts").get_text() == "6 hold, 4 fail, 1 is open, 1 not testable"
    words = (copy.book / "papers.yml").read_text()
    (copy.book / "papers.yml").write_text(words.replace("someone2020title", "nobody1999"))
    with pytest.raises(ValueError, match=r"papers\.yml: references\.bib has no 'nobody1999'"):
        stage("smoke", copy.build / "smoke", copy.book)
    (copy.book / "papers.yml").write_text("executed: {name: TOY}")
    with pytest.raises(ValueError, match=r"papers\.yml, executed: .*'idea'"):
        stage("smoke", copy.build / "smoke", copy.book)


def test_comparisons_are_drawn_in_the_rows_of_the_scoreboard(toy_book: ToyBook) -> None:
    rows = page(toy_book, "scoreboard").select("table.claims tbody tr")
    drawn = [row.select_one("td:nth-child(5) svg.intervals") for row in rows]
    marked = [svg is not None and len(svg.select(".mark")) for svg in drawn]
    kinds = ("comparison", "margin")
    ledger = toy.claims("executed")
    compared = {
        str(row["id"]): sum(part["kind"] in kinds for part in row["parts"]) for row in ledger
    }
    found = [row.select_one("a[id^='claim-executed-']") for row in rows]
    told = {a.text: n for a, n in zip(found, marked, strict=True) if a is not None}
    assert told == {id: count or False for id, count in compared.items()}
    assert sum(compared.values()) > 0


def test_the_record_edition_is_built_from_what_is_committed(copy: ToyBook, tmp_path: Path) -> None:
    recorded = toy.notebook(copy.book, "executed").parent / "recorded"
    toy.write_json(recorded / "claims.json", toy.claims("executed", number=4))
    toy.write_json(recorded / "edition.ipynb", toy.executed("executed"))
    toy.write_json(recorded / "provenance.json", {**toy.STATE, "seeds": 20})
    source = toy.authored("executed")
    source["cells"][0]["source"] = "# Another title\n\nAnother sentence."
    toy.write_json(toy.notebook(copy.book, "executed"), source)
    staged = stage("record", tmp_path / "record", copy.book)
    notebook = (staged / "executed.ipynb").read_text()
    assert "Another sentence." in notebook
    assert toy.SVG in notebook
    assert "Edited since" not in notebook
    counts = "{doc}`executed`\n  - 2\n  - 1\n  - 0\n  - 1\n  - 4\n"
    assert counts in (staged / "scoreboard.md").read_text()
    assert "20" in (staged / "provenance.md").read_text()
    assert "`make record CHAPTERS=unexecuted`" in (staged / "unexecuted.ipynb").read_text()
    source["cells"][2]["source"] = "draw_another();"
    toy.write_json(toy.notebook(copy.book, "executed"), source)
    stage("record", tmp_path / "record", copy.book)
    notebook = (staged / "executed.ipynb").read_text()
    assert "Edited since it was executed" in notebook
    assert "draw_another" not in notebook


def test_a_check_says_what_it_found_beside_the_record(toy_book: ToyBook, tmp_path: Path) -> None:
    results = tmp_path / "smoke"
    shutil.copytree(toy_book.build / "smoke" / "notebooks", results / "notebooks")
    rows = toy.claims("executed", number=3)
    for row, says in zip(rows, ("yes", "no", "not checked"), strict=True):
        row["check"] = {"says": says, "found": f"found {says}", "p": None}
    toy.write_json(results / "claims" / "executed.json", rows)
    staged = stage("smoke", results, toy_book.book)
    scoreboard = (staged / "scoreboard.md").read_text().replace("\\", "")
    assert "this run agrees: found yes" in scoreboard
    assert "this run does not agree: found no" in scoreboard
    assert "from the record, not checked here" in scoreboard
    assert "agrees with 1 of the 2 rows" in (staged / "generated" / "totals.md").read_text()


def test_the_front_page_counts_the_outcomes(toy_book: ToyBook) -> None:
    marks = [mark.get_text() for mark in page(toy_book, "index").select(".verdict")]
    assert marks[:4] == ["7 hold", "5 fail", "1 is open", "2 not testable"]
    said = page(toy_book, "index").get_text(" ", strip=True)
    assert "Without a record yet, and with the few seeds of a check: Executed executed" in said


def test_table_and_forest_plot_of_the_claims_are_made_of_the_rows(copy: ToyBook) -> None:
    results = copy.build / "smoke"
    path = results / "notebooks" / "executed.ipynb"
    for where, cells in ((path, toy.executed("executed")), (None, toy.authored("executed"))):
        drawn = {"name": "fig-executed-claims", "caption": "All claims."}
        cell = toy._cell("code", "forest;", mystnb={"figure": drawn, "image": {"alt": "Lines."}})
        cells["cells"].append(cell | {"outputs": [toy._shown({"image/svg+xml": toy.SVG})]})
        toy.write_json(where or toy.notebook(copy.book, "executed"), cells)
    rows = toy.claims("executed", number=4)
    rows[0]["claim"] = "Reworded since."
    toy.write_json(results / "claims" / "executed.json", rows)
    notebook = json.loads((stage("smoke", results, copy.book) / "executed.ipynb").read_text())
    found = {
        cell["metadata"]["mystnb"]["figure"]["name"]: cell["outputs"]
        for cell in notebook["cells"]
        if "mystnb" in cell["metadata"]
    }
    [table] = found["tab-executed-claims"]
    assert table["data"] == {"text/html": claims_table(rows)}
    assert "Reworded since." in table["data"]["text/html"]
    [forest] = found["fig-executed-claims"]
    assert "<!-- 1  Reworded since. -->" in forest["data"]["image/svg+xml"]
    assert found["fig-executed-line"][0]["data"]["image/svg+xml"] == toy.SVG
    narrow = sorted(path.name for path in (results / "source").rglob("narrow-*.svg"))
    assert narrow == ["narrow-fig-executed-claims.svg"]


def test_a_chapter_names_what_decides_its_claims_by_number(toy_book: ToyBook) -> None:
    cells = page(toy_book, "executed").select("#tab-executed-claims td.test")
    links = [cell.a and (cell.a.get_text(), cell.a["href"]) for cell in cells]
    assert links[:4] == [
        ("Figure 1.1", "#fig-executed-line"),
        None,
        ("Figure 1.1", "#fig-executed-line"),
        ("Table 1.1", "#tab-executed-scores"),
    ]


def test_an_explanation_names_figures_and_tables_by_number(toy_book: ToyBook) -> None:
    why = page(toy_book, "executed").select("#tab-executed-claims td.why")[1]
    claim = page(toy_book, "scoreboard").select("table.claims tbody tr")[1].select("td")[2]
    for cell, address in ((why, ""), (claim, "executed.html")):
        assert cell.get_text().strip().endswith("No images (Table 1.1).")
        assert cell.a["href"] == f"{address}#tab-executed-scores"


def test_the_front_page_shows_a_figure_that_a_chapter_computed(
    toy_book: ToyBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FRONT", "fig-executed-line")
    results = tmp_path / "smoke"
    shutil.copytree(toy_book.build / "smoke" / "notebooks", results / "notebooks")
    source = stage("smoke", results, toy_book.book)
    assert ":alt: A rising line" in (source / "generated" / "front.md").read_text()
    assert (source / "generated" / "front.svg").read_text() == toy.SVG
    (results / "notebooks" / "executed.ipynb").unlink()
    stage("smoke", results, toy_book.book)
    assert (source / "generated" / "front.md").read_text() == ""
    assert not (source / "generated" / "front.svg").exists()


def test_the_example_of_a_verdict_is_computed() -> None:
    found = doctest.testfile(str(BOOK / "verdicts.md"), module_relative=False, encoding="utf-8")
    assert (found.failed, found.attempted) == (0, 8)


def test_text_of_a_claim_is_shown_as_it_stands(toy_book: ToyBook) -> None:
    claim = page(toy_book, "scoreboard").select("table.claims tbody tr")[0].select("td")[2]
    assert claim.get_text().strip() == toy.TRICKY.replace("$\\alpha$", "\\(\\alpha\\)")
    assert claim.select_one("span.math") is not None


def test_plain_keeps_one_line() -> None:
    assert plain("two\n  lines, 5 $ and 6 $") == "two lines\\, 5 \\$ and 6 \\$"
    assert plain(0.5) == "0\\.5"


def test_provenance_tells_what_an_execution_used(toy_book: ToyBook) -> None:
    soup = page(toy_book, "provenance")
    rows = soup.select("table.executions tbody tr")
    first = [cell.get_text(strip=True) for cell in rows[0].select("td")]
    assert first == [
        "Executed executed",
        "executed",
        "2001-02-03 04:05:06",
        "1:23",
        "A processor (2 cores)",
        "3",
        "smoke",
        "0123456789+",
    ]
    assert "not executed, claims recorded" in rows[1].get_text()
    assert "1 of 2 executed" in rows[2].get_text()
    assert "torch 2.6.0" in text(soup, "table.versions")


def test_provenance_lists_where_records_were_made(copy: ToyBook) -> None:
    folder = toy.notebook(copy.book, "executed").parent / "recorded"
    processor = {"device": "x86_64", "python": "3.11.7", "torch": "2.6.0", "numpy": "2.4.6"}
    card = {**processor, "device": "NVIDIA H100", "torch": "2.5.0"}
    for name, made in {"tuning": processor, "cost": processor, "photographs": card}.items():
        toy.write_json(folder / f"{name}.json", {"what": "A table", "provenance": made})
    toy.write_json(folder / "strange.json", {"provenance": "unknown"})
    told = (stage("smoke", copy.build / "smoke", copy.book) / "provenance.md").read_text()
    head, *rows = told.partition("## Records")[2].partition("## Versions")[0].split("* - ")[1:]
    assert [row.split("  - ")[-1].split("\n")[0] for row in (head, *rows)] == [
        "Records of",
        "{doc}`executed` (1)",
        "{doc}`executed` (2)",
    ]
    assert all("NVIDIA" in row or "x86" in row for row in rows)


def test_provenance_bears_missing_and_strange_fields(copy: ToyBook) -> None:
    toy.write_json(copy.build / "smoke" / "state" / "executed.json", {"versions": None})
    source = stage("smoke", copy.build / "smoke", copy.book)
    assert "{doc}`executed`" in (source / "provenance.md").read_text()


def test_the_executed_notebook_can_be_downloaded(toy_book: ToyBook) -> None:
    soup = page(toy_book, "executed")
    links = [a["href"] for a in soup.select("a[href$='.ipynb']")]
    assert "_sources/executed.ipynb" in links
    written = (toy_book.html / "_sources" / "executed.ipynb").read_text()
    assert "image/svg+xml" in written
    assert "papermill" not in written, "papermill's metadata holds paths of the machine"
    assert "injected-parameters" in written
    assert "smoke&quot;" not in str(soup.article)


def test_a_chapter_says_which_of_its_records_other_code_has_made(copy: ToyBook) -> None:
    folder = toy.notebook(copy.book, "executed").parent / "recorded"
    folder.mkdir(exist_ok=True)
    code = ["weaklabels.metrics:accuracy"]
    toy.write_json(folder / "older.json", {"keys": {"code": code, "key": "of other code"}})
    staged = (stage("smoke", copy.build / "smoke", copy.book) / "executed.ipynb").read_text()
    assert "The code of `older` has changed since it was recorded." in staged
    assert "Recorded without a key" not in staged


def test_a_chapter_says_which_of_its_records_have_no_key(copy: ToyBook) -> None:
    folder = toy.notebook(copy.book, "executed").parent / "recorded"
    toy.write_json(folder / "first.json", {"what": "made before there were keys"})
    toy.write_json(folder / "second.json", {"what": "likewise"})
    toy.write_json(folder / "theirs.json", {"source": "their logs"})
    staged = (stage("smoke", copy.build / "smoke", copy.book) / "executed.ipynb").read_text()
    assert "Made before records had a key of their code: `first`, `second`." in staged
    assert "`make record CHAPTERS=executed NAME=...` records it anew." in staged
    assert "Recorded by other code" not in staged


def test_an_edited_chapter_says_so_but_a_new_caption_needs_no_run(copy: ToyBook) -> None:
    results = copy.build / "smoke"
    path = toy.notebook(copy.book, "executed")
    notebook = toy.authored("executed")
    notebook["cells"][2]["metadata"]["mystnb"]["figure"]["caption"] = "A new caption."
    toy.write_json(path, notebook)
    staged = (stage("smoke", results, copy.book) / "executed.ipynb").read_text()
    assert "A new caption." in staged
    assert "Edited since" not in staged
    notebook["cells"][2]["source"] = "draw(3);"
    toy.write_json(path, notebook)
    staged = (stage("smoke", results, copy.book) / "executed.ipynb").read_text()
    assert "Edited since it was executed" in staged


def test_a_notebook_that_stopped_with_an_error_is_not_shown_as_executed(copy: ToyBook) -> None:
    results = copy.build / "smoke"
    path = results / "notebooks" / "executed.ipynb"
    notebook = json.loads(path.read_text())
    error = {"output_type": "error", "ename": "ValueError", "evalue": "", "traceback": []}
    notebook["cells"][-1]["outputs"] = [error]
    toy.write_json(path, notebook)
    toy.write_json(results / "failed" / "executed.ipynb", notebook)
    source = stage("smoke", results, copy.book)
    staged = (source / "executed.ipynb").read_text()
    assert "Its last execution stopped with an error" in staged
    assert "ValueError" not in staged
    assert "failed" in (source / "provenance.md").read_text()


def test_staging_again_touches_only_what_changed(copy: ToyBook) -> None:
    source = stage("smoke", copy.build / "smoke", copy.book)
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    (copy.book / "words.md").write_text(toy.WORDS.replace("striped", "spotted"))
    toy.notebook(copy.book, "unexecuted").unlink()
    (copy.book / "_toc.yml").write_text(
        toy.TOC.replace("      - file: chapters/unexecuted/unexecuted\n", "")
    )
    stage("smoke", copy.build / "smoke", copy.book)
    after = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    changed = {path.name for path in before if before[path] != after.get(path)}
    files = {"words.md", "unexecuted.ipynb", "_toc.yml", "scoreboard.md", "provenance.md"}
    assert changed <= files | {"totals.md", "generated", "rooms", "unexecuted.zip"}
    assert {"words.md", "unexecuted.ipynb", "_toc.yml"} <= changed


def test_warnings_fail_the_build_and_leave_the_previous_html(copy: ToyBook) -> None:
    before = (copy.html / "index.html").read_bytes()
    (copy.book / "words.md").write_text(
        f"{toy.WORDS}\n{{cite}}`nobody1999` {{numref}}`fig-nothing` {{term}}`unicorn`\n"
    )
    notebook = toy.executed("executed")
    del notebook["cells"][3]["metadata"]["mystnb"]["image"]
    authored = toy.authored("executed")
    del authored["cells"][2]["metadata"]["mystnb"]["image"]
    toy.write_json(toy.notebook(copy.book, "executed"), authored)
    toy.write_json(copy.build / "smoke" / "notebooks" / "executed.ipynb", notebook)
    rows = toy.claims("executed")
    rows[0]["figure"] = "fig-nowhere"
    toy.write_json(copy.build / "smoke" / "claims" / "executed.json", rows)
    copy.html.rename(copy.html.with_name("html.old"))  # as if killed between two renames
    with pytest.raises(BookError) as caught:
        build("smoke", copy.build, copy.book)
    for complaint in (
        *("nobody1999", "fig-nothing", "unicorn", "fig-executed-line has no alternat"),
        "a claim is decided by fig-nowhere, which is no figure",
    ):
        assert complaint in str(caught.value)
    assert (copy.html / "index.html").read_bytes() == before
    assert not list(copy.html.parent.glob("html.*"))
    parsed = copy.build / "smoke" / "sphinx"
    assert not parsed.exists(), "from parsed pages the next build would not warn again"


def test_importing_the_builder_is_cheap() -> None:
    code = "import sys, weaklabels.press.html; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("wrong", ["--profile=fast", "--colour=red"])
def test_the_command_answers_misuse_with_one_sentence(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([wrong]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert wrong.removeprefix("--").replace("profile", "PROFILE") in line
    assert line.endswith(".")


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="profile is 'fast': expected quick, record, paper, smoke"):
        build("fast", tmp_path)
    assert not list(tmp_path.iterdir())

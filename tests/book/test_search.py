"""What the search of the built book finds first, and what it shows of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pytest
from docutils import nodes

from tests.book.browsing import DESKTOP, Site
from weaklabels import methods
from weaklabels.press.html import BOOK
from weaklabels.press.html.papers import entries_of

pytestmark = pytest.mark.timeout(1200)  # the book is visited by whichever test comes first

CHAPTERS = {
    "MoGD": ("mogd",),
    "LfOSA": ("lfosa",),
    "CDCR": ("cdcr",),
    "PU-MLC": ("pu_mlc",),
    "Self-Crowd": ("self_crowd",),
    "BLDR": ("bldr",),
    "L2D": ("l2d",),
    "CAP": ("cap",),
    "ISGD": ("isgd_pinn",),
    "ISGD-PINN": ("isgd_pinn",),
    "ALL-E": ("all_e",),
    "LL-R": ("large_loss_matters",),
    "LL-Ct": ("large_loss_matters",),
    "LL-Cp": ("large_loss_matters",),
    "IAT": ("cap",),
    "ROLE": ("acknowledging_the_unknown", "large_loss_matters"),
    "VPU": ("pu_mlc",),
    "PRODEN": ("class_activation_value",),
    "CAVL": ("class_activation_value",),
    "EM": ("acknowledging_the_unknown",),
    "APL": ("acknowledging_the_unknown",),
    "WAN": ("large_loss_matters",),
    "LSAN": ("large_loss_matters",),
    "IU": ("large_loss_matters",),
    "SCAR": ("pu_mlc",),
    "L-BFGS": ("isgd_pinn",),
    "AN": ("large_loss_matters",),
    "GR Loss": ("neighbours",),
    "E2OAL": ("neighbours",),
    "σ": ("notation",),
}
"""Name of a method or a symbol -> pages on it: of its paper, or else of those that run it as a
rival."""


def definitions() -> dict[str, set[str]]:
    """What the book defines, in lower case -> addresses where it does."""
    found: dict[str, set[str]] = defaultdict(set)
    for term in re.findall(r"^(\w.*)\n(?!\n)", (BOOK / "glossary.md").read_text("utf-8"), re.M):
        found[term.lower()].add(f"glossary.html#term-{term.replace(' ', '-')}")
    for name in methods.names():
        found[name.lower()].add(f"methods.html#method-{nodes.make_id(name)}")
    for slug, entry in entries_of(BOOK).items():
        for name in [*entry.name.split(", "), *entry.found_by]:
            found[name.lower()].add(f"{slug}.html")
    letters = "alpha|beta|gamma|delta|epsilon|eta|theta|lambda|pi|rho|sigma|tau|phi"
    symbols = re.findall(rf"\\({letters})\b", (BOOK / "notation.md").read_text("utf-8"), re.I)
    return found | {letter.lower(): {"notation.html"} for letter in [*symbols, "γ"]}


FINISHED = """() => document.querySelector(".search-summary")?.innerText.includes("finished")
  && [...document.querySelectorAll("#search-results li")]
    .every((found) => found.querySelector("p.context, span:not(.highlighted, .section-number)"))"""
"""Every hit has its excerpt, or is an entry of the API, which has none."""


FIRST = """(all) => {
  window.fetch = () => new Promise(() => {});
  window.setTimeout = () => 0;
  return all.map((words) => {
    Search.output.replaceChildren();
    Search.query(words);
    return Search.output.querySelector("li > a")?.getAttribute("href");
  });
}"""
"""One search after the other on the same page, without excerpts and what is found later."""


def first(browser: Any, site: Site, asked: Iterable[str]) -> dict[str, str]:
    """Words -> address of what is found first."""
    page, asked = browser.new_page(viewport=DESKTOP), list(asked)
    search(page, site, asked[0])
    found = page.evaluate(FIRST, asked)
    page.close()
    return dict(zip(asked, found, strict=True))


def search(page: Any, site: Site, words: str) -> list[str]:
    """Addresses of what was found, best first."""
    page.goto(f"{site.address}search.html?q={quote(words)}")
    page.wait_for_function(FINISHED, timeout=60_000)
    return page.locator("#search-results li > a").evaluate_all(
        "all => all.map((link) => link.getAttribute('href'))"
    )


def test_the_name_of_a_method_leads_to_its_chapter(real_site: Site, browser: Any) -> None:
    wrong = {
        name: found
        for name, found in first(browser, real_site, CHAPTERS).items()
        if found not in {f"{chapter}.html" for chapter in CHAPTERS[name]}
    }
    assert wrong == {}


def test_what_the_book_defines_is_found_there_first(real_site: Site, browser: Any) -> None:
    places = definitions()
    wrong = {
        words: found
        for words, found in first(browser, real_site, places).items()
        if found not in places[words]
    }
    assert {"map", "trades", "asl", "gamma"} <= places.keys()
    assert wrong == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mAP", "mAP Area under the precision-recall curve of one class"),
        ("average precision", "average precision mean average precision mAP Area under"),
        ("MART", "MART "),
    ],
)
def test_the_excerpt_is_what_is_said_of_the_word(
    real_site: Site, browser: Any, words: str, said: str
) -> None:
    page = browser.new_page(viewport=DESKTOP)
    search(page, real_site, words)
    text = page.locator("#search-results p.context").first.inner_text()
    page.close()
    assert text.startswith(said)


def test_pages_stand_before_entries_of_the_api(real_site: Site, browser: Any) -> None:
    page = browser.new_page(viewport=DESKTOP)
    found = search(page, real_site, "known_posterior")
    page.close()
    entries = ["#weaklabels." in link for link in found]
    assert any(entries)
    assert not all(entries)
    assert entries == sorted(entries)


@pytest.mark.parametrize("word", ["epsilon", "lambda", "λ"])
def test_excerpts_are_sentences_of_the_article(real_site: Site, browser: Any, word: str) -> None:
    page = browser.new_page(viewport=DESKTOP)
    search(page, real_site, word)
    texts = page.locator("#search-results p.context").all_inner_texts()
    page.close()
    assert len(texts) > 3
    for text in texts:
        assert 40 < len(text) < 250, text
        for wrong in ("\\", "$", ".pdf", ".ipynb", "Contents", "Toggle", "Show code"):
            assert wrong not in text, text

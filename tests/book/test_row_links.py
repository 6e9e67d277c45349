"""Wherever a page says "row 5a", it leads to that row."""

from __future__ import annotations

import re

import pytest

from weaklabels.press.html.row_links import link_rows

LEDGER = "".join(
    f'<tr><th>{id}</th><td>A claim.</td><td><span class="verdict {outcome}">{outcome}</span></td>'
    "</tr>\n"
    for id, outcome in (("1", "holds"), ("3a", "fails"), ("3b", "open"), ("r12a", "holds"))
)


def links(html: str) -> list[tuple[str, str, str]]:
    """Address, title and text of all links to rows."""
    return re.findall(r'<a class="to-row" href="#([^"]+)" title="([^"]+)">([^<]+)</a>', html)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("as row 3a says", ["3a"]),
        ("(row 1)", ["1"]),
        ("Rows 1, 3a and 3b ask", ["1", "3a", "3b"]),
        ("rows 3a to 3b,", ["3a", "3b"]),
        ("rows 1, and r12a", ["1", "r12a"]),
        ("row 3, all of it", ["3"]),
        ("the <strong>rows 3b</strong>", ["3b"]),
        ("<strong>fails</strong> (3a, 3b), else (1)", ["3a", "3b"]),
        ("row 9z", []),
        ("row 3a there", []),
        ("rows 1 and 3a of that chapter", []),
        ("arrow 1, the third row", []),
        ("<code>row 3a</code> <a href='x'>row <em>3a</em></a>", []),
        ("<pre><span>row</span> 1: row 3a</pre>", []),
        ('<img alt="row 3a">', []),
    ],
)
def test_a_mention_leads_to_its_row(text: str, found: list[str]) -> None:
    shown = link_rows(f"<p>{text}</p>{LEDGER}")
    assert [id for *_, id in links(shown)] == found
    assert re.sub(r'<a class="to-row"[^>]*>([^<]*)</a>', r"\1", shown).startswith(f"<p>{text}</p>")
    for address, outcome, id in links(shown):
        [row] = re.findall(rf'<tr id="{address}"><th>(\w+)</th>.*?verdict (\w+)', shown)
        assert row == ("3a" if id == "3" else id, outcome)


def test_on_the_scoreboard_a_row_is_one_of_the_same_chapter() -> None:
    rows = [
        f'<tr><td><a id="claim-{slug}-{id}" href="#">{id}</a></td><td>as row 2a, unlike row 7</td>'
        f'<td><span class="verdict holds">{outcome}</span></td></tr>\n'
        for slug, id, outcome in (
            ("one", "1", "holds"),
            ("one", "2a", "fails"),
            ("other_one", "2a", "open"),
            ("other_one", "7", "not testable here"),
        )
    ]
    shown = link_rows("<p>row 7</p>" + "".join(rows))
    one, other = ("claim-one-2a", "fails", "2a"), ("claim-other_one-2a", "open", "2a")
    last = ("claim-other_one-7", "not testable here", "7")
    assert links(shown) == [one, one, other, last, other, last]


def test_a_page_without_rows_stays() -> None:
    assert link_rows("<p>row 3a</p>") == "<p>row 3a</p>"

"""What is generated: scoreboard of claims, provenance, totals and figure of the front page."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from weaklabels import __version__
from weaklabels.press.claims_table import in_the_paper
from weaklabels.press.fine_print import conditions, needed
from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.data_kinds import kind_of
from weaklabels.press.html.forest import draw_row
from weaklabels.press.html.markup import numbered, plain, span, table
from weaklabels.press.html.narrow import narrow, stacked
from weaklabels.press.html.papers import Paper
from weaklabels.press.runner.files import read_json
from weaklabels.press.runner.report import clock
from weaklabels.press.verdicts import (
    AGREES,
    NOT_CHECKED,
    OPEN,
    OUTCOMES,
    in_words,
)

FRONT = "fig-llm-photograph-memorisation"
FRONT_FILE = "generated/front"
FRONT_CAPTION = """\
Mean loss of labels on photographs of which one class each was written down. Orange: classes that
are there and were left out; blue: classes that are absent. Up to the dotted line the orange loss
rises, because the network knows better; where it falls, it learns the gaps by heart."""
UNKNOWN = "–"
EFFECTS_TEXT = """\
The lines under *Here* are the claim's comparisons on one scale for all: a mark at the effect
(circle: holds, square: fails, hollow diamond: open), a bar to the ends of its interval. The grey
line is no effect, the dotted one what would just be worth a sentence, the short black one what is
claimed; beyond the dotted line the scale is logarithmic, and its ends are 300 times as much.
A hollow triangle is the effect in the paper, where the paper gives it.
"""
DATA_TEXT = """\
A claim is listed under the kind of data that its words, or the name of its figure or table, say;
one that names none was measured on the first kind of its chapter, and one for which nothing was
measured has none.
"""
ENDINGS = tuple(f", {outcome}" for outcome in OUTCOMES)
WIDE = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n"
"""Front matter of a page whose tables need the room of the contents list."""


def title_page(profile: str) -> str:
    """What a printed book has below its title: authors, version, licence, what it was made from."""
    made = "the committed record" if profile == "record" else f"an execution, profile *{profile}*"
    return (
        ":::{container} title-page\n"
        "The Weak Labels authors\n\n"
        f"Version {__version__}, made from {made}\n\n"
        "Code and text: MIT licence. Data sets and papers keep their owners' terms.\n"
        ":::\n"
    )


def duration(seconds: float | None) -> str:
    """How long a check takes, for the front page; nothing if that was not measured."""
    if seconds is None:
        return ""
    return (
        f"The chapters take **{max(1, round(seconds / 60))} minutes** on two cores of the machine "
        "on which they were timed last; at its start the command says how long it will take on "
        "yours.\n"
    )


FAIR = (
    "A row that *fails* is no verdict on a paper or on its authors: most papers could be read in "
    "part only, two methods are rebuilt from an abstract, one judge is replaced by a formula, and "
    "data and networks are small. What each chapter rests on stands beside its totals."
)


def scoreboard(chapters: Sequence[Shown], papers: Mapping[str, Paper]) -> str:
    """Totals by chapter and outcome, and every claim in one table.

    Args:
        chapters: of the book.
        papers: what they rest on, by slug.
    """
    text = [
        f"{WIDE}(scoreboard)=\n# Scoreboard\n",
        "Every claim that the chapters put to a test. An outcome is computed from the runs by the "
        "rule named with it, never typed. *Holds* and *fails* speak about this book's setting, and "
        "*fails* says that every effect that would count is excluded; *open* says that the runs "
        "allow both, and how many seeds would decide; *not testable here* says what would be "
        "needed. "
        f"{FAIR} "
        "{doc}`verdicts` explains the rules. The last column leads to the figure or table "
        "that decides, and the number of a claim is its address. (In print claims stand in their "
        "chapters alone.)\n",
    ]
    if not any(chapter.claims for chapter in chapters):
        return "\n".join([*text, "No chapter has been executed yet, so there is no verdict.\n"])
    if any(chapter.recorded for chapter in chapters):
        text.append(
            "Claims marked *recorded* come from an earlier execution, because their chapter was "
            "not executed in this build.\n"
        )
    text += ["## Totals\n", totals(chapters, papers)]
    text += [
        "## All claims\n",
        DATA_TEXT,
        EFFECTS_TEXT,
        claims_table(chapters, papers),
    ]
    return "\n".join(text)


def totals(chapters: Sequence[Shown], papers: Mapping[str, Paper]) -> str:
    """A table of the number of claims by chapter and outcome, and of what they rest on."""
    counted = [(chapter, chapter.totals()) for chapter in chapters if chapter.claims]
    rows = [
        [_link(chapter), *_counts(found), _rests_on(papers.get(chapter.slug))]
        for chapter, found in counted
    ]
    total = sum((found for _, found in counted), Counter())
    rows.append(["**All chapters**", *_counts(total), ""])
    return table(["Chapter", *OUTCOMES, "claims", "rests on"], rows, classes="totals")


def _rests_on(paper: Paper | None) -> str:
    return span(plain(f"{paper.read}; {', '.join(paper.data)}"), "small") if paper else ""


def totals_sentence(chapters: Sequence[Shown]) -> str:
    """The totals of the whole book in a few words, for the front page."""
    found = sum((chapter.totals() for chapter in chapters), Counter())
    if not found.total():
        return "No chapter of this build has been executed yet, so no claim has a verdict."
    counted = {outcome: found[outcome] for outcome in OUTCOMES}
    counts = [
        span(words, "verdict", _class(outcome))
        for outcome, words in zip(OUTCOMES, in_words(counted), strict=True)
    ]
    missing = [
        _link(chapter) for chapter in chapters if chapter.tests_claims and not chapter.claims
    ]
    text = f"**{found.total()} claims** have been put to a test: {' '.join(counts)}"
    rows = [row for chapter in chapters for row in chapter.claims]
    if said := agreement_sentence(rows):
        text += f"\n\n{said}"
    if missing:
        text += f"\n\nWithout a verdict in this build: {', '.join(missing)}."
    return text + _without_record(chapters)


def _without_record(chapters: Sequence[Shown]) -> str:
    """Which chapters count what this build measured, as they have no record yet."""
    keeping = [chapter for chapter in chapters if chapter.tests_claims]
    without = [_link(chapter) for chapter in keeping if not chapter.edition.claims]
    if not without:
        return ""
    if len(without) == len(keeping):
        return "\n\nNo chapter has its record yet: these are the few seeds of a check."
    return f"\n\nWithout a record yet, and with the few seeds of a check: {', '.join(without)}."


def agreement_sentence(rows: Sequence[dict[str, Any]]) -> str:
    """How many of the checked rows agree with the record; empty if none was checked."""
    said = [row["check"]["says"] for row in rows if "check" in row]
    compared = len(said) - said.count(NOT_CHECKED)
    if not compared:
        return ""
    return (
        f"The outcomes are those of the record. The check that made this copy of the book agrees "
        f"with {said.count(AGREES)} of the {compared} rows that it measured anew."
    )


def front_figure(chapters: Sequence[Shown]) -> dict[str, bytes]:
    """The figure of the front page, which a chapter has computed, and the text that includes it.

    On a phone its panels stand below each other.

    Returns:
        file name -> content; the text is empty if the chapter was not executed.
    """
    for chapter in chapters:
        if found := chapter.picture(FRONT):
            svg, settings = found
            alt = " ".join(settings["image"]["alt"].split())  # an option is no Markdown
            image = f"```{{figure}} {FRONT_FILE}.svg\n:alt: {alt}\n```"
            text = f"{image}\n\n{FRONT_CAPTION} From {_link(chapter)}.\n"
            files = {f"{FRONT_FILE}.md": text.encode(), f"{FRONT_FILE}.svg": svg}
            below = stacked(svg.decode())
            return files | ({narrow("front"): below.encode()} if below else {})
    return {f"{FRONT_FILE}.md": b""}


def claims_table(chapters: Sequence[Shown], papers: Mapping[str, Paper]) -> str:
    """All claims of some chapters; the page's script makes it sortable and filterable.

    Args:
        chapters: whose claims are shown.
        papers: what they rest on, by slug.
    """
    rows = [
        [
            _link(chapter),
            _anchor(chapter, row),
            _claim(row),
            plain(in_the_paper(row.get("paper") or UNKNOWN)),
            _ours(row, kind_of(row, papers.get(chapter.slug))),
            _outcome(row, recorded=bool(chapter.recorded)),
            _evidence(chapter, row),
        ]
        for chapter in chapters
        for row in chapter.claims
    ]
    header = ["Chapter", "Id", "Claim", "The paper", "Here", "Outcome", "Decided by"]
    return table(header, rows, classes="claims", widths=(12, 4, 28, 15, 20, 12, 9))


def provenance(chapters: Sequence[Shown]) -> str:
    """What was executed when, where, with what and for how long, and where records were made."""
    rows, seconds = [], 0.0
    for chapter in chapters:
        state = chapter.state
        duration = state.get("duration")
        taken = duration if isinstance(duration, int | float) else None
        seconds += taken or 0.0
        parameters = state.get("parameters") or {}
        rows.append(
            [
                _link(chapter),
                _status(chapter),
                plain(_time(state.get("start") or state.get("started"))),
                UNKNOWN if taken is None else plain(clock(taken)),
                plain(state.get("device") or parameters.get("device") or UNKNOWN),
                plain(state.get("seeds") or parameters.get("seeds") or UNKNOWN),
                plain(state.get("profile") or parameters.get("profile") or UNKNOWN),
                _commit(state.get("commit")),
            ]
        )
    executed = sum(chapter.executed is not None for chapter in chapters)
    rows.append(
        [
            "**All chapters**",
            f"{executed} of {len(chapters)} executed",
            "",
            clock(seconds),
            *[""] * 4,
        ]
    )
    lasted = "Duration, with stored runs"
    header = ["Chapter", "Status", "Start (UTC)", lasted, "Device", "Seeds", "Profile"]
    text = [
        f"{WIDE}(provenance)=\n# Execution statistics and provenance\n",
        "When and on what each chapter was executed, and with which versions. "
        "Every chapter's page offers the executed notebook for download, and what it needs to run "
        "(the arrow at its top). Times stand only here, so that two executions of a chapter can be "
        "compared byte by byte.\n",
        "## Executions\n",
        table([*header, "Commit"], rows, classes="executions"),
        "A duration is that of the last execution, which looks up every run that was finished and "
        "stored before: it does not tell how long the runs took. A `+` after the commit says that "
        "files differed from it.\n",
        _refreshed(chapters),
    ]
    return "\n".join([*text, _records(chapters), _versions(chapters)])


def _refreshed(chapters: Sequence[Shown]) -> str:
    """Which executions were brought up to date without their runs, if any (``press.refresh``)."""
    found = [(each, each.state["refreshed"]) for each in chapters if "refreshed" in each.state]
    if not found:
        return ""
    told = ", ".join(
        f"{_link(chapter)} ({made['cells executed']} cells, {plain(_time(made['start']))}, "
        f"{_commit(made['commit'])})"
        for chapter, made in found
    )
    return (
        "What a chapter shows of its other records may be newer than its execution: such records "
        f"were made again, and cells that need no training executed anew, in {told}.\n"
    )


def _records(chapters: Sequence[Shown]) -> str:
    """On what the recorded tables were computed, one row for each machine and set of versions."""
    names = ("device", "python", "torch", "numpy")
    groups: dict[tuple[str, ...], Counter[str]] = {}
    for chapter in chapters:
        for path in sorted(chapter.edition.folder.glob("*.json")):
            record = read_json(path)
            made = record.get("provenance") if isinstance(record, dict) else None
            if isinstance(made, dict):
                key = tuple(str(made.get(name, UNKNOWN)) for name in names)
                groups.setdefault(key, Counter())[_link(chapter)] += 1
    if not groups:
        return ""
    rows = [
        [*map(plain, key), ", ".join(f"{link} ({count})" for link, count in found.items())]
        for key, found in sorted(groups.items())
    ]
    text = (
        "## Records\n\n"
        "What takes too long for an execution was computed by commands of its own and is read from "
        "the records that they left; behind a chapter stands how many. Where no graphics card is "
        "named the processor computed, and only its kind is known.\n"
    )
    header = ["Device", "Python", "torch", "numpy", "Records of"]
    return f"{text}\n{table(header, rows, classes='records')}"


def _versions(chapters: Sequence[Shown]) -> str:
    """One column of versions for each set of versions that was used."""
    groups: dict[tuple[tuple[str, str], ...], list[Shown]] = {}
    for chapter in chapters:
        versions = chapter.state.get("versions")
        if isinstance(versions, dict):
            key = tuple(sorted((str(name), str(version)) for name, version in versions.items()))
            groups.setdefault(key, []).append(chapter)
    if not groups:
        return ""
    names = sorted({name for versions in groups for name, _ in versions})
    columns = [dict(versions) for versions in groups]
    rows = [
        [f"`{name}`", *(plain(column.get(name, UNKNOWN)) for column in columns)] for name in names
    ]
    heads = [", ".join(_link(chapter) for chapter in group) for group in groups.values()]
    header = ["Package", *(heads if len(heads) > 1 else ["Version"])]
    return "\n".join(["## Versions\n", table(header, rows, classes="versions")])


def _link(chapter: Shown) -> str:
    return f"{{doc}}`{chapter.slug}`"


def _counts(found: Counter[str]) -> list[str]:
    return [*(str(found[verdict]) for verdict in OUTCOMES), str(found.total())]


def _class(outcome: str) -> str:
    return outcome.split()[0] if outcome in OUTCOMES else "unknown"


def _anchor(chapter: Shown, row: dict[str, Any]) -> str:
    """A claim's id, which is its own address on the page."""
    name = html.escape(f"claim-{chapter.slug}-{row.get('id', '')}")
    return f'<a id="{name}" href="#{name}">{plain(row.get("id", ""))}</a>'


def _claim(row: dict[str, Any]) -> str:
    text = plain(row.get("claim", ""))
    return f"{text}\n\n{span(numbered(row['why']), 'small')}" if row.get("why") else text


def _ours(row: dict[str, Any], kind: str) -> str:
    """What was measured, its comparisons drawn, by which rule, and on which kind of data."""
    text = _measured(str(row.get("ours") or UNKNOWN))
    rule = plain("; ".join(conditions(row)))
    notes = [span(rule, "small")] if rule else []
    notes += [f"{span('on', 'small')} {span(plain(kind), 'small', 'data')}"] if kind else []
    return "\n\n".join([text, *filter(None, [draw_row(row)]), *notes])


def _measured(ours: str) -> str:
    """What was measured; many parts are folded under the numbers of their outcomes."""
    parts = ours.split("; ")
    if len(parts) < 3 or not all(part.endswith(ENDINGS) for part in parts):
        return plain(ours)
    found = Counter(part.rpartition(", ")[2] for part in parts)
    items = "\n".join(f"- {plain(part)}" for part in parts)
    summary = f"{len(parts)} parts: {', '.join(in_words(found))}"
    return f"<details><summary>{summary}</summary>\n\n{items}\n\n</details>"


def _outcome(row: dict[str, Any], recorded: bool) -> str:
    outcome = str(row.get("outcome") or UNKNOWN)
    notes = [needed(row)] if outcome == OPEN else []
    notes += ["recorded"] if recorded else []
    notes += [_checked(row["check"])] if "check" in row else []
    return "\n\n".join(
        [
            span(plain(outcome), "verdict", _class(outcome)),
            *(span(plain(note), "small") for note in notes),
        ]
    )


def _checked(check: dict[str, Any]) -> str:
    """What this build's own runs say of a recorded row."""
    if check["says"] == NOT_CHECKED:
        return "from the record, not checked here"
    return f"this run {'agrees' if check['says'] == AGREES else 'does not agree'}: {check['found']}"


def _evidence(chapter: Shown, row: dict[str, Any]) -> str:
    """A numbered, checked reference: a label that does not exist fails the build."""
    label = str(row.get("figure") or "").strip()
    return f"{{numref}}`{label}`" if label else _link(chapter)


def _status(chapter: Shown) -> str:
    if chapter.edited_since:
        return "executed, edited since"
    if chapter.executed is not None:
        return "executed"
    missing = "failed" if chapter.failed else "not executed"
    return f"{missing}, claims recorded" if chapter.recorded else missing


def _time(start: object) -> str:
    return str(start).replace("T", " ").removesuffix("+00:00")[:19] if start else UNKNOWN


def _commit(commit: object) -> str:
    text = str(commit or "")
    return f"`{text[:10]}{'+' if text.endswith('+') else ''}`" if text else UNKNOWN

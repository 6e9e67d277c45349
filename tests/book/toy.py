"""A small book with the real book's settings, extension and style, and invented chapters."""

from __future__ import annotations

import json
import shutil
import zlib
from html import escape
from pathlib import Path
from typing import Any

from weaklabels.press.html import BOOK

TRICKY = "A *star*, a_b_c, [x](y), <b>bold</b>, {{curly}} and $\\alpha$ stay as they are"

TOC = """format: jb-book
root: index
parts:
  - caption: Chapters
    numbered: 2
    chapters:
      - file: chapters/executed/executed
      - file: chapters/unexecuted/unexecuted
  - caption: Back matter
    chapters:
      - file: scoreboard
      - file: verdicts
      - file: provenance
      - file: words
"""

INDEX = """# A toy book

:::{only} singlehtml
```{include} generated/title.md
```
:::

Cited: {cite:t}`someone2020title`. Much is known about {term}`zebras <zebra>`.

```{include} generated/found.md
```

```{include} generated/totals.md
```

```{include} generated/cards.md
```
"""

PAPERS = """executed:
  name: TOY
  cite: someone2020title
  idea: Toys are played with.
  read: abstract and code
  data: [digits, photographs]
  use: On rainy days.
  library: |
    from weaklabels import Classifier
    Classifier("AN").fit(images, labels)
  costs: [AN, unknown]
  step: an hour in {1} seconds
  main: ["1"]
"""

VERDICTS = "# How verdicts are made\n\nBy rules.\n"

WORDS = """# Words

```{glossary}
zebra
  A striped horse.
```

```{bibliography}
```
"""

BIBLIOGRAPHY = """@inproceedings{someone2020title,
  author = {Someone, Ann}, title = {A Title}, booktitle = {A Conference}, year = {2020},
  archiveprefix = {arXiv}, eprint = {2001.00001}
}
"""

OPENING = """# Executed {slug}

See {{numref}}`fig-{slug}-line`, {{numref}}`tab-{slug}-scores` and {{eq}}`eq-{slug}-sum`; \
{{cite:p}}`someone2020title`.

```{{math}}
:label: eq-{slug}-sum
L = \\sum_i \\ell_i
```
"""


SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='24' height='16'><path d='M0 16L24 0'/></svg>"
"""A rising line, as a notebook stores it."""


def authored(slug: str) -> dict[str, Any]:
    """A notebook without outputs: a figure, a wide table, an equation, a folded cell."""
    figure = {"name": f"fig-{slug}-line", "caption": "A line that rises with $x$."}
    table = {"name": f"tab-{slug}-scores", "caption": "Scores in per cent."}
    decided = {"name": f"tab-{slug}-claims", "caption": "What was claimed."}
    return {
        "cells": [
            _cell("markdown", OPENING.format(slug=slug)),
            _cell("code", 'profile = "quick"', tags=["parameters", "hide-cell"]),
            _cell("code", "draw();", mystnb={"figure": figure, "image": {"alt": "A rising line."}}),
            _cell("code", "scores", mystnb={"figure": table}),
            _cell("code", "chapter.ledger.table()", mystnb={"figure": decided}),
        ],
        "metadata": {"kernelspec": {"display_name": "x", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def executed(slug: str) -> dict[str, Any]:
    """The same as papermill leaves it."""
    notebook = authored(slug)
    _, parameters, figure, table, decided = notebook["cells"]
    injected = _cell("code", 'profile = "smoke"', tags=["injected-parameters"])
    notebook["cells"].insert(2, injected)
    head = "".join(f"<th>column {number}</th>" for number in range(20))
    cells = "".join(f"<td>{number}.5 ± 0.1</td>" for number in range(20))
    html = f'<table class="dataframe"><thead><tr><th></th>{head}</tr></thead>'
    rows = "".join(f"<tr><th>{name}</th>{cells}</tr>" for name in ("AN", "LL-R", "LL-Ct", "LL-Cp"))
    html += f"<tbody>{rows}</tbody></table>"
    figure["outputs"] = [_shown({"image/svg+xml": SVG, "text/plain": "<Figure>"})]
    table["outputs"] = [_shown({"text/html": html, "text/plain": "a table"})]
    html = '<table class="dataframe"><thead><tr><th></th><th>claim</th><th>paper</th>'
    html += "<th>here</th><th>outcome</th><th>why</th></tr></thead><tbody>"
    for row in claims(slug):
        texts = {**row, "claim": "A sentence"}
        shown = (texts[key] for key in ("claim", "paper", "ours", "outcome", "why"))
        html += f"<tr><th>{row['id']}</th>{''.join(f'<td>{escape(text)}</td>' for text in shown)}"
    decided["outputs"] = [_shown({"text/html": f"{html}</tbody></table>"})]
    for number, cell in enumerate((parameters, injected, figure, table, decided), start=1):
        cell["execution_count"] = number
        cell["metadata"]["papermill"] = {"start_time": "2001-02-03"}
    notebook["metadata"]["papermill"] = {"input_path": "/home/somebody/book/executed.ipynb"}
    return notebook


def claims(slug: str, *, number: int = 12) -> list[dict[str, Any]]:
    """Rows of a ledger; every third fails, one cannot be tested, one is open."""
    rows = [
        {
            "id": str(k),
            "claim": f"Claim {k} about {slug}",
            "paper": "84.1",
            "test": "mean paired difference > 0",
            "ours": f"{80 + k}.0 ± 0.5",
            "outcome": "fails" if k % 3 == 0 else "holds",
            "seeds": 3,
            "figure": f"fig-{slug}-line" if k % 2 else f"tab-{slug}-scores",
            "why": "",
            "parts": [part("fails" if k % 3 == 0 else "holds")],
        }
        for k in range(1, number + 1)
    ]
    rows[0]["claim"] = TRICKY
    rows[1] |= {
        "outcome": "not testable here",
        "why": "No images (tab-executed-scores).",
        "figure": "",
    }
    rows[1]["parts"] = [part("not testable here", kind="not testable", effect=None)]
    rows[2]["ours"] = "a: 1.0, holds; b: 2.0, fails; c: 3.0, holds"
    three = {"a": "holds", "b": "fails", "c": "holds"}
    rows[2]["parts"] = [part(each, name=name) for name, each in three.items()]
    if number > 4:
        rows[4] |= {"outcome": "open", "parts": [part("open", needed=n) for n in (12, 40)]}
        rows[6]["claim"] += ", on photographs"
    return rows


def part(outcome: str, **values: object) -> dict[str, Any]:
    """A part of a claim."""
    usual = {"name": "", "kind": "comparison", "outcome": outcome, "effect": 2.0, "low": 1.0}
    usual |= {"high": 3.0, "worth": 0.5, "margin": 0.0, "paper_effect": 4.0, "seeds": 3}
    return usual | {"needed": None} | values


STATE = {
    "slug": "executed",
    "parameters": {"profile": "smoke", "device": "cpu", "seeds": 3, "data_root": "data"},
    "seeds": 3,
    "device": "A processor (2 cores)",
    "versions": {"python": "3.11.9", "torch": "2.6.0"},
    "start": "2001-02-03T04:05:06+00:00",
    "duration": 83.2,
    "commit": "0123456789abcdef0123456789abcdef01234567+",
}


def write(book: Path, results: Path) -> None:
    """Write the toy book and the results of executing one of its two chapters."""
    for name in ("_ext", "_static"):
        shutil.copytree(BOOK / name, book / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(BOOK / "_config.yml", book)
    for name, text in (
        ("_toc.yml", TOC),
        ("index.md", INDEX),
        ("verdicts.md", VERDICTS),
        ("words.md", WORDS),
        ("papers.yml", PAPERS),
        ("references.bib", BIBLIOGRAPHY),
    ):
        (book / name).write_text(text, encoding="utf-8")
    for slug in ("executed", "unexecuted"):
        write_json(notebook(book, slug), authored(slug))
    recorded = notebook(book, "unexecuted").parent / "recorded"
    write_json(recorded / "claims.json", claims("unexecuted", number=3))
    write_json(results / "notebooks" / "executed.ipynb", executed("executed"))
    write_json(results / "claims" / "executed.json", claims("executed"))
    write_json(results / "state" / "executed.json", STATE)


def notebook(book: Path, slug: str) -> Path:
    """Where a chapter's notebook is."""
    return book / "chapters" / slug / f"{slug}.ipynb"


def write_json(path: Path, content: object) -> None:
    """Write JSON, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _cell(kind: str, source: str, **metadata: object) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "source": source, "metadata": metadata}
    cell["id"] = f"c{zlib.crc32(source.encode())}"
    if kind == "code":
        cell |= {"outputs": [], "execution_count": None}
    return cell


def _shown(data: dict[str, str]) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": data}

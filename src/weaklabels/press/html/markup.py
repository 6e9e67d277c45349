"""Pieces of MyST Markdown for pages that are generated."""

from __future__ import annotations

import re
from collections.abc import Sequence

from weaklabels.press.claims_table import LABEL

_MATHS = re.compile(r"(\$[^$\s](?:[^$\n]*[^$\s])?\$)")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain(value: object) -> str:
    """Text that MyST shows as it stands, on one line; ``$...$`` stays mathematics."""
    parts = _MATHS.split(" ".join(str(value).split()))
    return "".join(
        part if number % 2 else _PUNCTUATION.sub(r"\\\1", part) for number, part in enumerate(parts)
    )


def numbered(text: str) -> str:
    """The same, with figures and tables that it names by their labels referred to by number."""
    shown = plain(text)
    for label in sorted(LABEL.findall(text), key=len, reverse=True):
        shown = shown.replace(plain(label), f"{{numref}}`{label}`")
    return shown


def span(text: str, *classes: str) -> str:
    """Markdown text with CSS classes."""
    return f"[{text}]{{{' '.join('.' + name for name in classes)}}}"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    classes: str = "",
    caption: str = "",
    label: str = "",
    widths: Sequence[int] = (),
) -> str:
    """A list-table directive.

    Args:
        header: Markdown of the column heads.
        rows: Markdown of the cells; blank lines separate paragraphs.
        classes: CSS classes, separated by spaces.
        caption: shown above; a table with a caption is numbered.
        label: by which text refers to it.
        widths: relative widths of the columns.
    """
    options = [":header-rows: 1"]
    options += [f":class: {classes}"] if classes else []
    options += [f":name: {label}"] if label else []
    options += [":widths: " + " ".join(map(str, widths))] if widths else []
    lines = [f"```{{list-table}} {caption}".rstrip(), *options, ""]
    for row in [header, *rows]:
        for number, cell in enumerate(row):
            first, *rest = (cell or " ").split("\n")
            lines.append(f"{'* - ' if number == 0 else '  - '}{first}".rstrip())
            lines += [f"    {line}".rstrip() for line in rest]
    return "\n".join([*lines, "```", ""])

"""The book's own Sphinx extension: numbered tables from notebooks, and alternative texts checked.

A code cell whose ``mystnb.figure`` has a name beginning with ``tab-`` becomes a numbered table with
its caption above; MyST-NB itself knows only figures. Every image needs alternative text: one
without is a warning, and warnings fail the build. References to figures by number are resolved
without reading the page of the figure anew for each.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)


class notebook_table(nodes.figure):
    """A table that a notebook's cell has put out, with its caption first."""


class table_body(nodes.container):
    """What stands below the caption."""


class NumberTables(SphinxTransform):
    """Turn figures named ``tab-...`` into tables."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        for figure in list(self.document.findall(nodes.figure)):
            if not any(name.startswith("tab-") for name in figure["names"]):
                continue
            captions = [child for child in figure if isinstance(child, nodes.caption)]
            others = [child for child in figure if not isinstance(child, nodes.caption)]
            table = notebook_table("", *captions, table_body("", *others), **figure.attributes)
            for label in figure["ids"]:
                self.document.ids[label] = table  # references are resolved through these
            figure.replace_self(table)


class RequireAlternativeText(SphinxTransform):
    """Warn about every image without a text for those who cannot see it."""

    default_priority = 900

    def apply(self, **_: object) -> None:
        for image in self.document.findall(nodes.image):
            if not str(image.get("alt", "")).strip():
                figure = image.parent
                while figure is not None and not isinstance(figure, nodes.figure):
                    figure = figure.parent
                name = figure["names"][0] if figure is not None and figure["names"] else "an image"
                LOGGER.warning(
                    "%s has no alternative text: add it to the cell's metadata, "
                    '"mystnb": {"image": {"alt": "..."}}',
                    name,
                    location=image,
                    type="weaklabels",
                    subtype="alt",
                )


class PagesReadOnce:
    """An environment whose pages are parsed from their pickles once, for who only looks at them."""

    def __init__(self, env: BuildEnvironment) -> None:
        self._env = env
        self.get_doctree = cache(env.get_doctree)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)


class NumberedReferences(StandardDomain):
    """Sphinx's own domain, which unpickles the page of a figure for every reference to it."""

    def __init__(self, env: BuildEnvironment) -> None:
        super().__init__(env)
        self._pages = PagesReadOnce(env)

    def _resolve_numref_xref(self, env: BuildEnvironment, *args: Any) -> Any:
        return super()._resolve_numref_xref(self._pages, *args)  # type: ignore[arg-type]


def visit_table(self: HTML5Translator, node: notebook_table) -> None:
    self.body.append(self.starttag(node, "figure", CLASS="numbered-table"))


def depart_table(self: HTML5Translator, _: notebook_table) -> None:
    self.body.append("</figure>\n")


def visit_body(self: HTML5Translator, node: table_body) -> None:
    if any(isinstance(child, nodes.caption) for child in node.parent):
        self.body.append("</figcaption>\n")  # docutils leaves it open for a legend
    self.body.append('<div class="table-body">\n')


def depart_body(self: HTML5Translator, _: table_body) -> None:
    self.body.append("</div>\n")


def entries_are_items(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Give entries of the bibliography the role that their list needs; their own is obsolete."""
    body = context.get("body", "")
    context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def typeset_maths(app: Sphinx) -> None:
    """Load MathJax also for the one page of ``singlehtml``, which Sphinx finds no equations in."""
    if app.builder.name == "singlehtml":
        app.set_html_assets_policy("always")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_enumerable_node(notebook_table, "table", html=(visit_table, depart_table))
    app.add_node(table_body, html=(visit_body, depart_body))
    app.add_domain(NumberedReferences, override=True)
    app.add_transform(NumberTables)
    app.add_transform(RequireAlternativeText)
    app.connect("html-page-context", entries_are_items)
    app.connect("builder-inited", typeset_maths)
    source = hashlib.sha256(Path(__file__).read_bytes()).digest()
    return {
        "env_version": int.from_bytes(source[:4], "big"),  # an edit parses every page again
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }

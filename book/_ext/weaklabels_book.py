"""The book's own Sphinx extension: numbered tables from notebooks, and alternative texts checked.

A code cell whose ``mystnb.figure`` has a name beginning with ``tab-`` becomes a numbered table with
its caption above; MyST-NB itself knows only figures. Every image needs alternative text: one
without is a warning, and warnings fail the build. References to figures by number are resolved
without reading the page of the figure anew for each.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

import weaklabels
from weaklabels.press.html.row_links import link_rows

NARROW = "generated/narrow-{}.svg"
"""A figure as it is shown on a phone, where the book has one (``weaklabels.press.html.narrow``)."""

LOGGER = logging.getLogger(__name__)
REPRESENTATION = re.compile(r"<(?:[^<>]|<[^<>]*>)+>")
BEFORE_THE_THEME, AFTER_THE_THEME = 400, 600
EVIDENCE = re.compile(r'<a class="(decides|named)" href="#([\w-]+)">\2</a>')


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


class picture(nodes.General, nodes.Inline, nodes.Element):
    """An image in two forms, of which the browser shows one."""


class narrow_image(nodes.image):
    """The form for a phone; it has no text of its own."""


class RequireAlternativeText(SphinxTransform):
    """Warn about every image without a text for those who cannot see it."""

    default_priority = 860

    def apply(self, **_: object) -> None:
        for image in self.document.findall(nodes.image):
            if not str(image.get("alt", "")).strip():
                name = label_of(image) or "an image"
                LOGGER.warning(
                    "%s has no alternative text: add it to the cell's metadata, "
                    '"mystnb": {"image": {"alt": "..."}}',
                    name,
                    location=image,
                    type="weaklabels",
                    subtype="alt",
                )


class NarrowForms(SphinxTransform):
    """Give an image its form for a phone, which has the label of its figure, or its own name."""

    default_priority = 870  # Sphinx collects images at 880

    def apply(self, **_: object) -> None:
        for image in list(self.document.findall(nodes.image)):
            other = NARROW.format(label_of(image) or Path(image["uri"]).stem)
            if Path(self.app.srcdir, other).is_file():
                narrow = narrow_image(uri=f"/{other}")
                image.replace_self(picture("", narrow, image.deepcopy()))


def label_of(image: nodes.image) -> str:
    """The label of the figure that an image is part of; empty if it has none."""
    figure = image.parent
    while figure is not None and not isinstance(figure, nodes.figure):
        figure = figure.parent
    return str(figure["names"][0]) if figure is not None and figure["names"] else ""


class FoundBy(SphinxDirective):
    """Names, separated by commas, for which the search shows this page before all others."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        names = [name.strip() for name in self.arguments[0].split(",")]
        entries = [("single", name, "", "main", None) for name in names]
        return [addnodes.index(entries=entries)]


class FindMethods(SphinxTransform):
    """Let the search lead to the row of a method on the page of all of them."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        for table in self.document.findall(nodes.table):
            if "methods" in table["classes"]:
                for row in next(table.findall(nodes.tbody)):
                    name = row[0].astext()
                    row["ids"].append(f"method-{nodes.make_id(name)}")
                    entry = ("single", name, row["ids"][0], "main", None)
                    row[0].insert(0, addnodes.index(entries=[entry]))


class OpenFrontDoor(SphinxTransform):
    """Let names that ``weaklabels`` itself offers lead to where they are described."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        for signature in self.document.findall(addnodes.desc_signature):
            for name in list(signature["ids"]):
                own = name.removeprefix("weaklabels.estimator.")
                if own != name and own.partition(".")[0] in weaklabels.__all__:
                    signature["ids"].append(offered := f"weaklabels.{own}")
                    kind = signature.parent["objtype"]
                    self.env.domains["py"].note_object(offered, kind, offered, aliased=True)


class HideRepresentations(SphinxTransform):
    """Show ``...`` for a value of the API that has no text of its own: ``<function f at 0x7f>``."""

    default_priority = 200

    def apply(self, **_: object) -> None:
        for signature in self.document.findall(addnodes.desc_signature):
            for text in list(signature.findall(nodes.Text)):
                if (shown := REPRESENTATION.sub("...", text)) != text:
                    text.parent.replace(text, nodes.Text(shown))


def order_search(_app: Sphinx, config: Config) -> None:
    """Let the search order what it finds as ``search_scorer.js`` says."""
    config.html_search_scorer = str(Path(__file__).with_name("search_scorer.js"))


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


def visit_picture(self: HTML5Translator, _: picture) -> None:
    self.body.append("<picture>")


def depart_picture(self: HTML5Translator, _: picture) -> None:
    self.body.append("</picture>\n")


def visit_narrow(self: HTML5Translator, node: narrow_image) -> None:
    name = self.builder.images[node["uri"]]
    address = f"{self.builder.imgpath}/{name}"
    self.body.append(f'<source media="screen and (max-width: 40rem)" srcset="{address}">')
    raise nodes.SkipNode


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


def number_evidence(
    app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Let what decides or explains a claim, a label in a notebook's table, lead there by number."""

    def numbered(link: re.Match[str]) -> str:
        use, label = link.groups()
        place, anchor = app.env.domains["std"].anonlabels.get(label, (None, ""))
        kind = "table" if label.startswith("tab-") else "figure"
        known = app.env.toc_fignumbers
        # A book on one page has the numbers of all documents under its first one.
        single = known.get(app.config.root_doc, {}).get(f"{place}/{kind}", {})
        number = (single or known.get(place, {}).get(kind, {})).get(anchor)
        if number is None:
            done = "decided" if use == "decides" else "explained"
            LOGGER.warning("a claim is %s by %s, which is no %s", done, label, kind, location=page)
            return link[0]
        address = "" if app.builder.name == "singlehtml" or place == page else f"{place}.html"
        name = app.config.numfig_format[kind] % ".".join(map(str, number))
        return f'<a class="{use}" href="{address}#{anchor}">{name}</a>'

    if "body" in context:
        context["body"] = EVIDENCE.sub(numbered, context["body"])


def point_to_rows(
    app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Let every mention of a row lead to it; on the one page of a PDF numbers are not unique."""
    if "body" in context and app.builder.name == "html":
        context["body"] = link_rows(context["body"])


def typeset_maths(app: Sphinx) -> None:
    """Load MathJax also for the one page of ``singlehtml``, which Sphinx finds no equations in."""
    if app.builder.name == "singlehtml":
        app.set_html_assets_policy("always")


def listings_are_plain(
    _app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Leave the side bar out of listings of code: for each of them it takes most of the time."""
    if page.startswith("_modules/"):
        context["sidebars"] = []


def launch_from_its_room(
    _app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Let launch buttons open a chapter in its room, where the repository has it."""
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = button["url"].replace(
                    f"/{page}.ipynb", f"/chapters/{page}/{page}.ipynb"
                )


def offer_room(
    app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Offer, below the notebook, the zip with all that it needs to run."""
    if not Path(app.srcdir, "rooms", f"{page}.zip").is_file():
        return
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            button = {
                "type": "link",
                "url": context["pathto"](f"{page}.zip", 1),
                "text": ".zip",
                "icon": "fas fa-file-zipper",
                "tooltip": "Download all that it needs to run",
                "label": "download-room-button",
            }
            group["buttons"].insert(1, button)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_enumerable_node(notebook_table, "table", html=(visit_table, depart_table))
    app.add_node(table_body, html=(visit_body, depart_body))
    app.add_node(picture, html=(visit_picture, depart_picture))
    app.add_node(narrow_image, html=(visit_narrow, None))
    app.add_directive("found-by", FoundBy)
    app.add_domain(NumberedReferences, override=True)
    app.add_transform(NumberTables)
    app.add_transform(RequireAlternativeText)
    app.add_transform(NarrowForms)
    app.add_transform(FindMethods)
    app.add_transform(OpenFrontDoor)
    app.add_transform(HideRepresentations)
    app.connect("config-inited", order_search)
    app.connect("html-page-context", entries_are_items)
    app.connect("html-page-context", number_evidence)
    app.connect("html-page-context", point_to_rows)
    app.connect("html-page-context", launch_from_its_room, priority=AFTER_THE_THEME)
    app.connect("html-page-context", offer_room, priority=AFTER_THE_THEME)
    app.connect("html-page-context", listings_are_plain, priority=BEFORE_THE_THEME)
    app.connect("builder-inited", typeset_maths)
    source = hashlib.sha256(Path(__file__).read_bytes()).digest()
    return {
        "env_version": int.from_bytes(source[:4], "big"),  # an edit parses every page again
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }

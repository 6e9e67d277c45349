"""Visits to a built book in a real browser: headless Chromium, through Playwright."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weaklabels.press.html import BOOK

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = BOOK.parent / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
CHECK = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"], preload: false, ...%s});
  const ofTheTheme = (rule, node) =>
    rule.id === "label-content-name-mismatch" &&
    document.querySelector(node.target[0]).matches(".search-button-field, .theme-switch-button");
  return found.violations.flatMap((rule) => rule.nodes
    .filter((node) => !ofTheTheme(rule, node))
    .map((node) => `${rule.id}: ${node.html.slice(0, 200)}`));
}"""
"""Two buttons of the theme show more than their names say: a keyboard shortcut, and a list."""
ACCESSIBLE = (
    CHECK
    % """{
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
  rules: {"empty-table-header": {enabled: true}},
}"""
)
STRUCTURED = (
    CHECK
    % """{
  runOnly: {type: "rule", values: ["aria-required-children", "aria-required-parent"]},
}"""
)
"""What a phone changes: rows of tables are blocks."""
LEGIBLE = CHECK % '{runOnly: {type: "rule", values: ["color-contrast"]}}'
THIN = """() => {
  const beyond = (kind, kept) => [...document.querySelectorAll(kind)].slice(kept);
  const rows = [...document.querySelectorAll(".bd-article tbody")]
    .flatMap((body) => [...body.rows].slice(8));
  [...rows, ...beyond(".bd-article .cell_input", 4), ...beyond(".bd-article dl.py", 20)]
    .forEach((part) => part.remove());
}"""
"""axe-core looks at a page without the last of many alike, in a third of the time."""
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

OBSERVE = """() => {
  const article = document.querySelector("article");  // the search page has none
  const prose = (article ?? document.body).cloneNode(true);
  prose.querySelectorAll("pre, code, script, mjx-container").forEach((node) => node.remove());
  return {
    formulas: document.querySelectorAll(".math").length,
    typeset: document.querySelectorAll(".math mjx-container").length,
    broken: document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
    raw: prose.textContent.match(/\\$\\$|\\\\[([]|\\\\begin\\{/g) ?? [],
    images: [...document.images].map((image) => ({
      src: image.getAttribute("src"), width: image.naturalWidth, alt: image.alt,
      inArticle: article?.contains(image) ?? false,
    })),
  };
}"""

SCROLLING = """() => {
  const folded = [...document.querySelectorAll(".bd-article details:not([open])")];
  folded.forEach((part) => { part.open = true; });
  const found = [...document.querySelectorAll(
    ".bd-article :is(.text_html, .pst-scrollable-table-container, pre)")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.closest("[id]").id);
  folded.forEach((part) => { part.open = false; });
  return found;
}"""
"""Tables, code and printed outputs that are wider than their place, once all is unfolded."""

PICTURES = """() => [...document.querySelectorAll(".bd-article img[src$='.svg']")].map((image) => {
  const style = getComputedStyle(image);
  const card = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  const source = image.currentSrc.replace(document.baseURI.replace(/[^/]*$/, ""), "");
  return [source, image.getBoundingClientRect().width - card];
})"""
"""Figures in the form that is shown, and the pixels that they are wide, without their card."""

TABLES = """() => [...document.querySelectorAll(".bd-article table")].map((table) => {
  const box = table.closest(".text_html, .pst-scrollable-table-container") ?? table.parentElement;
  const heads = [...table.querySelectorAll("thead tr")].length;
  const rows = [...table.tBodies[0].rows];
  const before = (part) => getComputedStyle(part, "::before").content;
  return {
    name: table.closest("[id]").id,
    scrolls: box.scrollWidth > box.clientWidth + 1,
    hint: before(box),
    stacked: getComputedStyle(rows[0]).display !== "table-row",
    rows: rows.length,
    cells: rows.flatMap((row) => [...row.querySelectorAll("td")].map((cell) => cell.innerText)),
    letters: Math.min(...[...table.querySelectorAll("td")]
      .map((cell) => parseFloat(getComputedStyle(cell).fontSize))),
    roles: [table, ...table.querySelectorAll("tr, td, th")]
      .filter((part) => !part.hasAttribute("role")).length,
    unnamed: [...table.querySelectorAll(".stacked td:not(.head, :empty)")]
      .filter((cell) => before(cell) === "none").length,
  };
})"""
"""Tables as a phone shows them."""

DARK = """() => ({
  body: getComputedStyle(document.body).backgroundColor,
  images: [...document.querySelectorAll("article img")].map((image) => {
    const style = getComputedStyle(image);
    return [style.backgroundColor, style.filter];
  }),
})"""

READY = """async () => {
  if (document.querySelector(".math")) await MathJax.startup.promise;
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
}"""


@dataclass
class Visit:
    """What was seen on one page."""

    seen: dict[str, Any]
    dark: dict[str, Any]
    scrolling: list[str]
    phone_width: int
    phone_pictures: dict[str, float]
    phone_tables: list[dict[str, Any]]
    inaccessible: dict[str, list[str]]
    complaints: list[str] = field(default_factory=list)


@dataclass
class Site:
    """Built HTML, its address and the visits of its pages."""

    folder: Path
    address: str
    visits: dict[str, Visit] = field(default_factory=dict)


@contextmanager
def served(folder: Path, browser: Any) -> Iterator[Site]:
    """Serve a folder and visit each of its pages once."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Site(folder, f"http://127.0.0.1:{server.server_port}/")
        context = browser.new_context(viewport=DESKTOP)
        for path in sorted(folder.glob("*.html")):
            made.visits[path.name] = visit(context, made.address, path.name)
        context.close()
        yield made
        server.shutdown()


def visit(context: Any, address: str, name: str) -> Visit:
    """Open a page, wait for maths and images; look at it in light, on a phone, and in the dark.

    All that is asked of every page is asked here: typesetting its maths takes longest.
    """
    complaints: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("response", lambda got: got.status >= 400 and complaints.append(f"lost: {got.url}"))
    page.on("request", lambda asked: outside(asked.url, address) and complaints.append(asked.url))
    page.emulate_media(color_scheme="light")
    page.goto(address + name, wait_until="load")
    page.evaluate(READY)
    seen = page.evaluate(OBSERVE)
    scrolling = page.evaluate(SCROLLING)
    page.add_style_tag(content="* { transition: none !important; }")
    page.set_viewport_size(PHONE)
    page.evaluate(READY)
    narrow = page.evaluate("() => document.documentElement.scrollWidth")
    pictures, tables = dict(page.evaluate(PICTURES)), page.evaluate(TABLES)
    inaccessible = {}
    if AXE.exists():
        page.evaluate(AXE.read_text(encoding="utf-8"))
        page.evaluate(THIN)
        inaccessible["phone"] = page.evaluate(STRUCTURED)
        page.set_viewport_size(DESKTOP)
        inaccessible["light"] = page.evaluate(ACCESSIBLE)
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    dark = page.evaluate(DARK)
    if AXE.exists():
        inaccessible["dark"] = page.evaluate(LEGIBLE)
    page.close()
    return Visit(seen, dark, scrolling, narrow, pictures, tables, inaccessible, complaints)


def outside(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))

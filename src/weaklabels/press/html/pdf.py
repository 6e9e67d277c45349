"""The book as one PDF, for reading without a browser or a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from weaklabels.press.html.builder import BOOK, BookError, only_one, run_sphinx
from weaklabels.press.html.downloads import PDF
from weaklabels.press.html.slices import Slice, slices
from weaklabels.press.html.staging import stage
from weaklabels.press.runner.files import PART
from weaklabels.press.runner.options import PROFILES

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ONLINE = "dl.py, section#all-claims"
"""What is looked up and not read: entries of the API, and the rows that the chapters have as well;
two hundred sheets."""

READY = """async ([sheet, online, slices]) => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  all(online).forEach((part) => part.remove());
  all("a[href*='scoreboard.html#claim-']").forEach((link) => {
    link.href = "#" + link.hash.split("-")[1].replaceAll("_", "-");
  });
  if (document.querySelector(".math")) await MathJax.startup.promise;
  all("details.sd-dropdown").forEach((folded) => { folded.open = true; });
  all("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));

  const piece = (image, [top, height], number, parts) => {
    const part = image.cloneNode();
    const whole = parts.at(-1)[0] + parts.at(-1)[1];
    const [above, below] = [top, whole - top - height].map((cut) => `${100 * cut / whole}%`);
    part.style.objectViewBox = `inset(${above} 0 ${below} 0)`;
    part.alt = number ? "" : image.alt;
    part.className = "slice";
    part.style.aspectRatio = `${image.naturalWidth / image.naturalHeight * whole} / ${height}`;
    return part;
  };
  const cut = (image) => {
    const parts = slices[image.name].map((...part) => piece(image, ...part));
    (image.closest(".scrolls") ?? image).replaceWith(...parts);
  };
  all("img").forEach((image) => {
    image.name = decodeURIComponent(image.src.split("/").pop());
    const tall = image.offsetHeight / sheet;
    if (tall > 0.5 && image.name in slices) cut(image);
    else if (tall > 0.5) image.style.width = `${100 * Math.max(0.8, 0.5 / tall)}%`;
  });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));

  all("table").forEach((table) => {
    const box = table.closest("figure") ?? table.parentElement;
    const scale = () => Math.min(1, box.clientWidth / table.offsetWidth);
    let size = parseFloat(getComputedStyle(table).fontSize);
    if (scale() < 0.9) box.classList.add("across");
    for (let turn = 0; turn < 3 && scale() < 1; turn += 1) {
      size *= scale();
      table.style.fontSize = `${size}px`;
    }
  });
  const splits = ".numbered-table, figure:has(.slice)";
  all("figure, .text_html, .sd-card, .admonition").forEach((part) => {
    const tall = part.offsetHeight / sheet;
    part.classList.toggle("long", tall > (part.matches(splits) ? 0.3 : 0.9));
  });
  all("span[id^='document-'] + section").forEach((chapter) => {
    for (let last = chapter; last;) {
      for (const name of ["margin-bottom", "padding-bottom", "border-bottom-width"]) {
        last.style.setProperty(name, "0", "important");
      }
      last = [...last.children].findLast((part) => part.offsetHeight);
    }
  });
}"""
"""A claim is found in its chapter; solutions are unfolded. A forest plot may be split between its
lines, a table between its rows, and everything that is longer than a sheet; a table that is too
wide is set smaller, or on a sheet that is laid across; its lines stay as wide as they are, so one
turn does not always do. The space below the end of a chapter is
taken away, because it would make a sheet of its own where the last one is full."""

WIDTH, HEIGHT = 673, 994
"""CSS pixels within the margins of a sheet."""

SHEET: dict[str, Any] = {
    "prefer_css_page_size": True,  # the style sheet says how large sheets and margins are
    "print_background": True,
    "outline": True,
    "tagged": True,
    "display_header_footer": True,
    "header_template": "<span></span>",
    "footer_template": '<div style="width: 100%; text-align: center; font-size: 8px">'
    '<span class="pageNumber"></span></div>',
}


def build_pdf(profile: str, build: Path, book: Path = BOOK) -> Path:
    """Print all pages of a profile's book, with an outline, to ``build/<profile>/weak-labels.pdf``.

    Args:
        profile: whose results it shows; what was not executed is shown as source.
        build: folder of everything generated.
        book: folder of the book's sources.

    Returns:
        Path of the PDF.

    Raises:
        BookError: if Sphinx warns or fails, or if no Chromium is installed; a previous PDF stays.
        UsageError: if the table of contents is missing or names no notebook.
        ValueError: if the profile is unknown.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile is {profile!r}: expected {', '.join(PROFILES)}")
    browser = find_browser()
    results = build.absolute() / profile
    target = results / PDF
    with only_one(results):
        source = stage(profile, results, book)
        pages = run_sphinx(source, results / "sphinx-pdf", "singlehtml")
        part = target.with_name(target.name + PART)
        try:
            _print(browser, pages / "index.html", part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target


def find_browser() -> str:
    """Path of the browser that prints the book.

    Raises:
        BookError: if there is none.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise BookError(
            "The book is printed by Chromium or Chrome, which is not installed (Debian: chromium)."
        )
    return browser


def _slices(folder: Path) -> dict[str, list[Slice]]:
    """Pictures that can be cut between their lines: file name -> where."""
    found = {path.name: slices(path.read_text("utf-8")) for path in folder.glob("*.svg")}
    return {name: parts for name, parts in found.items() if len(parts) > 1}


def _print(browser: str, page: Path, target: Path) -> None:
    from playwright.sync_api import sync_playwright  # only this command needs it

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        try:
            tab = chromium.new_page(
                color_scheme="light", viewport={"width": WIDTH, "height": HEIGHT}
            )
            tab.emulate_media(media="print")
            tab.goto(page.as_uri(), timeout=0)  # a book on a busy machine takes minutes
            tab.evaluate(READY, [HEIGHT, ONLINE, _slices(page.parent / "_images")])
            tab.pdf(path=target, **SHEET)
        finally:
            chromium.close()

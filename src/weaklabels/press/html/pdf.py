"""The book as one PDF, for reading without a browser or a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from weaklabels.press.html.builder import BOOK, BookError, only_one, run_sphinx
from weaklabels.press.html.staging import stage
from weaklabels.press.runner.files import PART
from weaklabels.press.runner.options import PROFILES

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ONLINE = "dl.py, section#all-claims"
"""What is looked up and not read: entries of the API, and the rows that the chapters have as well;
two hundred sheets."""

READY = """async ([sheet, online]) => {
  document.querySelectorAll(online).forEach((part) => part.remove());
  document.querySelectorAll("a[href*='scoreboard.html#claim-']").forEach((link) => {
    link.href = "#" + link.hash.split("-")[1].replaceAll("_", "-");
  });
  if (document.querySelector(".math")) await MathJax.startup.promise;
  document.querySelectorAll("details.sd-dropdown").forEach((folded) => { folded.open = true; });
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => null)));
  document.querySelectorAll("figure, details.sd-dropdown").forEach((part) => {
    part.classList.toggle("long", part.offsetHeight > sheet);
  });
}"""
"""A claim is found in its chapter; solutions are unfolded; what is longer than a sheet may be
split."""

WIDTH, HEIGHT = 673, 994
"""CSS pixels within the margins of a sheet."""

SHEET: dict[str, Any] = {
    "format": "A4",
    "margin": {"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
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
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise BookError(
            "The PDF is printed by Chromium or Chrome, which is not installed (Debian: chromium)."
        )
    results = build.absolute() / profile
    target = results / "weak-labels.pdf"
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
            tab.evaluate(READY, [HEIGHT, ONLINE])
            tab.pdf(path=target, **SHEET)
        finally:
            chromium.close()

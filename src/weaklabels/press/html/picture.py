"""``make picture``: the picture in the README, a piece of a page of the record edition."""

from __future__ import annotations

import io
import json
import sys
from hashlib import sha256
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from weaklabels.press.html.builder import BOOK, BookError, build
from weaklabels.press.html.chapters import Shown
from weaklabels.press.html.pdf import find_browser
from weaklabels.press.runner.notebooks import label_of, source_of
from weaklabels.press.runner.reproduction import places_of

PICTURE = "images/page.png"
CHAPTER = "large_loss_matters"
HEADING = "The memorisation effect"
FIGURE = "fig-llm-memorisation"
"""The picture begins at this heading and ends with this figure."""

KEY = "shown"
"""Under which the picture keeps the hash of what it shows."""

WIDTH, MARGIN = 1280, 24
BAR = 48
"""Height of the bar that covers the top of a page, in pixels."""

COLOURS = 128


def shown(book: Path) -> str:
    """Hash of the cells that the picture shows, as they are now, with the record's outputs.

    Raises:
        ValueError: if the chapter has no longer this heading, or this figure after it.
    """
    room = book / "chapters" / CHAPTER
    chapter = Shown(CHAPTER, room / f"{CHAPTER}.ipynb", room, from_record=True)
    cells = (chapter.executed or chapter.source)["cells"]
    titled = [place for place, cell in enumerate(cells) if f"# {HEADING}\n" in source_of(cell)]
    drawn = [place for place, cell in enumerate(cells) if label_of(cell) == FIGURE]
    if not (titled and drawn and titled[0] < drawn[0]):
        raise ValueError(f"{CHAPTER} has no {FIGURE} below a heading {HEADING!r}: see {__name__}")
    first, *others = cells[titled[0] : drawn[0] + 1]
    texts = [source_of(first).partition(f"# {HEADING}\n")[2]]
    texts += [source_of(cell) + json.dumps(cell.get("outputs", [])) for cell in others]
    return sha256("\n".join(texts).encode()).hexdigest()


def take(page: Path, target: Path, key: str) -> None:
    """Photograph the piece of a page, in few colours, with the hash of what it shows."""
    picture = Image.open(io.BytesIO(_photograph(page))).convert("RGB").quantize(COLOURS)
    notes = PngInfo()
    notes.add_text(KEY, key)
    picture.save(target, optimize=True, pnginfo=notes)


def _photograph(page: Path) -> bytes:
    from playwright.sync_api import sync_playwright  # only commands with a browser need it

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        try:
            tab = chromium.new_page(color_scheme="light", viewport={"width": WIDTH, "height": 1000})
            anchor = HEADING.lower().replace(" ", "-")
            tab.goto(page.as_uri(), timeout=0)
            tab.evaluate("MathJax.startup.promise")
            top, bottom = tab.evaluate(
                "(names) => names.map((name, last) => {"
                "const box = document.getElementById(name).getBoundingClientRect();"
                "return scrollY + (last ? box.bottom : box.top); })",
                [anchor, FIGURE],
            )
            top -= BAR
            tab.set_viewport_size({"width": WIDTH, "height": round(bottom - top + 2 * MARGIN)})
            tab.evaluate("(top) => scrollTo({top, behavior: 'instant'})", top - MARGIN)
            return tab.screenshot()
        finally:
            chromium.close()


def main() -> int:
    """The command. Returns its exit status: 0, or 1 if the book could not be built or shown."""
    try:
        first = build("record", places_of(BOOK.parent).build)
        take(first.with_name(f"{CHAPTER}.html"), BOOK / PICTURE, shown(BOOK))
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print(BOOK / PICTURE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

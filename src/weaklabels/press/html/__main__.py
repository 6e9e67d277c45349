"""``make book`` and ``make pdf``: build the book from what has been executed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from weaklabels.press.html.builder import BOOK, BookError, build
from weaklabels.press.html.pdf import build_pdf
from weaklabels.press.runner.options import Parser, UsageError, profile
from weaklabels.press.runner.reproduction import places_of


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status: 0, 1 if the book could not be built, 2 for misuse."""
    parser = Parser(prog="python -m weaklabels.press.html", description=__doc__)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--build", type=Path, help="folder of everything generated")
    parser.add_argument("--book", type=Path, default=BOOK, help="folder of the book's sources")
    parser.add_argument("--pdf", action="store_true", help="one PDF instead of HTML pages")
    try:
        given = parser.parse_args(arguments)
        generated = given.build or places_of(BOOK.parent).build
        made = (build_pdf if given.pdf else build)(profile(given.profile), generated, given.book)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Book: {made}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

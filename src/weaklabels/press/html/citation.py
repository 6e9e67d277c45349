"""``CITATION.cff`` of a release: with the address of the code and the date, known only there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from weaklabels import __version__
from weaklabels.press.html.builder import BOOK
from weaklabels.press.html.repository import SETTING, repository
from weaklabels.press.runner.options import UsageError


def released(citation: str, address: str, version: str, date: str) -> str:
    """The citation of one release.

    Args:
        citation: content of ``CITATION.cff``.
        address: of the repository.
        version: of the package.
        date: of the release, year-month-day.
    """
    added = f'version: {version}\nrepository-code: {address}\ndate-released: "{date}"\n'
    # Only the book's own version stands at the beginning of a line.
    return re.sub(r"^version: .*\n", lambda _: added, citation, count=1, flags=re.M)


if __name__ == "__main__":
    if not repository():
        raise UsageError(f"{SETTING} is not set: a release names its repository")
    file = BOOK.parent / "CITATION.cff"
    today = datetime.now(UTC).date().isoformat()
    print(released(file.read_text("utf-8"), repository(), __version__, today), end="")

"""``make reproduce``: execute the chapters that changed, build the book, total the claims."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from weaklabels.press.runner.options import UsageError, parse

REPOSITORY = Path(__file__).parents[3]


def main(arguments: Sequence[str] | None = None, repository: Path = REPOSITORY) -> int:
    """The command behind ``make reproduce``.

    Args:
        arguments: the command line without the program; the process's own if left out.
        repository: folder that holds ``book/`` and ``requirements.lock``.

    Returns:
        Exit status: 0, 1 if a chapter or the book failed, 2 for a wrong parameter.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options, only_check = parse(arguments, repository / "book")
        if only_check:  # possibly by a Python without any package: nothing more is imported
            return 0
        from weaklabels.press.html import build
        from weaklabels.press.runner.reproduction import places_of, reproduce

        return reproduce(options, places_of(repository), build)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

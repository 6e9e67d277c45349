"""Sphinx in a process of its own: ``python -m weaklabels.book.sphinx SOURCE HTML DOCTREES``.

Jupyter Book and Sphinx change the state of the process they run in (the import path, loaded
extensions, loggers), which must not leak into the one that executes notebooks or tests.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(source: Path, html: Path, doctrees: Path) -> int:
    """Write every page, from parsed documents that are kept; any warning makes the status 1.

    All pages are written each time, because Sphinx rewrites only changed ones otherwise and their
    tables of contents would disagree.
    """
    from jupyter_book.sphinx import build_sphinx

    status = build_sphinx(
        source,
        html,
        noconfig=True,
        path_config=source / "_config.yml",
        confoverrides={
            "external_toc_path": (source / "_toc.yml").as_posix(),
            "latex_individualpages": False,
            "nitpicky": True,
        },
        doctreedir=doctrees,
        force_all=True,
        quiet=True,
        warningiserror=True,
        keep_going=True,
    )
    return 0 if status == 0 else 1  # an exception is returned, not raised


if __name__ == "__main__":
    raise SystemExit(main(*map(Path, sys.argv[1:])))

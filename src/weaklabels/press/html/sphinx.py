"""Sphinx, to be run in a process of its own.

Jupyter Book and Sphinx change the state of the process they run in (the import path, loaded
extensions, loggers), which must not leak into the one that executes notebooks or tests.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(source: str, target: str, doctrees: str, builder: str) -> int:
    """Write every page, from parsed documents that are kept; any warning makes the status 1.

    All pages are written each time, because Sphinx rewrites only changed ones otherwise and their
    tables of contents would disagree.

    Args:
        source: the staged folder.
        target: where the pages go.
        doctrees: where parsed pages are kept.
        builder: Sphinx's name of the format, ``"html"`` or ``"singlehtml"``.
    """
    # A format that jsonschema would check if it could: importing it is a quarter of a small build.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    from jupyter_book.sphinx import build_sphinx

    folder = Path(source)
    status = build_sphinx(
        folder,
        target,
        noconfig=True,
        path_config=folder / "_config.yml",
        confoverrides={
            "external_toc_path": (folder / "_toc.yml").as_posix(),
            "latex_individualpages": False,
            "nitpicky": True,
        },
        doctreedir=doctrees,
        builder=builder,
        force_all=True,
        quiet=True,
        warningiserror=True,
        keep_going=True,
    )
    return 0 if status == 0 else 1  # an exception is returned, not raised

"""Where the repository of the book is on the web: one setting, and all that depends on it."""

from __future__ import annotations

import os
import re
from typing import Any

from weaklabels.press.runner.options import UsageError

SETTING = "WEAKLABELS_REPOSITORY"
"""Environment variable with the address; no page links to a repository without it."""

ADDRESS = re.compile(r"https://[\w.-]+(/[\w.-]+){2,}")
BRANCH = "main"
FOLDER = "book"
BINDER = "https://mybinder.org"


def repository() -> str:
    """The address, without a slash at its end; empty if none is set.

    Raises:
        UsageError: if what is set is no address of a repository.
    """
    given = os.environ.get(SETTING, "").rstrip("/")
    if given and not ADDRESS.fullmatch(given):
        raise UsageError(
            f"{SETTING}={given} is no address of a repository: expected https://host/owner/name"
        )
    return given


def with_buttons(settings: dict[str, Any], address: str) -> dict[str, Any]:
    """Settings of the book with buttons for the repository, a new issue and Binder.

    Args:
        settings: content of ``_config.yml``.
        address: of the repository; without one the settings are returned as they are.
    """
    if not address:
        return settings
    buttons = {"use_repository_button": True, "use_issues_button": True}
    return settings | {
        "repository": {"url": address, "branch": BRANCH, "path_to_book": FOLDER},
        "launch_buttons": {"binderhub_url": BINDER, "notebook_interface": "jupyterlab"},
        "html": settings.get("html", {}) | buttons,
    }


def where_to_report(address: str) -> str:
    """Where errors are reported, for the front page, in Markdown."""
    wrong = "Everything else that is wrong, a sentence, a figure, a command, belongs in"
    told = "with the page, what you saw, what you expected, and, of a command, all that it printed."
    if address:
        return f"{wrong} [an issue]({address}/issues/new) of [the repository]({address}): {told}\n"
    return (
        f"{wrong} an issue of the repository: {told}\n\n"
        "This copy of the book was built without being told where its repository is on the web, "
        "so it has no button and no link that leads there. Ask whoever gave you the copy; whoever "
        f"builds it sets `{SETTING}` to the address.\n"
    )

"""As a program: follow one chapter (see ``follow``); the result is ``<build>/<slug>.json``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from weaklabels.press.paper.follow import FAILED, follow
from weaklabels.press.runner.files import write_atomically
from weaklabels.press.runner.interrupt import kill_descendants


def main(arguments: list[str] | None = None) -> int:
    """Follow one chapter. Returns ``FAILED`` if a run or a cell failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slug")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", default="data")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--guarded", action="store_true", help="end when standard input does")
    given = parser.parse_args(arguments)
    if given.guarded:
        threading.Thread(target=_end_with_input, daemon=True).start()
    started = time.monotonic()
    trace = follow(given.slug, given.device, given.data, given.workers)
    found = asdict(trace) | {"seconds": round(time.monotonic() - started, 1)}
    del found["section"], found["line"]
    path = Path(os.environ["WEAKLABELS_BUILD"]) / f"{given.slug}.json"
    write_atomically(path, json.dumps(found, indent=1) + "\n")
    return FAILED if trace.failed else 0


def _end_with_input() -> None:
    """End this process when nobody holds the other end of its standard input any more: what started
    it was killed, and the next command would work beside it on the same files."""
    while os.read(0, 1):
        pass
    kill_descendants()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())

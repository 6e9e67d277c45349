# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#   "brisque==0.2.0",
#   "libsvm-official==3.37.0",
#   "numpy==2.2.6",
#   "opencv-python-headless==5.0.0.93",
#   "pillow==13.0.0",
#   "scikit-image==0.26.0",
#   "scipy==1.17.1",
# ]
# ///
"""BRISQUE of every PNG file of a folder, as JSON: ``uv run --script brisque_scores.py folder``.

The package *brisque* does not run with the book's NumPy. So this file is no module of the book: uv
makes an environment of its own for it, from the lines above (see ``naturalness``).
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("brisque", "numpy", "opencv-python-headless", "scipy")
"""What the numbers depend on: their versions are told with them."""


def scores(folder: Path) -> dict[str, Any]:
    """BRISQUE by file, lower is better, and the versions of ``PACKAGES``."""
    import numpy as np
    from brisque import BRISQUE
    from PIL import Image

    judge = BRISQUE(url=False)
    found = {
        path.name: float(judge.score(np.asarray(Image.open(path).convert("RGB"))))
        for path in sorted(folder.glob("*.png"))
    }
    return {"versions": {name: version(name) for name in PACKAGES}, "scores": found}


if __name__ == "__main__":
    print(json.dumps(scores(Path(sys.argv[1]))))

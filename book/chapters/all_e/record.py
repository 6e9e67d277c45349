"""What the chapter records: real low-light photographs, and an audit of released weights.

The photographs are those of the LIME set, which have no well-lit partners; the agents that enhance
them are those of the chapter. Only numbers are kept, no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from torch import Tensor

from chapters.all_e import cost, naturalness
from chapters.all_e.darkened import darkened
from chapters.all_e.enhanced import enhanced, rounded
from chapters.all_e.released import audit
from weaklabels import data
from weaklabels.lab.setting import Setting
from weaklabels.lab.sweep import one_thread
from weaklabels.methods import all_e

DIFFERENCES = (
    "Photographs of the LIME set, scaled to 256 x 256 pixels, without well-lit partners: no "
    "PSNR, no SSIM.",
    "The formula A in place of NIMA; BRISQUE as a second measure, of naturalness, not of beauty; "
    "no NIQE.",
    "The agents learnt on one photograph, darkened, and never saw these. Nothing was chosen on "
    "them: weights, rate and episodes are those of the chapter.",
)


def lime(chapter: Setting) -> dict[str, Any]:
    """One row per method and seed (-1 where it does not matter), a value per photograph.

    It computes on the CPU, where the photographs are.
    """
    versions = naturalness.versions()  # first, so that nothing is computed where BRISQUE is missing
    photos = data.load("lime", chapter.data_root).test.x
    protocol, made = enhanced(chapter, photos)
    with one_thread():
        rows = [row | measure(images) for row, images in made]
    scores = iter(rounded(naturalness.brisque([x for _, images in made for x in images])))
    return {
        "what": "Real low-light photographs (LIME): measures without a reference",
        "data": {"set": "LIME", "photographs": len(photos), "side": photos.shape[-1]},
        "protocol": protocol,
        "differences": list(DIFFERENCES),
        "brisque": {"versions": versions, "known": naturalness.known()},
        "rows": [row | {"brisque": list(islice(scores, len(photos)))} for row in rows],
    }


def measure(images: Sequence[Tensor]) -> dict[str, list[float]]:
    """Per photograph: judge, mean value, exposure error, share of blown-out values (%)."""
    stored = [all_e.to_bytes(image).float() / 255 for image in images]
    return {
        "score": rounded(all_e.stand_in(x).item() for x in stored),
        "light": rounded(x.mean().item() for x in stored),
        "exposure": rounded(all_e.exposure(x).mean().item() for x in stored),
        "blown": rounded(100 * (x >= 250 / 255).float().mean().item() for x in stored),
    }


RECORDS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "lime": lime,
    "darkened": darkened,
    "released_policy": audit,
    "cost": cost.measure,
}
"""Name of a recorded result -> what computes its content."""

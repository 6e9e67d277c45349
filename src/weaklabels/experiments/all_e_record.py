"""The recorded result of the chapter: real low-light photographs without well-lit partners.

``python -m weaklabels.experiments.all_e_record --data FOLDER`` computes it with the agents of the
quick profile from the LIME photographs in ``FOLDER``. Only numbers are kept, no picture.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from weaklabels import data, sweep
from weaklabels.chapter import REPOSITORY, Chapter
from weaklabels.experiments import all_e as ex
from weaklabels.methods import all_e

SEEDS = 3


def measure(images: Sequence[Tensor]) -> dict[str, list[float]]:
    """Per photograph: judge, mean value, exposure error, share of blown-out values (%)."""
    stored = [all_e.to_bytes(image).float() / 255 for image in images]
    return {
        "score": _rounded(all_e.stand_in(x).item() for x in stored),
        "light": _rounded(x.mean().item() for x in stored),
        "exposure": _rounded(all_e.exposure(x).mean().item() for x in stored),
        "blown": _rounded(100 * (x >= 250 / 255).float().mean().item() for x in stored),
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]


def study(root: str) -> list[dict[str, Any]]:
    """One row per method and seed (-1 where nothing is drawn)."""
    photos = data.load("lime", root).test.x
    base = ex.Spec()
    rows = []
    for name in ex.FIXED:
        if name != "reference":
            change = ex.enhancer(ex.Comparator(name, base), ex.photographs(base))
            rows.append(
                {"method": name, "seed": -1} | measure([change(x) for x in photos[:, None]])
            )
    chapter = Chapter("all_e", "quick", "cpu", SEEDS)
    specs = {name: ex.variants(chapter)[name] for name in (ex.ALL, ex.NO_SCORE, ex.AS_CODED)}
    for name, records in ex.repeat(chapter, specs).items():
        for seed, record in enumerate(records):
            agents = ex.agents_of(record, specs[name])
            paths = [all_e.enhance(agents, x, base.test_steps) for x in photos[:, None]]
            alphas = [all_e.strength(actions).sum((0, 1, 2)) for _, actions in paths]
            follows = [ex.correlation(a, x.mean(0)) for a, x in zip(alphas, photos, strict=True)]
            rows.append(
                {"method": f"agents, {name}", "seed": seed, "follows": _rounded(follows)}
                | measure([states[-1] for states, _ in paths])
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the record and write it."""
    parser = argparse.ArgumentParser(prog="python -m weaklabels.experiments.all_e_record")
    parser.add_argument("--data", default="data", help="folder of the datasets")
    torch.set_num_threads(1)
    rows = study(parser.parse_args(arguments).data)
    content = {
        "what": "Real low-light photographs (LIME): measures without a reference, per photograph",
        "command": "python -m weaklabels.experiments.all_e_record --data FOLDER",
        "provenance": sweep.provenance("cpu") | {"date": datetime.now(UTC).date().isoformat()},
        "settings": {
            "photographs": f"{len(rows[0]['score'])} of the LIME set, scaled to 256 x 256 pixels",
            "agents": "trained on the darkened photograph of the quick profile, seeds 0 to 2",
        },
        "rows": rows,
    }
    path = REPOSITORY / "book" / "recorded" / "all_e" / "lime.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(path)


if __name__ == "__main__":
    main()

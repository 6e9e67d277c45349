"""The recorded results of the chapter: longer training, and real low-light photographs.

``python -m chapters.all_e.record --data FOLDER`` computes them; the photographs are
those of the LIME set in ``FOLDER``, which have no well-lit partners, and the agents that enhance
them are those of the quick profile. Only numbers are kept, no picture.
``--only longer`` or ``--only lime`` computes one of the two.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from chapters.all_e import runs as ex
from weaklabels import data
from weaklabels.lab import sweep
from weaklabels.methods import all_e
from weaklabels.press.chapter import REPOSITORY, Chapter

SEEDS = 3
LONGER_SEEDS = 6
LONGER_EPISODES = 1200


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
    for name, records in chapter.repeat(ex.run, specs).items():
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


def longer() -> list[dict[str, Any]]:
    """Agents with and without the aesthetic term, three times the episodes, more seeds."""
    chapter = Chapter("all_e", "quick", "cpu", LONGER_SEEDS)
    specs = {
        name: replace(ex.variants(chapter)[name], episodes=LONGER_EPISODES)
        for name in (ex.ALL, ex.NO_SCORE)
    }
    return [
        {"agents": name}
        | {m: _rounded(ex.final(records, m)) for m in ex.MEASURES}
        | {"follows": _rounded(record["follows"].mean() for record in records)}
        for name, records in chapter.repeat(ex.run, specs).items()
    ]


def write(name: str, content: dict[str, Any]) -> None:
    """Write a record with its provenance."""
    content |= {
        "command": f"python -m chapters.all_e.record --data FOLDER --only {name}",
        "provenance": sweep.provenance("cpu") | {"date": datetime.now(UTC).date().isoformat()},
    }
    path = REPOSITORY / "book" / "recorded" / "all_e" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the records and write them."""
    parser = argparse.ArgumentParser(prog="python -m chapters.all_e.record")
    parser.add_argument("--data", default="data", help="folder of the datasets")
    parser.add_argument("--only", choices=("longer", "lime"), help="one of the two records")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if given.only != "longer":
        rows = study(given.data)
        write(
            "lime",
            {
                "what": "Real low-light photographs (LIME): measures without a reference",
                "photographs": f"{len(rows[0]['score'])}, scaled to 256 x 256 pixels",
                "agents": "of the quick profile, trained on the darkened photograph, seeds 0 to 2",
                "rows": rows,
            },
        )
    if given.only != "lime":
        write(
            "longer",
            {
                "what": "Test photographs of the quick profile after longer training, by seed",
                "episodes": LONGER_EPISODES,
                "rows": longer(),
            },
        )


if __name__ == "__main__":
    main()

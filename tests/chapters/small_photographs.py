"""Records on photographs in miniature: a tiny folder of them, a few steps, random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch.nn import functional as F

from tests.library import tiny_datasets as tiny
from weaklabels.data.voc import CLASSES
from weaklabels.lab import photographs
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.lab.voc_features import Row


def miniature(folder: Path, patch: pytest.MonkeyPatch, seeds: int = 3) -> Setting:
    """A setting whose photographs are 80 tiny ones with two or three labels each."""
    images = {
        part: {
            f"{year}_{i:06d}": [
                (CLASSES[i % 20], 0, (1, 1, 20, 15)),
                (CLASSES[(i // 2 + 3) % 20], 0, (21, 16, 40, 30)),
                ("person", 0, (5, 5, 30, 25)),
            ]
            for i in range(40)
        }
        for part, year in (("train", "2008"), ("val", "2009"))
    }
    tiny.voc_devkit(folder, 2012, images)
    for name, value in {"EPOCHS": 3, "SIDE": 32, "FROZEN": 16}.items():
        patch.setattr(photographs, name, value)
    return Setting("quick", "cpu", seeds, str(folder), Store(folder / "runs"), folder / "recorded")


def record(
    setting: Setting,
    rows: Mapping[str, Row],
    measures: Mapping[str, photographs.Measure],
    kept: Sequence[str] = (),
) -> dict[str, Any]:
    """The record of some rows (all, if none is named), one rate and one option tried for each."""
    small = {name: _small(row) for name, row in rows.items() if not kept or name in kept}
    return photographs.record(setting, small, ["a note"], measures=measures, rates=(1e-4,))


def _small(row: Row) -> Row:
    spec = replace(row.spec, network_options=options(pretrained=False))
    return replace(row, spec=spec, values=row.values[:1])


def coarse_pixels(images, root, cache, *, steps=(), view=0):
    """In place of ``lab.features.extracted``: 48 means of pixels of small colour photographs."""
    small = F.avg_pool2d(images.float() / 255, images.shape[-1] // 4)
    return small.flatten(1)

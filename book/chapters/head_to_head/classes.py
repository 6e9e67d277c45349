"""Candidate sets over any number of classes: digits, and digits in several channels.

With up to ten classes these are the first digits; with ten times m classes, class c is digit
c mod 10 in channel c // 10. The number of training examples is the same whatever the number of
classes, and so is the shape of the inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.lab import candidate_sets
from weaklabels.seeding import numpy_rng

CHANNELS = 3
DIGITS = 10


@dataclass(frozen=True)
class ClassSpec(candidate_sets.Spec):
    """One run; beside the fields of the protocol:

    Attributes:
        classes: K, at most 10, or 20 or 30.
        examples: of the training set.
    """

    classes: int = DIGITS
    examples: int = 600


def run_classes(spec: ClassSpec) -> dict[str, Any]:
    """Train and evaluate; returns what ``candidate_sets.run`` does."""
    splits = candidate_sets.load_splits(spec)
    return candidate_sets.train(spec, with_classes(splits, spec.classes, spec.examples, spec.seed))


def with_classes(splits: Splits, classes: int, examples: int, seed: int) -> Splits:
    """Single-label images of ten classes as data of another number of classes.

    Args:
        splits: grey images ``(N, 1, h, w)`` of ten classes.
        classes: of the result.
        examples: of its training part, or as many as there are.
        seed: of the channels, drawn at random for every image, and of the choice of examples.

    Returns:
        Splits whose inputs have three channels, all but one of them empty.

    Raises:
        ValueError: if the number of classes is not 2 to 10, 20 or 30.
    """
    if not (2 <= classes <= DIGITS or classes in (2 * DIGITS, CHANNELS * DIGITS)):
        raise ValueError(f"classes is {classes}: expected 2 to 10, 20 or 30")

    def part(name: str) -> Split | None:
        split: Split | None = getattr(splits, name)
        if split is None:
            return None
        rng = numpy_rng(seed, "classes", name)
        channel = torch.from_numpy(rng.integers(max(1, classes // DIGITS), size=len(split)))
        rows = np.flatnonzero(split.y.numpy() < classes)
        if name == "train":
            rows = rng.permutation(rows)[:examples]
        chosen = torch.from_numpy(rows)
        x = split.x.new_zeros(len(rows), CHANNELS, *split.x.shape[2:])
        x[torch.arange(len(rows)), channel[chosen]] = split.x[chosen, 0]
        return Split(x, split.y[chosen] + DIGITS * channel[chosen])

    names = tuple(str(label) for label in range(classes))
    return Splits(names, part("train"), part("val"), part("test"))

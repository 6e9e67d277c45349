"""What a training step costs, method by method, as ratios (see ``weaklabels.lab.cost``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from chapters.head_to_head.entries import METHODS, scene_spec, specify
from chapters.head_to_head.runs import PARTIAL
from weaklabels import methods
from weaklabels.lab import candidate_sets, cost, multilabel
from weaklabels.lab.candidate_setting import comparison, vary
from weaklabels.lab.execute import started
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.methods.base import Method
from weaklabels.models import Network
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit

EPOCHS = 3
"""Per measurement; the second and third do all that a method ever does."""

LEARNING_RATE = 2e-3


def measure(chapter: Setting, rounds: int = cost.ROUNDS) -> dict[str, Any]:
    """Processor time of training, all methods in turn, round after round.

    Returns:
        ``what``, and ``scenes`` and ``sets``, each method -> ratio of its time to that of the plain
        method, which stands first, in the same round: quartiles over rounds.
    """
    flip = replace(next(iter(comparison(chapter).flips.values())), q=0.5)
    plain = "AN (scenes) or IM-avg (candidate sets)"
    return {
        "what": cost.what(plain, rounds, f"{EPOCHS} epochs"),
        "scenes": cost.ratios({name: scene_trial(name) for name in METHODS}, rounds),
        "sets": cost.ratios({name: set_trial(flip, name) for name in PARTIAL}, rounds),
    }


def scene_trial(name: str) -> Callable[[], None]:
    """A function that trains with a method for a few epochs."""
    spec = specify(scene_spec(), name, "50 % known", 0, LEARNING_RATE, METHODS[name].default)
    # Every part of a method is to be at work: no warm-up but the first epoch.
    own = {"warm_up": 1, "epochs": EPOCHS}
    changed = {k: own.get(k, v) for k, v in dict(spec.method_options).items()}
    spec = replace(spec, method_options=options(**changed))
    splits = multilabel.load_splits(spec)
    observed = torch.from_numpy(multilabel.annotate(spec, splits.train.y.numpy()))

    def train() -> None:
        seed_torch(0, "cost")
        model = multilabel.build_network(spec, len(splits.classes))
        method = multilabel.make_method(spec, observed, splits.train.y)
        method.prepare(model)
        _train(model, splits.train.x, method, spec.batch_size, spec.optimiser)

    return train


def set_trial(base: candidate_sets.Spec, name: str) -> Callable[[], None]:
    """The same on the candidate sets of a run."""
    spec = vary(base, name)
    splits = candidate_sets.load_splits(spec)
    candidates = torch.from_numpy(candidate_sets.draw_candidates(spec, splits))

    def train() -> None:
        seed_torch(0, "cost")
        method = started(methods.create(spec.method, **dict(spec.method_options)), candidates)
        model = candidate_sets.build_network(spec, splits)
        _train(model, splits.train.x, method, spec.batch_size, spec.optimiser)

    return train


def _train(
    model: Network, x: torch.Tensor, method: Method, batch: int, optimiser: OptimiserSpec
) -> None:
    fit(
        model,
        x,
        method,
        epochs=EPOCHS,
        batch_size=batch,
        optimiser=optimiser.build(model, method),
        order=torch_rng(0, "batch order"),
    )

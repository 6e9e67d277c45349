"""What a training step costs, method by method, as a ratio within one process.

Times differ between machines and moments, ratios less; even so they are recorded and not computed
in the chapter, whose outputs must be the same at every execution.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from chapters.class_activation_value import runs as cavl
from chapters.head_to_head import runs as h2h
from weaklabels import methods
from weaklabels.lab import candidate_sets as partial_label
from weaklabels.lab import multilabel, sweep
from weaklabels.lab.spec import options
from weaklabels.methods.base import Context, Method
from weaklabels.models import Network
from weaklabels.press.chapter import Chapter
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit

EPOCHS = 3
"""Per measurement; the second and third do all that a method ever does."""


def measure(rounds: int = 15) -> dict[str, Any]:
    """Processor time of training, all methods in turn, round after round.

    Returns:
        The record: ``scenes`` and ``sets``, each method -> ratio of its time to that of the plain
        method of the same round: median and quartiles over rounds; ``provenance``.
    """
    with sweep.one_thread():
        return {
            "what": "Processor time of training without evaluation, divided by that of AN "
            "(scenes) or IM-avg (candidate sets) in the same round: lower quartile, median, "
            f"upper quartile over {rounds} rounds of {EPOCHS} epochs",
            "scenes": ratios([scene_trial(name) for name in h2h.METHODS], "AN", rounds),
            "sets": ratios([set_trial(name) for name in h2h.PARTIAL], h2h.AVERAGING, rounds),
            "provenance": sweep.provenance("cpu"),
        }


Trial = tuple[str, Any]


def scene_trial(name: str) -> Trial:
    """A method's name and a function that trains with it for a few epochs."""
    weak = "50 % known"
    base = replace(h2h.base_spec("quick"), epochs=12)
    spec = h2h.specify(base, name, weak, 0, h2h.RATES[0], h2h.METHODS[name].default)
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

    return name, train


def set_trial(name: str) -> Trial:
    """The same on candidate sets."""
    chapter = Chapter(cavl.SLUG, "quick")
    base = replace(next(iter(cavl.settings(chapter).flips.values())), q=0.5)
    spec = cavl.vary(base, name)
    splits = partial_label.load_splits(spec)
    candidates = torch.from_numpy(partial_label.draw_candidates(spec, splits))

    def train() -> None:
        seed_torch(0, "cost")
        method = methods.create(spec.method, **dict(spec.method_options))
        model = partial_label.build_network(spec, splits)
        method.start(Context(candidates))
        _train(model, splits.train.x, method, spec.batch_size, spec.optimiser)

    return name, train


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


def ratios(trials: Sequence[Trial], plain: str, rounds: int) -> dict[str, list[float]]:
    """Quartiles over rounds of each trial's time over that of the plain one in the same round."""
    times = np.zeros((rounds + 1, len(trials)))
    for times_of_round in times:
        for i, (_, train) in enumerate(trials):
            start = time.process_time()
            train()
            times_of_round[i] = time.process_time() - start
    names = [name for name, _ in trials]
    relative = times[1:] / times[1:, [names.index(plain)]]  # the first round warms up
    quartiles = np.percentile(relative, [25, 50, 75], axis=0).T.round(2).tolist()
    return dict(zip(names, quartiles, strict=True))

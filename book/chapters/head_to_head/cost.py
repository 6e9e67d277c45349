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

from chapters.head_to_head.entries import METHODS, RATES, scene_spec, specify
from chapters.head_to_head.runs import AVERAGING, PARTIAL
from weaklabels import methods
from weaklabels.lab import candidate_sets, multilabel, sweep
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


def measure(chapter: Setting, rounds: int = 15) -> dict[str, Any]:
    """Processor time of training, all methods in turn, round after round.

    Returns:
        ``what``, and ``scenes`` and ``sets``, each method -> ratio of its time to that of the plain
        method of the same round: median and quartiles over rounds.
    """
    flip = replace(next(iter(comparison(chapter).flips.values())), q=0.5)
    with sweep.one_thread():
        return {
            "what": "Processor time of training without evaluation, divided by that of AN "
            "(scenes) or IM-avg (candidate sets) in the same round: lower quartile, median, "
            f"upper quartile over {rounds} rounds of {EPOCHS} epochs",
            "scenes": ratios([scene_trial(name) for name in METHODS], "AN", rounds),
            "sets": ratios([set_trial(flip, name) for name in PARTIAL], AVERAGING, rounds),
        }


Trial = tuple[str, Any]


def scene_trial(name: str) -> Trial:
    """A method's name and a function that trains with it for a few epochs."""
    spec = specify(scene_spec(), name, "50 % known", 0, RATES[0], METHODS[name].default)
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


def set_trial(base: candidate_sets.Spec, name: str) -> Trial:
    """The same on the candidate sets of a run."""
    spec = vary(base, name)
    splits = candidate_sets.load_splits(spec)
    candidates = torch.from_numpy(candidate_sets.draw_candidates(spec, splits))

    def train() -> None:
        seed_torch(0, "cost")
        method = started(methods.create(spec.method, **dict(spec.method_options)), candidates)
        model = candidate_sets.build_network(spec, splits)
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

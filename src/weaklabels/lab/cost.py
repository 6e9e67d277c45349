"""What a training step costs, as ratios of processor time within one process.

Times differ between machines and moments, ratios less; even so they are recorded and not computed
in a chapter, whose outputs must be the same at every execution.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from weaklabels import checks
from weaklabels.lab.execute import ORDER, Task, Watch, execute
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Trained
from weaklabels.lab.sweep import one_thread
from weaklabels.methods.base import Method
from weaklabels.models import Network
from weaklabels.seeding import torch_rng

ROUNDS = 15

Trials = Mapping[str, Callable[[], object]]
"""Method -> function that trains with it for a few steps and measures nothing, as many steps (or
passes over the same examples) for all; the simplest rival stands first."""


def measure(setting: Setting, trials: Trials, work: str) -> dict[str, Any]:
    """The record ``cost`` of a room.

    Args:
        setting: of the record; in its profile ``smoke`` a single round is measured.
        trials: of the room.
        work: what each of them does in a round, in words.

    Returns:
        ``what``, and ``steps``, see ``ratios``.

    Raises:
        ValueError: if it computes elsewhere than on the CPU: a processor does not wait for a GPU.
    """
    checks.one_of(setting.device, ["cpu"], "the device whose processor time is measured")
    rounds = setting.choose(quick=ROUNDS, paper=ROUNDS, smoke=1)
    return {"what": what(next(iter(trials)), rounds, work), "steps": ratios(trials, rounds)}


def what(rival: str, rounds: int, work: str) -> str:
    """The sentence that says what ``ratios`` are."""
    return (
        f"Processor time of training without evaluation, divided by that of {rival} in the same "
        f"round: lower quartile, median, upper quartile over {rounds} rounds of {work}"
    )


def ratios(
    trials: Trials, rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Each trial's time in those of the first one: all in turn, round after round, on one thread.

    Args:
        trials: method -> what is timed.
        rounds: that count; one more before them warms up.
        clock: gives the processor time of this process, in seconds.

    Returns:
        method -> lower quartile, median and upper quartile, over rounds, of its time over that of
        the first method in the same round.
    """
    times = np.zeros((rounds + 1, len(trials)))
    with one_thread():
        for times_of_round in times:
            for i, train in enumerate(trials.values()):
                start = clock()
                train()
                times_of_round[i] = clock() - start
    relative = times[1:] / times[1:, [0]]
    quartiles = np.percentile(relative, [25, 50, 75], axis=0).T.round(2).tolist()
    return dict(zip(trials, quartiles, strict=True))


def train(spec: Trained, model: Network, method: Method, x: Tensor, **parts: Any) -> None:
    """Train as a run does (see ``execute``), and measure nothing.

    Args:
        spec: of the training.
        model: with its initial weights; is trained in place.
        method: has been started and prepared.
        x: training inputs ``(N, ...)``.
        parts: further fields of ``execute.Task``.
    """
    streams = {ORDER: torch_rng(0, ORDER)}
    execute(spec, Task(model, method, x, watch=lambda *_: Watch(), streams=streams, **parts))

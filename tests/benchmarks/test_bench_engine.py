"""The engine's speed, as ratios within one run (``make bench``)."""

from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional as F

from tests.benchmarks.ratios import ratio, seconds
from weaklabels import data, methods, models
from weaklabels.lab import sweep
from weaklabels.lab.multilabel import Spec, annotate, run
from weaklabels.lab.store import Store
from weaklabels.methods.base import Context, Method
from weaklabels.train import OptimiserSpec, fit

BATCH, STEPS = 16, 60
STATELESS = ("AN", "IU", "WAN", "LSAN", "EPR")
SCHEMES = {"LL-R": {"rate": 0.02}, "LL-Ct": {"rate": 0.01}, "LL-Cp": {"rate": 0.008}}
OPTIONS = {name: {"epsilon": 0.0} for name in ("AN", "IU")} | SCHEMES


class PlainBCE(Method):
    """Binary cross-entropy as PyTorch has it, on targets made in advance."""

    def start(self, context):
        super().start(context)
        self.targets = (self.observed == 1).float()

    def loss(self, logits, index):
        return F.binary_cross_entropy_with_logits(logits, self.targets[index])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with sweep.one_thread():
        yield


@pytest.fixture(scope="module")
def scenes():
    return data.load("scenes", train=BATCH * STEPS, val=10, test=10).train


def training(scenes, method):
    """Steps of the chapter's network with a method, in an epoch in which it does its work."""
    observed = torch.from_numpy(annotate(Spec("AN"), scenes.y.numpy()))
    method.start(Context(observed, **method.wanted(expected_positives=1.5)))
    model = models.build("patch_net", 10)
    optimiser = OptimiserSpec(lr=1e-3, head_lr=1e-2).build(model, method)
    batches = torch.arange(len(scenes)).split(BATCH)
    method.before_epoch(5, None)
    model.train()

    def work():
        for index in batches:
            x = scenes.x[index]
            _, loss = method.step(model, x, index)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            method.after_step(model, x, index)

    return work


@pytest.mark.parametrize("name", [*STATELESS, *SCHEMES])
def test_step_costs_hardly_more_than_plain_bce(scenes, name):
    method = methods.create(name, **OPTIONS.get(name, {}))
    found = ratio(training(scenes, method), training(scenes, PlainBCE()), rounds=25)
    print(f"\n{name}: {found:.3f} x a step of plain BCE")
    assert found <= 1.1


def test_loop_keeps_the_speed_of_a_bare_loop(scenes):
    method = PlainBCE()
    method.start(Context(torch.from_numpy(annotate(Spec("AN"), scenes.y.numpy()))))
    model = models.build("patch_net", 10)
    optimiser = OptimiserSpec(lr=1e-3).build(model, method)
    targets, order = method.targets, torch.Generator().manual_seed(0)

    def bare():
        model.train()
        for x, y in zip(scenes.x.split(BATCH), targets.split(BATCH), strict=True):
            loss = F.binary_cross_entropy_with_logits(model(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def ours():
        fit(
            model,
            scenes.x,
            method,
            epochs=1,
            batch_size=BATCH,
            optimiser=optimiser,
            order=order,
        )

    found = 1 / ratio(ours, bare, rounds=25)
    print(f"\nthe loop has {found:.3f} of the throughput of a bare loop")
    assert found >= 0.9


@dataclass(frozen=True)
class Numbered(Spec):
    """A run that is never found in a store, because its number is new."""

    number: int = 0


def test_two_workers_are_nearly_twice_as_fast(tmp_path):
    numbers = iter(range(10**6))
    store = Store(tmp_path)

    def work(workers, runs=6):
        specs = [Numbered("AN", epochs=8, number=next(numbers)) for _ in range(runs)]
        sweep.run(run, specs, store, workers=workers)

    work(2, runs=2)  # the worker processes have started and imported
    found = ratio(lambda: work(1), lambda: work(2), rounds=3, clock=seconds)
    print(f"\ntwo workers: {found:.2f} x one")
    assert found >= 1.7


def test_stored_runs_cost_next_to_nothing(tmp_path):
    store, specs = Store(tmp_path), [Spec("AN", epochs=4, seed=s) for s in range(3)]
    first = seconds(lambda: sweep.run(run, specs, store))
    again = seconds(lambda: sweep.run(run, specs, store))
    print(f"\nsecond sweep: {again / first:.4f} of the first")
    assert again < 0.05 * first

"""How many images a second the networks of the papers train on, and what their tables cost.

A step is a forward pass, a loss on all labels, a backward pass and an update of SGD, on a batch
that lies on the device: what a network can do when nothing but itself takes time.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from weaklabels import methods
from weaklabels.data.augment import pipeline
from weaklabels.lab import multilabel
from weaklabels.lab.execute import PRECISIONS, network, started
from weaklabels.lab.spec import Net
from weaklabels.models import Network
from weaklabels.press.machine import card
from weaklabels.press.paper.shorten import with_weights_at_hand
from weaklabels.press.paper.slices import PUBLISHED, Size
from weaklabels.train import fit

Cost = dict[str, float]
"""Network, as ``signature`` names it -> training images that pass through it."""

Step = Callable[[], None]
Weights = dict[str, Tensor]

LENET = "28 x 28"
"""The ``inputs`` of a run that makes its images as large as LeNet wants them."""

EVALUATION = 1 / 3
"""An image that is evaluated costs as much of one that is trained on: no backward pass."""


def signature(spec: Any) -> str:
    """Everything on which the speed of a run's network depends, as JSON."""
    data = PUBLISHED[spec.dataset]
    side = dict(spec.data_options).get("resolution", data.shape[-1])
    shape = (3, side, side) if data.several else data.shape
    if getattr(spec, "inputs", None) == LENET:
        shape = (data.shape[0], 28, 28)
    return json.dumps(
        {
            "network": spec.network,
            "options": spec.network_options,
            "shape": shape,
            "classes": data.classes,
            "batch": spec.batch_size + getattr(spec, "labelled_batch", 0),
            "precision": getattr(spec, "precision", "float32"),
        }
    )


def on_cpu(spec: Any, device: str) -> bool:
    """Whether a run says that it computes on the CPU, whatever device is asked for."""
    return device != "cpu" and getattr(spec, "device", device) == "cpu"


def add_cost(cost: Cost, spec: Any, device: str = "cpu") -> bool:
    """Add what a run costs, and say whether that is known: of networks on published datasets.

    A run passes its training images once an epoch (see ``passes_a_step``), and evaluates all
    others. Of one that computes on the CPU the speed of the device says nothing.
    """
    if on_cpu(spec, device):
        return False
    if getattr(spec, "dataset", None) not in PUBLISHED or not hasattr(spec, "network"):
        return False
    train, val, test = PUBLISHED[spec.dataset].counts
    train = min(train, getattr(spec, "train_size", None) or train)
    if hasattr(spec, "rounds") and hasattr(spec, "budget"):  # active learning: the labelled grow
        labelled = spec.budget * spec.rounds / 2
        passes = spec.rounds * (2 * spec.epochs * labelled + EVALUATION * (train + test))
    elif hasattr(spec, "base_steps"):
        steps = spec.warm_up + spec.base_steps + spec.rounds * spec.round_steps
        passes = len(spec.methods) * steps * spec.batch_size
    else:
        passes = spec.epochs * (train * passes_a_step(spec) + EVALUATION * (val + test))
    if (stage := getattr(spec, "warm_up", None)) is not None and hasattr(stage, "epochs"):
        passes += stage.epochs * train * EVALUATION
    key = signature(spec)
    cost[key] = cost.get(key, 0.0) + passes
    return True


def passes_a_step(spec: Any) -> int:
    """How often a training image passes forward and back in a step: once, and in adversarial
    training once more for each step of the attack."""
    return 1 + spec.steps if hasattr(spec, "test_steps") else 1


NOT_COUNTED = (
    "A step is a forward and a backward pass, in adversarial training one more for each step of "
    "the attack; further views, teachers, crafted data, attacks at test time and reading from disk "
    "are not counted."
)


def measure(key: str, device: str, size: Size, *, compiled: bool = False) -> float:
    """Images a second of a network's training steps on synthetic images.

    Args:
        key: names the network.
        device: where to compute.
        size: on a CPU, photographs are as small and batches as short as in a slice of this size.
        compiled: whether ``torch.compile`` has a go first.
    """
    told = json.loads(key)
    shape, batch = tuple(told["shape"]), told["batch"]
    if device == "cpu":
        batch = min(batch, size.batch)
        if told["shape"][0] == 3:
            shape = (3, *(n if n < 224 else n // size.factor for n in shape[1:]))
    spec = with_weights_at_hand(
        Net(
            network=told["network"],
            network_options=_tuples(told["options"]),
            device=device,
            precision=told["precision"],
            compiled=compiled,
        )
    )
    fitted = {}
    if told["network"] in ("mlp", "linear"):
        fitted = {"inputs": math.prod(shape)}
    elif told["network"] in ("lenet", "cifar_resnet", "cifar_densenet", "gap_cnn"):
        fitted = {"channels": shape[0]}
    model = network(spec, told["classes"], 0, **fitted)
    x = torch.rand(batch, *shape, device=device)
    if PRECISIONS[told["precision"]] is not None:
        x = x.to(memory_format=torch.channels_last)
    return _images_a_second(model, x, told["classes"], device)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _images_a_second(model: Network, x: Tensor, classes: int, device: str) -> float:
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)
    target = torch.zeros(len(x), classes, device=device)

    def step() -> None:
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(model(x), target).backward()
        optimiser.step()

    return len(x) * _steps_a_second(step, device)


def _steps_a_second(step: Callable[[], Any], device: str) -> float:
    warm, timed = (1, 1) if device == "cpu" else (5, 20)
    for _ in range(warm):
        step()

    def steps() -> None:
        for _ in range(timed):
            step()

    return timed / _seconds(steps, device)


def stacked_step(models: Sequence[Network], x: Tensor, target: Tensor) -> tuple[Step, Weights]:
    """One computation that is a step of several networks, each on a batch of its own.

    Args:
        models: ``E`` networks that differ in their weights alone, without buffers or dropout; they
            stay as they are.
        x, target: ``(E, B, ...)`` inputs and ``(E, B, C)`` targets.

    Returns:
        the step, and the weights that it changes, by name, each ``(E, ...)``.
    """
    weights, _ = stack_module_state(list(models))
    optimiser = torch.optim.SGD(weights.values(), lr=1e-3, momentum=0.9, fused=True)

    def logits(of_one: Weights, x: Tensor) -> Tensor:
        return functional_call(models[0], of_one, (x,))

    def step() -> None:
        optimiser.zero_grad()
        found = vmap(logits)(weights, x)
        each = F.binary_cross_entropy_with_logits(found, target, reduction="none").mean((1, 2))
        each.sum().backward()
        optimiser.step()

    return step, weights


def measure_stacked(count: int, device: str, batch: int = 32) -> float:
    """How many times as many steps a second small networks make when so many of them are stacked
    in one computation: MLPs on digits, with nothing done for each of them alone."""
    told = Net(network="mlp", device=device)
    models = [network(told, 10, seed, inputs=64) for seed in range(count)]
    x = torch.rand(count, batch, 64, device=device)
    step, _ = stacked_step(models, x, torch.zeros(count, batch, 10, device=device))
    alone = _images_a_second(models[0], x[0], 10, device)
    return count * batch * _steps_a_second(step, device) / alone


def _seconds(work: Callable[[], Any], device: str) -> float:
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if on_gpu:
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def measure_reading(spec: multilabel.Spec, epochs: int) -> float:
    """Images a second of a whole run's training: photographs are read, augmented, learnt from.

    An epoch that is not counted comes first.
    """
    splits = multilabel.load_splits(spec)
    model = network(spec, len(splits.classes), 0)
    observed = torch.from_numpy(multilabel.annotate(spec, splits.train.y.numpy()))
    method = started(methods.create("AN"), observed.to(spec.device))
    optimiser = spec.optimiser.build(model, method)
    chance = torch.Generator()

    def train(epochs: int) -> None:
        fit(
            model,
            splits.train.x,
            method,
            epochs=epochs,
            batch_size=spec.batch_size,
            optimiser=optimiser,
            order=chance,
            augment=pipeline(spec.augment, chance, spec.device),
        )

    train(1)
    return epochs * len(splits.train) / _seconds(lambda: train(epochs), spec.device)


def file_of(folder: Path, device: str) -> Path:
    """Where the speeds of a device are kept, images a second by ``signature``: cards differ."""
    return folder / f"throughput-{card(device)}.json"

"""The experiments of the chapter on *stability attacks* (Tao et al., NeurIPS 2022).

A run poisons the training images, trains a network on them adversarially and measures it on clean
test images, untouched and attacked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from weaklabels import data, methods, models
from weaklabels.data import Splits
from weaklabels.data.augment import pipeline
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Options, options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.methods import stability_attacks as sa
from weaklabels.metrics import accuracy
from weaklabels.press.claims import mean_std
from weaklabels.seeding import numpy_rng, seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict

ATTACKS = ("clean", "random", "adversarial", "hypocritical")
"""What happens to the training images; "random" moves every pixel by plus or minus eps."""

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Budgets of the attack at test time, in units of eps."""

BUDGETS = (1.0, 1.25, 1.5, 1.75)
"""Budgets of the defence, in units of eps."""


@dataclass(frozen=True)
class Spec:
    """One run.

    Attributes:
        attack: one of ``ATTACKS``.
        eps: radius of the attacks, on training data and at test time.
        budget: of the defender, in units of eps.
        method: ``"PGD-AT"``, ``"TRADES"`` or ``"MART"``.
        craft_budget: in units of eps, with which the network that crafts the poison was trained.
        seed: of the split, the initial weights, the batches and all attacks.
        dataset, data_options, data_root, network, network_options: data and victim.
        epochs, batch_size, drops: training; the learning rate falls to a tenth after these epochs.
        steps: of the attack in training; ``test_steps`` at test time.
        craft_epochs, craft_steps, craft_shift: training of the crafting network, steps of the
            poison, and largest shift in its random transformations (0: none).
        augment: of the training images (see ``augment.pipeline``).
        device: where to compute.
    """

    attack: str = "clean"
    eps: float = 0.15
    budget: float = 1.0
    method: str = "PGD-AT"
    craft_budget: float = 0.25
    seed: int = 0
    dataset: str = "digits"
    data_options: Options = ()
    data_root: str | None = None
    network: str = "mlp"
    network_options: Options = ()
    epochs: int = 30
    batch_size: int = 64
    optimiser: OptimiserSpec = OptimiserSpec("sgd", lr=0.05, weight_decay=5e-4)
    drops: tuple[int, ...] = (22, 27)
    steps: int = 7
    test_steps: int = 20
    craft_epochs: int = 10
    craft_steps: int = 100
    craft_shift: int = 0
    augment: tuple = ()
    device: str = "cpu"

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [data.loader(self.dataset)]


def run(spec: Spec) -> dict[str, Any]:
    """Poison, train, attack.

    Returns:
        test accuracies in percent: ``natural``; ``robust`` under PGD with ``test_steps``; ``fgsm``;
        ``margin`` under PGD on the CW objective; ``curve`` ``(strengths,)`` under PGD of each of
        ``STRENGTHS``.
    """
    splits = load_splits(spec)
    x, y = splits.train.x, splits.train.y
    if spec.attack != "clean":
        poisoned = remember(craft, crafting_spec(spec))["x"]
        x = torch.from_numpy(poisoned)
        x = x.float() / 255 if x.dtype == torch.uint8 else x
    model = _train(spec, x, y, len(splits.classes), spec.method, spec.budget, spec.epochs)
    test, labels = splits.test.x, splits.test.y
    attacked = {
        strength: _under(model, spec, test, labels, strength * spec.eps) for strength in STRENGTHS
    }
    fgsm = _under(model, spec, test, labels, spec.eps, steps=1)
    margin = _under(model, spec, test, labels, spec.eps, objective=sa.carlini_wagner)
    return {
        "natural": attacked[0.0],
        "robust": attacked[1.0],
        "fgsm": fgsm,
        "margin": margin,
        "curve": np.array(list(attacked.values())),
    }


def craft(spec: Spec) -> dict[str, Any]:
    """The poisoned training images ``x`` of a run (uint8, cut, for datasets of bytes)."""
    splits = load_splits(spec)
    x, y = splits.train.x, splits.train.y
    if spec.attack == "random":
        return {"x": sa.random_sign(x, spec.eps, torch_rng(spec.seed, "random signs")).numpy()}
    classes = len(splits.classes)
    budget = spec.craft_budget
    model = _train(spec, x, y, classes, "PGD-AT", budget, spec.craft_epochs).eval()
    target = y if spec.attack == "hypocritical" else sa.adversarial_target(y, classes)
    generator = torch_rng(spec.seed, "transformations")

    def transform(batch: Tensor, _: int) -> Tensor:
        draws = torch.rand(len(batch), 4, generator=generator).to(batch)
        return sa.shift_and_flip(batch, draws, spec.craft_shift)

    moved = [
        sa.poison(
            model,
            part.to(spec.device),
            goal.to(spec.device),
            spec.eps,
            steps=spec.craft_steps,
            transform=transform if spec.craft_shift else None,
        ).cpu()
        for part, goal in zip(x.split(256), target.split(256), strict=True)
    ]
    poisoned = torch.cat(moved)
    return {"x": (poisoned if spec.dataset == "digits" else sa.as_bytes(poisoned)).numpy()}


def crafting_spec(spec: Spec) -> Spec:
    """What of a run its poison depends on (see ``craft``)."""
    return replace(spec, budget=1.0, method="PGD-AT", epochs=spec.craft_epochs, drops=())


def load_splits(spec: Spec) -> Splits:
    """The data of a run."""
    extra = {"seed": spec.seed} if spec.dataset == "digits" else {}
    return data.load(spec.dataset, spec.data_root, **dict(spec.data_options), **extra)


def _train(
    spec: Spec, x: Tensor, y: Tensor, classes: int, method: str, budget: float, epochs: int
) -> models.Network:
    seed_torch(spec.seed, "method", method)
    model = models.build(spec.network, classes, seed=spec.seed, **dict(spec.network_options)).to(
        spec.device
    )
    learner = methods.create(method, eps=budget * spec.eps, steps=spec.steps, seed=spec.seed)
    learner.start(y.to(spec.device))
    optimiser = spec.optimiser.build(model, learner)
    steps = -(-len(x) // spec.batch_size)
    drops = [epoch * steps for epoch in spec.drops]
    schedule = LambdaLR(optimiser, lambda step: 0.1 ** sum(step >= drop for drop in drops))
    fit(
        model,
        x.to(spec.device),
        learner,
        epochs=epochs,
        batch_size=spec.batch_size,
        optimiser=optimiser,
        order=torch_rng(spec.seed, "order"),
        schedule=schedule,
        augment=pipeline(spec.augment, torch_rng(spec.seed, "views"), spec.device)
        if spec.augment
        else None,
    )
    return model


def _under(
    model: nn.Module,
    spec: Spec,
    x: Tensor,
    y: Tensor,
    eps: float,
    *,
    steps: int | None = None,
    objective: Any = F.cross_entropy,
) -> float:
    """Accuracy (%) under an attack of radius ``eps``; one step has the size of the radius."""
    model.eval()
    steps = steps or spec.test_steps
    generator = torch_rng(spec.seed, "attacks at test time")
    right = []
    for part, labels in zip(x.split(1000), y.split(1000), strict=True):
        clean, goal = part.to(spec.device), labels.to(spec.device)
        moved = clean
        if eps:
            uniform = torch.rand(part.shape, generator=generator).to(clean)
            start = sa.random_start(clean, eps, uniform) if steps > 1 else None
            size = eps / 4 if steps > 1 else eps
            moved = sa.pgd(
                model, clean, goal, eps, steps=steps, size=size, start=start, objective=objective
            )
        right.append(predict(model, moved).cpu())
    return accuracy(torch.cat(right), y)


# -- the statistical setting ----------------------------------------------------------------------


@dataclass(frozen=True)
class GaussianSpec:
    """Logistic adversarial training in the statistical setting, on a finite sample.

    Attributes:
        attack: see ``Gaussians.training_mean``.
        defence: budget per coordinate.
        seed: of the sample.
        n: points; ``steps`` of full-batch SGD (momentum 0.9), whose rate falls linearly from 0.5.
    """

    attack: str
    defence: float
    seed: int = 0
    n: int = 10_000
    steps: int = 400
    d: int = 100
    eta: float = 0.1
    eps: float = 0.2


def fit_gaussian(spec: GaussianSpec) -> dict[str, Any]:
    """Train and measure; the inner maximum is exact: the margin less ``defence * |w|_1``.

    Returns:
        ``natural`` and ``robust``, accuracies (%) of the fitted weights by the closed form.
    """
    setting = sa.Gaussians(spec.d, spec.eta, spec.eps)
    rng = numpy_rng(spec.seed, "sample", spec.attack)
    y = rng.choice([-1.0, 1.0], spec.n)
    noise = setting.sigma * rng.standard_normal((spec.n, spec.d + 1))
    signed = torch.from_numpy(setting.training_mean(spec.attack) + y[:, None] * noise)
    w = torch.zeros(spec.d + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=0.5, momentum=0.9)
    schedule = LambdaLR(optimiser, lambda step: 1 - step / spec.steps)
    for _ in range(spec.steps):
        loss = F.softplus(-(signed @ w - spec.defence * w.abs().sum())).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    weights = w.detach().numpy()
    return {
        "natural": 100 * setting.accuracy(weights),
        "robust": 100 * setting.accuracy(weights, setting.eps),
    }


def closed_form(setting: sa.Gaussians, attack: str, budgets: np.ndarray) -> pd.DataFrame:
    """Natural and robust accuracy (%) for each defence budget, by the closed form."""
    weights = [setting.robust_weights(attack, budget) for budget in budgets]
    return pd.DataFrame(
        {
            "budget": budgets,
            "natural": [100 * setting.accuracy(w) for w in weights],
            "robust": [100 * setting.accuracy(w, setting.eps) for w in weights],
        }
    )


# -- settings and tables --------------------------------------------------------------------------


def base_spec(chapter: Setting) -> Spec:
    """Adversarial training on clean data; all other runs vary it.

    The paper profile keeps the last epoch, where the official code keeps the best of a validation
    part of the poisoned data, and normalises with ImageNet's mean and deviation.
    """
    if chapter.profile == "paper":
        return Spec(
            eps=8 / 255,
            dataset="cifar10",
            data_root=chapter.data_root,
            network="resnet18",
            network_options=options(pretrained=False, small=True, normalise=True),
            epochs=100,
            batch_size=128,
            optimiser=OptimiserSpec("sgd", lr=0.1, weight_decay=5e-4),
            drops=(75, 90),
            steps=10,
            craft_shift=8,
            augment=(("pad_crop", 4), ("flip",)),
            device=chapter.device,
        )
    quick = Spec(
        data_options=options(test=500),
        network_options=options(inputs=64, hidden=(128, 64)),
        device=chapter.device,
    )
    if chapter.profile == "quick":
        return quick
    smaller = options(test=100)
    return replace(quick, data_options=smaller, epochs=2, drops=(1,), craft_epochs=1, craft_steps=3)


def radii(chapter: Setting) -> tuple[float, ...]:
    """Radii of the attacks; the first is the one that the figures show."""
    return chapter.choose(quick=(0.15, 0.1), paper=(8 / 255,), smoke=(0.15,))


def scores(records: list[Record], measure: str) -> np.ndarray:
    """``(seeds,)`` of one measure."""
    return np.array([float(record[measure]) for record in records])


MEASURES = {"natural": "natural", "fgsm": "FGSM", "robust": "PGD-20", "margin": "CW"}
"""Measure of a record -> its heading."""


def table(groups: dict[str, list[Record]]) -> pd.DataFrame:
    """Rows of runs, columns of test accuracies as ``mean ± std``."""
    return pd.DataFrame(
        {
            heading: {name: mean_std(scores(group, measure)) for name, group in groups.items()}
            for measure, heading in MEASURES.items()
        }
    )


PUBLISHED = pd.DataFrame(
    {
        "natural": [82.17, 81.25, 83.67, 82.99, 77.35, 88.07],
        "FGSM": [56.63, 54.14, 57.51, 55.71, 53.93, 47.93],
        "PGD-20": [50.63, 48.25, 50.74, 49.17, 49.95, 37.61],
        "PGD-100": [50.35, 48.02, 50.31, 48.82, 49.76, 36.96],
        "CW": [49.37, 47.34, 49.81, 47.96, 48.35, 38.58],
        "AutoAttack": [46.99, 44.79, 47.25, 45.36, 46.13, 35.44],
    },
    index=[
        "clean",
        "DeepConfuse",
        "Unlearnable Examples",
        "NTGA",
        "adversarial",
        "hypocritical",
    ],
)
"""Table 2: PGD-AT with 8/255 on CIFAR-10, test accuracy (%), by training data."""

PUBLISHED_DEFENCES = pd.DataFrame(
    {
        "natural": [88.07, 87.62, 83.95, 88.26, 86.24, 80.00, 79.63, 77.29],
        "FGSM": [47.93, 47.46, 50.96, 49.23, 48.87, 56.86, 55.73, 57.10],
        "PGD-20": [37.61, 38.35, 42.80, 39.77, 40.19, 52.92, 51.77, 53.82],
        "PGD-100": [36.96, 37.90, 42.34, 39.25, 39.65, 52.83, 51.63, 53.71],
        "CW": [38.58, 39.07, 42.41, 40.38, 37.66, 50.36, 48.68, 49.03],
        "AutoAttack": [35.44, 36.25, 40.07, 37.61, 35.07, 48.63, 47.83, 47.67],
    },
    index=[
        "PGD-AT 8/255",
        "+ random noise",
        "+ Gaussian smoothing",
        "+ Cutout",
        "+ AutoAugment",
        "PGD-AT 14/255",
        "TRADES 12/255",
        "MART 14/255",
    ],
)
"""Table 5: defences on hypocritically perturbed CIFAR-10, test accuracy (%)."""

"""The experiments of the chapter on *stability attacks* (Tao et al., NeurIPS 2022).

A run poisons the training images, trains a network on them adversarially and measures it on clean
test images, untouched and attacked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from chapters.stability_attacks.tuning import BUDGETS, USUAL, chosen_budget, chosen_rate
from weaklabels import checks, methods
from weaklabels.data import Split
from weaklabels.data.augment import pipeline
from weaklabels.lab.execute import ORDER, Task, Watch, execute, network, placed, started
from weaklabels.lab.loading import load_splits
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Data, Trained, options
from weaklabels.lab.sweep import remember
from weaklabels.methods import stability_attacks
from weaklabels.metrics import accuracy
from weaklabels.models import Network
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, predict

ATTACKS = ("clean", "random", "adversarial", "hypocritical")
"""What happens to the training images; "random" moves every pixel by plus or minus eps."""

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Budgets of the attack at test time, in units of eps."""


@dataclass(frozen=True, kw_only=True)
class Spec(Data, Trained):
    """One run; the seed is that of the split, the initial weights, the batches and all attacks.

    Beside its parts (see ``lab.spec``):

    Attributes:
        draws: seed of all these but the split, in place of ``seed``, where it is not None.
        attack: one of ``ATTACKS``.
        eps: radius of the attacks, on training data and at test time.
        budget: of the defender, in units of eps.
        method: ``"PGD-AT"``, ``"TRADES"`` or ``"MART"``.
        craft_budget: in units of eps, with which the network that crafts the poison was trained.
        drops: the learning rate falls to a tenth after these epochs.
        steps: of the attack in training; ``test_steps`` at test time.
        craft_draws: ``draws`` of the crafting network.
        craft_network: its name and its options (empty: the victim's network).
        craft_lr: its learning rate.
        craft_epochs, craft_steps, craft_shift: training of the crafting network, steps of the
            poison, and twice the largest shift in its random transformations, in pixels (0: none).
        augment: of the training images (see ``augment.pipeline``).
    """

    draws: int | None = None
    attack: str = "clean"
    eps: float = 0.15
    budget: float = 1.0
    method: str = "PGD-AT"
    craft_budget: float = 0.25
    dataset: str = "digits"
    network: str = "mlp"
    epochs: int = 30
    batch_size: int = 64
    optimiser: OptimiserSpec = OptimiserSpec("sgd", lr=0.05, weight_decay=5e-4)
    drops: tuple[int, ...] = (22, 27)
    steps: int = 7
    test_steps: int = 20
    craft_draws: int | None = None
    craft_network: tuple[str, tuple] | tuple[()] = ()
    craft_lr: float = 0.05
    craft_epochs: int = 10
    craft_steps: int = 100
    craft_shift: int = 0
    augment: tuple = ()

    @property
    def chance(self) -> int:
        """The seed of everything but the split."""
        return self.seed if self.draws is None else self.draws

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows, and what crafts."""
        return [*super().code(), methods.get(self.method), stability_attacks.PGDTraining]


def run(spec: Spec) -> dict[str, Any]:
    """Poison, train, attack.

    Returns:
        test accuracies in percent: ``natural``; ``robust`` under PGD with ``test_steps``; ``fgsm``;
        ``margin`` under PGD on the CW objective; ``curve`` ``(strengths,)`` under PGD of each of
        ``STRENGTHS``; with validation images also ``validation``, what ``robust`` is on those.
    """
    splits = load_splits(spec)
    x, y = splits.train.x, splits.train.y
    if spec.attack != "clean":
        poisoned = remember(craft, crafting_spec(spec))["x"]
        x = torch.from_numpy(poisoned)
        x = x.float() / 255 if x.dtype == torch.uint8 else x
    model = _train(spec, x, y, len(splits.classes))
    test, labels = splits.test.x, splits.test.y
    attacked = {
        strength: _under(model, spec, test, labels, strength * spec.eps) for strength in STRENGTHS
    }
    fgsm = _under(model, spec, test, labels, spec.eps, steps=1)
    margin = _under(model, spec, test, labels, spec.eps, objective=stability_attacks.carlini_wagner)
    found = {} if splits.val is None else {"validation": _on_validation(model, spec, splits.val)}
    return found | {
        "natural": attacked[0.0],
        "robust": attacked[1.0],
        "fgsm": fgsm,
        "margin": margin,
        "curve": np.array(list(attacked.values())),
    }


def _on_validation(model: Network, spec: Spec, held_out: Split) -> float:
    return _under(model, spec, held_out.x, held_out.y, spec.eps)


def craft(spec: Spec) -> dict[str, Any]:
    """The poisoned training images ``x`` of a run (uint8, cut, for datasets of bytes; those with
    random signs stay as they are).

    Args:
        spec: what ``crafting_spec`` makes of that of the run.
    """
    splits = load_splits(spec)
    x, y = splits.train.x, splits.train.y
    if spec.attack == "random":
        return {
            "x": stability_attacks.random_sign(
                x, spec.eps, torch_rng(spec.chance, "random signs")
            ).numpy()
        }
    classes = len(splits.classes)
    model = _train(spec, x, y, classes).eval()
    target = (
        y if spec.attack == "hypocritical" else stability_attacks.adversarial_target(y, classes)
    )
    generator = torch_rng(spec.chance, "transformations")

    def transform(batch: Tensor, _: int) -> Tensor:
        draws = torch.rand(len(batch), 4, generator=generator).to(batch)
        return stability_attacks.shift_and_flip(batch, draws, spec.craft_shift)

    moved = [
        stability_attacks.poison(
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
    return {
        "x": (
            poisoned if spec.dataset == "digits" else stability_attacks.as_bytes(poisoned)
        ).numpy()
    }


def crafting_spec(spec: Spec) -> Spec:
    """What of a run its poison depends on: the training of the crafting network, and the attack."""
    name, own = spec.craft_network or (spec.network, spec.network_options)
    return replace(
        spec,
        network=name,
        network_options=own,
        optimiser=replace(spec.optimiser, lr=spec.craft_lr),
        draws=spec.draws if spec.craft_draws is None else spec.craft_draws,
        method="PGD-AT",
        budget=spec.craft_budget,
        craft_budget=0.0,
        craft_draws=None,
        craft_network=(),
        epochs=spec.craft_epochs,
        drops=(),
    )


def _train(spec: Spec, x: Tensor, y: Tensor, classes: int) -> Network:
    """The network after training on ``x`` by the method of the spec and with its budget."""
    checks.unused(spec.optimiser, "warm_up", "cycle_epochs")
    seed_torch(spec.chance, "method", spec.method)
    model = network(spec, classes, spec.chance)
    eps = spec.budget * spec.eps
    method = methods.create(spec.method, eps=eps, steps=spec.steps, seed=spec.chance)
    streams = {ORDER: torch_rng(spec.chance, "order"), "views": torch_rng(spec.chance, "views")}
    augment = pipeline(spec.augment, streams["views"], spec.device) if spec.augment else None

    def schedule(optimiser: Optimizer, epochs: int, steps: int) -> LambdaLR:
        drops = [epoch * steps for epoch in spec.drops]
        return LambdaLR(optimiser, lambda step: 0.1 ** sum(step >= drop for drop in drops))

    execute(
        spec,
        Task(
            model,
            started(method, y.to(spec.device)),
            placed(x, spec.device),
            watch=lambda *_: Watch(),
            streams=streams,
            augment=augment,
            schedule=schedule,
        ),
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
    generator = torch_rng(spec.chance, "attacks at test time")
    right = []
    for part, labels in zip(x.split(1000), y.split(1000), strict=True):
        clean, goal = part.to(spec.device), labels.to(spec.device)
        moved = clean
        if eps:
            uniform = torch.rand(part.shape, generator=generator).to(clean)
            start = stability_attacks.random_start(clean, eps, uniform) if steps > 1 else None
            size = eps / 4 if steps > 1 else eps
            moved = stability_attacks.pgd(
                model, clean, goal, eps, steps=steps, size=size, start=start, objective=objective
            )
        right.append(predict(model, moved).cpu())
    return accuracy(torch.cat(right), y)


# -- settings -------------------------------------------------------------------------------------


Victim = tuple[str, tuple]
"""Name and options of a network."""


@dataclass(frozen=True)
class Settings:
    """What the chapter runs.

    Attributes:
        base: adversarial training on clean data, which all other runs vary.
        radii: of the attacks; the first is the one that the figures show.
        budgets: of the defence, in units of eps.
        craft_budgets: of the crafting network, in units of eps.
        victims: networks that the crafting network does not know.
        gaussian_budgets: of the defence in the statistical setting, per coordinate.
        gaussian_steps: of training there.
    """

    base: Spec
    radii: tuple[float, ...]
    budgets: tuple[float, ...]
    craft_budgets: tuple[float, ...]
    victims: Mapping[str, Victim]
    gaussian_budgets: tuple[float, ...]
    gaussian_steps: int


def settings(chapter: Setting) -> Settings:
    """The sizes that belong to the profile."""
    craft_budgets = (0.0, 0.25, 0.5, 1.0)
    gaussian_budgets = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4)
    base = base_spec(chapter)
    return chapter.choose(
        quick=Settings(
            base, (0.15, 0.1), BUDGETS, craft_budgets, VICTIMS, gaussian_budgets, gaussian_steps=400
        ),
        paper=Settings(
            base, (8 / 255,), BUDGETS, craft_budgets, LARGE, gaussian_budgets, gaussian_steps=400
        ),
        smoke=Settings(
            base, (0.15, 0.1), BUDGETS, (0.25, 1.0), VICTIMS, (0.0, 0.2), gaussian_steps=2
        ),
    )


def base_spec(chapter: Setting) -> Spec:
    """Adversarial training on clean data.

    The paper profile keeps the last epoch, where the official code keeps the best of a validation
    part of the poisoned data, and normalises with ImageNet's mean and deviation.
    """
    quick = Spec(
        data_options=options(test=500),
        network_options=options(inputs=64, hidden=(128, 64)),
        device=chapter.device,
    )
    paper = Spec(
        eps=8 / 255,
        dataset="cifar10",
        data_root=chapter.data_root,
        network="resnet18",
        network_options=options(pretrained=False, small=True, normalise=True),
        epochs=100,
        batch_size=128,
        optimiser=OptimiserSpec("sgd", lr=0.1, weight_decay=5e-4),
        drops=(75, 90),
        craft_lr=0.1,
        steps=10,
        craft_shift=8,
        augment=(("pad_crop", 4), ("flip",)),
        checkpoint=True,
        device=chapter.device,
    )
    smoke = replace(
        quick,
        data_options=options(test=900),
        epochs=2,
        batch_size=400,
        drops=(1,),
        steps=2,
        test_steps=2,
        craft_epochs=1,
        craft_steps=2,
    )
    return chapter.choose(quick=quick, paper=paper, smoke=smoke)


Key = tuple[float, str, float]
"""Radius, training images, budget of the defence."""


def table(settings: Settings, eps: float) -> dict[Key, Spec]:
    """Runs at one radius: all kinds of images with the conventional budget, hypocritical ones with
    the chosen one as well."""
    larger = chosen_budget(eps)
    keys = [(eps, kind, USUAL) for kind in ATTACKS] + [(eps, "hypocritical", larger)]
    return {key: _vary(settings, key) for key in keys}


def sweep(settings: Settings) -> dict[Key, Spec]:
    """All budgets on clean and on hypocritical images, at every radius."""
    keys = [
        (eps, kind, budget)
        for eps in settings.radii
        for kind in ("clean", "hypocritical")
        for budget in settings.budgets
    ]
    return {key: _vary(settings, key) for key in keys}


def _vary(settings: Settings, key: Key) -> Spec:
    eps, kind, budget = key
    return _tuned(replace(settings.base, eps=eps, attack=kind, budget=budget), "PGD-AT")


def at_rate(spec: Spec, rate: float) -> Spec:
    """The same with another learning rate of the victim."""
    return replace(spec, optimiser=replace(spec.optimiser, lr=rate))


def _tuned(spec: Spec, name: str) -> Spec:
    """The same with the learning rate that was chosen for this method or victim at this radius."""
    return at_rate(spec, chosen_rate(name, spec.eps, spec.optimiser.lr))


def hypocritical(settings: Settings) -> Spec:
    """Training on hypocritical images of the largest radius with the conventional budget."""
    return _vary(settings, (settings.radii[0], "hypocritical", USUAL))


METHODS = ("PGD-AT", "TRADES", "MART")


def defences(settings: Settings) -> dict[str, Spec]:
    """Defences against hypocritical images, each with its learning rate and its larger budget."""
    poisoned = hypocritical(settings)
    found = {"PGD-AT, ε": poisoned}
    for method in METHODS:
        budget = chosen_budget(poisoned.eps, method)
        spec = replace(poisoned, method=method, budget=budget)
        found[f"{method}, {budget:g} ε"] = _tuned(spec, method)
    return found


OWN_DRAWS = 10_000
"""First of the seeds of crafting networks that share no draws with their victims."""


def crafting(settings: Settings) -> dict[str, Spec]:
    """Hypocritical images crafted by networks that are robust to a different degree and share
    neither initial weights nor batches with the victim; run by ``among_strangers``."""
    poisoned = replace(hypocritical(settings), craft_draws=OWN_DRAWS)
    return {
        f"{budget:g} ε": replace(poisoned, craft_budget=budget) for budget in settings.craft_budgets
    }


VICTIMS: dict[str, Victim] = {
    "wider": ("mlp", options(inputs=64, hidden=(256, 128))),
    "narrower": ("mlp", options(inputs=64, hidden=(64,))),
    "deeper": ("mlp", options(inputs=64, hidden=(128, 64, 64, 64))),
    "convolutional": ("gap_cnn", ()),
}
"""Victims that the crafting network does not know, on digits."""

LARGE: dict[str, Victim] = {"convolutional": ("convnet", ())}
"""The same on CIFAR-10, where the crafting network is a ResNet-18."""


def strangers(settings: Settings) -> dict[tuple[str, str], Spec]:
    """Victim, training images -> run: how much of the attack is due to what the two networks share.

    The crafting network of the chapter has the victim's architecture, initial weights and order of
    batches. *Other draws*: weights and batches of its own. The others also differ in architecture.
    They are run by ``among_strangers``.
    """
    base = replace(hypocritical(settings), craft_draws=OWN_DRAWS)
    found = {
        ("same", "hypocritical"): hypocritical(settings),
        ("other draws", "hypocritical"): base,
        ("other draws", "clean"): _vary(settings, (base.eps, "clean", USUAL)),
    }
    for name in settings.victims:
        spec = _tuned(victim(settings, name), name)
        poisoned = replace(spec, attack="hypocritical", craft_draws=OWN_DRAWS)
        own = (base.network, base.network_options)
        found[name, "hypocritical"] = replace(poisoned, craft_network=own)
        found[name, "clean"] = spec
    return found


def victim(settings: Settings, name: str) -> Spec:
    """Training of a victim on clean images of the largest radius."""
    network, own = settings.victims[name]
    return replace(settings.base, eps=settings.radii[0], network=network, network_options=own)


def among_strangers(spec: Spec) -> dict[str, Any]:
    """``run`` with another crafting network for every seed: its draws are numbered from
    ``craft_draws``, if that is given."""
    own = None if spec.craft_draws is None else spec.craft_draws + spec.seed
    return remember(run, replace(spec, craft_draws=own)).values


def poisons(settings: Settings) -> dict[str, Spec]:
    """Attack -> what crafts its images (see ``craft``), at the largest radius."""
    poisoned = hypocritical(settings)
    return {
        kind: crafting_spec(replace(poisoned, attack=kind))
        for kind in ("hypocritical", "adversarial")
    }

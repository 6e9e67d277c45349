"""The experiments of the chapter on *Noise-Robust Bidirectional Learning* (BLDR, 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weaklabels.lab.noisy_labels import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.tuned import Tuned
from weaklabels.train import OptimiserSpec

COMPARATORS = ("CE", "GCE", "NL", "NLNL", "Co-teaching")
LADDER = ("PL", "BL", "BL+DR", "BLDR")
"""BLDR taken apart: positive learning, both directions, + re-weighting, + self-distillation."""

TUNED_METHODS = (*COMPARATORS, *LADDER)
"""Each has views and a learning rate of its own, chosen in the same way (see ``TUNED``)."""

CONTROLS = ("BL+rho", "BL+weights", "BL, faster u, v", "BL+DR, faster u, v", "BLDR without DR")
"""Re-weighting taken apart into its two parts, the estimated share of wrong labels and the weights
of samples; and with the two branches of BLDR three losses train u and v instead of one: "faster
u, v" has three times their rates and no branches."""

BARE = ", no views"
"""Ends the name of a method that trains on the images as they are, all views being the same; on
digits at a learning rate that was chosen there."""

SAME_RATE = f"CE{BARE}, same rate"
"""Cross-entropy on bare digits at the learning rate that it has with its views."""

OFFICIAL_RULE = "BL, spared always"
"""Spares the negative head's own prediction from the first step on."""

MAIN = ("CE", SAME_RATE, "CE" + BARE, "NL", "PL", "BL", "BLDR")
STUDIES = (
    *("GCE", "NLNL", "Co-teaching", "BL+DR"),
    *CONTROLS,
    OFFICIAL_RULE,
    *(name + BARE for name in TUNED_METHODS if name != "CE"),
)
"""What goes beyond the main comparison."""

ORDER = (
    *TUNED_METHODS,
    *CONTROLS,
    OFFICIAL_RULE,
    *(name + BARE for name in TUNED_METHODS),
    SAME_RATE,
)
"""All of them as a table has them."""

_BL = {"reweight": False, "estimate": False, "distil": False}
_FASTER = {"u_rate": 30.0, "v_rate": 30.0}
_PARTS = {
    "PL": {"negative": False, **_BL},
    "BL": _BL,
    "BL+rho": {"reweight": False, "distil": False},
    "BL+weights": {"estimate": False, "distil": False},
    "BL+DR": {"distil": False},
    "BLDR": {},
    "BL, faster u, v": {**_BL, **_FASTER},
    "BL+DR, faster u, v": {"distil": False, **_FASTER},
    "BLDR without DR": {"reweight": False, "estimate": False},
    OFFICIAL_RULE: {**_BL, "spare_prediction": "always"},
}

VIEWS: dict[float, tuple] = {
    0: (),
    1: (("pad_crop", 1),),
    2: (("pad_crop", 1), ("noise", 0.1)),
    3: (("pad_crop", 1), ("noise", 0.2)),
    4: (("pad_crop", 1), ("noise", 0.3)),
    5: (("pad_crop", 1), ("noise", 0.4)),
}
"""Strength -> view of a digit: as it is, shifted by up to a pixel, and with more and more noise.

A method trains on views of its strength. Methods of two views have them as the weak one; their
strong one is no weaker, and at least of strength ``STRONG``."""

STRONG = 2

_SAME_SETTINGS = {
    "BL+rho": "BL+DR",
    "BL+weights": "BL+DR",
    "BL, faster u, v": "BL",
    "BL+DR, faster u, v": "BL+DR",
    "BLDR without DR": "BLDR",
    OFFICIAL_RULE: "BL",
}
"""Controls have the settings of the method that they are a control of."""

LEARNING_RATES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

CHOSEN: dict[str, dict[str, tuple[float, float]]] = {
    "symmetric": {
        "CE": (3, 0.2),
        "GCE": (2, 0.2),
        "NL": (0, 0.1),
        "NLNL": (0, 0.05),
        "Co-teaching": (2, 0.02),
        "PL": (1, 0.05),
        "BL": (1, 0.05),
        "BL+DR": (1, 0.02),
        "BLDR": (0, 0.05),
    },
    "asymmetric": {
        "CE": (4, 0.1),
        "GCE": (4, 0.5),
        "NL": (0, 0.2),
        "NLNL": (0, 0.05),
        "Co-teaching": (2, 0.05),
        "PL": (1, 0.2),
        "BL": (1, 0.1),
        "BL+DR": (1, 0.02),
        "BLDR": (1, 0.05),
    },
}
"""Kind of wrong labels -> method -> strength of its views, learning rate."""

BARE_LEARNING_RATES = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, *LEARNING_RATES, 2.0, 5.0)
"""Tried on bare digits, where the best rate of several methods is much smaller than with views, so
that training ends before the wrong labels are learnt, or much larger."""

BARE_RATES: dict[str, dict[str, float]] = {
    "symmetric": {
        "CE": 0.0005,
        "GCE": 0.002,
        "NL": 0.1,
        "NLNL": 0.05,
        "Co-teaching": 0.001,
        "PL": 1.0,
        "BL": 0.002,
        "BL+DR": 0.5,
        "BLDR": 0.5,
    },
}
"""Kind of wrong labels of which rows without views are shown -> method -> learning rate, chosen on
bare digits, all views being the same."""


def _tuned(noise: str, method: str) -> tuple[Tuned, ...]:
    rule = "best accuracy at the last epoch, mean of 3 seeds"
    on = f"held-out digits of seeds 1000 to 1002, {noise} noise"
    strength, rate = CHOSEN[noise][method]
    rates = [("learning rate", LEARNING_RATES, rate)]
    if noise in BARE_RATES:
        rates.append(("learning rate" + BARE, BARE_LEARNING_RATES, BARE_RATES[noise][method]))
    return (
        Tuned(method, "strength of views", tuple(VIEWS), strength, rule, on, bound=(0,)),
        *(Tuned(method, *each, rule, on) for each in rates),
    )


TUNED = tuple(
    each for noise, methods in CHOSEN.items() for name in methods for each in _tuned(noise, name)
)
"""Chosen by ``recorded/tuning.json``."""

RATES = {"symmetric": 0.5, "asymmetric": 0.4}
"""Shares of wrong labels. With pairs of classes half wrong labels would leave nothing to learn."""

HUMAN_NOISE = {
    "cifar10n": ("aggre_label", "random_label1", "worse_label"),
    "cifar100n": ("noisy_label",),
}
"""Label files of the challenge, for the paper profile. Shares of wrong labels, counted in the
files: 9.01 %, 17.23 % and 40.21 %; 40.20 % (CIFAR-100N)."""


def settings(chapter: Setting) -> dict[str, Spec]:
    """Cross-entropy training by kind of wrong labels, the main kind first; all runs vary it."""
    if chapter.profile == "paper":
        return {
            f"{dataset}, {noise}": _photographs(chapter, dataset, noise)
            for dataset, noises in HUMAN_NOISE.items()
            for noise in noises
        }
    digits = Spec(
        "CE",
        data_options=options(test=500),
        network_options=options(inputs=64, hidden=(128, 128, 128), batch_norm=True),
        evaluate_every=2,
        device=chapter.device,
    )
    if chapter.profile == "smoke":
        digits = replace(
            digits, data_options=options(test=1500), epochs=4, constant_epochs=2, batch_size=150
        )
    return {noise: replace(digits, noise=noise, rate=rate) for noise, rate in RATES.items()}


def _photographs(chapter: Setting, dataset: str, noise: str) -> Spec:
    """The official settings: warm-up at a constant rate, then 300 epochs of cosine.

    Pixels are scaled to [0, 1] and not otherwise normalised; batch norm follows at once.
    """
    warm_up = {"cifar10n": 20, "cifar100n": 40}[dataset]
    shared = (("pad_crop", 4), ("flip",))
    return Spec(
        "CE",
        dataset=dataset,
        data_root=chapter.data_root,
        data_options=options(raw=True),
        noise=noise,
        network="resnet34",
        network_options=options(pretrained=False, small=True),
        epochs=warm_up + 300,
        batch_size=256,
        optimiser=OptimiserSpec("sgd", lr=0.04, weight_decay=5e-4),
        constant_epochs=warm_up,
        evaluate_every=5,
        weak=shared,
        strong=(("auto_augment",), *shared, ("cutout", 16)),
        device=chapter.device,
    )


def seen(base: Spec, strength: float) -> Spec:
    """The same run on views of this strength."""
    return replace(base, weak=VIEWS[strength], strong=VIEWS[max(strength, STRONG)])


def bare(base: Spec) -> Spec:
    """The same run on the images as they are."""
    return replace(base, weak=(), strong=())


def at_rate(base: Spec, rate: float) -> Spec:
    """The same run with another learning rate."""
    return replace(base, optimiser=replace(base.optimiser, lr=rate))


def vary(base: Spec, name: str) -> Spec:
    """The same run with a method of the tables, by the name used there, and with its settings.

    Raises:
        ValueError: if there is no such method.
        KeyError: if it has no learning rate without views under this noise.
    """
    if name == SAME_RATE:
        return bare(vary(base, "CE"))
    own = name.removesuffix(BARE)
    spec = with_method(base, own)
    if base.dataset == "digits":
        tuned = _SAME_SETTINGS.get(own, own)
        strength, rate = CHOSEN[base.noise][tuned]
        rate = rate if own == name else BARE_RATES[base.noise][tuned]
        spec = seen(at_rate(spec, rate), strength)
    return spec if own == name else bare(spec)


def with_method(base: Spec, name: str) -> Spec:
    """The same run with another method, on the views of ``base``.

    Raises:
        ValueError: if there is no such method.
    """
    small = base.network == "mlp"  # on digits, and on features of photographs
    if name in _PARTS:
        chosen: dict[str, object] = {"warm_up": base.constant_epochs}
        if small:
            # On small data the official rule makes the negative head collapse: see the chapter.
            chosen |= {"spare_prediction": "after warm-up", "taps": (3, 6)}
        else:
            chosen |= {"taps": (3, 4, 5), "shrink": (8, 4, 2)}
            chosen |= {"agreement": 10.0} if base.dataset == "cifar100n" else {}
        return replace(base, method="BLDR", method_options=options(**(chosen | _PARTS[name])))
    if name == "NLNL" and small:
        phases = {"negative": base.epochs // 2, "selective": base.epochs * 3 // 4}
        return replace(base, method=name, method_options=options(**phases))
    if name == "NLNL":
        return replace(
            base,
            method=name,
            method_options=options(negative=720, selective=1440),
            epochs=2160,
            batch_size=128,
            optimiser=OptimiserSpec("sgd", lr=0.02, weight_decay=1e-4),
            constant_epochs=2160,
        )
    if name == "Co-teaching":
        rates = {"aggre_label": 0.09, "random_label1": 0.17, "worse_label": 0.4, "noisy_label": 0.4}
        forget = rates.get(base.noise, base.rate)
        return replace(base, method=name, method_options=options(forget=forget))
    if name in COMPARATORS:
        return replace(base, method=name, method_options=())
    raise ValueError(f"unknown method {name!r}: expected one of {', '.join(_PARTS)} or CE, ...")


def table(base: Spec, names: Sequence[str]) -> dict[str, Spec]:
    """Method -> spec, of one kind of wrong labels."""
    return {name: vary(base, name) for name in names}

"""What is compared: ways in which labels become weak, and methods with the settings they may have.

One run of the comparison is a method under a weakening; see ``specify``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from weaklabels.lab.multilabel import Spec
from weaklabels.lab.spec import Options, options
from weaklabels.train import OptimiserSpec

# -- weakenings -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weakening:
    """One way in which full labels become weak.

    Attributes:
        annotation, options: for ``multilabel.annotate``.
        negatives: whether negatives are annotated, too.
        known: probability with which a positive is known; None: one of each image.
    """

    annotation: str
    options: Options = ()
    negatives: bool = False
    known: float | None = None


def _share(percent: int) -> Weakening:
    return Weakening("fraction", options(rate=percent / 100), True, percent / 100)


def _missed(percent: int) -> Weakening:
    kept = round(1 - percent / 100, 2)
    return Weakening("fraction of positives", options(rate=kept), False, kept)


WEAKENINGS: dict[str, Weakening] = {
    "single positive": Weakening("single positive"),
    "10 % known": _share(10),
    "50 % known": _share(50),
    "90 % known": _share(90),
    "20 % missed": _missed(20),
    "80 % missed": _missed(80),
}
"""Known: so many of all labels, positive and negative. Missed: a list of positives lacks so many of
them, and says nothing of negatives. For methods that make nothing of negatives half known is half
missed, so there is no such weakening: it would count their runs twice."""

POSITIVES_ONLY = tuple(name for name, weak in WEAKENINGS.items() if not weak.negatives)
BOTH_SIGNS = tuple(name for name, weak in WEAKENINGS.items() if weak.negatives)

ALL_LABELS = "all labels"
"""The reference that is told everything."""

# -- methods --------------------------------------------------------------------------------------

RATES = (6e-5, 2e-4, 6e-4, 2e-3, 6e-3, 2e-2, 6e-2, 0.2, 0.6)
"""Learning rates among which validation data choose, for every method."""

USUAL_RATE = 2e-2
"""What somebody takes who does not choose."""


@dataclass(frozen=True)
class Entry:
    """A method of the comparison.

    Attributes:
        method: registered name.
        knobs: settings of its own dial (or the only one).
        paper: its settings on photographs, where the authors' differ from the default.
        told: knowledge beyond the weak labels.
        negatives: what becomes of annotated negatives, a word for the table.
        both_signs: needs annotated negatives.
        dial: name of the dial's setting; empty without one.
        bounds: ends of the dial beyond which there is nothing.
        default: which knob is the default.
        seeded: whether it draws something itself, with the seed of the run.
        optimiser: on photographs, in place of that of the large-loss methods, whose rates are those
            of a mean over all labels: losses that are sums over classes have their authors', and so
            have estimates that are learnt, whose gradients are too small for SGD.
    """

    method: str
    knobs: tuple[Options, ...] = ((),)
    paper: Options | None = None
    told: str = ""
    negatives: str = "used"
    both_signs: bool = False
    dial: str = ""
    bounds: tuple[float, ...] = (0.0,)
    default: int = 0
    seeded: bool = False
    optimiser: OptimiserSpec | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """The settings of the dial; none without one."""
        return tuple(dict(knob)[self.dial] for knob in self.knobs) if self.dial else ()


def _with_dial(
    method: str,
    dial: str,
    values: Sequence[float],
    fixed: Options = (),
    **others: Any,
) -> Entry:
    knobs = tuple(options(**dict(fixed) | {dial: value}) for value in values)
    return Entry(method, knobs, dial=dial, default=2, **others)


SAME, THROWN, START = "as if unknown", "thrown away", "a first guess"
EXACT = options(epsilon=0.0)
SHARE = (0.0, 1.0)
ADAM = OptimiserSpec("adam", lr=1e-4, weight_decay=1e-4, warm_up=0.2)
COUNT = "the mean number of positives"
WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
LARGE_LOSS_RATES = (0.0, 0.003, 0.008, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
PSEUDO_LABELS = options(beta=0.3, warm_up=6, epochs=12, epsilon=0.0)

METHODS: dict[str, Entry] = {
    "AN": Entry("AN", (EXACT,), negatives=SAME),
    "BCE on known": Entry("IU", (EXACT,)),
    "WAN": _with_dial("WAN", "weight", WEIGHTS[:5], EXACT, paper=EXACT, bounds=SHARE),
    "LSAN": _with_dial(
        "LSAN", "smoothing", (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8), EXACT, negatives=SAME
    ),
    "Focal": _with_dial("Focal", "focus", (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0), negatives=SAME),
    "ASL": _with_dial(
        "ASL", "focus_negative", (0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0), negatives=SAME
    ),
    "EPR": Entry("EPR", (EXACT,), told=COUNT, negatives=THROWN),
    "ROLE": Entry(
        "ROLE",
        (EXACT,),
        told=COUNT,
        negatives=START,
        seeded=True,
        optimiser=OptimiserSpec("adam", lr=1e-5),
    ),
    "EM": _with_dial("EM", "alpha", WEIGHTS, EXACT, paper=options(alpha=0.2)),
    "EM+APL": _with_dial(
        "EM+APL",
        "alpha",
        WEIGHTS,
        PSEUDO_LABELS,
        paper=options(alpha=0.2, beta=0.02, warm_up=5, epochs=10),
    ),
    "LL-R": _with_dial("LL-R", "rate", LARGE_LOSS_RATES, paper=options(rate=0.002), bounds=SHARE),
    "LL-Ct": _with_dial("LL-Ct", "rate", LARGE_LOSS_RATES, paper=options(rate=0.002), bounds=SHARE),
    "LL-Cp": _with_dial("LL-Cp", "rate", LARGE_LOSS_RATES, paper=options(rate=0.001), bounds=SHARE),
    "VPU": Entry(
        "PU-MLC",
        (options(gamma=0.0, alpha=None),),
        negatives=THROWN,
        seeded=True,
        optimiser=ADAM,
    ),
    "PU-MLC": _with_dial(
        "PU-MLC",
        "gamma",
        (0.0, 0.3, 0.55, 0.85, 1.2, 1.7, 2.4),
        options(alpha=1.0),
        paper=options(gamma=0.85, alpha=2.0),
        negatives=THROWN,
        seeded=True,
        optimiser=ADAM,
    ),
    "nnPU": Entry(
        "nnPU",
        told="the share of positives that are known",
        negatives=THROWN,
        optimiser=ADAM,
    ),
    "CAP thresholds": _with_dial(
        "CAP thresholds",
        "warm_up",
        (1, 3, 6, 9, 11),
        negatives="needed",
        both_signs=True,
        bounds=(1.0, 11.0),
        optimiser=ADAM,
    ),
}
"""Name in the tables -> what is run. The knobs bracket the authors' values, the third being the
default; they reach further up, because a larger share of the labels is hidden than on
photographs. At 0, WAN, EM and EM+APL before its pseudo-labels are BCE on known, LSAN, Focal and
the large-loss methods are AN; WAN is AN at 1, and LL-R BCE on known from the second epoch. The
dial of EM+APL is that of EM; its beta hardly mattered in trials. VPU is PU-MLC without its
temperature and its weights of classes, with its consistency term."""

RANKED = tuple(name for name, entry in METHODS.items() if not entry.both_signs)
"""Methods that apply under every weakening: those that can be ranked over all."""

TOLD = tuple(name for name, entry in METHODS.items() if entry.told)
"""Methods that are told something that annotators do not say."""

LARGE_LOSS = ("LL-R", "LL-Ct", "LL-Cp")


def applies(name: str, weakening: str) -> bool:
    """Whether a method can be used under a weakening."""
    return WEAKENINGS[weakening].negatives or not METHODS[name].both_signs


def cells() -> list[tuple[str, str]]:
    """All (weakening, method) pairs of the comparison."""
    return [(weak, name) for weak in WEAKENINGS for name in METHODS if applies(name, weak)]


# -- runs ----------------------------------------------------------------------------------------

SCENES = options(
    train=1000,
    val=200,
    test=600,
    grid=8,
    intensity=(0.6, 1.0),
    noise=0.15,
    pools=(("pretrain", 0), ("train", 900), ("val", 297), ("test", 600)),
)
"""One to four digits in the nine cells of a scene."""

SINGLE_SHARE = {"scenes": 0.4, "voc2012": 0.68}
"""Positives that are known if every image has one: 1 / (mean number of positives)."""


def scene_spec(device: str = "cpu") -> Spec:
    """The run on scenes that all others vary: AN."""
    return Spec(
        "AN",
        EXACT,
        data_options=SCENES,
        network_options=options(width=64, stride=8, pool="max"),
        epochs=12,
        batch_size=50,
        optimiser=OptimiserSpec("adam", lr=USUAL_RATE, warm_up=0.2),
        device=device,
    )


def specify(base: Spec, name: str, weakening: str, seed: int, lr: float, knob: int) -> Spec:
    """One run.

    Args:
        base: the run that is varied.
        name: of ``METHODS``, or ``ALL_LABELS``.
        weakening: of ``WEAKENINGS``.
        seed: of everything.
        lr: learning rate; on photographs that of ``base`` counts, or the authors'.
        knob: which of the method's settings; on photographs the authors' count.
    """
    spec = replace(base, seed=seed)
    if base.dataset == "scenes":
        spec = replace(spec, optimiser=replace(base.optimiser, lr=lr))
    if name == ALL_LABELS:
        return replace(spec, method="IU", method_options=EXACT, annotation="full")
    entry, weak = METHODS[name], WEAKENINGS[weakening]
    own = dict(entry.knobs[knob])
    if base.dataset != "scenes":
        own = dict(entry.paper or entry.knobs[entry.default])
        spec = replace(spec, optimiser=entry.optimiser or base.optimiser)
    if entry.method == "nnPU":
        own["known_share"] = weak.known or SINGLE_SHARE[base.dataset]
    if entry.seeded:
        own["seed"] = seed
    if base.epochs < own.get("epochs", own.get("warm_up", 0) + 1):
        own |= {key: value for key, value in _shortest(base.epochs).items() if key in own}
    # Who makes nothing of annotated negatives does not get them.
    deaf = weak.negatives and entry.negatives in (SAME, THROWN)
    return replace(
        spec,
        method=entry.method,
        method_options=options(**own),
        annotation="fraction of positives" if deaf else weak.annotation,
        annotation_options=weak.options,
    )


def _shortest(epochs: int) -> dict[str, int]:
    """Schedules of runs that only show that the code works."""
    return {"warm_up": 1, "epochs": epochs}

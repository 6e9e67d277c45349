"""Human labels of photographs: the runs on CIFAR-10N, on features of a frozen network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from weaklabels import checks, data
from weaklabels.data import Split, Splits
from weaklabels.lab import noisy_labels
from weaklabels.lab.execute import network
from weaklabels.lab.features import WIDTH, FirstView, extracted, standardised
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

RIVALS = ("CE", "GCE", "NLNL", "Co-teaching")
METHODS = (*RIVALS, "PL", "BLDR")
"""PL is the positive head of BLDR alone."""

LABELS: Mapping[str, str] = {
    "aggre_label": "aggregate",
    "random_label1": "random 1",
    "worse_label": "worst",
}
"""Labels of CIFAR-10N -> how they are called: the majority of three answers, the first one, and a
wrong one of the three if there is any."""

WEAK = (("pad_crop", 4), ("flip",))
STRONG = (*WEAK, ("cutout", 16))
VIEWS = (WEAK, WEAK, STRONG, STRONG, STRONG)
"""Of each training photograph, beside itself: the official views without AutoAugment, which is made
image by image and would take longer than all the rest."""

PICKED = {0: (("pick_view", 0, 1),), 1: (("pick_view", 0, 3),), 2: (("pick_view", 3, 6),)}
"""Strength -> views that a method trains on: the photographs as they are, these and weak views, or
strong views. Methods of two views have them as the weak one; their strong one is strong."""


@dataclass(frozen=True, kw_only=True)
class Spec(noisy_labels.Spec):
    """One run on the photographs.

    Attributes:
        cache: folder of the features.
    """

    cache: str


def run(spec: Spec) -> dict[str, Any]:
    """Train and evaluate (see ``noisy_labels.run``)."""
    checks.one_of(spec.dataset, ["cifar10n"], "dataset")
    checks.one_of(spec.data_options, [(("raw", True),)], "data_options")
    assert spec.data_root is not None
    splits = on_features(spec.data_root, spec.cache)
    model = network(spec, len(splits.classes), spec.seed)
    assert isinstance(model.features, torch.nn.Sequential)
    model.features[0] = FirstView()  # in place of what flattens images
    return noisy_labels.run_on(spec, splits, model)


@lru_cache(maxsize=1)  # all runs of a process
def on_features(root: str, cache: str) -> Splits:
    """CIFAR-10N with features in place of pixels.

    Returns:
        the data; ``x`` is float16, ``(N, 1 + views, D)`` for training, ``(M, D)`` for testing.
    """
    splits = data.load("cifar10n", root, raw=True)
    train, test = splits.train, splits.test
    plain, tested, *views = standardised(
        extracted(train.x, root, cache),
        extracted(test.x, root, cache),
        *(extracted(train.x, root, cache, steps=each, view=k) for k, each in enumerate(VIEWS)),
    )
    x = torch.stack([plain, *views], 1).half()
    return replace(
        splits, train=Split(x, train.y, extra=train.extra), test=Split(tested.half(), test.y)
    )


def human_labels(setting: Setting, labels: str) -> Spec:
    """Cross-entropy on human labels of the photographs at hand, with the network of the digits."""
    return Spec(
        "CE",
        dataset="cifar10n",
        data_root=setting.data_root,
        data_options=options(raw=True),
        cache=str(setting.store.folder.parent / "features"),
        noise=labels,
        network_options=options(inputs=WIDTH, hidden=(128, 128, 128), batch_norm=True),
        epochs=30,
        batch_size=256,
        optimiser=OptimiserSpec("sgd", lr=0.02, weight_decay=5e-4),
        constant_epochs=10,
        evaluate_every=5,
        weak=PICKED[1],
        strong=PICKED[2],
        held_out=0.1,
        device=setting.device,
    )


def seen(base: Spec, strength: float) -> Spec:
    """The same run on views of this strength."""
    return replace(base, weak=PICKED[int(strength)])

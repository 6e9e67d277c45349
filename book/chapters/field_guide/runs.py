"""The runs of the field guide: what a network comes to believe of labels that nobody wrote down."""

from __future__ import annotations

from dataclasses import replace

from weaklabels.lab.multilabel import Pretraining, Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec

TOLD_ALL, NAIVE, REPAIRED = "all labels", "one label, silence = absent", "one label, LL-R"
"""What the networks are told, and how they take it."""


def settings(chapter: Setting) -> Spec:
    """The run that all others vary: one label an image, silence taken for absence."""
    scenes = Spec(
        "AN",
        options(epsilon=0.0),
        data_options=options(pretrain=3000),
        pretraining=Pretraining(),
        epochs=35,
        batch_size=16,
        optimiser=OptimiserSpec("adam", lr=1e-3, head_lr=1e-2),
        track=("entry_logits",),
        device=chapter.device,
    )
    photographs = Spec(
        "AN",
        options(epsilon=0.0),
        dataset="voc2012",
        data_root=chapter.data_root,
        data_options=options(resolution=448, seed=1200),
        network="resnet50",
        network_options=options(pretrained=True, normalise=True),
        epochs=10,
        batch_size=16,
        optimiser=OptimiserSpec("sgd", lr=5e-3, head_lr=5e-2, weight_decay=1e-3),
        augment=(("flip",),),
        track=("entry_logits",),
        device=chapter.device,
        precision="bfloat16",
        checkpoint=True,
    )
    smaller = replace(
        scenes,
        data_options=options(pretrain=200, train=160, val=60, test=60),
        pretraining=Pretraining(epochs=1),
        epochs=3,
    )
    return chapter.choose(quick=scenes, paper=photographs, smoke=smaller)


def table(base: Spec) -> dict[str, Spec]:
    """The three networks; the rate of LL-R is that of its chapter for the data."""
    rate = 0.002 if base.dataset == "voc2012" else 0.020
    return {
        TOLD_ALL: replace(base, method="IU", annotation="full"),
        NAIVE: base,
        REPAIRED: replace(base, method="LL-R", method_options=options(rate=rate)),
    }

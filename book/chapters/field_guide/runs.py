"""The runs of the field guide: what a network comes to believe of labels that nobody wrote down."""

from __future__ import annotations

from dataclasses import replace

from weaklabels.lab.missing_labels import single_positive_spec
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options

TOLD_ALL, NAIVE, REPAIRED = "all labels", "one label, silence = absent", "one label, LL-R"
"""What the networks are told, and how they take it."""


def settings(chapter: Setting) -> Spec:
    """The run that all others vary: one label an image, silence taken for absence."""
    epochs = chapter.choose(quick=35, paper=10, smoke=2)
    return replace(single_positive_spec(chapter), epochs=epochs, track=("entry_logits",))


def table(base: Spec) -> dict[str, Spec]:
    """The three networks; the rate of LL-R is that of its chapter for the data."""
    rate = 0.002 if base.dataset == "voc2012" else 0.020
    return {
        TOLD_ALL: replace(base, method="IU", annotation="full"),
        NAIVE: base,
        REPAIRED: replace(base, method="LL-R", method_options=options(rate=rate)),
    }

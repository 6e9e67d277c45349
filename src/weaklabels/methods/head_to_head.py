r"""CAP's class-aware thresholds for labels that are missing one by one.

CAP (:mod:`weaklabels.methods.cap`) knows rows that are fully annotated and rows that are not at
all. Its thresholds ask for less: the share of positives of each class. Where labels are annotated
at random, positive and negative alike, the known labels of a class estimate that share without
bias, and the unknown labels of the class can be sorted and cut by it. Where only positives are
annotated they say nothing about the share, and the method does not apply.
"""

from __future__ import annotations

import torch
from torch import Tensor

from weaklabels.methods.base import Context, register
from weaklabels.methods.cap import class_aware, class_proportions
from weaklabels.methods.pseudo_labels import Renewed


@register("CAP thresholds")
class MissingClassAware(Renewed):
    r"""Class-aware thresholding of the unknown labels, entry by entry.

    After the warm-up the :math:`\lfloor\hat\gamma_kM_k\rfloor` highest of the :math:`M_k` unknown
    labels of class k are positive, the others negative, but for the highest 0.2 % of these (see
    ``cap.NEGATIVE_LIMIT``), which are left out; renewed before every epoch. Without CAP's two
    views, with plain cross-entropy, and without averaged weights unless the run has them, so that
    only the thresholds differ from training on the known labels.

    Args:
        warm_up: epochs on the known labels alone.
    """

    def __init__(self, *, warm_up: int) -> None:
        super().__init__(warm_up=warm_up)

    def start(self, context: Context) -> None:
        """Take the weak labels.

        Raises:
            ValueError: if no negative is annotated: the shares of positives are then unknown.
        """
        super().start(context)
        if not (self.observed == -1).any():
            raise ValueError(
                "CAP thresholds need annotated negatives: positives alone do not tell how large "
                "the share of positives is"
            )
        self.proportions = class_proportions(self.observed)

    def renew(self, logits: Tensor) -> None:
        for k in range(logits.shape[1]):
            rows = (self.observed[:, k] == 0).nonzero()[:, 0]
            labels, mask = class_aware(logits[rows, k : k + 1], self.proportions[k : k + 1])
            self.targets[rows, k] = labels[:, 0]
            self.weights[rows, k] = mask[:, 0].to(torch.float32)

"""Comparators for labels of which a share is wrong: CE, GCE, NL, NLNL, Co-teaching.

Notation: batches of B samples, K classes. Given labels are ``(B,)`` int64. Formulas follow the
authors' code.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, register
from weaklabels.models import Network

REJECTED = 1e-5
"""Smallest value of 1 - p inside the logarithm of negative learning."""


def generalised_cross_entropy(
    logits: Tensor, given: Tensor, q: float = 0.7, truncation: float | None = None
) -> Tensor:
    r"""GCE (Zhang and Sabuncu, NeurIPS 2018): entries :math:`(1-p_y^q)/q`, ``(B,)``.

    With a truncation k the constant :math:`(1-k^q)/q` is taken off; samples above it are left out
    by weights (see ``truncated_weights``).

    Raises:
        ValueError: if there is not one label a row, or q is not above 0.
    """
    # p^q by way of ln p: its slope stays finite where p is 0 in floating point.
    checks.one_a_row(logits, given)
    checks.at_least(q, 0, "q", above=True)
    log_p = F.log_softmax(logits, 1).gather(1, given[:, None])[:, 0]
    entries = -torch.expm1(q * log_p) / q
    return entries if truncation is None else entries - (1 - truncation**q) / q


def truncated_weights(
    logits: Tensor, given: Tensor, q: float = 0.7, truncation: float = 0.5
) -> Tensor:
    """1 where the loss is below that of probability ``truncation``, else 0, ``(B,)``."""
    with torch.no_grad():
        return (generalised_cross_entropy(logits, given, q, truncation) < 0).to(logits.dtype)


def complementary_label(
    given: Tensor, classes: int, generator: torch.Generator | None = None
) -> Tensor:
    """One class other than the given one, uniformly, ``(B,)`` int64; drawn on the CPU.

    Raises:
        ValueError: if there is only one class, or a label is none of the classes.
    """
    if classes < 2:
        raise ValueError("there is one class: a complementary label needs another")
    checks.class_numbers(given, classes, "given", wait=False)
    step = torch.randint(1, classes, given.shape, generator=generator).to(given.device)
    return (given + step) % classes


def negative_learning(
    logits: Tensor,
    complementary: Tensor,
    keep: Tensor | None = None,
    class_weights: Tensor | None = None,
    given: Tensor | None = None,
) -> Tensor:
    r"""NL (Kim et al., ICCV 2019): :math:`-\ln\max(1-p_{\bar y},10^{-5})`, mean over kept samples.

    Args:
        logits: ``(B, K)``.
        complementary: ``(B,)`` int64, one class that each sample is said not to be.
        keep: ``(B,)`` bool; None keeps all. Nothing kept gives 0.
        class_weights: ``(K,)``, read at the given label.
        given: ``(B,)`` int64, needed for class weights.

    Raises:
        ValueError: if there is not one label, or keep, a row.
    """
    checks.one_a_row(logits, complementary=complementary, keep=keep, given=given)
    p = torch.softmax(logits, 1).gather(1, complementary[:, None])[:, 0]
    entries = -(1 - p).clamp(REJECTED, 1.0).log()
    if class_weights is not None:
        entries = entries * class_weights[given]
    if keep is None:
        return entries.mean()
    return (entries * keep).sum() / keep.sum().clamp(min=1)


def small_loss_exchange(
    first: Tensor, second: Tensor, given: Tensor, forget: float, *, divide_again: bool = False
) -> tuple[Tensor, Tensor]:
    """Co-teaching (Han et al., NeurIPS 2018): each network learns the other's small-loss samples.

    Args:
        first, second: logits of the two networks, ``(B, K)``.
        given: ``(B,)`` int64.
        forget: share of the batch that is left out.
        divide_again: divide the mean by the number of kept samples once more, as the official code
            does; harmless under Adam, not under SGD.

    Returns:
        the two losses.

    Raises:
        ValueError: if the shapes differ, a label is none of the classes, or forget is no share.
    """
    checks.same_shape("B, K", least=0, first=first, second=second)
    checks.one_a_row(first, given)
    checks.class_numbers(given, first.shape[1], "given", wait=False)
    checks.within(forget, 0, 1, "forget")
    count = int((1 - forget) * len(given))
    losses = [F.cross_entropy(z, given, reduction="none") for z in (first, second)]
    kept = [loss.detach().argsort()[:count] for loss in losses]
    scale = max(count, 1) ** (2 if divide_again else 1)
    return losses[0][kept[1]].sum() / scale, losses[1][kept[0]].sum() / scale


@register("CE")
class CrossEntropy(Method):
    """Softmax cross-entropy on the given labels."""

    label_form = "classes"

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.observed[index])


@register("GCE")
class GeneralisedCrossEntropy(Method):
    """Generalised cross-entropy, (1 - p^q) / q: between cross-entropy and absolute error.

    Raises:
        ValueError: if q is not above 0.
    """

    label_form = "classes"

    def __init__(self, q: float = 0.7) -> None:
        checks.at_least(q, 0, "q", above=True)
        self.q = q

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return generalised_cross_entropy(logits, self.observed[index], self.q).mean()


@register("NL")
class NegativeLearning(Method):
    """Negative learning with one random complementary label a sample, drawn anew at every step."""

    label_form = "classes"

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        given = self.observed[index]
        return negative_learning(logits, complementary_label(given, logits.shape[1]))


@register("NLNL")
class SelectiveNegativeLearning(Method):
    """NL, then NL on the samples found likely (SelNL), then CE on the likely ones (SelPL).

    Args:
        negative, selective: last epoch of the first and of the second phase.
        history: epochs over which the probability of the given label is averaged.
        threshold: for SelPL; that of SelNL is 1 / K.

    Raises:
        ValueError: if the phases are not in order, or the threshold is no probability.
    """

    label_form = "classes"
    state = ("found",)

    def __init__(
        self, negative: int, selective: int, history: int = 10, threshold: float = 0.5
    ) -> None:
        checks.at_least(negative, 0, "negative")
        checks.at_least(selective, negative, "selective")
        checks.at_least(history, 1, "history")
        checks.within(threshold, 0, 1, "threshold")
        self.negative, self.selective = negative, selective
        self.history, self.threshold = history, threshold

    def start(self, context: Context) -> None:
        super().start(context)
        shape = len(self.observed), self.history
        self.found = torch.zeros(shape, device=self.observed.device)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        given, classes = self.observed[index], logits.shape[1]
        p = torch.softmax(logits.detach(), 1).gather(1, given[:, None])[:, 0]
        self.found[index, (self.epoch - 1) % self.history] = p.to(self.found.dtype)
        likely = self.found[index, : self.epoch].mean(1)
        if self.epoch <= self.negative:
            return negative_learning(logits, complementary_label(given, classes))
        if self.epoch <= self.selective:
            keep = likely >= 1 / classes
            return negative_learning(logits, complementary_label(given, classes), keep)
        keep = likely > self.threshold
        entries = F.cross_entropy(logits, given, reduction="none")
        return (entries * keep).sum() / keep.sum().clamp(min=1)


@register("Co-teaching")
class CoTeaching(Method):
    """Two networks, each trained on the samples of a batch that the other finds easy.

    The second has initial weights of its own: those of PyTorch's layers, whatever its builder would
    draw. Features that are pre-trained it shares, and its head learns at their rate.

    Args:
        forget: share left out in the end, the noise rate.
        ramp: epochs over which that share grows linearly.

    Raises:
        ValueError: if the share to forget is none, or the ramp not positive.
    """

    label_form = "classes"
    state = ("peer",)

    def __init__(self, forget: float, ramp: int = 10) -> None:
        checks.within(forget, 0, 1, "forget")
        checks.at_least(ramp, 0, "ramp", above=True)
        self.forget, self.ramp = forget, ramp

    def prepare(self, model: Network) -> None:
        """Make the second network, with initial weights of its own."""
        self.peer = deepcopy(model)
        drawn = self.peer.head if model.pretrained else self.peer
        for module in drawn.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def parameters(self) -> list[nn.Parameter]:
        return list(self.peer.parameters())

    learning_rate_factor = 1.0
    decays = True

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        logits, forget = model(x), self.forget * min((self.epoch - 1) / self.ramp, 1)
        own, other = small_loss_exchange(logits, self.peer(x), self.observed[index], forget)
        return logits, own + other

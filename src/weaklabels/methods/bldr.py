r"""BLDR: noise-robust bidirectional learning with dynamic sample re-weighting (Zong et al., 2022).

One backbone has two heads. The positive head (PL) learns "the label is y", corrected by trainable
noise variables u and v; the negative head (NL) learns "the label is none of the others". How likely
the negative head finds the given label becomes the sample's weight. Branches after earlier stages
learn from the two heads (self-distillation).

Notation: batches of B samples, K classes, N training samples. Given labels are ``(B,)`` int64.
Formulas follow the official code; the comparators follow theirs. Rates are shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels.methods.base import Context, Method, Predict, View, register
from weaklabels.models import Network

FLOOR = 1e-4
"""Smallest corrected probability; u^2 and v^2 stay below 1 - FLOOR."""

REJECTED = 1e-5
"""Smallest value of 1 - p inside the logarithm of negative learning."""

# -- losses of BLDR -------------------------------------------------------------------------------


def corrected_probabilities(
    logits: Tensor, given: Tensor, u: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Softmax plus what the noise variables explain, normalised (SOP, Liu et al., ICML 2022).

    :math:`U=\mathrm{clip}(u^2\odot Y)`, :math:`V=\mathrm{clip}(v^2\odot(1-Y))`, both to
    :math:`[0,1-10^{-4}]`; :math:`q\propto\max(p+U-\mathrm{sg}(V),10^{-4})`.

    Args:
        logits: ``(..., B, K)``, any number of heads in front.
        given: ``(B, K)`` one-hot given labels Y.
        u, v: ``(B, K)`` noise variables of these samples.

    Returns:
        q ``(..., B, K)``, U and V ``(B, K)``.
    """
    U = (u.square() * given).clamp(0, 1 - FLOOR)
    V = (v.square() * (1 - given)).clamp(0, 1 - FLOOR)
    q = (torch.softmax(logits, -1) + U - V.detach()).clamp(min=FLOOR)
    q = F.normalize(q, p=1, dim=-1, eps=FLOOR)
    return q.clamp(FLOOR, 1.0), U, V


def balance_term(probabilities: Tensor) -> Tensor:
    r"""Keeps every class in use: :math:`-\frac1K\sum_c\ln\bar p_c` of the batch mean, ``(...)``."""
    return -probabilities.mean(-2).clamp(FLOOR, 1.0).log().mean(-1)


def consistency_term(weak: Tensor, strong: Tensor) -> Tensor:
    """KL from the (fixed) prediction on the weak view to that on the strong view, mean over B."""
    target = F.log_softmax(weak.detach(), -1)
    entries = target.exp() * (target - F.log_softmax(strong, -1))
    return entries.sum(-1).mean(-1)


def positive_loss(
    weak: Tensor,
    given: Tensor,
    u: Tensor,
    v: Tensor,
    weights: Tensor,
    noise_share: float,
    strong: Tensor | None = None,
    *,
    regularisation: float = 50.0,
    balance: float = 0.1,
    consistency: float = 0.9,
) -> Tensor:
    r"""Positive learning of one head or of several at once.

    :math:`\overline{-w\ln q_y}` + regularisation :math:`\rho^2\,\overline{\|\hat Y+\mathrm{sg}(U)
    -V-Y\|^2}` + balance + consistency, where :math:`\hat Y` is the one-hot prediction. So u learns
    from the first term only and v from the second only.

    Args:
        weak: logits of the weak view, ``(..., B, K)``.
        given: ``(B,)`` int64 given labels.
        u, v: ``(B, K)``.
        weights: ``(B,)``.
        noise_share: rho, estimated share of wrong labels.
        strong: logits of the strong view; without it there is no consistency term.
        regularisation, balance, consistency: weights of the terms.

    Returns:
        ``(...)``, one loss a head.
    """
    one_hot = F.one_hot(given, weak.shape[-1]).to(weak.dtype)
    q, U, V = corrected_probabilities(weak, one_hot, u, v)
    loss = (weights * -(q.log() * one_hot).sum(-1)).mean(-1)
    if regularisation:
        predicted = F.one_hot(weak.argmax(-1), weak.shape[-1]).to(weak.dtype)
        gap = (predicted + U.detach() - V - one_hot).square().sum(-1).mean(-1)
        loss = loss + regularisation * noise_share**2 * gap
    if balance:
        loss = loss + balance * balance_term(q)
    if strong is not None and consistency:
        loss = loss + consistency * consistency_term(weak, strong)
    return loss


def complementary_set(given: Tensor, classes: int, predicted: Tensor | None = None) -> Tensor:
    """Classes a sample is taught not to be: all but the given one and the predicted one.

    Args:
        given: ``(B,)`` int64.
        classes: K.
        predicted: ``(B,)`` int64 classes to be spared as well; None spares the given label only.

    Returns:
        ``(B, K)`` bool.
    """
    rejected = ~F.one_hot(given, classes).bool()
    return rejected if predicted is None else rejected & ~F.one_hot(predicted, classes).bool()


def negative_loss(
    weak: Tensor,
    rejected: Tensor,
    weights: Tensor,
    strong: Tensor | None = None,
    *,
    balance: float = 0.1,
    consistency: float = 0.9,
) -> Tensor:
    r"""Negative learning: mean of :math:`-w\sum_{c\in M}\ln\max(1-p_c,10^{-5})`.

    Args:
        weak: logits of the weak view, ``(B, K)``.
        rejected: ``(B, K)`` bool, the complementary sets M.
        weights: ``(B,)``.
        strong: logits of the strong view; without it there is no consistency term.
        balance, consistency: weights of these terms.
    """
    p = torch.softmax(weak, -1)
    loss = (weights * -((1 - p).clamp(REJECTED, 1.0).log() * rejected).sum(-1)).mean()
    if balance:
        loss = loss + balance * balance_term(p)
    if strong is not None and consistency:
        loss = loss + consistency * consistency_term(weak, strong)
    return loss


def distillation_loss(
    middle: Tensor, positive: Tensor, negative: Tensor, temperature: float = 3.0
) -> Tensor:
    """Cross-entropy of branches against the softened mean of both heads; not yet times T^2.

    Args:
        middle: logits of the branches, ``(..., B, K)``.
        positive, negative: logits of the two heads, ``(B, K)``; they receive no gradient.
        temperature: T.

    Returns:
        ``(...)``, mean over the batch.
    """
    teacher = torch.softmax((positive + negative).detach() / (2 * temperature), -1)
    return -(teacher * F.log_softmax(middle / temperature, -1)).sum(-1).mean(-1)


def feature_loss(middle: Tensor, final: Tensor) -> Tensor:
    """Squared difference to the (fixed) final features, SUMMED over entries where one is positive.

    Args:
        middle: features of the branches, ``(..., B, d)``.
        final: ``(B, d)``.
    """
    final = final.detach()
    return ((middle - final).square() * ((middle > 0) | (final > 0))).sum()


def agreement_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """KL entries of the negative from the positive head, mean over B * K; for 100 classes."""
    p = F.log_softmax(positive, -1)
    return (p.exp() * (p - F.log_softmax(negative, -1))).mean()


def sample_weights(found: Tensor) -> Tensor:
    """Probabilities of the given labels, stretched to [0, 1] over the training set ``(N,)``."""
    low, high = found.min(), found.max()
    return (found - low) / (high - low).clamp(min=torch.finfo(found.dtype).tiny)


def noise_share(found: Tensor, threshold: float = 0.3) -> float:
    """Estimated share of wrong labels: how many are found less likely than the threshold."""
    return float((found < threshold).double().mean())


def flag_noisy(negative: Tensor, given: Tensor, threshold: float = 0.05) -> Tensor:
    """Which given labels the negative head finds less likely than the threshold, ``(B,)`` bool."""
    return torch.softmax(negative, -1).gather(1, given[:, None])[:, 0] < threshold


# -- losses of the comparators --------------------------------------------------------------------


def generalised_cross_entropy(
    logits: Tensor, given: Tensor, q: float = 0.7, truncation: float | None = None
) -> Tensor:
    r"""GCE (Zhang and Sabuncu, NeurIPS 2018): entries :math:`(1-p_y^q)/q`, ``(B,)``.

    With a truncation k the constant :math:`(1-k^q)/q` is taken off; samples above it are left out
    by weights (see ``truncated_weights``).
    """
    # p^q by way of ln p: its slope stays finite where p is 0 in floating point.
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
        ValueError: if there is only one class.
    """
    if classes < 2:
        raise ValueError("there is one class: a complementary label needs another")
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
    """
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
    """
    count = int((1 - forget) * len(given))
    losses = [F.cross_entropy(z, given, reduction="none") for z in (first, second)]
    kept = [loss.detach().argsort()[:count] for loss in losses]
    scale = max(count, 1) ** (2 if divide_again else 1)
    return losses[0][kept[1]].sum() / scale, losses[1][kept[0]].sum() / scale


# -- the network ----------------------------------------------------------------------------------


class Outputs(NamedTuple):
    """What a two-headed network says about a batch.

    Attributes:
        positive, negative: logits of the two heads, ``(B, K)``.
        middle: logits of M branches, ``(M, B, K)``.
        features: final features, ``(B, d)``.
        middle_features: those of the branches, ``(M, B, d)``.
    """

    positive: Tensor
    negative: Tensor
    middle: Tensor
    features: Tensor
    middle_features: Tensor


class Branch(nn.Module):
    """From an earlier stage to a feature of the final width.

    Vectors: a linear layer. Maps: 1 x 1 to d / 4, ``shrink`` x ``shrink`` with that stride, 1 x 1
    to d, average pool. Batch norm and ReLU follow every layer.

    Args:
        width_in: channels of the stage.
        width: d.
        shrink: how much smaller the last maps are than those of this stage; None for vectors.
    """

    def __init__(self, width_in: int, width: int, shrink: int | None) -> None:
        super().__init__()
        if shrink is None:
            layers = [nn.Linear(width_in, width), nn.BatchNorm1d(width), nn.ReLU()]
        else:
            layers = []
            shapes = ((width_in, width // 4, 1), (width // 4, width // 4, shrink))
            for inputs, made, size in (*shapes, (width // 4, width, 1)):
                layers += [nn.Conv2d(inputs, made, size, size, bias=False)]
                layers += [nn.BatchNorm2d(made), nn.ReLU()]
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TwoHeads(nn.Module):
    """Positive, negative and middle heads; called on features it predicts with the first two.

    The prediction is ln of the mean of both softmaxes: its largest entry is that of their sum.

    Args:
        positive: the positive head.
        branches: number of middle heads.
        negative: whether the negative head is trained; if not, the positive one predicts alone.
    """

    def __init__(self, positive: nn.Linear, branches: int, *, negative: bool) -> None:
        super().__init__()
        shape = positive.in_features, positive.out_features
        self.positive, self.trained = positive, negative
        self.negative = nn.Linear(*shape)
        self.middle = nn.ModuleList(nn.Linear(*shape) for _ in range(branches))

    def forward(self, features: Tensor) -> Tensor:
        if not self.trained:
            return self.positive(features)
        both = [F.log_softmax(h(features), 1) for h in (self.positive, self.negative)]
        return torch.logaddexp(*both) - math.log(2)


class Staged(nn.Module):
    """A sequential backbone that remembers what to branch off after which layers.

    Args:
        layers: the backbone.
        taps: layers after which a branch leaves.
        branches: one for each.
    """

    def __init__(
        self, layers: nn.Sequential, taps: Sequence[int], branches: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.layers, self.taps = layers, tuple(taps)
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Final maps or vectors, and the features of the branches."""
        leaving = iter(self.branches)
        middle = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in self.taps:
                middle.append(next(leaving)(x))
        return x, middle


def add_heads(
    model: Network, taps: Sequence[int] = (), shrink: Sequence[int] = (), *, negative: bool = True
) -> None:
    """Give a network a negative head and branches, in place.

    Args:
        model: its features are a ``Sequential``; its head becomes the positive head.
        taps: layers of the features after which a branch leaves, in ascending order.
        shrink: for maps, how much smaller the last maps are than those at each tap.
        negative: whether the negative head takes part in predictions.
    """
    width, widths, last = model.head.in_features, [], 0
    for layer in model.features:
        made = [m for m in layer.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        last = made[-1].weight.shape[0] if made else last
        widths.append(last)
    factors = tuple(shrink) or (None,) * len(taps)
    branches = [Branch(widths[t], width, s) for t, s in zip(taps, factors, strict=True)]
    like = model.head.weight  # its device and type
    model.features = Staged(model.features, taps, branches).to(like)
    model.head = TwoHeads(model.head, len(branches), negative=negative).to(like)


def outputs(model: Network, x: Tensor) -> Outputs:
    """Forward a batch through all heads of a network that ``add_heads`` has changed."""
    maps, middle = model.features.stages(x)
    h, heads = model.pool(maps), model.head
    logits = [head(e) for head, e in zip(heads.middle, middle, strict=True)]
    positive, negative = heads.positive(h), heads.negative(h)
    none = h.new_zeros(0, len(h), 1)
    return Outputs(
        positive,
        negative,
        torch.stack(logits) if logits else none.expand(-1, -1, positive.shape[1]),
        h,
        torch.stack(middle) if middle else none.expand(-1, -1, h.shape[1]),
    )


class _OneHead(nn.Module):
    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return getattr(self.model.head, self.name)(self.model.pool(self.model.features(x)))


class PositiveHead(_OneHead):
    """The positive head of a two-headed network as a classifier of its own."""

    name = "positive"


class NegativeHead(_OneHead):
    """The negative head of a two-headed network as a classifier of its own."""

    name = "negative"


# -- methods --------------------------------------------------------------------------------------


@register("BLDR")
class BLDR(Method):
    """Bidirectional learning with dynamic re-weighting, in full or in part.

    Args:
        warm_up: epochs with all weights 1. The weights are renewed after each later epoch, counted
            as in the official code, whose first epoch is 0.
        negative: learn negatively too; without it (PL alone) this is close to SOP.
        reweight: renew the weights and the estimated noise share.
        distil: self-distillation into branches, which leave after ``taps``.
        spare_prediction: when the negative head's own prediction is left out of the complementary
            sets: ``"always"`` (official) or ``"after warm-up"``. Sparing it from the first step
            confirms itself: a constant prediction has no negative loss.
        u_rate, v_rate: of plain SGD on the noise variables.
        regularisation, balance, consistency: see ``positive_loss``.
        temperature, distillation, imitation: T, and the weights of the distillation and feature
            losses.
        agreement: weight of ``agreement_loss``; 10 for 100 classes.
        taps, shrink: see ``add_heads``.

    Attributes:
        weights: ``(N,)`` current weights.
        found: ``(N,)`` probability of each given label when last visited.
        noise_share: rho.

    Raises:
        ValueError: if re-weighting is asked for without negative learning, or
            ``spare_prediction`` is unknown.
    """

    label_form = "classes"
    uses = frozenset({"views"})
    state = ("weights", "found", "noise_share", "u", "v")
    heads = MappingProxyType({"positive": PositiveHead, "negative": NegativeHead})

    def __init__(
        self,
        *,
        warm_up: int = 20,
        negative: bool = True,
        reweight: bool = True,
        distil: bool = True,
        spare_prediction: str = "always",
        u_rate: float = 10.0,
        v_rate: float = 10.0,
        regularisation: float = 50.0,
        balance: float = 0.1,
        consistency: float = 0.9,
        temperature: float = 3.0,
        distillation: float = 0.1,
        imitation: float = 1e-6,
        agreement: float = 0.0,
        taps: Sequence[int] = (),
        shrink: Sequence[int] = (),
    ) -> None:
        if reweight and not negative:
            raise ValueError("reweight: the weights come from the negative head, negative is False")
        if spare_prediction not in ("always", "after warm-up"):
            raise ValueError(
                f"spare_prediction is {spare_prediction!r}: expected 'always' or 'after warm-up'"
            )
        self.warm_up, self.spare_prediction = warm_up, spare_prediction
        self.negative, self.reweight, self.distil = negative, reweight, distil
        self.u_rate, self.v_rate = u_rate, v_rate
        self.terms = {"balance": balance, "consistency": consistency}
        self.regularisation, self.temperature = regularisation, temperature
        self.distillation, self.imitation, self.agreement = distillation, imitation, agreement
        self.taps, self.shrink = (tuple(taps), tuple(shrink)) if distil else ((), ())

    def start(self, context: Context) -> None:
        """Take the given labels and, if there are, the two views: else a batch stays as it is."""
        super().start(context)
        self.views: tuple[View, View] = context.views or (_same, _same)
        self.weights = torch.ones(len(self.observed), device=self.observed.device)
        self.found = torch.ones(len(self.observed), device=self.observed.device)
        self.noise_share = 0.1

    def prepare(self, model: Network) -> None:
        """Add the heads; noise variables start from N(0, 1e-8^2), drawn on the CPU."""
        classes, device = model.head.out_features, self.observed.device
        add_heads(model, self.taps, self.shrink, negative=self.negative)
        shape = (len(self.observed), classes)
        self.u, self.v = (1e-8 * torch.randn(shape).to(device) for _ in range(2))

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        given, weights, half = self.observed[index], self.weights[index], len(x)
        self.noise = [values[index].requires_grad_() for values in (self.u, self.v)]
        weak, strong = (view(x) for view in self.views)
        both = outputs(model, torch.cat([weak, strong]))
        heads = torch.cat([both.positive[None], both.middle])
        loss = positive_loss(
            heads[:, :half], given, *self.noise, weights, self.noise_share, heads[:, half:],
            regularisation=self.regularisation, **self.terms,
        ).sum()  # fmt: skip
        if self.negative or self.distil:
            # The official code passes the weak view through the network once more, on its own.
            alone = outputs(model, weak)
        if self.negative:
            loss = loss + self._negative(both, alone, given, index)
        if self.distil:
            arguments = (alone.middle, alone.positive, alone.negative, self.temperature)
            distilled = self.temperature**2 * distillation_loss(*arguments).sum()
            copied = feature_loss(alone.middle_features, alone.features)
            loss = loss + self.distillation * distilled + self.imitation * copied
        if self.agreement:
            loss = loss + self.agreement * agreement_loss(
                both.positive[:half], both.negative[:half]
            )
        return both.positive[:half], loss

    def _negative(self, both: Outputs, alone: Outputs, given: Tensor, index: Tensor) -> Tensor:
        p = torch.softmax(alone.negative.detach(), 1)
        self.found[index] = p.gather(1, given[:, None])[:, 0].to(self.found.dtype)
        spare = self.spare_prediction == "always" or self.epoch > self.warm_up
        rejected = complementary_set(given, p.shape[1], p.argmax(1) if spare else None)
        weak, strong = both.negative.split(len(given))
        return negative_loss(weak, rejected, self.weights[index], strong, **self.terms)

    def after_step(self, model: nn.Module, x: Tensor, index: Tensor) -> None:
        for values, rows, rate in zip(
            (self.u, self.v), self.noise, (self.u_rate, self.v_rate), strict=True
        ):
            values[index] -= rate * rows.grad

    def after_epoch(self, predict: Predict) -> None:
        if self.reweight and self.epoch > self.warm_up:
            self.weights = sample_weights(self.found)
            self.noise_share = noise_share(self.found)

    def trace(self) -> dict[str, Tensor]:
        """The estimated share of wrong labels, float64, and the weights in half precision."""
        share = torch.tensor(self.noise_share, dtype=torch.float64)
        return {"noise_share": share, "weights": self.weights.half()}

    def referee(self, model: Network) -> nn.Module:
        """The negative head, if it is trained."""
        return NegativeHead(model) if self.negative else model


@register("CE")
class CrossEntropy(Method):
    """Softmax cross-entropy on the given labels."""

    label_form = "classes"

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return F.cross_entropy(logits, self.observed[index])


@register("GCE")
class GeneralisedCrossEntropy(Method):
    """Generalised cross-entropy; see the function of that name."""

    label_form = "classes"

    def __init__(self, q: float = 0.7) -> None:
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
    """

    label_form = "classes"
    state = ("found",)

    def __init__(
        self, negative: int, selective: int, history: int = 10, threshold: float = 0.5
    ) -> None:
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

    Args:
        forget: share left out in the end, the noise rate.
        ramp: epochs over which that share grows linearly.
    """

    label_form = "classes"
    state = ("peer",)

    def __init__(self, forget: float, ramp: int = 10) -> None:
        self.forget, self.ramp = forget, ramp

    def prepare(self, model: Network) -> None:
        """Make the second network, with initial weights of its own."""
        self.peer = deepcopy(model)
        for module in self.peer.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()

    def parameters(self) -> list[nn.Parameter]:
        return list(self.peer.parameters())

    learning_rate_factor = 1.0

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        logits, forget = model(x), self.forget * min((self.epoch - 1) / self.ramp, 1)
        losses = small_loss_exchange(logits, self.peer(x), self.observed[index], forget)
        return logits, sum(losses)


def _same(x: Tensor) -> Tensor:
    return x

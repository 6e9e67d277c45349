r"""BLDR: noise-robust bidirectional learning with dynamic sample re-weighting (Zong et al., 2022).

One backbone has two heads. The positive head (PL) learns "the label is y", corrected by trainable
noise variables u and v; the negative head (NL) learns "the label is none of the others". How likely
the negative head finds the given label becomes the sample's weight. Branches after earlier stages
learn from the two heads (self-distillation).

Notation: batches of B samples, K classes, N training samples. Given labels are ``(B,)`` int64.
Formulas follow the official code. Rates are shares. Its network is
:mod:`weaklabels.networks.two_heads`, its comparators are :mod:`weaklabels.methods.label_noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, Predict, View, register
from weaklabels.methods.label_noise import REJECTED
from weaklabels.models import Network
from weaklabels.networks.two_heads import NegativeHead, Outputs, PositiveHead, add_heads, outputs

FLOOR = 1e-4
"""Smallest corrected probability; u^2 and v^2 stay below 1 - FLOOR."""

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
    """KL from the (fixed) prediction on the weak view to that on the strong view, mean over B.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("...", weak=weak, strong=strong)
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

    Raises:
        ValueError: if the shapes do not fit, or the noise share is no share.
    """
    checks.one_a_row(u, given, weights=weights)
    checks.same_shape("B, K", least=0, weak=weak[(0,) * (weak.ndim - 2)], u=u, v=v)
    checks.within(noise_share, 0, 1, "noise_share")
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

    Raises:
        ValueError: if the shapes do not fit, or the complementary sets are not bool.
    """
    checks.one_a_row(weak, weights=weights)
    checks.same_shape("B, K", least=0, weak=weak, rejected=rejected, strong=strong)
    checks.boolean(rejected, "rejected")
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

    Raises:
        ValueError: if the heads' shapes differ.
    """
    checks.same_shape("B, K", least=0, positive=positive, negative=negative)
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
    """KL entries of the negative from the positive head, mean over B * K; for 100 classes.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("B, K", least=0, positive=positive, negative=negative)
    p = F.log_softmax(positive, -1)
    return (p.exp() * (p - F.log_softmax(negative, -1))).mean()


def sample_weights(found: Tensor) -> Tensor:
    """Probabilities of the given labels, stretched to [0, 1] over the training set ``(N,)``.

    Where all are equal nothing tells the samples apart, and all weights are 1.

    Raises:
        ValueError: if a number is no probability.
    """
    checks.within(found, 0, 1, "found", finite=True)
    low, high = found.min(), found.max()
    if low == high:
        return torch.ones_like(found)
    return (found - low) / (high - low)


def noise_share(found: Tensor, threshold: float = 0.3) -> float:
    """Estimated share of wrong labels: how many are found less likely than the threshold.

    Raises:
        ValueError: if a number is no probability.
    """
    checks.within(found, 0, 1, "found", finite=True)
    return float((found < threshold).cpu().double().mean())  # some devices lack float64


class Terms(TypedDict):
    """Weights of the terms that positive and negative learning share."""

    balance: float
    consistency: float


# -- methods --------------------------------------------------------------------------------------


@register("BLDR")
class BLDR(Method):
    """Bidirectional learning with dynamic re-weighting, in full or in part.

    Args:
        warm_up: epochs with all weights 1, and one more, as in the official code, which counts them
            from 0: the weights are first renewed after epoch ``warm_up + 1``.
        negative: learn negatively too; without it (PL alone) this is close to SOP.
        reweight: renew the weights.
        estimate: renew the estimated noise share, rho.
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
        ValueError: if weights or the noise share are to be renewed without negative learning, or
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
        estimate: bool = True,
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
        if (reweight or estimate) and not negative:
            raise ValueError(
                "reweight, estimate: both come from the negative head, and negative is False"
            )
        if spare_prediction not in ("always", "after warm-up"):
            raise ValueError(
                f"spare_prediction is {spare_prediction!r}: expected 'always' or 'after warm-up'"
            )
        self.warm_up, self.spare_prediction = warm_up, spare_prediction
        self.negative, self.distil = negative, distil
        self.reweight, self.estimate = reweight, estimate
        self.u_rate, self.v_rate = u_rate, v_rate
        self.terms: Terms = {"balance": balance, "consistency": consistency}
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
        classes, device = model.linear_head().out_features, self.observed.device
        add_heads(model, self.taps, self.shrink, negative=self.negative)
        shape = (len(self.observed), classes)
        self.u, self.v = (1e-8 * torch.randn(shape).to(device) for _ in range(2))

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        given, weights, half = self.observed[index], self.weights[index], len(x)
        u, v = (values[index].requires_grad_() for values in (self.u, self.v))
        self.noise = u, v
        weak, strong = (view(x) for view in self.views)
        both = outputs(model, torch.cat([weak, strong]))
        heads = torch.cat([both.positive[None], both.middle])
        loss = positive_loss(
            heads[:, :half], given, u, v, weights, self.noise_share, heads[:, half:],
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
            if rows.grad is not None:
                values[index] -= rate * rows.grad

    def after_epoch(self, predict: Predict) -> None:
        if self.epoch <= self.warm_up:
            return
        if self.reweight:
            self.weights = sample_weights(self.found)
        if self.estimate:
            self.noise_share = noise_share(self.found)

    def trace(self) -> dict[str, Tensor]:
        """The estimated share of wrong labels, float64, and the weights in half precision."""
        share = torch.tensor(self.noise_share, dtype=torch.float64)
        return {"noise_share": share, "weights": self.weights.half()}

    def referee(self, model: Network) -> nn.Module:
        """The negative head, if it is trained."""
        return NegativeHead(model) if self.negative else model


def _same(x: Tensor) -> Tensor:
    return x

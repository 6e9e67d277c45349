r"""Positive Label Is All You Need for Multi-Label Classification (Yuan et al., ICME 2024): PU-MLC.

Every class is learned from labelled positives and unlabelled data; annotated negatives are thrown
away. The file goes the way of the paper's forerunners: risk estimators that need the class prior
(uPU, nnPU), the variational loss that does not (VPU), and the multi-label loss built on it with a
re-balance factor, a temperature and a mixup term. The two parts of its network are in
:mod:`weaklabels.networks.local_global`, its convolution, and
:mod:`weaklabels.networks.graph_head`, the head of SSGRL.

Logits are ``(B, C)`` and observed labels ``(B, C)``: +1 labelled positive, all else unlabelled.
Half precision is computed in float32, where the floor 1e-10 inside the logarithms exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks
from weaklabels.methods.base import Context, Method, at_least_float32, register
from weaklabels.methods.baselines import AssumeNegative, Asymmetric, PartialCrossEntropy
from weaklabels.models import Network
from weaklabels.networks.graph_head import GraphHead, cooccurrence
from weaklabels.networks.local_global import add_global_branches
from weaklabels.seeding import numpy_rng, seed_torch

FLOOR = 1e-10
"""Added to probabilities, and once more inside the logarithm, as in the authors' code."""

TAU_MIN = 1e-3
"""Smallest temperature. The authors' code has none: a constant column gives it NaN gradients."""

SURROGATES = {"logistic": lambda z: F.softplus(-z), "sigmoid": lambda z: torch.sigmoid(-z)}
"""Margin losses, small for large z."""


# -- risk estimators that are told the class prior ------------------------------------------------


def pu_risks(
    logits: Tensor,
    observed: Tensor,
    prior: Tensor | float,
    *,
    surrogate: str = "logistic",
    unlabeled: str = "all",
) -> tuple[Tensor, Tensor]:
    r"""The two halves of the classification risk, estimated without negatives, for every class.

    :math:`\pi\,\hat E_P[\ell(g)]` and :math:`\hat E_U[\ell(-g)]-\pi\,\hat E_P[\ell(-g)]`; the
    second estimates the risk on negatives (du Plessis et al., NeurIPS 2014).

    Args:
        logits, observed: ``(B, C)``.
        prior: :math:`\pi`, a number or ``(C,)``.
        surrogate: :math:`\ell`, a key of ``SURROGATES``.
        unlabeled: which rows are the unlabelled sample: ``"all"`` (a batch drawn from p(x), some of
            whose positives are labelled) or ``"rest"`` (the labelled positives are a separate
            sample, as in the authors' binary code).

    Returns:
        ``(C,)`` each; a mean over no rows counts 0.

    Raises:
        ValueError: if surrogate or unlabeled is unknown, or if the labels are not +1, 0 and -1 for
            every logit, or the priors are no shares.
    """
    if surrogate not in SURROGATES:
        raise ValueError(f"unknown surrogate {surrogate!r}: expected {', '.join(SURROGATES)}")
    if unlabeled not in ("all", "rest"):
        raise ValueError(f"unknown unlabelled sample {unlabeled!r}: expected 'all' or 'rest'")
    checks.observed(logits, observed)
    checks.one_each(prior, logits.shape[1], "prior")
    checks.within(prior, 0, 1, "prior")
    logits, loss = at_least_float32(logits), SURROGATES[surrogate]
    positive = (observed == 1).to(logits.dtype)
    rest = 1 - positive if unlabeled == "rest" else torch.ones_like(positive)
    as_positive = prior * _mean_over(loss(logits), positive)
    as_negative = _mean_over(loss(-logits), rest) - prior * _mean_over(loss(-logits), positive)
    return as_positive, as_negative


def unbiased_pu(logits: Tensor, observed: Tensor, prior: Tensor | float, **options: str) -> Tensor:
    """uPU: the sum of ``pu_risks`` over both halves and all classes. It may be negative."""
    as_positive, as_negative = pu_risks(logits, observed, prior, **options)
    return (as_positive + as_negative).sum()


def non_negative_pu(
    logits: Tensor,
    observed: Tensor,
    prior: Tensor | float,
    *,
    beta: float = 0.0,
    gamma: float = 1.0,
    ascend: bool = True,
    **options: str,
) -> Tensor:
    r"""nnPU (Kiryo et al., NeurIPS 2017): a negative estimate of a non-negative risk counts 0.

    Class by class; the value is the sum over classes of :math:`R_P+\max(R_N,-\beta)`.

    Args:
        logits, observed, prior: as for ``pu_risks``.
        beta: how far below 0 the risk on negatives may be estimated.
        gamma: size of the step back.
        ascend: where the estimate is below :math:`-\beta`, the gradient is that of
            :math:`-\gamma R_N`, which undoes over-fitting (the authors' training step); without it
            the gradient is that of the value.
        options: ``surrogate`` and ``unlabeled`` of ``pu_risks``.
    """
    as_positive, as_negative = pu_risks(logits, observed, prior, **options)
    value = as_positive + as_negative.clamp(min=-beta)
    if ascend:
        back = -gamma * as_negative
        # The value of the clipped risk with the gradient of the step back.
        stepping = back + (value - back).detach()
        value = torch.where(as_negative < -beta, stepping, value)
    return value.sum()


# -- the variational loss, which needs no prior ---------------------------------------------------


def variational_pu(positive: Tensor, unlabeled: Tensor) -> Tensor:
    r"""VPU for one class (Chen et al., NeurIPS 2020, equation 5), exact for any logits.

    :math:`\ln\hat E_U[\Phi]-\hat E_P[\ln\Phi]` with :math:`\Phi=\sigma(s)`.

    Args:
        positive: ``(P,)`` logits of labelled positives.
        unlabeled: ``(U,)`` logits of a sample of p(x).
    """
    log_mean = torch.logsumexp(F.logsigmoid(unlabeled), 0) - math.log(len(unlabeled))
    return log_mean - F.logsigmoid(positive).mean()


# -- the loss of PU-MLC ---------------------------------------------------------------------------


class Terms(NamedTuple):
    """The parts of the variational loss of a batch, each ``(C,)``.

    Attributes:
        unlabeled: weighted log of the mean probability.
        positive: mean log probability of the labelled positives, 0 where there are none.
        tau: temperature; no gradient.
        mean_probability: of the tempered predictions over the batch; no gradient.
    """

    unlabeled: Tensor
    positive: Tensor
    tau: Tensor
    mean_probability: Tensor


def temperature(logits: Tensor, alpha: float | None, tau_min: float = TAU_MIN) -> Tensor:
    r""":math:`\tau_c=\min(\alpha\,\mathrm{std}_i(s_{ic}),1)`, without gradient.

    Args:
        logits: ``(B, C)``.
        alpha: factor of the batch's standard deviation (divided by B); None: no temperature.
        tau_min: lower bound, 0 in the authors' code. A class whose logits are all equal, as in a
            batch of one, is left as it is, where their code would divide by 0.

    Returns:
        ``(C,)``.
    """
    logits = at_least_float32(logits).detach()
    if alpha is None:
        return logits.new_ones(logits.shape[1])
    spread = logits.std(0, correction=0)
    return (alpha * spread).clamp(tau_min, 1.0).masked_fill(spread == 0, 1.0)


def variational_terms(
    logits: Tensor,
    observed: Tensor,
    *,
    gamma: float,
    alpha: float | None,
    tau_min: float = TAU_MIN,
) -> Terms:
    r"""The two terms of PU-MLC's loss for every class of a batch.

    With :math:`\phi_{ic}=\sigma(s_{ic}/\tau_c)` and :math:`\bar p_c` its mean over all rows:
    :math:`\bar p_c^{\,\gamma}\ln\bar p_c` and the mean of :math:`\ln\phi_{ic}` over the labelled
    positives. The factor :math:`\bar p_c^{\,\gamma}` carries no gradient.

    Args:
        logits, observed: ``(B, C)``.
        gamma: exponent of the re-balance factor; 0 switches it off.
        alpha, tau_min: of ``temperature``.

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    logits = at_least_float32(logits)
    tau = temperature(logits, alpha, tau_min)
    probability = torch.sigmoid(logits / tau)
    mean = probability.detach().mean(0)
    phi = probability + FLOOR
    positive = (observed == 1).to(phi.dtype)
    return Terms(
        unlabeled=mean**gamma * torch.log(phi.mean(0) + FLOOR),
        positive=_mean_over(torch.log(phi + FLOOR), positive),
        tau=tau,
        mean_probability=mean,
    )


def variational_loss(
    logits: Tensor,
    observed: Tensor,
    *,
    gamma: float,
    alpha: float | None,
    tau_min: float = TAU_MIN,
) -> Tensor:
    """Sum over the classes of the first minus the second of ``variational_terms``."""
    terms = variational_terms(logits, observed, gamma=gamma, alpha=alpha, tau_min=tau_min)
    return (terms.unlabeled - terms.positive).sum()


def soft_labels(logits: Tensor, observed: Tensor) -> Tensor:
    """What mixup mixes: 1 for a labelled positive, else the prediction (with its gradient).

    Raises:
        ValueError: if the labels are not +1, 0 and -1 for every logit.
    """
    checks.observed(logits, observed)
    prediction = torch.sigmoid(at_least_float32(logits)) + FLOOR
    return torch.where(observed == 1, torch.ones_like(prediction), prediction)


def mix(rows: Tensor, permutation: Tensor, share: float) -> Tensor:
    """Mix the first half of a batch, permuted, with its second half.

    Args:
        rows: ``(B, ...)``; the middle row of an odd number is not used.
        permutation: ``(B // 2,)`` int64, of the first half.
        share: weight of the first half.

    Returns:
        ``(B // 2, ...)``.
    """
    half = len(rows) // 2
    return share * rows[:half][permutation] + (1 - share) * rows[len(rows) - half :]


def consistency(mixed_logits: Tensor, mixed_labels: Tensor) -> Tensor:
    """Squared gap of the logarithms, mean over the mixed rows, sum over classes; 0 for no rows.

    Raises:
        ValueError: if the shapes differ.
    """
    checks.same_shape("B, C", least=0, mixed_logits=mixed_logits, mixed_labels=mixed_labels)
    predicted = torch.log(torch.sigmoid(at_least_float32(mixed_logits)) + FLOOR)
    gaps = (torch.log(mixed_labels + FLOOR) - predicted) ** 2
    return gaps.sum() / max(len(gaps), 1)


def _mean_over(values: Tensor, members: Tensor) -> Tensor:
    """Mean over the rows that are members (1, else 0), column by column; 0 for no members."""
    return (values * members).sum(0) / members.sum(0).clamp(min=1)


class Settings(TypedDict):
    """Settings of the variational loss (see ``variational_terms``)."""

    gamma: float
    alpha: float | None
    tau_min: float


# -- methods --------------------------------------------------------------------------------------


class OnPaperNetwork(Method):
    """Mixin: any method of one forward pass on the network of PU-MLC, or on parts of it.

    Args:
        local_global: kernel size of the convolutions that get a global branch; None: none do.
        graph_head: replace pool and head by SSGRL's, with the co-occurrences observed.
        graph_channels: D of that head.
        train_features: names of the children of ``features`` that are trained, beside the global
            branches and all that follows, while batch norm keeps its statistics (the paper's way
            with a pre-trained backbone); None: everything is trained.
        seed: of the new parameters.
        options: of the method.
    """

    def __init__(
        self,
        *,
        local_global: int | None = None,
        graph_head: bool = False,
        graph_channels: int = 1024,
        train_features: Sequence[str] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.local_global = local_global
        self.graph_head = graph_head
        self.graph_channels = graph_channels
        self.train_features = train_features
        self.seed = seed
        self.constant: list[nn.Module] = []

    def prepare(self, model: Network) -> None:
        with torch.random.fork_rng(devices=[]):
            seed_torch(self.seed, "global branches")
            self._prepare(model)

    def _prepare(self, model: Network) -> None:
        if self.train_features is not None:
            for name, child in model.features.named_children():
                child.requires_grad_(name in self.train_features)
            self.constant = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        if self.local_global is not None:
            add_global_branches(model.features, self.local_global)
        if self.graph_head:
            graph, channels = cooccurrence(self.observed), self.graph_channels
            inputs = model.linear_head().in_features
            head = GraphHead(inputs, graph.cpu(), channels=channels, width=channels // 2)
            model.pool, model.head = nn.Identity(), head.to(self.observed.device)

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        self.keep_statistics()
        return super().step(model, x, index)

    def keep_statistics(self) -> None:
        """Batch norm stays in evaluation mode where it is not to be trained."""
        for norm in self.constant:
            norm.eval()


@register("PU-MLC")
class PuMlc(OnPaperNetwork):
    r"""PU-MLC; ``gamma=0, alpha=None`` is VPU applied to every class.

    Args:
        gamma: exponent of the re-balance factor: 0.55 (MS-COCO) or 0.85 (VOC 2007) in the paper.
        alpha: of the temperature: 1 (MS-COCO) or 2 (VOC 2007); None: no temperature.
        mixup: parameter of the Beta distribution of the mixing share; None: no consistency term.
        tau_min: smallest temperature.
        plain_epochs: so many epochs begin without the temperature (0 in the paper).
        seed: of the mixing and of the new parameters.
        network: of ``OnPaperNetwork``.
    """

    state = ("rng",)

    def __init__(
        self,
        gamma: float = 0.55,
        alpha: float | None = 1.0,
        *,
        mixup: float | None = 0.3,
        tau_min: float = TAU_MIN,
        plain_epochs: int = 0,
        seed: int = 0,
        **network: Any,
    ) -> None:
        super().__init__(seed=seed, **network)
        if gamma < 0 or (alpha is not None and alpha <= 0):
            raise ValueError(
                f"gamma {gamma}, alpha {alpha}: expected gamma >= 0 and alpha above 0 or None"
            )
        self.settings: Settings = {"gamma": gamma, "alpha": alpha, "tau_min": tau_min}
        self.mixup = mixup
        self.plain_epochs = plain_epochs
        self.rng = numpy_rng(seed, "mixup")

    def step(self, model: Network, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        self.keep_statistics()
        observed = self.observed[index]
        logits = model(x)
        settings = self.settings.copy()
        if self.epoch <= self.plain_epochs:
            settings["alpha"] = None
        terms = variational_terms(logits, observed, **settings)
        self.readings = {"tau": terms.tau, "mean_probability": terms.mean_probability}
        loss = (terms.unlabeled - terms.positive).sum()
        half = len(x) // 2
        if self.mixup is None or half == 0:
            return logits, loss
        share = self.rng.beta(self.mixup, self.mixup)
        permutation = torch.from_numpy(self.rng.permutation(half)).to(x.device)
        mixed = model(mix(x, permutation, share))
        labels = mix(soft_labels(logits, observed), permutation, share)
        return logits, loss + consistency(mixed, labels)


@register("nnPU")
class NonNegativePu(Method):
    """uPU or nnPU for every class, with priors from the labelled positives.

    Args:
        known_share: probability with which a positive is labelled; the prior of a class is its
            share of labelled positives divided by this.
        non_negative: nnPU; False is uPU.
        surrogate: of ``pu_risks``.
    """

    def __init__(
        self, known_share: float, *, non_negative: bool = True, surrogate: str = "logistic"
    ) -> None:
        if not 0 < known_share <= 1:
            raise ValueError(f"known_share is {known_share}: expected a share in (0, 1]")
        self.known_share = known_share
        self.risk = non_negative_pu if non_negative else unbiased_pu
        self.surrogate = surrogate

    def start(self, context: Context) -> None:
        super().start(context)
        labelled = (self.observed == 1).float().mean(0)
        self.prior = (labelled / self.known_share).clamp(max=1)

    def loss(self, logits: Tensor, index: Tensor) -> Tensor:
        return self.risk(logits, self.observed[index], self.prior, surrogate=self.surrogate)


# The comparators on the network of PU-MLC: what differs is then the loss alone.


@register("AN on PU-MLC's network")
class AssumeNegativeThere(OnPaperNetwork, AssumeNegative):
    """AN on the network of PU-MLC."""


@register("Partial BCE on PU-MLC's network")
class PartialCrossEntropyThere(OnPaperNetwork, PartialCrossEntropy):
    """Partial BCE on the network of PU-MLC."""


@register("ASL on PU-MLC's network")
class AsymmetricThere(OnPaperNetwork, Asymmetric):
    """ASL on the network of PU-MLC."""


@register("nnPU on PU-MLC's network")
class NonNegativePuThere(OnPaperNetwork, NonNegativePu):
    """nnPU on the network of PU-MLC."""

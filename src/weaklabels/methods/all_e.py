"""ALL-E: aesthetics-guided low-light image enhancement (Li et al., IJCAI 2023).

Every pixel is an agent. In each of T steps it chooses, per channel, one of 27 bends of a brightness
curve; a reward without any reference image says how good the picture is. Equations follow the
official code (gaoyuanhang/ALL-E at e3fa1af), with three of its slips repaired: the blue head's own
actions are drawn, the state is not changed by the judge that looks at it, and channels are RGB, of
which the first (here red, blue in the code's BGR) leads.

Agents learn from episodes and their rewards: there are no labels and no classifier, so the room has
a loop of its own in place of ``lab.execute``.

Images are float ``(B, 3, h, w)`` in [0, 1], actions int64 of the same shape in 0 to 26.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from weaklabels import checks

LEVELS = 27
"""Actions per channel."""

RELEASED = (22, 26, 23)
"""The action that the released policy takes at (nearly) every pixel of every image."""

Scorer = Callable[[Tensor], Tensor]
"""Images ``(B, 3, h, w)`` -> scores ``(B,)``, the higher the better; must not change its input."""

# -- the action: a bend of the curve --------------------------------------------------------------


def bend(x: Tensor, alpha: Tensor | float) -> Tensor:
    """LE(x) = x + alpha x (1 - x): keeps 0, 1 and the order of values if ``|alpha| <= 1``."""
    return x + alpha * x * (1 - x)


def strength(action: Tensor) -> Tensor:
    """alpha = (a - 9) / 18, from -1/2 to 17/18."""
    return (action - 9) / 18


def couple(alpha: Tensor) -> Tensor:
    """What the channels do: the first its own alpha, the others 0.1 own + 0.9 the first's."""
    lead = alpha[:, :1]
    return torch.cat([lead, 0.1 * alpha[:, 1:] + 0.9 * lead], 1)


def step(x: Tensor, action: Tensor) -> Tensor:
    """One step of the environment: 0.8 bent + 0.2 as it was. Stays in [0, 1] without clamping.

    Raises:
        ValueError: if a value of the image or an action is out of range.
    """
    checks.within(x, 0, 1, "x")
    checks.within(action, 0, LEVELS - 1, "action")
    return move(x, strength(action.to(x.dtype)))


def move(x: Tensor, alpha: Tensor) -> Tensor:
    """``step`` for strengths that need not be one of the 27."""
    return 0.8 * bend(x, couple(alpha)) + 0.2 * x


def constant_action(x: Tensor, action: Sequence[int]) -> Tensor:
    """The same action (one number per channel) at every pixel."""
    return torch.tensor(action, device=x.device).view(1, 3, 1, 1).expand(x.shape)


def to_bytes(x: Tensor) -> Tensor:
    """Images as they are stored: clamped to [0, 1], cut down to whole 255ths, uint8."""
    return (x.clamp(0, 1) * 255).to(torch.uint8)


# -- the reward: terms without a reference --------------------------------------------------------


def luminance(x: Tensor) -> Tensor:
    """Mean of the channels, ``(B, 1, h, w)``."""
    return x.mean(1, keepdim=True)


def exposure(x: Tensor, cell: int = 16, level: float = 0.6) -> Tensor:
    """L_exp, ``(B, 1, h // cell, w // cell)``: squared distance of each cell's mean from 0.6."""
    return (F.avg_pool2d(luminance(x), cell) - level) ** 2


def spatial_consistency(x: Tensor, raw: Tensor) -> Tensor:
    """L_spa, ``(B,)``: squared change of the differences between neighbouring 4 x 4 cells.

    Beyond the border there are zeros.
    """
    change = F.pad(F.avg_pool2d(luminance(x) - luminance(raw), 4), (1, 1, 1, 1))
    inner = change[:, :, 1:-1, 1:-1]
    neighbours = (
        change[:, :, 1:-1, :-2],
        change[:, :, 1:-1, 2:],
        change[:, :, :-2, 1:-1],
        change[:, :, 2:, 1:-1],
    )
    squares = sum(((inner - other) ** 2 for other in neighbours), torch.zeros(()))
    return squares.mean((1, 2, 3))


def colour_constancy(x: Tensor) -> Tensor:
    """L_col, ``(B,)``: root of the summed fourth powers of differences of channel means.

    The code squares the differences twice, which this repeats.
    """
    red, green, blue = x.mean((2, 3)).unbind(1)
    squares = torch.stack([(red - green) ** 2, (red - blue) ** 2, (green - blue) ** 2])
    return torch.linalg.vector_norm(squares, dim=0)


def total_variation(alpha: Tensor) -> Tensor:
    """L_tv, scalar: twice the mean squared difference of neighbours, summed over channels."""
    batch, _, h, w = alpha.shape
    down = (alpha[:, :, 1:] - alpha[:, :, :-1]).square().sum() / ((h - 1) * w)
    across = (alpha[..., 1:] - alpha[..., :-1]).square().sum() / (h * (w - 1))
    return 2 * (down + across) / batch


def expected_variation(probabilities: Sequence[float] | None = None) -> float:
    """E[L_tv] if all pixels draw independently from one distribution over the 27 actions.

    24 Var(alpha): two directions, three channels, twice, and a squared difference has mean 2 Var.

    Args:
        probabilities: ``(27,)``; default: uniform, which gives 2 (27^2 - 1) / 18^2.

    Raises:
        ValueError: if the probabilities do not add up to 1.
    """
    checks.shares(probabilities, "probabilities")
    alpha = strength(torch.arange(LEVELS, dtype=torch.float64))
    p = torch.full_like(alpha, 1 / LEVELS) if probabilities is None else torch.tensor(probabilities)
    mean = (p * alpha).sum()
    return float(24 * (p * (alpha - mean) ** 2).sum())


def roughness(alpha: Tensor) -> Tensor:
    """Per pixel, ``(B, 1, h, w)``: squared differences to the four neighbours, all channels.

    At the border the missing neighbour counts as equal.
    """
    own = torch.zeros_like(alpha)
    for axis in (2, 3):
        square = alpha.diff(dim=axis) ** 2
        ends = (1, 0) if axis == 3 else (0, 0, 1, 0)
        starts = (0, 1) if axis == 3 else (0, 0, 0, 1)
        own = own + F.pad(square, ends) + F.pad(square, starts)
    return own.sum(1, keepdim=True)


@dataclass(frozen=True)
class Weights:
    """Weights of the reward; the defaults are those of the code (with sums over a batch)."""

    colour: float = 50.0
    spatial: float = 1.0
    exposure: float = 80.0
    variation: float = 200.0
    aesthetic: float = 2.0


def reward(
    x: Tensor, raw: Tensor, action: Tensor, gain: Tensor | float, weights: Weights = Weights(),
    *, cell: int = 16,
) -> dict[str, Tensor]:  # fmt: skip
    """The terms of the reward as coded, each a number for the whole batch; the reward is their sum.

    Args:
        x: the image after the step, ``raw`` the input of the episode.
        action: taken in the step.
        gain: sum over the batch of the scores now, less that before the step.
        weights: of the terms.
        cell: of the exposure term; the code's is 16.
    """
    return {
        "colour": -weights.colour * colour_constancy(x).mean(),
        "spatial": -weights.spatial * spatial_consistency(x, raw).mean(),
        "exposure": -weights.exposure * exposure(x, cell).mean(),
        "variation": -weights.variation * total_variation(strength(action.to(x.dtype))),
        "aesthetic": weights.aesthetic * torch.as_tensor(gain).to(x),
    }


def local_reward(
    x: Tensor, raw: Tensor, action: Tensor, gain: Tensor, weights: Weights, *, cell: int = 4
) -> dict[str, Tensor]:
    """The same terms, each pixel with its own: for training with little data (not in the paper).

    Exposure is that of the pixel's cell, variation that towards its four neighbours; colour,
    spatial consistency and the score's gain are those of its image.

    Args:
        gain: ``(B,)`` change of the scores in the step.
        cell: of the exposure term.

    Returns:
        terms that broadcast to ``(B, 1, h, w)``.
    """
    per_image = (-1, 1, 1, 1)
    cells = F.interpolate(exposure(x, cell), size=x.shape[2:], mode="nearest")
    return {
        "colour": -weights.colour * colour_constancy(x).view(per_image),
        "spatial": -weights.spatial * spatial_consistency(x, raw).view(per_image),
        "exposure": -weights.exposure * cells,
        "variation": -weights.variation * roughness(strength(action.to(x.dtype))),
        "aesthetic": weights.aesthetic * gain.view(per_image),
    }


# -- judges ---------------------------------------------------------------------------------------


def mean_score(votes: Tensor) -> Tensor:
    """``(B,)``: sum of j p_j for a distribution ``(B, 10)`` over the votes 1 to 10 (NIMA).

    Raises:
        ValueError: if the votes are not shares that add up to 1.
    """
    checks.shares(votes, "votes")
    return votes @ torch.arange(1, votes.shape[1] + 1).to(votes)


def earth_mover(p: Tensor, q: Tensor) -> Tensor:
    """``(B,)``: root mean squared difference of cumulative distributions; NIMA's training loss.

    Raises:
        ValueError: if the shapes differ, or the shares do not add up to 1.
    """
    checks.same_shape("B, 10", least=0, p=p, q=q)
    checks.shares(p, "p")
    checks.shares(q, "q")
    gaps = p.cumsum(1) - q.cumsum(1)
    return torch.linalg.vector_norm(gaps, dim=1) / math.sqrt(gaps.shape[1])  # a slope at 0


def stand_in(x: Tensor) -> Tensor:
    """A(x) in [0, 10], ``(B,)``: a hand-made judge in place of NIMA, which is not available.

    Five points for middle luminance (pixel by pixel, a bell around one half), three for contrast
    (deviation of luminance, full marks from 0.25), two for colourfulness (that of Hasler and
    Suesstrunk, full marks from 0.35).
    """
    light = luminance(x).flatten(1)
    middle = torch.exp(-((light - 0.5) ** 2) / 0.08).mean(1)
    contrast = (light.std(1, correction=0) / 0.25).clamp(max=1)
    red, green, blue = x.flatten(2).unbind(1)
    first, second = red - green, (red + green) / 2 - blue
    spread = (first.var(1, correction=0) + second.var(1, correction=0)).sqrt()
    shift = (first.mean(1) ** 2 + second.mean(1) ** 2).sqrt()
    colour = ((spread + 0.3 * shift) / 0.35).clamp(max=1)
    return 10 * (0.5 * middle + 0.3 * contrast + 0.2 * colour)


# -- the agents -----------------------------------------------------------------------------------


class PixelAgents(nn.Module):
    """Policy and value of every pixel from one fully convolutional network.

    Args:
        width: channels; the paper's network has 64.
        trunk: dilations of the shared layers after the first.
        branch: dilations of the layers of each branch.
    """

    def __init__(
        self, width: int = 64, trunk: Sequence[int] = (2, 3, 4), branch: Sequence[int] = (3, 2)
    ) -> None:
        super().__init__()

        def layers(dilations: Sequence[int]) -> list[nn.Module]:
            return [
                layer
                for d in dilations
                for layer in (nn.Conv2d(width, width, 3, padding=d, dilation=d), nn.ReLU())
            ]

        first = nn.Conv2d(3, width, 3, padding=1)
        self.trunk = nn.Sequential(first, nn.ReLU(), *layers(trunk))
        # Three heads of 27, one per channel, as one convolution.
        self.policy = nn.Sequential(*layers(branch), nn.Conv2d(width, 3 * LEVELS, 3, padding=1))
        self.value = nn.Sequential(*layers(branch), nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, 3, 27, h, w)`` and values ``(B, 1, h, w)``."""
        shared = self.trunk(x)
        return self.policy(shared).unflatten(1, (3, LEVELS)), self.value(shared)


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Actions ``(B, 3, h, w)`` from softmax(logits), by the inverse of the distribution function.

    Args:
        logits: ``(B, 3, A, h, w)``.
        uniform: ``(B, 3, h, w)`` in [0, 1).
    """
    passed = logits.softmax(2).cumsum(2) <= uniform.unsqueeze(2)
    return passed.sum(2).clamp(max=logits.shape[2] - 1)


def returns(rewards: Tensor, gamma: float) -> Tensor:
    """R_t = r_t + gamma R_{t+1} along the first axis; after the last step there is nothing."""
    found, total = [], torch.zeros_like(rewards[0])
    for value in rewards.flip(0):
        total = value + gamma * total
        found.append(total)
    return torch.stack(found[::-1])


def actor_critic_loss(
    logits: Tensor, values: Tensor, actions: Tensor, rewards: Tensor,
    *, gamma: float = 1.05, entropy: float = 0.01, standardise: bool = False,
) -> Tensor:  # fmt: skip
    """The pixel-wise A3C loss of one episode: mean over batch and pixels, sum over steps.

    Per pixel and step -(R - V) sum_c log pi_c(a_c) - entropy sum_c H(pi_c) + 0.5 (V - R)^2 / 2;
    R - V is a constant in the first term.

    Args:
        logits: ``(T, B, 3, A, h, w)``; ``values`` ``(T, B, 1, h, w)``; ``actions``
            ``(T, B, 3, h, w)``.
        rewards: ``(T, B, 1, h, w)`` or what broadcasts to it.
        gamma: discount; the paper's is above one.
        entropy: weight of the entropy H.
        standardise: divide advantages by their standard deviation over the episode and the value
            loss by its square, so that the scale of the reward does not matter (not in the paper).
    """
    target = returns(rewards.expand_as(values), gamma)
    advantage = (target - values).detach()
    scale = advantage.std().clamp(min=1e-6) if standardise else torch.ones_like(advantage[0, 0, 0])
    log_p = logits.log_softmax(3)
    taken = log_p.gather(3, actions.unsqueeze(3)).squeeze(3).sum(2, keepdim=True)
    spread = -(log_p.exp() * log_p).sum(3).sum(2, keepdim=True)
    value_loss = 0.25 * (values - target) ** 2 / scale**2
    return (-advantage / scale * taken - entropy * spread + value_loss).sum(0).mean()


@torch.no_grad()
def enhance(agents: PixelAgents, x: Tensor, steps: int = 6) -> tuple[Tensor, Tensor]:
    """Apply the most probable actions.

    Args:
        x: ``(B, 3, h, w)``.

    Returns:
        images ``(steps + 1, B, 3, h, w)`` from the input on, and actions ``(steps, B, 3, h, w)``.
    """
    states, actions = [x], []
    for _ in range(steps):
        logits, _values = agents(states[-1])
        actions.append(logits.argmax(2))
        states.append(step(states[-1], actions[-1]))
    return torch.stack(states), torch.stack(actions)


@dataclass
class Episode:
    """What happened: reward ``terms`` ``(T, ...)``, ``actions`` ``(T, B, 3, h, w)``, the loss."""

    loss: Tensor
    terms: dict[str, Tensor]
    actions: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Training:
    """How the agents learn; the defaults are those of the code.

    Attributes:
        weights: of the reward.
        local: whether each pixel gets its own reward (``local_reward``).
        cell: of the exposure term.
        steps, gamma, entropy, standardise: see ``actor_critic_loss``.
        from_zero: whether the score before the first step counts as 0, as in the code, or as the
            score of the input.
    """

    weights: Weights = Weights()
    local: bool = False
    cell: int = 16
    steps: int = 10
    gamma: float = 1.05
    entropy: float = 0.01
    standardise: bool = False
    from_zero: bool = True


def play(
    agents: PixelAgents, raw: Tensor, scorer: Scorer, how: Training, rng: torch.Generator
) -> Episode:
    """One episode from the images ``raw`` with drawn actions, and its loss.

    Args:
        rng: on the CPU, so that devices agree.
    """
    x, before = raw, torch.zeros(len(raw)).to(raw) if how.from_zero else scorer(raw)
    seen, actions, terms = [], [], []
    for _ in range(how.steps):
        with torch.no_grad():
            logits, _values = agents(x)
        uniform = torch.rand(raw.shape, generator=rng).to(raw)
        action = draw(logits, uniform)
        seen.append(x)
        actions.append(action)
        x = step(x, action)
        score = scorer(x)
        gain, before = score - before, score
        if how.local:
            terms.append(local_reward(x, raw, action, gain, how.weights, cell=how.cell))
        else:
            terms.append(reward(x, raw, action, gain.sum(), how.weights, cell=how.cell))
    # All states once more in one batch, now with gradients: faster than step by step.
    logits, values = (out.unflatten(0, (how.steps, -1)) for out in agents(torch.cat(seen)))
    total = torch.stack(
        [sum(parts.values(), torch.zeros(())).expand_as(values[0]) for parts in terms]
    )
    loss = actor_critic_loss(
        logits,
        values,
        torch.stack(actions),
        total,
        gamma=how.gamma,
        entropy=how.entropy,
        standardise=how.standardise,
    )
    gathered = {name: torch.stack([parts[name] for parts in terms]) for name in terms[0]}
    return Episode(loss, gathered, torch.stack(actions), logits.detach())


# -- the comparator without agents ----------------------------------------------------------------


class CurveNet(nn.Module):
    """Strengths in (-1, 1) for every pixel and channel: direct descent instead of actions.

    In the manner of Zero-DCE (Guo et al., CVPR 2020): one strength map, used in every step.
    """

    def __init__(self, width: int = 8, dilations: Sequence[int] = (2, 3, 2)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
        for d in dilations:
            layers += [nn.Conv2d(width, width, 3, padding=d, dilation=d), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).tanh()


def direct_loss(x: Tensor, raw: Tensor, alpha: Tensor, cell: int = 16) -> Tensor:
    """L_spa + 10 L_exp + 5 L_col + 200 L_tv, scalar, differentiable in the strengths.

    These weights are remembered, not read in a source.
    """
    return (
        spatial_consistency(x, raw).mean()
        + 10 * exposure(x, cell).mean()
        + 5 * colour_constancy(x).mean()
        + 200 * total_variation(alpha)
    )


def bend_repeatedly(x: Tensor, alpha: Tensor, steps: int) -> Tensor:
    """LE applied ``steps`` times with the same strengths."""
    for _ in range(steps):
        x = bend(x, alpha)
    return x

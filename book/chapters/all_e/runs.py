"""The experiments of the chapter on *ALL-E* (Li et al., IJCAI 2023).

A run trains pixel agents on patches of darkened photographs and lets them enhance other ones.
References serve for measuring only.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from chapters.all_e.comparators import FIXED, Descent, Fixed
from chapters.all_e.photographs import (
    MEASURES,
    Enhancement,
    Learnt,
    Photographs,
    measures,
    patches,
    photographs,
)
from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint, Progress
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.methods import all_e
from weaklabels.methods.all_e import Training, Weights
from weaklabels.seeding import numpy_rng, seed_torch, torch_rng

TERMS = ("colour", "spatial", "exposure", "variation", "aesthetic")
"""Terms of the reward, in the order in which runs record them."""

SMALL = Weights(colour=5.0, spatial=1.0, exposure=80.0, variation=1.0, aesthetic=20.0)
"""Weights of the local reward at small scale."""

SMALL_TRAINING = Training(
    weights=SMALL, local=True, cell=4, steps=6, entropy=0.05, standardise=True, from_zero=False
)
"""What learns from a few hundred episodes."""


@dataclass(frozen=True, kw_only=True)
class Spec(Learnt):
    """One run; the seed is that of the darkening, the initial weights, the patches, the actions.

    Attributes:
        training: reward and loss.
        width, trunk, branch: of the network.
        clip: the largest norm of a gradient (0: no limit).
    """

    training: Training = SMALL_TRAINING
    width: int = 8
    trunk: tuple[int, ...] = (2, 3)
    branch: tuple[int, ...] = (2,)
    clip: float = 5.0


# -- runs -----------------------------------------------------------------------------------------


def new_agents(spec: Spec) -> all_e.PixelAgents:
    """Agents with the run's initial weights."""
    seed_torch(spec.seed, "weights")
    agents = all_e.PixelAgents(spec.width, spec.trunk, spec.branch)
    return agents.to(spec.device, memory_format=torch.channels_last)


def agents_of(record: Record) -> all_e.PixelAgents:
    """The trained agents of a run."""
    spec = record.spec
    agents = all_e.PixelAgents(spec.width, spec.trunk, spec.branch)
    vector = torch.from_numpy(record["weights"])
    torch.nn.utils.vector_to_parameters(vector, agents.parameters())
    return agents.to(spec.device)


def run(spec: Spec) -> dict[str, Any]:
    """Train agents, enhance the test photographs.

    Returns:
        of training ``terms`` ``(episodes, 5)``, the reward's terms, mean over steps and pixels;
        ``noise`` and ``pattern`` ``(episodes,)``, deviations of the strength within a pixel's
        policy and of its mean across pixels; what ``judge`` returns; ``weights``, all in one
        vector.
    """
    photos = photographs(spec)
    agents, how = new_agents(spec), spec.training
    optimiser = torch.optim.Adam(agents.parameters(), spec.lr)
    order, chance = numpy_rng(spec.seed, "patches"), torch_rng(spec.seed, "actions")
    found = Progress(terms=[], noise=[], pattern=[], order=order, chance=chance)
    kept = Checkpoint(sweep.checkpoint_file(), agents=agents, optimiser=optimiser, found=found)
    for done in range(kept.restore() * spec.block + 1, spec.episodes + 1):
        episode = all_e.play(
            agents, patches(photos.train, spec, order), all_e.stand_in, how, chance
        )
        optimiser.zero_grad()
        episode.loss.backward()
        if spec.clip:
            torch.nn.utils.clip_grad_norm_(agents.parameters(), spec.clip)
        optimiser.step()
        found.terms.append([float(episode.terms[name].mean()) for name in TERMS])
        within, across = spreads(episode.logits[0])
        found.noise.append(within)
        found.pattern.append(across)
        if done % spec.block == 0:
            kept.save(done // spec.block)
    vector = torch.cat([p.detach().reshape(-1) for p in agents.parameters()]).cpu()
    judged = judge(agents, photos, spec)
    kept.remove()
    return {
        "terms": np.array(found.terms),
        "noise": np.array(found.noise),
        "pattern": np.array(found.pattern),
        "weights": vector.numpy(),
        **judged,
    }


def spreads(logits: Tensor) -> tuple[float, float]:
    """Deviation of the strength within a pixel's policy, and of its mean across an image's pixels.

    Args:
        logits: ``(B, 3, 27, h, w)``; the leading channel counts.
    """
    p = logits[:, 0].softmax(1)
    alpha = all_e.strength(torch.arange(all_e.LEVELS).to(p)).view(1, -1, 1, 1)
    mean = (p * alpha).sum(1)
    within = ((p * alpha**2).sum(1) - mean**2).clamp(min=0).sqrt().mean()
    return float(within), float(mean.flatten(1).std(1).mean())


def judge(agents: all_e.PixelAgents, photos: Photographs, spec: Spec) -> dict[str, np.ndarray]:
    """Measure the agents' steps on the test photographs.

    Returns:
        ``psnr``, ``ssim``, ``score``, ``light``, ``error`` ``(tests, steps + 1)``, see
        ``measures``; ``follows`` ``(tests,)``, correlation of summed strengths with the input's
        luminance (0 where either is constant); ``common`` ``(3,)``, share of the most frequent
        action by channel; ``states`` and ``actions`` (uint8) of the first photograph.
    """
    rows, follows, common = [], [], []
    for raw, reference in zip(photos.test, photos.test_reference, strict=True):
        states, actions = all_e.enhance(agents, raw[None].to(spec.device), spec.test_steps)
        states, actions = states.cpu(), actions.cpu()
        rows.append([measures(state, reference[None]) for state in states])
        follows.append(correlation(all_e.strength(actions).sum((0, 1, 2)), raw.mean(0)))
        common.append([_most_common(actions[:, :, c]) for c in range(3)])
        if len(rows) == 1:
            first = all_e.to_bytes(states[:, 0]), actions[:, 0].to(torch.uint8)
    table = {name: np.array([[m[name] for m in row] for row in rows]) for name in MEASURES}
    return table | {
        "follows": np.array(follows),
        "common": np.mean(common, 0),
        "states": first[0].numpy(),
        "actions": first[1].numpy(),
    }


def correlation(a: Tensor, b: Tensor) -> float:
    """Of two maps; 0 if one of them is constant."""
    x, y = a.flatten().double(), b.flatten().double()
    if x.std() < 1e-9 or y.std() < 1e-9:
        return 0.0
    return float(torch.corrcoef(torch.stack([x, y]))[0, 1])


def _most_common(actions: Tensor) -> float:
    counts = [torch.bincount(step.flatten(), minlength=all_e.LEVELS).max() for step in actions]
    return float(sum(counts) / actions.numel())


# -- settings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What the chapter runs.

    Attributes:
        base: the agents with all terms of the reward; all other runs vary it.
        long: episodes of those that the claims are about.
        descent: batches of the network that descends the losses.
        gammas: corrections of one photograph that the judge is asked about.
    """

    base: Spec
    long: int
    descent: int
    gammas: int


def settings(chapter: Setting) -> Settings:
    """The sizes that belong to the profile.

    The paper profile is the code's setting with our stand-in for the judge and without a denoiser.
    """
    paper = Spec(
        training=Training(),
        dataset="lol",
        data_root=chapter.data_root,
        width=64,
        trunk=(2, 3, 4),
        branch=(3, 2),
        episodes=30_000,
        batch=2,
        crop=244,
        scales=(1,),
        turn=10.0,
        lr=2e-4,
        clip=0.0,
        device=chapter.device,
    )
    smoke = Spec(
        data_options=options(copies=1, tests=1),
        episodes=2,
        batch=2,
        test_steps=2,
        device=chapter.device,
    )
    return chapter.choose(
        quick=Settings(Spec(device=chapter.device), 1200, 300, 40),
        paper=Settings(paper, 30_000, 30_000, 40),
        smoke=Settings(smoke, 3, 2, 4),
    )


ALL, NO_SCORE, NO_LIGHT, NO_FEATURES, NO_VARIATION, LOW_DISCOUNT, AS_CODED = (
    "all terms",
    "no aesthetic term",
    "no exposure term",
    "no colour, no spatial term",
    "no variation term",
    "all terms, discount 0.95",
    "reward as coded",
)


def table(settings: Settings) -> dict[str, Spec]:
    """The ablation of the reward, and a discount below one."""
    base = settings.base
    how = base.training

    def without(*terms: str) -> Spec:
        weights = replace(how.weights, **dict.fromkeys(terms, 0.0))
        return replace(base, training=replace(how, weights=weights))

    return {
        ALL: base,
        NO_SCORE: without("aesthetic"),
        NO_LIGHT: without("exposure"),
        NO_FEATURES: without("colour", "spatial"),
        NO_VARIATION: without("variation"),
        LOW_DISCOUNT: replace(base, training=replace(how, gamma=0.95)),
    }


def long(settings: Settings) -> dict[str, Spec]:
    """Agents with and without the aesthetic term, trained for longer: what the claims are about."""
    ablation = table(settings)
    return {name: replace(ablation[name], episodes=settings.long) for name in (ALL, NO_SCORE)}


WHOLE = "all terms, exposure of the whole patch"


def whole(settings: Settings) -> dict[str, Spec]:
    """Agents trained as long with one exposure term for the whole patch, not one for every cell."""
    spec = long(settings)[ALL]
    return {WHOLE: replace(spec, training=replace(spec.training, cell=spec.crop))}


def as_coded(settings: Settings) -> dict[str, Spec]:
    """The reward as coded.

    It has one number for all pixels, neither scaled advantages nor a limit on gradients, and cells
    of 8 pixels as 16 would be the whole patch. In the paper profile it is that of all runs.
    """
    base = settings.base
    if not base.training.local:
        return {AS_CODED: base}
    how = Training(steps=base.training.steps, cell=8)
    return {AS_CODED: replace(base, training=how, clip=0.0, episodes=min(base.episodes, 300))}


RECEPTIVE = 9
"""How far, in pixels, a pixel of the small network sees."""


def frame(agents: all_e.PixelAgents, image: Tensor) -> tuple[float, float]:
    """Does the end of the picture show in the actions?

    Args:
        agents: small ones.
        image: ``(1, 3, h, w)``.

    Returns:
        share (%) of the leading channel's actions of the first step that change when the picture is
        continued by its mirror image, among pixels that see its end and among the others.
    """
    side = RECEPTIVE
    _, own = all_e.enhance(agents, image, 1)
    _, wide = all_e.enhance(agents, F.pad(image, (side,) * 4, "reflect"), 1)
    changed = (own != wide[..., side:-side, side:-side])[0, 0, 0].float()
    inside = torch.zeros_like(changed, dtype=torch.bool)
    inside[RECEPTIVE:-RECEPTIVE, RECEPTIVE:-RECEPTIVE] = True
    return 100 * float(changed[~inside].mean()), 100 * float(changed[inside].mean())


def fixed(settings: Settings) -> dict[str, Fixed]:
    """Comparators without randomness, on the photographs of the agents."""
    shared = _shared(Enhancement, settings.base)
    return {method: Fixed(method=method, **shared) for method in FIXED}


def descent(settings: Settings) -> Descent:
    """Direct descent, on the patches of the agents."""
    base = settings.base
    shared = _shared(Learnt, base) | {"episodes": settings.descent}
    return Descent(cell=base.training.cell, **shared)


def _shared(part: type, spec: Spec) -> dict[str, Any]:
    """The values of a spec's part."""
    return {field.name: getattr(spec, field.name) for field in fields(part)}

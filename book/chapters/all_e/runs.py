"""The experiments of the chapter on *ALL-E* (Li et al., IJCAI 2023).

A run trains pixel agents on patches of darkened photographs and lets them enhance other ones.
References serve for measuring only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)
from torchvision.transforms.functional import InterpolationMode, rotate

from weaklabels import data
from weaklabels.lab.setting import Setting
from weaklabels.lab.store import Record
from weaklabels.methods import all_e
from weaklabels.methods.all_e import Training, Weights
from weaklabels.press.claims import mean_std
from weaklabels.seeding import numpy_rng, seed_torch, torch_rng

TERMS = ("colour", "spatial", "exposure", "variation", "aesthetic")
"""Terms of the reward, in the order in which runs record them."""

SMALL = Weights(colour=5.0, spatial=1.0, exposure=80.0, variation=1.0, aesthetic=20.0)
"""Weights of the local reward at small scale."""

SMALL_TRAINING = Training(
    weights=SMALL, local=True, cell=4, steps=6, entropy=0.05, standardise=True, from_zero=False
)
"""What learns from a few hundred episodes."""


@dataclass(frozen=True)
class Spec:
    """One run.

    Attributes:
        training: reward and loss.
        seed: of the darkening, the initial weights, the patches and the actions.
        dataset: ``"china"`` (scikit-learn's photograph, darkened) or ``"lol"``.
        copies: darkened training photographs; ``tests`` darkened test photographs.
        width, trunk, branch: of the network.
        episodes, batch, crop: of the training; ``scales`` by which patches are shrunk.
        turn: half of the patches are turned by up to so many degrees.
        lr, clip: of Adam, and the largest norm of a gradient (0: no limit).
        test_steps: actions at test time.
    """

    training: Training = SMALL_TRAINING
    seed: int = 0
    dataset: str = "china"
    data_root: str | None = None
    copies: int = 32
    tests: int = 6
    width: int = 8
    trunk: tuple[int, ...] = (2, 3)
    branch: tuple[int, ...] = (2,)
    episodes: int = 400
    batch: int = 3
    crop: int = 24
    scales: tuple[int, ...] = (1, 2, 3)
    turn: float = 0.0
    lr: float = 2e-3
    clip: float = 5.0
    test_steps: int = 6
    device: str = "cpu"

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return [] if self.dataset == "china" else [data.loader(self.dataset)]


# -- photographs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Photographs:
    """Low-light images ``(N, 3, h, w)`` and what they should look like; no pixel is in both parts.

    Training references are for tuning one comparator that is marked accordingly.
    """

    train: Tensor
    train_reference: Tensor
    test: Tensor
    test_reference: Tensor


def photographs(spec: Spec) -> Photographs:
    """The images of a run.

    Raises:
        ValueError: if there is no such dataset.
        FileNotFoundError: if files are missing.
    """
    if spec.dataset == "lol":
        splits = data.load("lol", spec.data_root)
        train, test = splits.train, splits.test
        return Photographs(train.x, train.extra["reference"], test.x, test.extra["reference"])
    if spec.dataset != "china":
        raise ValueError(f"dataset {spec.dataset!r}: expected 'china' or 'lol'")
    left, right = halves()
    train = darken(left, spec.copies, numpy_rng(spec.seed, "darkening"))
    test = darken(right, spec.tests, numpy_rng(0, "darkening of the test photograph"))
    return Photographs(train, left.expand_as(train), test, right.expand_as(test))


def halves() -> tuple[Tensor, Tensor]:
    """Every second pixel of china.jpg, left and right half: ``(3, 214, 160)`` each."""
    pixels = load_sample_image("china.jpg")[::2, ::2].transpose(2, 0, 1)
    image = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255
    return image[..., :160], image[..., 160:]


def darken(photograph: Tensor, copies: int, rng: np.random.Generator) -> Tensor:
    """Low-light versions ``(copies, 3, h, w)`` of ``(3, h, w)``.

    Light falls linearly across the image, at a random angle, from U(.5, .8) to U(.12, .22) of the
    original; normal noise of deviation 0.01; then [0, 1].
    """
    _, h, w = photograph.shape
    down, across = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j]
    made = []
    for _ in range(copies):
        angle, low, high = rng.uniform(0, 2 * np.pi), rng.uniform(0.12, 0.22), rng.uniform(0.5, 0.8)
        place = np.cos(angle) * across + np.sin(angle) * down
        place = (place - place.min()) / np.ptp(place)
        light = torch.from_numpy(low + (high - low) * place).float()
        noise = torch.from_numpy(rng.normal(0, 0.01, photograph.shape)).float()
        made.append((photograph * light + noise).clamp(0, 1))
    return torch.stack(made)


def patches(images: Tensor, spec: Spec, rng: np.random.Generator) -> Tensor:
    """A batch of training patches ``(batch, 3, crop, crop)``: shrunk, mirrored, turned."""
    found = []
    for _ in range(spec.batch):
        image, scale = images[rng.integers(len(images))], int(rng.choice(spec.scales))
        side = spec.crop * scale
        top, left = (int(rng.integers(n - side + 1)) for n in image.shape[1:])
        patch = F.avg_pool2d(image[:, top : top + side, left : left + side], scale)
        if rng.random() < 0.5:
            patch = patch.flip(2)
        if spec.turn and rng.random() < 0.5:
            angle = float(rng.uniform(-spec.turn, spec.turn))
            patch = rotate(patch, angle, InterpolationMode.BILINEAR)
        found.append(patch)
    return torch.stack(found).to(spec.device, memory_format=torch.channels_last)


# -- runs -----------------------------------------------------------------------------------------


def new_agents(spec: Spec) -> all_e.PixelAgents:
    """Agents with the run's initial weights."""
    seed_torch(spec.seed, "weights")
    agents = all_e.PixelAgents(spec.width, spec.trunk, spec.branch)
    return agents.to(spec.device, memory_format=torch.channels_last)


def agents_of(record: Record, spec: Spec) -> all_e.PixelAgents:
    """The trained agents of a run."""
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
    terms, noise, pattern = [], [], []
    for _ in range(spec.episodes):
        episode = all_e.play(
            agents, patches(photos.train, spec, order), all_e.stand_in, how, chance
        )
        optimiser.zero_grad()
        episode.loss.backward()
        if spec.clip:
            torch.nn.utils.clip_grad_norm_(agents.parameters(), spec.clip)
        optimiser.step()
        terms.append([float(episode.terms[name].mean()) for name in TERMS])
        within, across = spreads(episode.logits[0])
        noise.append(within)
        pattern.append(across)
    vector = torch.cat([p.detach().reshape(-1) for p in agents.parameters()]).cpu()
    return {
        "terms": np.array(terms),
        "noise": np.array(noise),
        "pattern": np.array(pattern),
        "weights": vector.numpy(),
        **judge(agents, photos, spec),
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


MEASURES = ("psnr", "ssim", "score", "light", "error")


def measures(image: Tensor, reference: Tensor | None) -> dict[str, float]:
    """Of ``(1, 3, h, w)`` after storing it as bytes.

    Returns:
        ``psnr`` (dB) and ``ssim`` against the reference (torchmetrics, range 1), ``score`` by the
        stand-in judge, ``light``, the mean value, ``error``, mean absolute difference of luminance
        from the reference; without a reference only ``score`` and ``light``.
    """
    stored = all_e.to_bytes(image).float() / 255
    found = {"score": float(all_e.stand_in(stored)), "light": float(stored.mean())}
    if reference is None:
        return found
    gap = (all_e.luminance(stored) - all_e.luminance(reference)).abs().mean()
    return found | {
        "psnr": float(peak_signal_noise_ratio(stored, reference, data_range=1.0)),
        "ssim": float(structural_similarity_index_measure(stored, reference, data_range=1.0)),
        "error": float(gap),
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


# -- comparators ----------------------------------------------------------------------------------

FIXED = (
    "input",
    "gamma 0.5",
    "gamma to mean 0.6",
    "histogram equalisation",
    "released curve",
    "constant curve",
    "constant curve, tuned on references",
    "reference",
)
"""Comparators without randomness at test time."""


@dataclass(frozen=True)
class Comparator:
    """A comparator on the photographs of ``spec``; of its fields only those of the data matter.

    Attributes:
        method: one of ``FIXED`` or ``"direct descent"``.
        descent: training steps of the last.
    """

    method: str
    spec: Spec = field(default_factory=Spec)
    descent: int = 0

    def code(self) -> list[Any]:
        """What the run depends on besides what reading its function shows."""
        return self.spec.code()

    @property
    def device(self) -> str:
        """Where to compute."""
        return self.spec.device


def compare(comparator: Comparator) -> dict[str, np.ndarray]:
    """Measures ``(tests,)`` each, see ``measures``, and the ``image`` (uint8) of the first one."""
    spec = comparator.spec
    photos = photographs(spec)
    if comparator.method == "reference":
        images = photos.test_reference.split(1)
    else:
        change = enhancer(comparator, photos)
        images = [change(raw) for raw in photos.test.split(1)]
    pairs = zip(images, photos.test_reference.split(1), strict=True)
    rows = [measures(image, reference) for image, reference in pairs]
    found = {name: np.array([row[name] for row in rows]) for name in MEASURES}
    return found | {"image": all_e.to_bytes(images[0][0]).numpy()}


def enhancer(comparator: Comparator, photos: Photographs) -> Any:
    """A function from ``(1, 3, h, w)`` to the same.

    Raises:
        ValueError: if there is no such method.
    """
    spec, steps = comparator.spec, comparator.spec.test_steps
    name = comparator.method
    if name == "direct descent":
        return direct_descent(comparator, photos)
    if name.startswith("constant curve"):
        action = best_constant(photos, steps, with_reference=name.endswith("references"))
        return lambda x: repeat_action(x, (action,) * 3, steps)
    functions = {
        "input": lambda x: x,
        "gamma 0.5": lambda x: x.clamp(min=0) ** 0.5,
        "gamma to mean 0.6": gamma_to_mean,
        "histogram equalisation": equalise,
        "released curve": lambda x: repeat_action(x, all_e.RELEASED, spec.test_steps),
    }
    if name not in functions:
        raise ValueError(f"method {name!r}: expected 'direct descent' or one of {FIXED}")
    return functions[name]


def repeat_action(x: Tensor, action: tuple[int, ...], steps: int) -> Tensor:
    """The same action at every pixel, ``steps`` times."""
    for _ in range(steps):
        x = all_e.step(x, all_e.constant_action(x, action))
    return x


def gamma_to_mean(x: Tensor, level: float = 0.6) -> Tensor:
    """x^g with g such that the mean is ``level``, by bisection."""
    low, high = 0.01, 10.0
    for _ in range(50):
        g = (low * high) ** 0.5
        low, high = (g, high) if float((x**g).mean()) > level else (low, g)
    return x**g


def equalise(x: Tensor) -> Tensor:
    """Luminance (8 bits) spread evenly over [0, 1]; channels keep their ratios, cut at 1."""
    light = all_e.luminance(x)
    level = (light * 255).long().clamp(0, 255)
    counts = torch.bincount(level.flatten(), minlength=256).double().cumsum(0)
    even = ((counts - counts[level.min()]) / (counts[-1] - counts[level.min()]))[level]
    return (x * even.to(x) / light.clamp(min=1 / 255)).clamp(0, 1)


def best_constant(photos: Photographs, steps: int, *, with_reference: bool) -> int:
    """The action that, taken everywhere in every step, is best on the training photographs.

    Args:
        with_reference: best in squared error against the references, otherwise in exposure.
    """
    few = slice(0, 8)
    costs = []
    for action in range(all_e.LEVELS):
        x = repeat_action(photos.train[few], (action,) * 3, steps)
        gap = (x - photos.train_reference[few]) ** 2 if with_reference else all_e.exposure(x)
        costs.append(float(gap.mean()))
    return int(np.argmin(costs))


def direct_descent(comparator: Comparator, photos: Photographs) -> Any:
    """Strengths from a network that descends the losses themselves (see ``all_e.CurveNet``)."""
    spec = comparator.spec
    seed_torch(spec.seed, "weights of direct descent")
    net = all_e.CurveNet().to(spec.device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), spec.lr)
    order = numpy_rng(spec.seed, "patches of direct descent")
    for _ in range(comparator.descent):
        raw = patches(photos.train, spec, order)
        alpha = net(raw)
        x = all_e.bend_repeatedly(raw, alpha, spec.test_steps)
        loss = all_e.direct_loss(x, raw, alpha, cell=spec.training.cell)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    @torch.no_grad()
    def change(x: Tensor) -> Tensor:
        placed = x.to(spec.device)
        return all_e.bend_repeatedly(placed, net(placed), spec.test_steps).cpu()

    return change


# -- settings and tables --------------------------------------------------------------------------


def base_spec(chapter: Setting) -> Spec:
    """The agents with all terms of the reward; all other runs vary it.

    The paper profile is the code's setting with our stand-in for the judge and without a denoiser.
    """
    if chapter.profile == "paper":
        return Spec(
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
    if chapter.profile == "quick":
        return Spec(device=chapter.device)
    return Spec(copies=1, tests=1, episodes=2, batch=2, test_steps=2, device=chapter.device)


ALL, NO_SCORE, NO_LIGHT, NO_FEATURES, NO_VARIATION, LOW_DISCOUNT, AS_CODED = (
    "all terms",
    "no aesthetic term",
    "no exposure term",
    "no colour, no spatial term",
    "no variation term",
    "all terms, discount 0.95",
    "reward as coded",
)


def variants(chapter: Setting) -> dict[str, Spec]:
    """The ablation of the reward, a discount below one, and the reward as coded.

    The last has one number for all pixels, neither scaled advantages nor a limit on gradients, and
    cells of 8 pixels as 16 would be the whole patch. In the paper profile it is the first.
    """
    base = base_spec(chapter)
    how = base.training

    def without(*terms: str) -> Spec:
        weights = replace(how.weights, **dict.fromkeys(terms, 0.0))
        return replace(base, training=replace(how, weights=weights))

    as_coded = replace(
        base, training=Training(steps=how.steps, cell=8), clip=0.0, episodes=min(base.episodes, 300)
    )
    return {
        ALL: base,
        NO_SCORE: without("aesthetic"),
        NO_LIGHT: without("exposure"),
        NO_FEATURES: without("colour", "spatial"),
        NO_VARIATION: without("variation"),
        LOW_DISCOUNT: replace(base, training=replace(how, gamma=0.95)),
        AS_CODED: base if chapter.profile == "paper" else as_coded,
    }


def final(records: list[Record], measure: str) -> np.ndarray:
    """``(seeds,)``: mean over test photographs after the last step."""
    return np.array([record[measure][:, -1].mean() for record in records])


def table(groups: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """``mean ± std`` over seeds of PSNR, SSIM, judge and mean value.

    Args:
        groups: method -> measure -> ``(seeds,)`` (one value for methods without randomness).
    """
    heads = {"psnr": ("PSNR (dB)", 2), "ssim": ("SSIM", 3), "score": ("judge A", 2)}
    heads |= {"light": ("mean value", 3)}
    return pd.DataFrame(
        {
            head: {name: mean_std(values[key], digits) for name, values in groups.items()}
            for key, (head, digits) in heads.items()
        }
    )

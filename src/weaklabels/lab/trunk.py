"""Early layers that are not trained: what they make of the images is computed once, for all runs.

On a processor the first layers of a network for photographs take most of the time, because their
maps are large, and hold few of the weights. With ``frozen_layers`` a run trains the layers above
them on maps that are kept with the records, and never sees an image. An augmentation that would
change the image is then one of several views whose maps are kept as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from weaklabels.data import Splits
from weaklabels.data.augment import pipeline, to_float
from weaklabels.lab.execute import network
from weaklabels.lab.loading import load_splits
from weaklabels.lab.spec import Data, Net, Part
from weaklabels.lab.sweep import remember
from weaklabels.models import Network
from weaklabels.seeding import torch_rng
from weaklabels.train import predict

Steps = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Trunk(Part):
    """Layers that stay as they are.

    Attributes:
        frozen_layers: how many of the network's features, from the first one on; 0 trains all.
        views: with ``frozen_layers``, of each training image beside the image itself: steps for
            ``data.augment.pipeline``, drawn once. View 0 is the image; the run draws among them
            with ``pick_view``.
    """

    frozen_layers: int = 0
    views: tuple[Steps, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MapsSpec(Trunk, Data, Net):
    """What the maps depend on; weights and views are drawn with its own seed."""


def maps(spec: MapsSpec) -> dict[str, Any]:
    """Maps of all images: ``train`` ``(N, 1 + views, D, h, w)``, ``val`` and ``test``
    ``(N, 1, D, h, w)``, float16.

    Raises:
        ValueError: if so many layers leave none to train.
    """
    splits = load_splits(spec)
    model = network(spec, len(splits.classes), spec.seed)
    count = len(layers_of(model))
    if not 0 < spec.frozen_layers < count:
        raise ValueError(f"frozen_layers is {spec.frozen_layers}: expected 1 to {count - 1}")
    below = Network(layers_of(model)[: spec.frozen_layers], nn.Identity(), nn.Identity())
    below.autocast = model.autocast
    drawn = [
        pipeline(steps, torch_rng(spec.seed, "view", number), spec.device)
        for number, steps in enumerate(spec.views)
    ]
    parts = {"train": (to_float, *drawn), "val": (to_float,), "test": (to_float,)}
    return {
        name: torch.stack([_halves(below, split.x, view) for view in views], 1).numpy()
        for name, views in parts.items()
        if (split := getattr(splits, name)) is not None
    }


def _halves(below: Network, x: Tensor, view: Callable[[Tensor], Tensor]) -> Tensor:
    return predict(below, x, batch_size=64, view=view).half().cpu()


class FirstView(nn.Module):
    """Maps as the layers above want them; of several views ``(B, V, D, h, w)`` the first."""

    def forward(self, maps: Tensor) -> Tensor:
        one = maps[:, 0] if maps.ndim == 5 else maps
        return one.float().contiguous(memory_format=torch.channels_last)


def on_maps(spec: Any, splits: Splits, model: Network) -> tuple[Splits, Network]:
    """The same data with maps in place of images, and the layers above the frozen ones.

    Args:
        spec: of a run, with the parts ``Trunk``, ``Data`` and ``Net``; without frozen layers both
            come back as they are.
        splits, model: what it would learn from and train.
    """
    if not spec.frozen_layers:
        return splits, model
    record = remember(maps, maps_spec(spec))
    parts = {
        name: replace(getattr(splits, name), x=torch.from_numpy(record[name]))
        for name in ("train", "val", "test")
        if name in record.values
    }
    above = nn.Sequential(FirstView(), *layers_of(model)[spec.frozen_layers :])
    rest = Network(above, model.pool, model.head)
    rest.autocast = model.autocast
    return replace(splits, **parts), rest


def maps_spec(spec: Any) -> MapsSpec:
    """What the maps of a run depend on: the same for all seeds whose data are the same."""
    fixed = "seed" in dict(spec.data_options)
    return MapsSpec(
        seed=0 if fixed else spec.seed,
        dataset=spec.dataset,
        data_options=spec.data_options,
        data_root=spec.data_root,
        network=spec.network,
        network_options=spec.network_options,
        device=spec.device,
        precision=spec.precision,
        frozen_layers=spec.frozen_layers,
        views=spec.views,
    )


def layers_of(model: Network) -> nn.Sequential:
    """The layers of a network's features, in order.

    Raises:
        TypeError: if the features are not a sequence of layers.
    """
    if not isinstance(model.features, nn.Sequential):
        raise TypeError(
            f"the features are a {type(model.features).__name__}: expected a Sequential, of which "
            "the first layers can be frozen"
        )
    return model.features

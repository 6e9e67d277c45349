"""The local-global convolution: what it changes at the start, what it does when trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from chapters.pu_mlc.runs import seeded
from weaklabels import models
from weaklabels.data import Split
from weaklabels.data.augment import to_float
from weaklabels.lab.multilabel import (
    Spec,
    annotate,
    backbone_spec,
    load_splits,
    make_method,
    pretrain,
    restore,
)
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import remember
from weaklabels.lab.weights import load_part
from weaklabels.networks.local_global import LocalGlobalConv


def change_at_start(spec: Spec) -> dict[str, Any]:
    """How far the feature maps of 50 test images change when the network is given branches.

    Args:
        spec: a run whose method adds branches.

    Returns:
        ``change``, as a part of the length of the maps.
    """
    model, splits = _build(spec).eval(), load_splits(spec)
    if spec.pretraining is not None:
        load_part(model, remember(pretrain, backbone_spec(spec)), "features.")
    x = _floating(splits.test.x[:50])
    with torch.no_grad():
        before = model.features(x)
        _prepare(seeded(spec), model)
        after = model.features(x)
    return {"change": float((after - before).norm() / before.norm())}


def trained(record: Record) -> models.Network:
    """The network of a run, branches included, with the weights of its last epoch."""
    model = _build(record.spec)
    _prepare(record.spec, model)
    return restore(model, record, "last")


def _build(spec: Spec) -> models.Network:
    classes = len(load_splits(spec).classes)
    return models.build(spec.network, classes, seed=spec.seed, **dict(spec.network_options))


def _prepare(spec: Spec, model: models.Network) -> None:
    truth = load_splits(spec).train.y
    make_method(spec, torch.from_numpy(annotate(spec, truth.numpy())), truth).prepare(model)


def looks(model: models.Network, x: Tensor) -> dict[str, np.ndarray]:
    """What the last local-global convolution of a network does with images.

    Args:
        model: from ``trained``.
        x: ``(B, ...)`` images.

    Returns:
        ``(B, h, w)`` maps: ``local`` and ``global``, the norms over channels of the two summands;
        ``gather``, where the heads gather from, and ``gate``, where they hand back to, means over
        the heads.

    Raises:
        ValueError: if the network has no such convolution.
    """
    places = [module for module in model.modules() if isinstance(module, LocalGlobalConv)]
    if not places:
        raise ValueError("the network has no local-global convolution")
    place, seen = places[-1], {}
    handle = place.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    with torch.no_grad():
        model(_floating(x))
        handle.remove()
        heads, gate = place.branch.attention(seen["x"])
        maps = {
            "local": place.local(seen["x"]).norm(dim=1),
            "global": place.branch(seen["x"]).norm(dim=1),
            "gather": heads.mean(1),
            "gate": gate.mean(1),
        }
    return {name: value.numpy() for name, value in maps.items()}


def contrast(record: Record, count: int = 200) -> dict[str, float]:
    """How the maps of ``looks`` differ between cells with an object and cells without.

    Args:
        record: of a run that tracked its weights.
        count: so many test images are looked at.

    Returns:
        map -> its mean over cells with an object, divided by that over the others; and ``size``,
        the mean of what the global branch adds, divided by that of what the local one computes.
    """
    test = load_splits(record.spec).test
    maps = looks(trained(record), test.x[:count])
    inside = cells_with_objects(test, maps["local"].shape)
    found = {name: values[inside].mean() / values[~inside].mean() for name, values in maps.items()}
    return found | {"size": maps["global"].mean() / maps["local"].mean()}


def cells_with_objects(split: Split, shape: tuple[int, int, int]) -> np.ndarray:
    """Which cells of the maps of the first images overlap an object.

    Args:
        split: with boxes.
        shape: images, rows and columns of the maps.

    Returns:
        Bool of that shape.
    """
    images, rows, columns = shape
    height, width = split.x.shape[2:]
    inside = np.zeros(shape, bool)
    for image, _, top, left, bottom, right in split.boxes.tolist():
        if image < images:
            last_row, last_column = -(-bottom * rows // height), -(-right * columns // width)
            first_row, first_column = top * rows // height, left * columns // width
            inside[image, first_row:last_row, first_column:last_column] = True
    return inside


def _floating(x: Tensor) -> Tensor:
    return to_float(x) if x.dtype == torch.uint8 else x

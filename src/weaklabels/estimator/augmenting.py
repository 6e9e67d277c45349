"""Augmentation of training inputs: which steps fit them, and on which scale they work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from weaklabels.data.augment import AUGMENTATIONS, pipeline, to_float
from weaklabels.estimator.inputs import Form

NEEDS_FLOATS = "noise"
"""The step that works on the scale of floats, where networks see images."""

NEED_BYTES = ("rand_augment", "auto_augment")
"""Steps on uint8 images."""

STEPS = tuple(name for name in AUGMENTATIONS if name != "pick_view")
"""Those for inputs that have one view each."""


def check_steps(steps: Any, x: Tensor, form: Form) -> None:
    """Refuse steps that do not fit the inputs: each is tried on two of them.

    Args:
        steps: see ``data.augment.pipeline``.
        x: the training inputs.
        form: theirs.

    Raises:
        ValueError: naming the step.
    """
    listed = isinstance(steps, list | tuple)
    if not listed or not all(isinstance(s, list | tuple) and s for s in steps):
        raise ValueError(
            f"augment is {steps!r}: expected a list of steps, such as (('flip',), ('pad_crop', 4))"
        )
    batch, generator = x[:2].cpu(), torch.Generator().manual_seed(0)
    for name, *arguments in steps:
        if name not in STEPS:
            raise ValueError(f"augment has a step {name!r}: expected one of {', '.join(STEPS)}")
        if not form.are_images and name != NEEDS_FLOATS:
            raise ValueError(f"augment has a step {name!r}, for images: the inputs are {form}")
        if name in NEED_BYTES and batch.dtype != torch.uint8:
            raise ValueError(
                f"augment has a step {name!r}, which takes uint8: these images are floats there"
            )
        batch = to_float(batch) if name == NEEDS_FLOATS else batch
        try:
            batch = AUGMENTATIONS[name](batch, generator, *arguments)
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            raise ValueError(
                f"augment has a step {(name, *arguments)!r}, which {form} do not take: "
                f"{str(error).splitlines()[0]}"
            ) from error
        _check_scale(name, arguments, batch, form)


def _check_scale(name: str, arguments: Sequence[Any], batch: Tensor, form: Form) -> None:
    """Refuse numbers of another scale than that of the images."""
    if name == "noise":
        most = 1.0 if form.bounded else float("inf")
        if not 0 <= arguments[0] <= most:
            raise ValueError(
                f"augment has noise of deviation {arguments[0]!r}: expected 0 to {most:g}"
                + (", the scale on which networks see images" if form.bounded else "")
            )
    fill = arguments[1] if name == "cutout" and len(arguments) > 1 else None
    if fill is None or not form.bounded:
        return
    whole = batch.dtype == torch.uint8
    fits = isinstance(fill, Real) and 0 <= float(fill) <= (255 if whole else 1)
    # 1.0 is white on one of the scales, and nearly black on the other.
    if not fits or (whole and not isinstance(fill, Integral) and (fill % 1 or fill == 1)):
        expected = "a whole number of 0 to 255" if whole else "a number of 0 to 1"
        raise ValueError(
            f"augment has a cutout with fill {fill!r}: expected {expected}, the scale of the images"
        )


def augmentation(
    steps: Sequence[tuple], form: Form, generator: torch.Generator, device: torch.device
) -> Callable[[Tensor], Tensor] | None:
    """A function that augments a batch and makes it floats; None if there are no steps.

    Images of uint8 become floats in [0, 1] before noise is added to them; whatever comes into
    images in [0, 1], they stay there.
    """
    if not steps:
        return None
    names = [name for name, *_ in steps]
    first = names.index(NEEDS_FLOATS) if NEEDS_FLOATS in names else len(names)
    before, after = (pipeline(s, generator, device) for s in (steps[:first], steps[first:]))

    def apply(batch: Tensor) -> Tensor:
        found = after(before(batch))
        return found.clamp(0, 1) if form.bounded else found

    return apply

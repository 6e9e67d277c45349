"""Augmentation of whole batches on the device they are on.

Every function takes ``(B, c, h, w)`` and a CPU ``torch.Generator`` (so that a seed means the same
on every device) and returns a new batch of the same type; none changes its input. ``noise`` wants
floating-point images, the policies of torchvision uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from weaklabels import checks

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_float(
    batch: Tensor,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """uint8 pixels -> numbers in [0, 1], then minus ``mean`` over ``std`` per channel if given.

    A batch that is floating-point already is taken to be in [0, 1].

    Raises:
        ValueError: if only one of ``mean`` and ``std`` is given, or the batch holds whole numbers
            of another type, whose scale nobody knows, or they are not one number a channel.
    """
    if batch.dtype != torch.uint8 and not batch.is_floating_point():
        raise ValueError(f"images are {batch.dtype}: expected uint8, or floats in [0, 1]")
    if (mean is None) != (std is None):
        raise ValueError("mean and std: expected both or none")
    checks.one_each(mean, batch.shape[1], "mean")
    checks.one_each(std, batch.shape[1], "std")
    x = batch.to(torch.float32)
    x = x / 255 if batch.dtype == torch.uint8 else x
    if mean is not None and std is not None:
        shape = (1, -1, 1, 1)
        x = (x - x.new_tensor(mean).view(shape)) / x.new_tensor(std).view(shape)
    return x.to(dtype)


def flip(batch: Tensor, generator: torch.Generator, probability: float = 0.5) -> Tensor:
    """Mirror each image left to right with the given probability.

    Raises:
        ValueError: if the images are not (B, c, h, w).
    """
    checks.same_shape("B, c, h, w", least=0, images=batch)
    mirrored = torch.rand(len(batch), generator=generator) < probability
    return torch.where(mirrored.to(batch.device).view(-1, 1, 1, 1), batch.flip(-1), batch)


def pad_crop(batch: Tensor, generator: torch.Generator, padding: int = 4) -> Tensor:
    """Shift each image by up to ``padding`` pixels, zeros coming in (pad, then random crop).

    Raises:
        ValueError: if the images are not (B, c, h, w).
    """
    checks.same_shape("B, c, h, w", least=0, images=batch)
    count, _, height, width = batch.shape
    padded = F.pad(batch, (padding,) * 4)
    top, left = torch.randint(0, 2 * padding + 1, (2, count), generator=generator).to(batch.device)
    rows = top[:, None] + torch.arange(height, device=batch.device)
    columns = left[:, None] + torch.arange(width, device=batch.device)
    images = torch.arange(count, device=batch.device)[:, None, None]
    picked = padded.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2).contiguous()


def square_crop(
    batch: Tensor, generator: torch.Generator, sides: Sequence[int], out: int
) -> Tensor:
    """Crop each image to a square whose side is drawn from ``sides``, resized to ``out`` pixels.

    Source: the PU-MLC training transform (sides 512, 448, 384, 320, 256 of 512; out 448). Bicubic
    with antialiasing; uint8 batches are rounded.

    Raises:
        ValueError: if a side does not fit into the images.
    """
    count, _, height, width = batch.shape
    if max(sides) > min(height, width):
        raise ValueError(f"crop of {max(sides)} pixels: the images are {height} x {width}")
    which = torch.randint(0, len(sides), (count,), generator=generator)
    place = torch.rand(count, 2, generator=generator)
    crops = []
    for image, index, (y, x) in zip(batch, which.tolist(), place.tolist(), strict=True):
        side = sides[index]
        top, left = int(y * (height - side + 1)), int(x * (width - side + 1))
        crop = image[None, :, top : top + side, left : left + side]
        if side != out:
            resized = F.interpolate(
                crop.float(), (out, out), mode="bicubic", antialias=True, align_corners=False
            )
            if batch.dtype == torch.uint8:
                resized = resized.round_().clamp_(0, 255)
            crop = resized.to(batch.dtype)
        crops.append(crop)
    return torch.cat(crops)


def cutout(
    batch: Tensor, generator: torch.Generator, side: int | float, fill: float | None = 0.0
) -> Tensor:
    """Blank a square in each image, centred anywhere in it and cut at the border.

    Args:
        batch: images.
        generator: of the centres and colours.
        side: side of the square in pixels, or as a share of the width when below 1.
        fill: value of the square; ``None`` draws one colour per image.

    Raises:
        ValueError: if the images are not (B, c, h, w), or side or fill out of range.
    """
    checks.same_shape("B, c, h, w", least=0, images=batch)
    checks.at_least(side, 0, "side")
    checks.within(fill, 0, 255, "fill")
    count, channels, height, width = batch.shape
    pixels = round(side * width) if side < 1 else int(side)
    centre = torch.rand(count, 2, generator=generator) * torch.tensor([height, width])
    top, left = (centre.floor() - pixels // 2).to(batch.device).unbind(1)
    rows = torch.arange(height, device=batch.device)
    columns = torch.arange(width, device=batch.device)
    inside = ((rows >= top[:, None]) & (rows < top[:, None] + pixels))[:, :, None] & (
        (columns >= left[:, None]) & (columns < left[:, None] + pixels)
    )[:, None, :]
    if fill is None:
        colour = torch.rand(count, channels, generator=generator).to(batch.device)
        colour = colour * 255 if batch.dtype == torch.uint8 else colour
    else:
        colour = torch.full((count, channels), fill, device=batch.device)
    return torch.where(inside[:, None], colour.to(batch.dtype)[:, :, None, None], batch)


def pick_view(batch: Tensor, generator: torch.Generator, first: int, last: int) -> Tensor:
    """One view of each example, ``(B, V, ...)`` to ``(B, ...)``, drawn from ``first .. last - 1``.

    For inputs whose views were computed beforehand (see ``lab.trunk``).
    """
    views = torch.randint(first, last, (len(batch),), generator=generator).to(batch.device)
    return batch[torch.arange(len(batch), device=batch.device), views]


def noise(batch: Tensor, generator: torch.Generator, deviation: float) -> Tensor:
    """Add Gaussian noise of the given standard deviation to floating-point images.

    Raises:
        ValueError: if the images are whole numbers.
    """
    checks.floating(batch, "batch")
    return batch + deviation * torch.randn(batch.shape, generator=generator).to(batch)


def rand_augment(
    batch: Tensor, generator: torch.Generator, operations: int = 2, magnitude: int = 9
) -> Tensor:
    """RandAugment (Cubuk et al., 2020), drawn anew for each image of a uint8 batch.

    Args:
        batch: uint8 images.
        generator: of the operations and their signs.
        operations: how many, one after the other.
        magnitude: of each, on torchvision's scale of 0 to 30.
    """
    from torchvision import transforms  # slow to import, and only photographs need it

    return _image_by_image(transforms.RandAugment(operations, magnitude), batch, generator)


def auto_augment(batch: Tensor, generator: torch.Generator, policy: str = "cifar10") -> Tensor:
    """AutoAugment (Cubuk et al., 2019) with a learnt policy, drawn anew for each image.

    Args:
        batch: uint8 images.
        generator: of the choices.
        policy: ``"cifar10"``, ``"imagenet"`` or ``"svhn"``.
    """
    from torchvision import transforms

    apply = transforms.AutoAugment(transforms.AutoAugmentPolicy(policy))
    return _image_by_image(apply, batch, generator)


def _image_by_image(
    apply: Callable[[Tensor], Tensor], batch: Tensor, generator: torch.Generator
) -> Tensor:
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the global CPU generator
        torch.manual_seed(seed)
        return torch.stack([apply(image) for image in batch])


def pipeline(
    steps: Sequence[tuple], generator: torch.Generator, device: str | torch.device = "cpu"
) -> Callable[[Tensor], Tensor]:
    """One function that moves a batch to the device, augments it and makes it floating-point.

    Args:
        steps: ``(name, argument, ...)`` each, a function of this module and what follows its
            generator; hashable, so that a spec can hold them.
        generator: shared by all steps.
        device: where to compute.

    Raises:
        ValueError: if there is no such augmentation.
    """
    for name, *_ in steps:
        if name not in AUGMENTATIONS:
            raise ValueError(
                f"unknown augmentation {name!r}: expected one of {', '.join(AUGMENTATIONS)}"
            )
    chosen = [(AUGMENTATIONS[name], arguments) for name, *arguments in steps]

    def apply(batch: Tensor) -> Tensor:
        batch = batch.to(device)
        for function, arguments in chosen:
            batch = function(batch, generator, *arguments)
        return to_float(batch)

    return apply


AUGMENTATIONS: dict[str, Callable[..., Tensor]] = {
    "flip": flip,
    "pad_crop": pad_crop,
    "square_crop": square_crop,
    "cutout": cutout,
    "pick_view": pick_view,
    "noise": noise,
    "rand_augment": rand_augment,
    "auto_augment": auto_augment,
}
"""Name -> function ``(batch, generator, ...)``."""

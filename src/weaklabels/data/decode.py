"""One image file -> 8-bit RGB pixels, or one sentence that names what cannot be read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

EIGHT_BIT = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV"}
SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


def decode(content: bytes, path: Path, *, upright: bool = False) -> Image.Image:
    """Decode an image that has been read from ``path``.

    Sixteen bits a channel are scaled to eight; the first frame of an animation is taken.

    Args:
        content: the bytes of the file.
        path: for the errors.
        upright: turn and mirror the image as its EXIF orientation says, and put what is transparent
            on white, as a viewer shows it. The official datasets are read without, as in the code
            of their papers: orientation is ignored, and so is transparency.

    Raises:
        ValueError: if it is damaged, or has pixels of another depth or kind.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return to_rgb(image, upright=upright)
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not a readable image (of no known format)") from None
    except Exception as error:  # a damaged file raises almost anything
        raise ValueError(f"{path}: not a readable image ({error})") from None


def to_rgb(image: Image.Image, *, upright: bool = False) -> Image.Image:
    """The image in mode RGB (see ``decode``).

    Raises:
        ValueError: if its mode has no fixed scale, such as 32-bit numbers.
    """
    deep = image.mode in SIXTEEN_BIT or (image.mode == "I" and image.format == "PNG")
    if upright:
        image = ImageOps.exif_transpose(image)
    if deep:
        image = _eight_bits(image)
    if image.mode not in EIGHT_BIT:
        raise ValueError(
            f"its pixels are of mode {image.mode!r}: expected 8 or 16 bits a channel, grey or "
            "colour"
        )
    if upright and image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen-bit grey as the nearest of 256 levels; Pillow itself would cut off at 255."""
    levels = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.rint(levels / 257).astype(np.uint8))

"""MS-COCO 2014: image-level labels and boxes from the instance annotations.

Official layout: ``<root>/coco/annotations/instances_{train,val}2014.json`` and
``<root>/coco/{train,val}2014/*.jpg``. Classes stand in the order of the category list, so that
class 0 is "person". Rows stand in the order of the image ids.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, scale_box, train_val_indices
from weaklabels.data.shards import Decoding, photographs


@dataclass(frozen=True)
class Index:
    """The images of one annotation file.

    Attributes:
        files: N file names.
        ids: ``(N,)`` int64 image ids, ascending.
        y: ``(N, C)`` int8 truth in {0, 1}.
        sizes: ``(N, 2)`` int64 height and width of the originals, pixels; 0 where not given.
        objects: those that have a box, ``(M, 6)`` float64 rows (image row, class, top, left,
            bottom, right), half-open, in original pixels, sorted by image row.
    """

    files: tuple[str, ...]
    ids: np.ndarray
    y: np.ndarray
    sizes: np.ndarray
    objects: np.ndarray

    def rows(self, rows: np.ndarray) -> Index:
        """The same for some rows, renumbered."""
        new = np.full(len(self.ids), -1)
        new[rows] = np.arange(len(rows))
        image = new[self.objects[:, 0].astype(np.int64)]
        objects = self.objects[image >= 0]
        objects[:, 0] = image[image >= 0]
        files = tuple(self.files[i] for i in rows)
        return Index(files, self.ids[rows], self.y[rows], self.sizes[rows], objects)


def load(
    root: str | Path | None = None,
    *,
    validation: float = 0.2,
    seed: int = 1200,
    empty: bool = False,
    **decoding: Unpack[Decoding],
) -> Splits:
    """Train2014 trains and validates, val2014 tests.

    Args:
        root: folder that holds ``coco``.
        validation: share of train2014 held out (``train_val_indices``).
        seed: of that split.
        empty: keep images without any annotation (the partial-label papers do; the
            single-positive papers leave them out).
        decoding: how the images are decoded.

    Returns:
        ``x`` memory-mapped uint8 ``(N, 3, side, side)``; ``y`` ``(N, 80)`` int8;
        ``boxes`` of all objects that have one, crowds included, as crowds count for the labels too;
        ``extra["ids"]`` ``(N,)`` int64.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if an annotation file or an image is damaged.
    """
    base = find(root, "coco", "make data-coco2014")
    indices, classes = {}, {}
    for part in ("train2014", "val2014"):
        classes[part], index = read_instances(base / "annotations" / f"instances_{part}.json")
        keep = np.arange(len(index.ids)) if empty else np.flatnonzero(index.y.any(1))
        indices[part] = index.rows(keep)
    if classes["train2014"] != classes["val2014"]:
        raise ValueError(f"{base}: the category lists of train2014 and val2014 differ")
    rows, held_out = train_val_indices(len(indices["train2014"].ids), validation, seed)

    def make(part: str, name: str, index: Index) -> Split:
        files = [base / part / file for file in index.files]
        x = photographs(files, base, f"coco2014-{name}", **decoding)
        boxes = [
            (int(row[0]), int(row[1]), *scale_box(row[2:], index.sizes[int(row[0])], x.shape[-1]))
            for row in index.objects.tolist()
        ]
        found = torch.tensor(boxes, dtype=torch.int64) if boxes else None
        return Split(x, torch.from_numpy(index.y), found, {"ids": index.ids})

    train = indices["train2014"]
    return Splits(
        classes["train2014"],
        make("train2014", "train", train.rows(rows)),
        make("train2014", "val", train.rows(held_out)) if len(held_out) else None,
        make("val2014", "test", indices["val2014"]),
    )


def read_instances(path: Path) -> tuple[tuple[str, ...], Index]:
    """Read an ``instances_*.json``: class names, and all images, also those without objects.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is damaged, an annotation names an unknown image or category, an image or
            a category is listed twice, or a box is not one.
    """
    try:
        content = json.loads(path.read_bytes())
        images = sorted(content["images"], key=lambda image: image["id"])
        ids = np.array([image["id"] for image in images], dtype=np.int64)
        files = tuple(str(image["file_name"]) for image in images)
        # Only boxes need the size, and only some files give it.
        sizes = [(image.get("height", 0), image.get("width", 0)) for image in images]
        column = {c["id"]: i for i, c in enumerate(content["categories"])}
        names = tuple(str(c["name"]) for c in content["categories"])
        annotations = list(content["annotations"])
        if not all(isinstance(item, dict) for item in annotations):
            raise TypeError("an annotation is no object")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: the set is incomplete") from None
    except KeyError as error:
        raise ValueError(f"{path}: no {error} in it, expected COCO instances") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: not a readable annotation file ({error})") from None
    categories = [c["id"] for c in content["categories"]]
    for what, values in (("image", ids.tolist()), ("category", categories), ("category", names)):
        if doubled := _doubled(values):
            raise ValueError(f"{path}: {what} {doubled[0]!r} is listed more than once")
    row = {number: i for i, number in enumerate(ids.tolist())}
    y = np.zeros((len(images), len(names)), dtype=np.int8)
    objects = []
    for item in annotations:
        image, category = item.get("image_id"), item.get("category_id")
        known = isinstance(image, Hashable) and isinstance(category, Hashable)
        if not known or image not in row or category not in column:
            raise ValueError(
                f"{path}: annotation {item.get('id')} has image {image} and category {category}, "
                "expected ones that the file lists"
            )
        y[row[image], column[category]] = 1
        if item.get("bbox"):  # labels need no boxes: an annotation without one counts all the same
            edges = _edges(path, item, sizes[row[image]])
            objects.append((row[image], column[category], *edges))
    table = np.array(objects, dtype=np.float64).reshape(-1, 6)
    order = np.argsort(table[:, 0], kind="stable")
    return names, Index(files, ids, y, np.array(sizes, np.int64).reshape(-1, 2), table[order])


def _edges(
    path: Path, item: dict[str, Any], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Top, left, bottom and right of an annotation's box, in an image of known size."""
    try:
        left, top, width, height = (float(number) for number in item["bbox"])
        edges = (top, left, top + height, left + width)
        if not (np.isfinite(edges).all() and min(width, height) >= 0 and min(size) > 0):
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(
            f"{path}: annotation {item.get('id')} has the box {item['bbox']} in an image of "
            f"{size[1]} x {size[0]} pixels: expected left, top, width and height"
        ) from None
    return edges


def _doubled(values: Sequence[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]

"""MS-COCO 2014: image-level labels and boxes from the instance annotations.

Official layout: ``<root>/coco/annotations/instances_{train,val}2014.json`` and
``<root>/coco/{train,val}2014/*.jpg``. Classes stand in the order of the category list, so that
class 0 is "person". Rows stand in the order of the image ids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

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
        sizes: ``(N, 2)`` int64 height and width of the originals, pixels.
        objects: ``(M, 6)`` float64 rows (image row, class, top, left, bottom, right), half-open,
            in original pixels, sorted by image row.
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
        ``boxes`` of all objects, crowds included, as crowds count for the labels too;
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
        return Split(
            x, torch.from_numpy(index.y),
            torch.tensor(boxes, dtype=torch.int64).reshape(-1, 6), {"ids": index.ids},
        )  # fmt: skip

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
        ValueError: if it is damaged, or an annotation names an unknown image or category.
    """
    try:
        content = json.loads(path.read_bytes())
        images = sorted(content["images"], key=lambda image: image["id"])
        column = {c["id"]: i for i, c in enumerate(content["categories"])}
        names = tuple(c["name"] for c in content["categories"])
        annotations = content["annotations"]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: the set is incomplete") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a readable annotation file ({error})") from None
    except KeyError as error:
        raise ValueError(f"{path}: no {error} in it, expected COCO instances") from None
    row = {image["id"]: i for i, image in enumerate(images)}
    y = np.zeros((len(images), len(names)), dtype=np.int8)
    objects = np.empty((len(annotations), 6))
    for i, item in enumerate(annotations):
        image, category = item.get("image_id"), item.get("category_id")
        if image not in row or category not in column:
            raise ValueError(
                f"{path}: annotation {item.get('id')} has image {image} and category {category}, "
                "expected ones that the file lists"
            )
        y[row[image], column[category]] = 1
        left, top, width, height = item["bbox"]
        objects[i] = (row[image], column[category], top, left, top + height, left + width)
    order = np.argsort(objects[:, 0], kind="stable")
    return names, Index(
        tuple(image["file_name"] for image in images),
        np.array([image["id"] for image in images], dtype=np.int64),
        y,
        np.array([(i["height"], i["width"]) for i in images], dtype=np.int64).reshape(-1, 2),
        objects[order],
    )

"""Small datasets in official formats, and the place of real ones, for the tests of the loaders."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weaklabels.data.voc import CLASSES

REPOSITORY = Path(__file__).resolve().parents[2]


def shared(name: str) -> Path:
    """The folder of a real dataset; the test is skipped if it is not there."""
    base = os.environ.get("WEAKLABELS_SHARED_DATA", "") or REPOSITORY.parent / "shared" / "data"
    path = Path(base) / name
    if not path.exists():
        pytest.skip(f"real data not at hand: no {name} (name its folder in WEAKLABELS_SHARED_DATA)")
    return path


def image(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> np.ndarray:
    """Write a smooth random picture (no pixel is lost for png and bmp); return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)
    picture.save(path, format="JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else None)
    return np.asarray(picture)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


Objects = list[tuple[str, int, tuple[int, int, int, int]]]


def voc_devkit(
    root: Path, year: int, parts: dict[str, dict[str, Objects]], size: tuple[int, int] = (40, 30)
) -> Path:
    """A devkit with images of 40 x 30 pixels.

    ``parts``: list name -> image name -> objects (class, difficult, (xmin, ymin, xmax, ymax)).
    """
    kit = root / "VOCdevkit" / f"VOC{year}"
    for part, images in parts.items():
        write(kit / "ImageSets" / "Main" / f"{part}.txt", "\n".join(images) + "\n")
        for name in CLASSES:
            lines = []
            for key, objects in images.items():
                marks = [difficult for label, difficult, _ in objects if label == name]
                flag = -1 if not marks else int(not all(marks))
                lines.append(f"{key} {flag:2d}")
            write(kit / "ImageSets" / "Main" / f"{name}_{part}.txt", "\n".join(lines) + "\n")
        for seed, (key, objects) in enumerate(images.items()):
            image(kit / "JPEGImages" / f"{key}.jpg", *size, seed=seed)
            inner = "".join(
                f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox>"
                f"<xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>"
                f"<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
                "<ymax>2</ymax></bndbox></part></object>"
                for label, difficult, (x0, y0, x1, y1) in objects
            )
            write(
                kit / "Annotations" / f"{key}.xml",
                f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
                f"{inner}</annotation>",
            )
    return kit


def voc2012(root: Path, train: int = 10, val: int = 4) -> Path:
    """A VOC 2012 devkit in which image i shows class i (and a difficult person)."""

    def images(prefix: str, count: int) -> dict[str, Objects]:
        return {
            f"{prefix}_{i:06d}": [
                (CLASSES[i % 20], 0, (1, 1, 20, 15)), ("person", 1, (21, 16, 40, 30)),
            ]
            for i in range(count)
        }  # fmt: skip

    return voc_devkit(root, 2012, {"train": images("2008", train), "val": images("2009", val)})


def coco(root: Path) -> Path:
    """COCO with the categories person (id 1) and toaster (id 80); train image 7 is empty."""
    base = root / "coco"
    for part, ids in (("train2014", (9, 5, 7, 3)), ("val2014", (2, 4))):
        images = [
            {"id": i, "file_name": f"COCO_{part}_{i:012d}.jpg", "width": 40, "height": 30}
            for i in ids
        ]
        annotations = [
            {"id": n, "image_id": i, "category_id": 80 if i % 2 else 1,
             "bbox": [10.0, 6.0, 20.0, 15.0], "iscrowd": int(i == 3)}
            for n, i in enumerate(ids)
            if i != 7
        ]  # fmt: skip
        categories = [{"id": 1, "name": "person"}, {"id": 80, "name": "toaster"}]
        write(
            base / "annotations" / f"instances_{part}.json",
            json.dumps({"images": images, "annotations": annotations, "categories": categories}),
        )
        for item in images:
            image(base / part / item["file_name"], seed=item["id"])
    return base


def idx(path: Path, array: np.ndarray) -> Path:
    """Write an idx file of unsigned bytes, gzipped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0))
    return path


def mnist_like(root: Path, folder: str = "MNIST", train: int = 20, test: int = 10) -> Path:
    """The four files of an MNIST-type set."""
    rng = np.random.default_rng(0)
    for prefix, count in (("train", train), ("t10k", test)):
        raw = root / folder / "raw"
        idx(raw / f"{prefix}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28)))
        idx(raw / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return root / folder

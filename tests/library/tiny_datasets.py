"""Small datasets in official formats, and the place of real ones, for the tests of the loaders."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from weaklabels.data.crowd import NOISE_KINDS
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


def cifar10_subset(root: Path, train: int = 40, test: int = 20) -> Path:
    """The subset of CIFAR-10, its classes in turn; the images are noise."""
    rng = np.random.default_rng(0)
    content = {}
    for part, count in (("train", train), ("test", test)):
        content[f"x_{part}"] = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
        content[f"y_{part}"] = np.arange(count) % 10
        content[f"index_{part}"] = np.arange(count)
    path = root / "cifar10-subset" / "cifar10_subset_15k_3k.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **content)
    return path


def cifar10_labels(root: Path) -> None:
    """Labels of CIFAR-10N, a fifth of them wrong, and counts of CIFAR-10H, for a subset whose
    classes come in turn."""
    rng = np.random.default_rng(0)
    clean = np.arange(50_000) % 10
    labels = {"clean_label": clean}
    for kind in NOISE_KINDS:
        labels[kind] = np.where(rng.random(len(clean)) < 0.2, (clean + 1) % 10, clean)
    for name in ("cifar-10n", "cifar-10h"):
        (root / "crowd" / name).mkdir(parents=True)
    torch.save(labels, root / "crowd" / "cifar-10n" / "CIFAR-10_human.pt")
    counts = 12 * np.eye(10, dtype=np.int64)[clean[:10_000]] + rng.integers(2, size=(10_000, 10))
    np.save(root / "crowd" / "cifar-10h" / "cifar10h-counts.npy", counts)


def lost(root: Path, count: int = 60) -> Path:
    """A real-world partial-label set of three classes, some with a second candidate."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=count)
    target = np.eye(3)[truth]
    other = np.eye(3)[(truth + 1) % 3] * (rng.random(count) < 0.5)[:, None]
    features = target @ rng.normal(size=(3, 4)) + 0.1 * rng.normal(size=(count, 4))
    content = {"data": features, "target": target.T, "partial_target": (target + other).T}
    return _mat(root / "pll-realworld" / "lost.mat", content)


def mirflickr(root: Path, count: int = 200) -> Path:
    """MirFlickr with three classes: one feature a class, and every second wrong label."""
    rng = np.random.default_rng(0)
    truth = (rng.uniform(size=(count, 3)) < 0.4).astype(np.uint8)
    wrong = rng.uniform(size=truth.shape) < 0.5
    content = {
        "data": truth + 0.3 * rng.normal(size=truth.shape),
        "target": truth.T,
        "partial_labels": (truth | wrong).astype(np.uint8).T,
    }
    return _mat(root / "partial-multilabel" / "mirflickr.mat", content)


def _mat(path: Path, content: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, content)
    return path

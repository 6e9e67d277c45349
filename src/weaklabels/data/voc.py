"""PASCAL VOC 2007 and 2012: image-level labels, boxes, and precomputed features.

Official layout: ``<root>/VOCdevkit/VOC<year>/{JPEGImages,Annotations,ImageSets/Main}``.

A class counts as present only where the official flag is 1. Flag 0 (the class occurs, but only in
objects marked difficult) counts as absent, in training and in evaluation, as in the code of the
papers; ``extra["difficult"]`` keeps it, for evaluations that ignore such pairs.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, finite, scale_box, stratified_parts, train_val_indices
from weaklabels.data.shards import Decoding, photographs

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
FEATURES = ("voc2012-subset-features/mobilenet_v1_gap.npz", "mobilenet_v1_gap.npz")


@dataclass(frozen=True)
class Index:
    """The images of one official list.

    Attributes:
        ids: N image names, in the order of the list.
        flags: ``(N, 20)`` int8: 1 present, 0 only difficult, -1 absent.
    """

    ids: tuple[str, ...]
    flags: np.ndarray

    def rows(self, rows: np.ndarray) -> Index:
        """The same for some rows."""
        return Index(tuple(self.ids[i] for i in rows), self.flags[rows])


class Options(Decoding, total=False):
    """Options that both years have (see ``_load``)."""

    seed: int
    balanced: bool
    alone: int | None


def voc2007(
    root: str | Path | None = None,
    *,
    parts: tuple[str, str] = ("trainval", "test"),
    validation: float = 0.0,
    **options: Unpack[Options],
) -> Splits:
    """VOC 2007: trainval (5,011 images) trains, test (4,952) tests (options: see ``_load``).

    Every image of the lists is used. ``validation`` is 0 unless given, as in the partial-label
    papers that use this set.
    """
    return _load(root, 2007, parts, validation, **options)


def voc2012(
    root: str | Path | None = None,
    *,
    parts: tuple[str, str] = ("train", "val"),
    validation: float = 0.2,
    **options: Unpack[Options],
) -> Splits:
    """VOC 2012: 80% of train (5,717) trains, 20% validates, val (5,823) tests (see ``_load``)."""
    return _load(root, 2012, parts, validation, **options)


def _load(
    root: str | Path | None,
    year: int,
    parts: tuple[str, str],
    validation: float,
    *,
    seed: int = 1200,
    balanced: bool = False,
    alone: int | None = None,
    **decoding: Unpack[Decoding],
) -> Splits:
    """Load one year.

    Args:
        root: folder that holds ``VOCdevkit``.
        year: 2007 or 2012.
        parts: official lists that train and test.
        validation: share of the training list held out (``train_val_indices``).
        seed: of that split.
        balanced: pool every image of all lists in ``ImageSets/Main`` and split it 60/15/25 with
            the same share of every class in each part; for subsets whose official lists are
            skewed.
        alone: with ``balanced``: of the images in which a class is the only one, keep so many a
            class, drawn with ``seed``; those that show several classes are all kept.
        decoding: how the images are decoded.

    Returns:
        ``x`` memory-mapped uint8 ``(N, 3, side, side)``; ``y`` ``(N, 20)`` int8;
        ``boxes`` of all objects, difficult ones included; ``extra``: ``difficult`` ``(N, 20)``
        bool, ``ids`` ``(N,)`` str.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a list, an annotation or an image is damaged.
    """
    places = (f"VOCdevkit/VOC{year}", f"voc{year}-subset-small/VOCdevkit/VOC{year}")
    devkit = find(root, places, f"make data-voc{year}")
    if balanced:
        split = _balanced(read_all(devkit), seed, alone)
    else:
        pool, test = (present_only(read_index(devkit, part), year) for part in parts)
        rows, held_out = train_val_indices(len(pool.ids), validation, seed)
        split = {"train": pool.rows(rows), "val": pool.rows(held_out), "test": test}

    def make(name: str) -> Split:
        index = split[name]
        files = [devkit / "JPEGImages" / f"{i}.jpg" for i in index.ids]
        x = photographs(files, devkit.parent, f"voc{year}-{name}", **decoding)
        y, extra = _truth(index)
        return Split(x, y, read_boxes(devkit, index.ids, x.shape[-1]), extra)

    return Splits(CLASSES, make("train"), make("val") if split["val"].ids else None, make("test"))


def voc2012_features(
    root: str | Path | None = None,
    *,
    file: str | Path | None = None,
    validation: float = 0.2,
    seed: int = 1200,
    balanced: bool = False,
) -> Splits:
    """Features of VOC 2012 images computed beforehand by a frozen network, as one npz file.

    Args:
        root: folder that holds ``voc2012-subset-features/mobilenet_v1_gap.npz``.
        file: another file with the keys ``ids`` ``(N,)``, ``split`` ``(N,)``, ``labels``
            ``(N, 20)`` in {1, 0 difficult, -1}, ``classes``, and one ``feat_*`` ``(N, d)``.
        validation: share of the train list held out (``train_val_indices``).
        seed: of the split.
        balanced: as for the images; uses the rows of all lists.

    Returns:
        ``x`` float32 ``(N, d)``, ``y`` ``(N, 20)`` int8, ``extra`` as for the images.

    Raises:
        FileNotFoundError, ValueError: if the file is missing, lacks a key, or shapes disagree.
    """
    path = Path(file) if file is not None else find(root, FEATURES, "make data-voc2012 MIRROR=...")
    with np.load(path, allow_pickle=False) as content:
        names = [key for key in content.files if key.startswith("feat_")]
        missing = {"ids", "split", "labels", "classes"} - set(content.files)
        if missing or len(names) != 1:
            raise ValueError(f"{path}: lacks {', '.join(sorted(missing)) or 'one feat_* array'}")
        flags, part, x = content["labels"], content["split"], content[names[0]]
        ids, classes = content["ids"], tuple(content["classes"].tolist())
    if classes != CLASSES or flags.shape != (len(x), 20) or not len(ids) == len(part) == len(x):
        raise ValueError(
            f"{path}: labels {flags.shape} and {len(ids)} ids for {len(x)} rows of {len(classes)} "
            "classes, expected one row each of the 20 VOC classes"
        )
    _check_features(path, names[0], flags, x)
    everything = Index(tuple(ids.tolist()), flags.astype(np.int8))
    row_of = {name: i for i, name in enumerate(everything.ids)}
    if balanced:
        split = _balanced(everything, seed)
    else:
        pool, test = (
            present_only(everything.rows(np.flatnonzero(part == name)), 2012)
            for name in ("train", "val")
        )
        rows, held_out = train_val_indices(len(pool.ids), validation, seed)
        split = {"train": pool.rows(rows), "val": pool.rows(held_out), "test": test}

    def make(index: Index) -> Split:
        rows = [row_of[name] for name in index.ids]
        y, extra = _truth(index)
        return Split(torch.from_numpy(x[rows].astype(np.float32)), y, extra=extra)

    return Splits(
        CLASSES, make(split["train"]), make(split["val"]) if split["val"].ids else None,
        make(split["test"]),
    )  # fmt: skip


def _check_features(path: Path, name: str, flags: np.ndarray, x: np.ndarray) -> None:
    if not np.isin(flags, (-1, 0, 1)).all():
        raise ValueError(f"{path}: labels other than 1, 0 and -1")
    finite(path, name, x)


def read_index(devkit: Path, part: str) -> Index:
    """Read the official list ``part`` and its 20 class files from ``ImageSets/Main``.

    Raises:
        FileNotFoundError: if a list is missing.
        ValueError: if a list is empty or a class file does not match it.
    """
    main = devkit / "ImageSets" / "Main"
    ids = tuple(_lines(main / f"{part}.txt"))
    if not ids:
        raise ValueError(f"{main / part}.txt: empty, expected image names")
    flags = np.empty((len(ids), len(CLASSES)), dtype=np.int8)
    for column, name in enumerate(CLASSES):
        path = main / f"{name}_{part}.txt"
        rows = [line.split() for line in _lines(path)]
        if [row[0] for row in rows] != list(ids):
            raise ValueError(f"{path}: does not list the images of {part}.txt in their order")
        for i, row in enumerate(rows):
            if len(row) != 2 or row[1] not in ("1", "0", "-1"):
                raise ValueError(f"{path}: line {' '.join(row)!r}, expected a name and 1, 0 or -1")
            flags[i, column] = int(row[1])
    return Index(ids, flags)


def read_all(devkit: Path) -> Index:
    """All images of all lists of the devkit, each once, sorted by name."""
    main = devkit / "ImageSets" / "Main"
    names = {path.stem for path in main.glob("*.txt")}
    parts = sorted(n for n in names if all(f"{c}_{n}" in names for c in CLASSES))
    flags: dict[str, np.ndarray] = {}
    for part in parts:
        index = read_index(devkit, part)
        flags.update(zip(index.ids, index.flags, strict=True))
    if not flags:
        raise ValueError(f"{main}: no lists with a file per class in it")
    ids = tuple(sorted(flags))
    return Index(ids, np.stack([flags[name] for name in ids]))


def check_devkit(devkit: Path, parts: tuple[str, ...]) -> dict[str, int]:
    """Read some lists and the annotation of each of their images; count the images.

    Raises:
        FileNotFoundError: if a list, an annotation or an image is missing.
        ValueError: if a list or an annotation is damaged, or an image file is not a JPEG.
    """
    counts = {}
    for part in parts:
        index = read_index(devkit, part)
        for name in index.ids:
            read_objects(devkit / "Annotations" / f"{name}.xml")
            path = devkit / "JPEGImages" / f"{name}.jpg"
            if not path.exists():
                raise FileNotFoundError(f"{path} is listed in {part}.txt but not there")
            with open(path, "rb") as file:
                if file.read(2) != b"\xff\xd8":
                    raise ValueError(f"{path}: not a JPEG image")
        counts[f"{part} images"] = len(index.ids)
    counts["image files"] = sum(1 for _ in (devkit / "JPEGImages").glob("*.jpg"))
    return counts


def present_only(index: Index, year: int) -> Index:
    """Leave out images of VOC 2012 without any class marked 1; VOC 2007 keeps every image."""
    if year != 2012:
        return index
    return index.rows(np.flatnonzero((index.flags == 1).any(1)))


def _balanced(index: Index, seed: int, alone: int | None = None) -> dict[str, Index]:
    index = present_only(index, 2012)
    if alone is not None:
        index = index.rows(_thinned(index.flags == 1, alone, np.random.default_rng(seed)))
    train, val, test = stratified_parts(
        index.flags == 1, (0.6, 0.15, 0.25), np.random.default_rng(seed)
    )
    return {"train": index.rows(train), "val": index.rows(val), "test": index.rows(test)}


def _thinned(y: np.ndarray, alone: int, rng: np.random.Generator) -> np.ndarray:
    """Rows with several classes, and of those with one so many a class, in ascending order."""
    single = y.sum(1) == 1
    kept = [np.flatnonzero(~single)]
    kept += [rng.permutation(np.flatnonzero(single & column))[:alone] for column in y.T]
    return np.sort(np.concatenate(kept))


def _truth(index: Index) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    y = torch.from_numpy((index.flags == 1).astype(np.int8))
    return y, {"difficult": index.flags == 0, "ids": np.array(index.ids)}


@dataclass(frozen=True)
class Object:
    """One annotated object: class column, difficult or not, box in original pixels.

    ``box`` is (top, left, bottom, right), half-open, counted from 0.
    """

    label: int
    difficult: bool
    box: tuple[float, float, float, float]


def read_objects(path: Path) -> tuple[tuple[int, int], list[Object]]:
    """Read one annotation: the image's (height, width) and its objects that have a box.

    The file counts pixels from 1 and includes both ends; the result counts from 0 and is
    half-open, so left = xmin - 1 and right = xmax.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is not XML, a field is missing, or a class is unknown.
    """
    try:
        tree = ET.parse(path).getroot()
        height, width = (int(_field(tree, f"size/{side}")) for side in ("height", "width"))
        objects = []
        for node in tree.iter("object"):
            name = _field(node, "name")
            if name not in CLASSES:
                raise ValueError(f"unknown class {name!r}, expected one of the 20 VOC classes")
            if node.find("bndbox") is None:  # labels need no boxes, and some objects have none
                continue
            left, top, right, bottom = (
                float(_field(node, f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax")
            )
            if not np.isfinite((left, top, right, bottom)).all():
                raise ValueError(f"the box of a {name} is not made of finite numbers")
            difficult = (node.findtext("difficult") or "0").strip() == "1"
            objects.append(
                Object(CLASSES.index(name), difficult, (top - 1, left - 1, bottom, right))
            )
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is listed but not there") from None
    except ET.ParseError as error:
        raise ValueError(f"{path}: not well-formed XML ({error})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if height < 1 or width < 1:
        raise ValueError(f"{path}: image size {width} x {height}, expected positive numbers")
    return (height, width), objects


def read_boxes(devkit: Path, ids: tuple[str, ...], resolution: int) -> torch.Tensor:
    """The boxes of all objects of some images, scaled to ``resolution`` (see ``Split.boxes``)."""
    rows = list(_scaled(devkit, ids, resolution))
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 6)


def _scaled(devkit: Path, ids: tuple[str, ...], side: int) -> Iterator[tuple[int, ...]]:
    for image, name in enumerate(ids):
        size, objects = read_objects(devkit / "Annotations" / f"{name}.xml")
        for item in objects:
            yield (image, item.label, *scale_box(item.box, size, side))


def _field(node: ET.Element, name: str) -> str:
    text = node.findtext(name)
    if text is None:
        raise ValueError(f"no <{name}> in <{node.tag}>")
    return text.strip()


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there: the devkit is incomplete") from None

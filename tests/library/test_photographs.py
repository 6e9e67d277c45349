"""The loaders of photographs on small files in the official format, and on real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.library import tiny_datasets as tiny
from weaklabels import data
from weaklabels.data import voc
from weaklabels.data.files import train_val_indices

# --- VOC -----------------------------------------------------------------------------------------


def test_voc_truth_split_boxes_and_difficult(tmp_path):
    tiny.voc2012(tmp_path)
    splits = data.load("voc2012", tmp_path, resolution=16)
    assert splits.classes == voc.CLASSES
    train, val = train_val_indices(10, 0.2, 1200)
    for part, rows in ((splits.train, train), (splits.val, val)):
        assert part.extra["ids"].tolist() == [f"2008_{i:06d}" for i in rows]
        assert part.y.argmax(1).tolist() == rows.tolist()
    assert splits.train.y.dtype == torch.int8
    assert splits.train.x.dtype == torch.uint8
    assert splits.train.x.shape == (8, 3, 16, 16)
    assert (splits.test.y.sum(1) == 1).all(), "difficult persons do not count as present"
    assert splits.test.extra["difficult"][:, voc.CLASSES.index("person")].all()
    # xmin = ymin = 1 is the first pixel: the quarter of the frame is [0, 8) x [0, 8).
    assert splits.test.boxes[:2].tolist() == [[0, 0, 0, 0, 8, 8], [0, 14, 8, 8, 16, 16]]


def test_voc2012_leaves_out_images_with_difficult_objects_only(tmp_path):
    images = {
        "a": [("dog", 0, (1, 1, 9, 9))],
        "b": [("dog", 1, (1, 1, 9, 9))],
        "c": [("dog", 1, (1, 1, 9, 9)), ("dog", 0, (1, 1, 5, 5))],
    }
    tiny.voc_devkit(tmp_path, 2012, {"train": images, "val": images})
    splits = data.load("voc2012", tmp_path, resolution=8, validation=0.0)
    assert splits.val is None
    assert splits.train.extra["ids"].tolist() == ["a", "c"]
    tiny.voc_devkit(tmp_path, 2007, {"trainval": images, "test": images})
    splits = data.load("voc2007", tmp_path, resolution=8)
    assert splits.train.extra["ids"].tolist() == ["a", "b", "c"]
    assert splits.train.y[1].sum() == 0


def test_voc_balanced_pools_all_lists(tmp_path):
    tiny.voc2012(tmp_path, train=40, val=40)
    splits = data.load("voc2012", tmp_path, resolution=8, balanced=True)
    parts = (splits.train, splits.val, splits.test)
    names = [name for part in parts for name in part.extra["ids"]]
    assert len(names) == len(set(names)) == 80


def test_voc_keeps_some_images_of_each_class_that_is_alone_and_all_others(tmp_path):
    one = {f"2008_{i:06d}": [("dog", 0, (1, 1, 9, 9))] for i in range(12)}
    two = {f"2009_{i:06d}": [("dog", 0, (1, 1, 9, 9)), ("cat", 0, (1, 1, 9, 9))] for i in range(8)}
    tiny.voc_devkit(tmp_path / "voc2012-subset-small", 2012, {"train": one, "val": two})
    splits = data.load("voc2012", tmp_path, resolution=8, balanced=True, alone=4)
    names = [n for part in (splits.train, splits.val, splits.test) for n in part.extra["ids"]]
    assert sorted(name[:4] for name in names) == ["2008"] * 4 + ["2009"] * 8


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda kit: (kit / "Annotations/2008_000001.xml").write_text("<annotation>"),
         "2008_000001.xml: not well-formed XML"),
        (lambda kit: (kit / "ImageSets/Main/train.txt").write_text(""), "train.txt: empty"),
        (lambda kit: (kit / "ImageSets/Main/dog_train.txt").write_text("x 1\n"),
         "dog_train.txt: does not list the images of train.txt"),
        (lambda kit: (kit / "JPEGImages/2008_000003.jpg").write_bytes(b"\xff\xd8 no"),
         "2008_000003.jpg: not a readable image"),
        (lambda kit: (kit / "JPEGImages/2008_000003.jpg").unlink(),
         "2008_000003.jpg is listed but not there"),
        (lambda kit: (kit / "Annotations/2008_000004.xml").unlink(),
         "2008_000004.xml is listed but not there"),
    ],
)  # fmt: skip
def test_voc_damage_is_one_clear_sentence(tmp_path, damage, message):
    damage(tiny.voc2012(tmp_path))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        data.load("voc2012", tmp_path, resolution=8, validation=0.0)


def test_voc_unknown_class(tmp_path):
    path = tiny.voc2012(tmp_path) / "Annotations" / "2008_000001.xml"
    path.write_text(path.read_text().replace("<name>bicycle</name>", "<name>unicycle</name>"))
    with pytest.raises(ValueError, match=r"2008_000001.xml: unknown class 'unicycle'"):
        data.load("voc2012", tmp_path, resolution=8)


def test_real_voc_subset_has_the_known_counts():
    root = tiny.shared("voc2012-subset-small")
    kit = root / "VOCdevkit" / "VOC2012"
    assert voc.check_devkit(kit, ("train", "val", "seg2007")) == {
        "train images": 1697, "val images": 1729, "seg2007 images": 378, "image files": 3804,
    }  # fmt: skip
    everything = voc.read_all(kit)
    assert len(everything.ids) == 3804
    flags = np.concatenate([voc.read_index(kit, part).flags for part in ("train", "val")])
    marked = dict(zip(voc.CLASSES, (flags >= 0).sum(0).tolist(), strict=True))
    wanted = {"dog": 1289, "cat": 1080, "person": 706, "horse": 482, "sheep": 326, "cow": 304,
              "sofa": 154, "chair": 153, "bus": 3, "train": 1, "aeroplane": 0}  # fmt: skip
    assert wanted.items() <= marked.items(), "objects marked difficult count here"
    assert (flags >= 0).sum() / len(flags) == pytest.approx(1.40, abs=0.005)
    assert (flags == 1).sum() / len(flags) == pytest.approx(1.323, abs=0.001)
    # The class files say what the objects in the annotations say.
    for name, flags in list(zip(everything.ids, everything.flags, strict=True))[::7]:
        _, objects = voc.read_objects(kit / "Annotations" / f"{name}.xml")
        seen = np.full(20, -1)
        for item in objects:
            seen[item.label] = max(seen[item.label], int(not item.difficult))
        assert (seen == flags).all(), name


def test_real_voc_features_have_the_rows_of_the_images():
    root = tiny.shared("voc2012-subset-features").parent
    features = data.load("voc2012_features", root)
    assert (len(features.train), len(features.val), len(features.test)) == (1358, 339, 1729)
    assert features.train.x.shape == (1358, 1024)
    kit = tiny.shared("voc2012-subset-small") / "VOCdevkit" / "VOC2012"
    index = voc.read_index(kit, "val")
    assert features.test.extra["ids"].tolist() == list(index.ids)
    assert (features.test.y.numpy() == (index.flags == 1)).all()


# --- COCO, NUS-WIDE, CUB -------------------------------------------------------------------------


def test_coco_truth_order_and_boxes(tmp_path):
    tiny.coco(tmp_path)
    splits = data.load("coco2014", tmp_path, resolution=16, validation=0.0)
    assert splits.classes == ("person", "toaster")
    assert splits.train.extra["ids"].tolist() == [3, 5, 9], "ordered by id, the empty one left out"
    assert splits.train.y.tolist() == [[0, 1]] * 3
    assert splits.test.y.tolist() == [[1, 0]] * 2
    # (10, 6) + 20 x 15 of 40 x 30 is rows 3.2..11.2 and columns 4..12 of 16.
    assert splits.test.boxes.tolist() == [[0, 0, 3, 4, 11, 12], [1, 0, 3, 4, 11, 12]]
    every = data.load("coco2014", tmp_path, resolution=16, validation=0.25, empty=True)
    ids = [*every.train.extra["ids"], *every.val.extra["ids"]]
    assert sorted(ids) == [3, 5, 7, 9]
    assert len(every.train.boxes) + len(every.val.boxes) == 3
    for part in (every.train, every.val):
        for row, *_ in part.boxes.tolist():
            assert part.extra["ids"][row] != 7


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"category_id": 80', '"category_id": 81', "category 81"),
        ('"annotations":', '"notes":', "no 'annotations' in it"),
        ('{"images"', '{"images', "not a readable annotation file"),
    ],
)
def test_coco_damage(tmp_path, old, new, message):
    path = tiny.coco(tmp_path) / "annotations" / "instances_train2014.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        data.load("coco2014", tmp_path, resolution=8)


def nuswide(root: Path) -> Path:
    base = root / "NUS-WIDE"
    concepts = [f"concept{i}" for i in range(3)]
    tiny.write(base / "ConceptsList" / "Concepts81.txt", "\n".join(concepts) + "\n")
    for part, count in (("Train", 5), ("Test", 3)):
        names = [f"animal\\{part}{i}.jpg" for i in range(count)]
        tiny.write(base / "ImageList" / f"{part}Imagelist.txt", "\r\n".join(names) + "\r\n")
        for c, name in enumerate(concepts):
            labels = "".join(f"{int(i % 4 == c)}\n" for i in range(count))
            tiny.write(base / "Groundtruth/TrainTestLabels" / f"Labels_{name}_{part}.txt", labels)
        for i in range(count):
            tiny.image(base / "Flickr" / "animal" / f"{part}{i}.jpg", seed=i)
    return base


def test_nuswide(tmp_path):
    base = nuswide(tmp_path)
    splits = data.load("nuswide", tmp_path, resolution=8, validation=0.0)
    assert splits.train.y.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert splits.train.extra["files"][0] == "animal/Train0.jpg"
    names = "animal/Train1.jpg\nanimal/Train3.jpg\nanimal/Test0.jpg"
    keep = tiny.write(tmp_path / "keep.txt", names)
    fewer = data.load("nuswide", tmp_path, resolution=8, validation=0.0, keep=keep, empty=False)
    assert fewer.train.extra["files"].tolist() == ["animal/Train1.jpg"]
    (base / "Flickr" / "animal" / "Train2.jpg").unlink()
    with pytest.warns(UserWarning, match="Train: 1 of 5 images are missing"):
        splits = data.load("nuswide", tmp_path, resolution=8, validation=0, drop_missing=True)
    assert len(splits.train) == 4
    (base / "Groundtruth/TrainTestLabels/Labels_concept1_Train.txt").write_text("1\n2\n")
    with pytest.raises(ValueError, match=r"Labels_concept1_Train.txt: 2 lines"):
        data.load("nuswide", tmp_path, resolution=8)


def cub(root: Path) -> Path:
    base, count = root / "CUB_200_2011", 6
    rows = range(1, count + 1)
    tiny.write(base / "images.txt", "".join(f"{i} 001.Bird/{i}.jpg\n" for i in rows))
    tiny.write(base / "train_test_split.txt", "".join(f"{i} {int(i > 2)}\n" for i in rows))
    tiny.write(base / "image_class_labels.txt", "".join(f"{i} {i}\n" for i in rows))
    lines = [f"{i} {a} {int(a % 6 + 1 == i)} 3 1.5" for i in rows for a in range(1, 313)]
    lines[5] += " 0 27.7"  # the official file has lines like this one
    tiny.write(base / "attributes" / "image_attribute_labels.txt", "\n".join(lines) + "\n")
    tiny.write(root / "attributes.txt", "".join(f"{a} has::a{a}\n" for a in range(1, 313)))
    for i in rows:
        tiny.image(base / "images" / "001.Bird" / f"{i}.jpg", seed=i)
    return base


def test_cub(tmp_path):
    base = cub(tmp_path)
    splits = data.load("cub", tmp_path, resolution=8, validation=0.25)
    assert len(splits.classes) == 312
    assert splits.classes[0] == "has::a1"
    assert (len(splits.train), len(splits.val), len(splits.test)) == (3, 1, 2)
    assert splits.test.extra["species"].tolist() == [0, 1]
    expected = [int((a % 6) + 1 == 1) for a in range(1, 313)]
    assert splits.test.y[0].tolist() == expected
    path = base / "attributes" / "image_attribute_labels.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(ValueError, match=r"image_attribute_labels.txt: 1871 lines"):
        data.load("cub", tmp_path, resolution=8)


# --- images that are inputs and targets ----------------------------------------------------------


def test_lol_pairs(tmp_path):
    for part, count in (("our485", 3), ("eval15", 2)):
        for i in range(count):
            for kind in ("low", "high"):
                path = tmp_path / "lowlight" / "LOL" / part / kind / f"{i}.png"
                pixels = tiny.image(path, seed=10 * i + (kind == "high"))
    splits = data.load("lol", tmp_path)
    assert splits.train.x.shape == (3, 3, 30, 40)
    last = splits.test.extra["reference"][-1]
    assert ((last * 255).round().byte().permute(1, 2, 0).numpy() == pixels).all()
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"high/1.png is not there"):
        data.load("lol", tmp_path)


def test_real_lime():
    splits = data.load("lime", tiny.shared("lowlight").parent)
    assert splits.test.x.shape == (9, 3, 256, 256)
    assert splits.test.x.mean() < 0.25, "they are dark"


def test_tiny_imagenet(tmp_path):
    base = tmp_path / "tiny-imagenet-200"
    tiny.write(base / "wnids.txt", "n2\nn1\n")
    for name in ("n1", "n2"):
        for i in range(2):
            tiny.image(base / "train" / name / "images" / f"{name}_{i}.JPEG", 64, 64, i)
    tiny.image(base / "val" / "images" / "v.JPEG", 64, 64)
    notes = tiny.write(base / "val" / "val_annotations.txt", "v.JPEG\tn1\t0\t0\t9\t9\n")
    splits = data.load("tiny_imagenet", tmp_path)
    assert splits.train.y.tolist() == [0, 0, 1, 1]
    assert splits.test.y.tolist() == [1]
    notes.write_text("v.JPEG\tn7\t0\t0\t9\t9\n")
    with pytest.raises(ValueError, match="unknown class 'n7'"):
        data.load("tiny_imagenet", tmp_path)

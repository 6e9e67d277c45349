"""The embedded datasets: digits and scenes."""

import numpy as np
import pytest
import torch

from weaklabels import data
from weaklabels.data import scenes
from weaklabels.data.digits import arrays


def test_digits_are_all_there_and_split_by_class():
    splits = data.load("digits", test=360, val=100)
    assert [len(s) for s in (splits.train, splits.val, splits.test)] == [1337, 100, 360]
    assert splits.train.x.shape[1:] == (1, 8, 8)
    assert splits.train.x.min() == 0
    assert splits.train.x.max() == 1
    shares = torch.bincount(splits.test.y) / len(splits.test)
    assert (shares - 0.1).abs().max() < 0.01


@pytest.fixture(scope="module")
def grey():
    return data.load("scenes", train=300, val=60, test=60, pretrain=100, noise=0.0)


def test_scenes_hold_what_their_labels_and_boxes_say(grey):
    split = grey.train
    found = torch.zeros_like(split.y)
    for image, label, top, left, bottom, right in split.boxes.tolist():
        found[image, label] = 1
        assert (bottom - top, right - left) == (8, 8)
        assert split.x[image, 0, top:bottom, left:right].max() > 0.2
        assert top % 4 == left % 4 == 0
    assert torch.equal(found, split.y)
    outside = split.x.clone()
    for image, _, top, left, bottom, right in split.boxes.tolist():
        outside[image, 0, top:bottom, left:right] = 0
    assert outside.abs().max() == 0


def test_digits_of_a_scene_do_not_overlap(grey):
    for image in range(40):
        corners = grey.train.boxes[grey.train.boxes[:, 0] == image][:, 2:4]
        gaps = (corners[:, None] - corners[None]).abs().amax(2)
        gaps.fill_diagonal_(8)
        assert (gaps >= 8).all()


def test_parts_share_no_source_digit():
    pools = list(scenes._source_pools(scenes.POOLS).values())
    joined = np.concatenate(pools)
    assert len(np.unique(joined)) == len(joined) == len(arrays()[1])


def test_same_seed_same_scenes_and_other_seed_others():
    small = {"train": 20, "val": 5, "test": 5}
    a, b, c = (data.load("scenes", seed=s, **small).train.x for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_colour_puts_a_class_in_its_channel():
    splits = data.load("scenes", colours=3, grid=8, train=200, val=5, test=5, noise=0.0)
    assert len(splits.classes) == 30
    assert splits.classes[12] == "green 2"
    for image, label, top, left, bottom, right in splits.train.boxes.tolist():
        window = splits.train.x[image, :, top:bottom, left:right].amax((1, 2))
        assert window.nonzero().flatten().tolist() == [label // 10]


def test_first_class_is_as_much_more_frequent_as_asked():
    y = data.load("scenes", train=1500, val=1, test=1, first_class_weight=6, colours=3, grid=8)
    counts = y.train.y.sum(0).double()
    assert 3.5 < counts[0] / counts[1:].mean() < 7


def test_a_long_tail_has_an_order_of_the_seed():
    sizes = {"train": 1500, "val": 1, "test": 1, "grid": 8, "tail": 0.1}
    first, second = (data.load("scenes", seed=s, **sizes).train.y.sum(0) for s in (0, 1))
    for counts in (first, second):
        assert counts.max() > 4 * counts.min()
    assert first.argmax() != second.argmax()


def test_pretraining_images_hold_one_digit(grey):
    assert grey.pretrain.y.shape == (100,)
    assert len(grey.pretrain.boxes) == 100
    assert torch.equal(grey.pretrain.boxes[:, 1], grey.pretrain.y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colours": 2}, "colours is 2"),
        ({"canvas": 25}, "canvas is 25"),
        ({"pools": {"train": 1800, "val": 0, "test": 0}}, "there are 1797"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        data.load("scenes", **options)


def test_unknown_dataset_is_named():
    with pytest.raises(ValueError, match="unknown dataset 'imagenot'"):
        data.load("imagenot")


def test_a_validation_part_that_is_missing_is_asked_for():
    assert data.load("digits", val=50).validation().y.shape == (50,)
    with pytest.raises(ValueError, match="the data have no validation part"):
        data.load("digits").validation()

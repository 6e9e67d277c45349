"""Inputs as people have them: arrays, tensors, files, datasets."""

import os
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from weaklabels import Classifier
from weaklabels.estimator import inputs

quiet = {"progress": False, "device": "cpu"}
FLOATS = [np.float16, np.float32, np.float64, np.longdouble, ">f4"]


@given(st.sampled_from(FLOATS), st.booleans(), st.integers(1, 4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_arrays_and_tensors_of_any_float_type_are_the_same_numbers(kind, images, rows, last):
    shape = (rows, 3, 5, 4) if images else (rows, 6)
    values = np.random.default_rng(0).random(shape).astype(np.float16)
    array = values.astype(kind)
    given_so = np.moveaxis(array, 1, -1) if images and last else array
    found = inputs.tensors(given_so, 8)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), values.astype(np.float32))
    if np.dtype(kind).itemsize <= 8 and np.dtype(kind).isnative:
        assert torch.equal(inputs.tensors(torch.from_numpy(array), 8), found)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4), r"inputs \(4,\): expected .N, c, h, w. images"),
        (torch.zeros(4, 3, 2), "expected .N, c, h, w. images"),
        (torch.zeros(0, 3), "N >= 1"),
        (
            torch.zeros(2, 1, 4, 4).index_fill(0, torch.tensor(1), 255.0),
            "reach from 0 to 255: float",
        ),
        (torch.full((2, 1, 4, 4), -0.1), "floats are expected in .0, 1."),
        (torch.zeros(2, 1, 4, 4, dtype=torch.int64), "images are torch.int64: expected uint8"),
        (np.zeros((2, 1, 4, 4), np.uint16) + 40000, "reach from 40000 to 40000"),
        (torch.zeros(2, 3, dtype=torch.complex64), "expected real numbers"),
        (np.zeros((2, 16, 16, 4)), "have 4 channels in the last place"),
        (np.zeros((2, 16, 12, 2), np.uint8), "have 2 channels in the last place"),
        (np.array([["a", "b"]]), r"or names of image files \(column 0 holds 'a'\)"),
        (pd.DataFrame({"n": [1], "d": ["x"]}), r"names of image files \(column 'd' holds 'x'\)"),
        (
            pd.DataFrame({"f": ["a.png"]}),
            r"image files, in one dimension \(column 'f' holds 'a.png",
        ),
        ((np.ones((2, 1, 4, 4)) * 40000).astype(np.uint16), "divide pixels by 65535 .those of 16"),
        (torch.eye(3).to_sparse(), r"inputs are a sparse Tensor: expected an array \(x.to_dense"),
        ([[1.0, 2.0], [3.0]], "inputs are a list whose rows differ in length: expected as many"),
        (np.array([[1e300]]), "input 0 holds a value that is not a finite number .in float32."),
    ],
)
def test_what_is_no_input_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        inputs.tensors(x, 8)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(5000, 2), (3, 1, 8, 8)])
def test_numbers_that_are_not_finite_are_named_everywhere(bad, shape):
    x = np.random.default_rng(0).random(shape)
    y = np.arange(len(x)) % 2
    model = Classifier("CE", epochs=1, batch_size=512, **quiet).fit(x, y)
    x[-2].flat[0] = bad
    calls = (
        lambda: Classifier("CE", **quiet).fit(x, y),
        lambda: model.predict(x),
        lambda: model.predict_proba(x),
        lambda: model.evaluate(x, y),
        lambda: model.score(x, y),
        lambda: model.maps(x),
    )
    for call in calls:
        with pytest.raises(ValueError, match=f"input {len(x) - 2} holds a value that is not a fin"):
            call()


def test_whole_numbers_train_like_their_fractions():
    x = torch.randint(0, 256, (12, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    observed = torch.ones(12, 3, dtype=torch.int8)
    observed[::2] = -1
    forms = (x.to(torch.uint8), x.float() / 255, (x.double() / 255).numpy())
    found = [
        Classifier("EM", epochs=1, **quiet).fit(form, observed).predict_proba(forms[1])
        for form in forms
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[1])


def test_images_of_another_size_or_scale_are_refused():
    x = torch.rand(6, 1, 24, 24)
    y = torch.arange(6) % 2
    model = Classifier("CE", epochs=1, **quiet).fit(x, y)
    for other in (torch.rand(2, 1, 48, 48), torch.rand(2, 3, 24, 24), torch.rand(2, 5)):
        with pytest.raises(ValueError, match="the model takes images of 24 x 24 pixels and 1 chan"):
            model.predict(other)
    with pytest.raises(ValueError, match="divide pixels by 255"):
        model.predict(255 * x)
    free = Classifier("CE", epochs=1, bounded=False, **quiet).fit(3 * x - 1, y)
    free.predict(3 * x - 1.5)
    with pytest.raises(ValueError, match="they are of another scale"):
        free.predict(255 * x)
    with pytest.raises(ValueError, match=r"torch.uint8: expected floats \(bounded=False"):
        free.predict((255 * x).byte())
    large = Classifier("CE", epochs=1, bounded=False, **quiet).fit(255 * x, y)
    with pytest.warns(UserWarning, match="of the training from .*: are they of another scale"):
        large.predict(x)


def test_inputs_are_standardised_by_those_of_the_training():
    x = np.random.default_rng(0).normal(1000, 5, (40, 3))
    x[:, 2] = 7
    y = (x[:, 0] > 1000).astype(int)
    model = Classifier("CE", epochs=30, lr=0.01, **quiet).fit(x, y)
    assert model.score(x, y) > 0.9
    layer = model.model_.features.normalise
    np.testing.assert_allclose(layer.mean, x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.deviation[:2], x.std(0)[:2], rtol=1e-3)
    assert layer.deviation[2] == 1


def feature(values):
    return np.stack([np.random.default_rng(0).normal(size=len(values)), values], 1)


COUNT = np.arange(60)
LATE = (COUNT > 30).astype(int)


@pytest.mark.parametrize(
    "values", [1.7e9 + COUNT, (1.7e9 + COUNT).astype(np.int64), 1e4 + 1e-5 * COUNT, 1e-42 * COUNT]
)
def test_a_feature_that_32_bits_do_not_tell_apart_is_named(values):
    x = feature(values) if values.dtype.kind == "f" else np.stack([COUNT, values], 1)
    for given_so, name in (
        (x, "1"),
        (torch.from_numpy(x), "1"),
        (pd.DataFrame(x, columns=["a", "time"]), "'time'"),
    ):
        with pytest.raises(
            ValueError, match=f"column {name} of the inputs reaches from .* to .*32"
        ):
            Classifier("CE", **quiet).fit(given_so, LATE)


@pytest.mark.parametrize(
    "values",
    [
        1.7e9 + 1e5 * COUNT,
        1.7e9 + COUNT - (1.7e9 + COUNT).mean(),
        1e7 + COUNT,
        1e-22 * COUNT,
        -3e-19 * COUNT,
    ],
)
def test_a_feature_counts_on_whatever_scale_it_is(values):
    x = values[:, None]
    model = Classifier("CE", network="linear", epochs=60, lr=0.1, **quiet).fit(x, LATE)
    assert model.score(x, LATE) > 0.9
    assert model.predict(x[:2]).shape == (2,), "two rows say nothing about the scale"


def test_what_only_rounding_makes_vary_is_constant():
    for values in (np.where(COUNT % 2, 0.3, 0.1 + 0.2), np.float32(0.3) + 1e-8 * (COUNT % 2)):
        x = feature(values.astype(np.float32) if values.std() > 1e-12 else values)
        model = Classifier("CE", epochs=1, **quiet).fit(x, LATE)
        assert model.model_.features.normalise.deviation[1] == 1


def test_images_that_are_scaled_twice_are_asked_about(tmp_path):
    x = np.random.default_rng(0).random((12, 1, 8, 8))
    x[:6] /= 2
    y = np.arange(12) // 6
    for training in (x, (255 * x).astype(np.uint8)):
        model = Classifier("CE", epochs=1, **quiet).fit(training, y)
        model.save(tmp_path / "model.pt")
        for each in (model, Classifier.load(tmp_path / "model.pt", device="cpu")):
            assert each.form_.bounded
            for wrong in (x / 255, (x > 0.5).astype(np.uint8)):
                with pytest.warns(UserWarning, match="images reach from .* another scale"):
                    each.score(wrong, y)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                for fine in (x, (255 * x).astype(np.uint8), 0.5 * x, 0 * x):
                    each.predict(fine)


def test_scales_of_files_that_were_saved_before_are_what_they_were(tmp_path):
    x, y = torch.rand(6, 1, 8, 8), torch.arange(6) % 2
    for bounded in (True, False):
        Classifier("CE", epochs=1, bounded=bounded, **quiet).fit(x, y).save(tmp_path / "m.pt")
        content = torch.load(tmp_path / "m.pt", weights_only=True)
        del content["free"]
        content["reach"] = None if bounded else content["reach"]
        torch.save(content, tmp_path / "m.pt")
        assert Classifier.load(tmp_path / "m.pt", device="cpu").form_.bounded is bounded


# --- files and datasets --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for i, level in enumerate((0, 255, 0, 255)):
        Image.new("RGB", (20, 10), (level, 0, 0)).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    return tmp_path


def test_folders_and_lists_of_files_need_no_table(folder, tmp_path):
    y = np.array([0, 1, 0, 1])
    model = Classifier("CE", epochs=40, lr=0.01, side=8, **quiet).fit(folder, y)
    assert model.form_.shape == (3, 8, 8)
    assert model.predict(folder).tolist() == [0, 1, 0, 1]
    files = [folder / "1.png", str(folder / "0.png")]
    assert model.predict(files).tolist() == [1, 0]
    assert model.predict(np.array([str(f) for f in files])).tolist() == [1, 0]
    assert model.predict(pd.Series([str(f) for f in files])).tolist() == [1, 0]
    assert model.predict(folder / "1.png").tolist() == [1]
    model.save(tmp_path / "m.pt")
    assert Classifier.load(tmp_path / "m.pt", device="cpu").predict(files).tolist() == [1, 0]
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        model.predict([folder / "9.png"])
    with pytest.raises(FileNotFoundError, match="there is no such folder or file"):
        model.predict(folder / "other")
    (folder / "sub").mkdir()
    with pytest.raises(FileNotFoundError, match="there is no image in it"):
        model.predict(folder / "sub")


@pytest.mark.parametrize("wrong", [0, 8.5, "8", True, None])
def test_sides_of_files_are_whole_numbers_also_of_numpy(folder, wrong):
    assert inputs.tensors(folder, np.int64(8)).shape == (4, 3, 8, 8)
    model = Classifier("CE", epochs=1, side=np.int64(8), **quiet).fit(folder, [0, 1, 0, 1])
    assert model.form_.shape == (3, 8, 8)
    expected = re.escape(f"side is {wrong!r}: expected the pixels of the images' sides")
    with pytest.raises(ValueError, match=expected):
        inputs.tensors(folder, wrong)


def test_a_folder_that_cannot_be_written_is_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert inputs.tensors(folder, 8).shape == (4, 3, 8, 8)
    assert not (folder / ".weaklabels").exists()
    assert (tmp_path / "cache" / "weaklabels").is_dir()


class Pictures(Dataset):
    def __init__(self, folder, labels=True):
        self.folder, self.labels = folder, labels

    def __len__(self):
        return 4

    def __getitem__(self, i):
        image = Image.open(self.folder / f"{i}.png")
        return (image, i % 2) if self.labels else image


def test_datasets_are_read(folder):
    model = Classifier("CE", epochs=40, lr=0.01, side=8, **quiet).fit(Pictures(folder))
    assert model.predict(Pictures(folder, labels=False)).tolist() == [0, 1, 0, 1]
    tensors = TensorDataset(torch.randn(9, 3), torch.arange(9) % 2)
    assert Classifier("CE", epochs=1, **quiet).fit(tensors).predict(tensors).shape == (9,)
    with pytest.raises(ValueError, match="item 0 of the dataset has no label"):
        Classifier("CE", **quiet).fit(Pictures(folder, labels=False))
    with pytest.raises(ValueError, match=r"no labels are given: fit\(x, observed\)"):
        Classifier("CE", **quiet).fit(torch.randn(9, 3))

    class Stream(IterableDataset):
        def __iter__(self):
            yield torch.zeros(3), 1

    with pytest.raises(ValueError, match="a Stream has no length: expected a dataset whose items"):
        Classifier("CE", **quiet).fit(Stream())

    class Uneven(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return torch.zeros(3 + i)

    with pytest.raises(ValueError, match=r"item 1 of the dataset is \(4,\) .* is \(3,\)"):
        inputs.tensors(Uneven(), 8)

"""The estimator on what other people hand it, and among the tools of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.utils.data import Dataset

from weaklabels import Classifier

X = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
Y = np.arange(30) % 3
SETS = np.eye(3, dtype=bool)[Y] | (np.random.default_rng(1).random((30, 3)) < 0.3)


def model(method: str = "CE", **settings: Any) -> Classifier:
    options = {"network": "linear", "epochs": 1, "progress": False, "device": "cpu"} | settings
    return Classifier(method, **options)


class Items(Dataset):
    """A dataset of anything."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


REFUSED = {
    "classes with numbers": (
        lambda: model().fit(X, Y, classes={"owl": 2, "cat": 0, "dog": 1}),
        "expected a list of names",
    ),
    "a class twice": (
        lambda: model().fit(X, Y, classes=["a", "a", "b"]),
        "the class 'a' stands twice: expected different names",
    ),
    "a column twice": (
        lambda: model("EM").fit(X, pd.DataFrame(2 * np.eye(3)[Y] - 1, columns=list("aab"))),
        "the class 'a' stands twice",
    ),
    "a gap among names": (
        lambda: model().fit(X, np.array(["cat", np.nan, "dog"])[Y]),
        "the label of row 1 is 'nan', which stands for a gap: leave such rows out, or name it",
    ),
    "an empty name": (
        lambda: model().fit(X, np.array(["cat", "dog", ""])[Y]),
        "the label of row 2 is '', which stands for a gap: leave such rows out, or name it",
    ),
    "masked candidates": (
        lambda: model("PRODEN").fit(X, np.ma.array(SETS, mask=~SETS)),
        "labels are masked in row",
    ),
    "masked candidates of several": (
        lambda: model("CDCR", warm_up=0).fit(X, np.ma.array(SETS, mask=~SETS)),
        "labels are masked in row",
    ),
    "a list of methods": (lambda: model(["CE"]).fit(X, Y), r"method is \['CE'\]: expected the na"),
    "images that leave their interval": (
        lambda: model(network="auto").fit(torch.full((4, 1, 9, 9), 1.001), [0, 1, 0, 1]),
        "floats are expected in",
    ),
    "items with names": (
        lambda: model().fit(Items([{"x": row} for row in X]), Y),
        "item 0 of the dataset is a dict: expected an array of numbers",
    ),
    "no items": (
        lambda: model().fit(Items([None] * 30), Y),
        "item 0 of the dataset is a NoneType: expected an array of numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_something_else_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_gap_that_is_named_is_a_class() -> None:
    names = np.array(["cat", "nan", "dog"])
    assert model().fit(X, names[Y], classes=names).classes_.tolist() == names.tolist()


def test_images_may_leave_their_interval_by_rounding() -> None:
    large = torch.nn.functional.interpolate(torch.ones(4, 1, 9, 9), (13, 13), mode="bicubic")
    assert large.max() > 1
    trained = model(network="auto").fit(large, [0, 1, 0, 1])
    assert np.isfinite(trained.predict_proba(large - 1e-7)).all()


@pytest.mark.parametrize("twist", [lambda a: a[::-1].copy()[::-1], lambda a: a.astype(">f4")])
def test_items_of_any_layout_are_learnt_alike(twist: Any) -> None:
    plain = model().fit(Items(list(X)), Y).predict_proba(X)
    assert np.array_equal(model().fit(Items([twist(row) for row in X]), Y).predict_proba(X), plain)


@pytest.mark.filterwarnings("error")
def test_labels_in_half_precision_are_learnt_without_a_word() -> None:
    assert model().fit(X, Y.astype(np.float16)).classes_.tolist() == [0, 1, 2]


def test_it_learns_where_gradients_are_switched_off() -> None:
    usual = model().fit(X, Y).predict_proba(X)
    with torch.no_grad():
        assert np.array_equal(model().fit(X, Y).predict_proba(X), usual)


def test_tools_of_scikit_learn_find_what_they_ask_for() -> None:
    with pytest.raises(NotFittedError, match="not trained yet: call fit"):
        model().predict(X)
    assert not hasattr(model(), "n_features_in_")
    assert make_pipeline(StandardScaler(), model()).fit(X, Y).n_features_in_ == 5
    assert model().fit(X, Y).n_features_in_ == 5
    assert not hasattr(
        model(network="auto").fit(torch.rand(4, 1, 9, 9), [0, 1] * 2), "n_features_in_"
    )

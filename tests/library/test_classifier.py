"""The estimator: every method with its defaults, what it learns, keeps and refuses."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from torch import nn

import weaklabels
from tests.library.weak_kinds import CLASSES, ROWS, features, images, labels_of, quiet
from weaklabels import Classifier, methods
from weaklabels.estimator import ZerosAreUnclear, choices
from weaklabels.estimator.inputs import statistics
from weaklabels.methods import bldr, cap


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def teacher():
    return Classifier("Vanilla", epochs=1, **quiet).fit(images(), labels_of("missing"))


def extras(name, x, teacher):
    needs = methods.get(name).needs
    known = {
        "clean": (x[:6], torch.arange(6) % 3),
        "teacher": teacher,
        "truth": labels_of("missing") >= 0,  # as the labelled rows say
    }
    return {key: value for key, value in known.items() if key in needs}


def cases():
    return [(kind, name) for kind in choices.KINDS for name in Classifier.methods(kind)]


def test_every_registered_method_is_offered_for_some_kind():
    assert {name for _, name in cases()} == set(methods.names())
    with pytest.raises(ValueError, match="unknown kind of labels 'wrong': expected one of missing"):
        Classifier.methods("wrong")


@pytest.mark.parametrize(("kind", "name"), cases())
def test_every_method_runs_with_its_defaults_and_is_kept_in_a_file(kind, name, teacher, tmp_path):
    only_images = choices.is_any(name, choices.NEED_IMAGES | choices.NEED_PIXELS)
    x = images() if only_images else features()
    model = Classifier(name, epochs=2, batch_size=8, seed=3, **quiet)
    model.fit(x, labels_of(kind), **extras(name, x, teacher))
    p = model.predict_proba(x)
    assert p.shape == (ROWS, 3)
    assert np.isfinite(p).all()
    if not model.several_:
        np.testing.assert_allclose(p.sum(1), 1)
    model.save(tmp_path / "model.pt")
    again = Classifier.load(tmp_path / "model.pt", device="cpu")
    np.testing.assert_array_equal(again.predict_proba(x), p)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.get_params() == model.get_params()


@pytest.mark.parametrize("name", sorted(n for n in methods.names() if methods.get(n).needs))
def test_what_a_method_needs_is_asked_for_in_one_sentence(name):
    kind = sorted(choices.kinds_of(name))[0]
    observed = labels_of(kind)
    if "expected_positives" in methods.get(name).needs:
        observed = observed.clamp(min=0)  # else the negatives tell it
    with pytest.raises(ValueError, match=rf"method '{name}' needs .*fit\(\.\.\., \w+="):
        Classifier(name, epochs=2, **quiet).fit(
            images(), observed, zeros="unknown"[: 7 * (kind == "missing")] or None
        )


@pytest.mark.parametrize(
    "name", sorted(n for n in methods.names() if choices.is_any(n, choices.NEED_NEGATIVES))
)
def test_methods_that_learn_from_negatives_ask_for_them(name, teacher):
    if "candidates" in choices.kinds_of(name):
        pytest.skip("what is no candidate is a negative")
    x, positives = features(), labels_of("missing").clamp(min=0)
    with pytest.raises(ValueError, match=r"learns from negative labels .* does 0 mean that"):
        Classifier(name, epochs=2, **quiet).fit(x, positives, **extras(name, x, teacher))
    with pytest.raises(ValueError, match=r"there is none$"):
        Classifier(name, **quiet).fit(x, positives, zeros="unknown", **extras(name, x, teacher))


# --- labels --------------------------------------------------------------------------------------


def test_zeros_are_asked_about():
    x, observed = features(), labels_of("missing").clamp(min=0)
    with pytest.warns(ZerosAreUnclear, match=r"does 0 mean that a label is absent, or that nobody"):
        asked = Classifier("EM", epochs=1, **quiet).fit(x, observed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown = Classifier("EM", epochs=1, **quiet).fit(x, observed, zeros="unknown")
        absent = Classifier("EM", epochs=1, **quiet).fit(x, observed, zeros="absent")
        told = Classifier("EM", epochs=1, **quiet).fit(x, 2 * observed - 1)
    np.testing.assert_array_equal(asked.predict_proba(x), unknown.predict_proba(x))
    np.testing.assert_array_equal(absent.predict_proba(x), told.predict_proba(x))
    assert (absent.predict_proba(x) != unknown.predict_proba(x)).any()


@pytest.mark.parametrize(
    ("name", "observed", "message"),
    [
        ("EM", torch.ones(4, 3), r"labels \(4, 3\) for 17 inputs"),
        ("EM", torch.full((ROWS, 3), 2), "labels hold 2: expected"),
        (
            "EM",
            torch.full((ROWS, 3), float("nan")),
            "value that is not finite: expected .1 present, -1 absent, 0 unknown",
        ),
        ("EM", -torch.ones(ROWS, 3), "no label is annotated as present"),
        ("EM", torch.ones(ROWS, 2), "3 classes for labels of 2"),
        ("EM", torch.arange(ROWS) % 3, "none for method 'EM', which takes .N, C. of .1 present"),
        ("PRODEN", labels_of("missing"), "none for method 'PRODEN', which takes .N, C. bool"),
        ("PRODEN", torch.zeros(ROWS, 3, dtype=torch.bool), "example 0 has no candidate label"),
        ("CE", torch.arange(ROWS), "label 3: expected a class of 0 to 2"),
        ("CE", torch.arange(ROWS) / 2, "none for method 'CE'"),
        ("CE", np.array(["cow"] * ROWS), "label 'cow' is none of the classes"),
        ("CE", torch.full((ROWS, 2), -1), "nobody answered about row 0|expected -1"),
        ("DL-CL", torch.full((ROWS, 2), 3), "answers from 3 to 3"),
        ("soft labels", torch.full((ROWS, 3), 0.5), "labels are not distributions"),
    ],
)
def test_labels_that_do_not_fit_are_refused(name, observed, message):
    with pytest.raises(ValueError, match=message):
        Classifier(name, epochs=1, **quiet).fit(features(), observed, classes=CLASSES)


def test_a_column_for_each_class_is_not_taken_for_answers():
    x, classes = features(), ["a", "b", "c"]
    one_hot = torch.eye(3, dtype=torch.int64)[torch.arange(ROWS) % 3]
    for observed, named in ((one_hot, None), (one_hot, classes), (2 * one_hot - 1, classes)):
        with pytest.raises(ValueError, match="look like a column for each class, and would be"):
            Classifier("CE", epochs=1, **quiet).fit(x, observed, classes=named)
    with (
        pytest.warns(UserWarning, match="1 of the classes below it are never named"),
        pytest.warns(UserWarning, match="are taken for what 3 workers said, class 0 or 1"),
    ):
        Classifier("CE", epochs=1, **quiet).fit(x, 2 * one_hot - 1)


def test_numbers_that_pandas_keeps_as_objects_are_numbers():
    x, observed = features(), labels_of("missing")
    as_objects = pd.DataFrame(observed.numpy()).astype(object)
    found, wanted = (Classifier("EM", epochs=1, **quiet).fit(x, o) for o in (as_objects, observed))
    np.testing.assert_array_equal(found.predict_proba(x), wanted.predict_proba(x))
    as_objects.iloc[0, 0] = None
    with pytest.raises(
        ValueError, match="labels hold a gap, or a value that is not finite: expected"
    ):
        found.fit(x, as_objects)


class Single(torch.Tensor):
    """A tensor of a device without float64, such as Apple's MPS, until it is brought to the CPU."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        found = super().__torch_function__(function, types, args, kwargs)
        if function is torch.Tensor.cpu:
            return found.as_subclass(torch.Tensor)
        if isinstance(found, cls) and found.dtype == torch.float64:
            raise TypeError("no float64 here")
        return found


def test_shares_need_no_float64_where_the_training_runs():
    observed = torch.tensor([[1, -1], [-1, -1], [0, 0]]).as_subclass(Single)
    with pytest.raises(TypeError, match="no float64 here"):
        observed.double()
    assert cap.class_proportions(observed).tolist() == [0.5, 0.0]
    method = methods.create("CAP, true proportions")
    method.start(methods.Context(observed, truth=torch.tensor([[1, 0]] * 3).as_subclass(Single)))
    assert method.proportions.tolist() == [1.0, 0.0]
    assert bldr.noise_share(torch.tensor([0.1, 0.5]).as_subclass(Single)) == 0.5
    mean, _ = statistics(torch.tensor([[1.0], [3.0]]).as_subclass(Single))
    assert mean.item() == 2


def test_a_class_that_nobody_knows_of_is_named():
    observed = labels_of("missing")
    observed[:, 1] = 0
    with pytest.warns(UserWarning, match="no label of dog is known in any row"):
        Classifier("AN", epochs=1, **quiet).fit(features(), observed, classes=CLASSES)


def test_answers_of_a_crowd_become_one_label():
    answers = torch.tensor([[0, 0, 1], [1, 1, -1], [2, -1, 2]] * 6)[:ROWS]
    for aggregate in ("Dawid-Skene", "majority"):
        model = Classifier("CE", epochs=1, **quiet).fit(features(), answers, aggregate=aggregate)
        direct = Classifier("CE", epochs=1, **quiet).fit(features(), torch.arange(ROWS) % 3)
        np.testing.assert_array_equal(
            model.predict_proba(features()), direct.predict_proba(features())
        )
    with pytest.raises(ValueError, match="expected Dawid-Skene or majority"):
        Classifier("CE", **quiet).fit(features(), answers, aggregate="mean")


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "nothing"}, "unknown method 'nothing'"),
        ({"network": "nothing"}, "unknown network 'nothing'"),
        ({"network": "gap_cnn"}, "network 'gap_cnn' cannot take rows of 5 features"),
        ({"network": nn.Linear(5, 4)}, r"network 'Linear' gives \(2, 4\) for two inputs: expected"),
        ({"pretrained": True}, "pretrained=True is for images"),
        ({"pretrained": True, "network": "mlp"}, "network 'mlp' has no pretrained weights"),
        ({"epochs": 0}, "expected one epoch"),
        ({"batch_size": 1}, "batches of two, or more"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"device": "nowhere"}, "device 'nowhere' cannot be used here"),
        ({"beta": 1}, "method 'EM' has no option 'beta': expected alpha, epsilon"),
        ({"method": "EM+APL", "epochs": 1}, "give it two epochs or more"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Classifier(**(quiet | settings)).fit(features(), labels_of("missing"))


def test_what_is_of_no_use_is_refused():
    with pytest.raises(ValueError, match="method 'EM' does not use clean: leave it out"):
        Classifier("EM", **quiet).fit(features(), labels_of("missing"), clean=(features(), 0))
    with pytest.raises(ValueError, match="expected_positives is 9: expected a number of labels"):
        Classifier("ROLE", **quiet).fit(features(), labels_of("missing"), expected_positives=9)


def test_rates_follow_the_labels():
    observed = torch.tensor([[1, -1, -1, 0], [1, 0, -1, -1], [0, -1, -1, -1]])
    assert choices.false_negative_share(observed) == pytest.approx(2 / 9)
    assert choices.false_negative_share(observed.clamp(min=0)) == pytest.approx(2 / 12 / 2)
    assert choices.expected_positives(observed) == pytest.approx(1.0)
    assert choices.expected_positives(observed.clamp(min=0)) is None
    told = {"epochs": 11, "classes": 4, "expected": 1.0, "seed": 0}
    assert choices.options_for("LL-R", {}, observed, **told) == {"rate": pytest.approx(2 / 90)}
    assert choices.options_for("LL-R", {"rate": 0.5}, observed, **told) == {"rate": 0.5}
    assert choices.options_for("nnPU", {}, observed, **told)["known_share"] == pytest.approx(2 / 3)


# --- scikit-learn --------------------------------------------------------------------------------


def test_it_is_an_estimator_of_scikit_learn():
    model = Classifier("LL-R", epochs=1, rate=0.1, **quiet)
    assert model.get_params()["rate"] == 0.1
    copy = clone(model.set_params(rate=0.2, epochs=2))
    assert copy.get_params() == model.get_params()
    assert (copy.epochs, copy.method_options) == (2, {"rate": 0.2})


def test_cross_validation_and_grids_work_on_arrays():
    y = np.arange(60) % 3
    x = np.eye(3)[y] + np.random.default_rng(0).normal(0, 0.1, (60, 3))
    model = Classifier("CE", epochs=10, lr=0.01, **quiet)
    assert cross_val_score(model, x, y, cv=3).mean() > 0.9
    named = np.array(CLASSES)[y]
    assert cross_val_score(model, x, named, cv=3, scoring="accuracy").mean() > 0.9
    assert cross_val_score(model, x, y, cv=3, scoring="roc_auc_ovr").mean() > 0.9
    search = GridSearchCV(model, {"epochs": [1, 2], "method": ["CE", "GCE"]}, cv=2).fit(x, y)
    assert set(search.best_params_) == {"epochs", "method"}
    several = 2 * np.eye(3, dtype=int)[y] - 1
    assert cross_val_score(Classifier("AN", epochs=10, lr=0.01, **quiet), x, several).mean() > 0.9


def test_predictions_are_what_the_labels_were():
    y = torch.arange(ROWS) % 3
    named = Classifier("CE", epochs=1, **quiet).fit(features(), np.array(CLASSES)[y])
    assert set(named.predict(features())) <= set(CLASSES)
    numbered = Classifier("CE", epochs=1, **quiet).fit(features(), 5 + 2 * y)
    assert set(numbered.predict(features())) <= {5, 7, 9}
    placed = Classifier("CE", epochs=1, **quiet).fit(features(), y, classes=CLASSES)
    assert placed.predict(features()).dtype.kind == "i"
    frame = placed.evaluate(features(), y)
    assert list(frame.index) == [*CLASSES, "mean", "all"]
    assert frame.recall["all"] == pytest.approx(100 * accuracy_score(y, placed.predict(features())))
    assert placed.score(features(), y) == pytest.approx(frame.recall["all"] / 100)


def test_the_door_of_the_package_opens_late():
    assert weaklabels.Classifier is Classifier
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        weaklabels.nothing  # noqa: B018

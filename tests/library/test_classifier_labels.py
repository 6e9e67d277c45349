"""Labels as other people have them: gaps, masks, frames, columns, unsigned and nullable numbers."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.metrics import accuracy_score, average_precision_score
from torch.utils.data import Dataset, TensorDataset

from tests.library.weak_kinds import CLASSES, ROWS, features, labels_of, quiet
from weaklabels import Classifier
from weaklabels.estimator import ZerosAreUnclear, labels

X = features().numpy()
FRAME = pd.DataFrame(X, columns=list("abcde"))
SIGNS = labels_of("missing").numpy()
ONE = labels_of("noisy").numpy()
ANSWERS = labels_of("crowd").numpy()
ALL = np.where(SIGNS == 0, -1, SIGNS)
"""Complete labels of +1 and -1."""


def fitted(method, x, observed, **more):
    return Classifier(method, epochs=1, **quiet).fit(x, observed, **more)


def same(one, other):
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def ap(model, truth, known):
    """Mean average precision over what is known, class by class."""
    p = model.predict_proba(X)
    return np.mean(
        [average_precision_score(truth[k, c] == 1, p[k, c]) for c, k in enumerate(known.T)]
    )


# --- what 0 means --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::weaklabels.estimator.ZerosAreUnclear")  # 0 beside 1 alone
def test_labels_to_judge_by_are_complete_unless_it_is_said_otherwise():
    ones = (ALL == 1).astype(int)
    model = fitted("EM", X, SIGNS, validation=(X, ones))
    wanted = ap(model, ALL, ALL != 0)
    assert model.score(X, ones) == model.score(X, ALL) == pytest.approx(wanted)
    assert model.evaluate(X, ones).AP["mean"] == pytest.approx(100 * wanted)
    assert model.history_.validation.max() == pytest.approx(100 * wanted)
    assert model.score(X, SIGNS) == pytest.approx(ap(model, SIGNS, SIGNS != 0))
    for judge, message in (
        (lambda: model.evaluate(X, SIGNS), "some of the labels are unknown: say unknown="),
        (lambda: model.evaluate(X, ones, unknown="ignore"), "there is nothing to rank"),
        (lambda: model.score(X, ones, zeros="unknown"), "there is nothing to rank"),
        (lambda: model.score(X, SIGNS, zeros="absent"), "zeros='absent', but -1 means absent"),
        (lambda: model.score(X, SIGNS, zeros="none"), "zeros is 'none': expected 'absent' or"),
    ):
        with pytest.raises(ValueError, match=message):
            judge()


def test_zeros_that_were_unknown_in_training_are_not_taken_for_absent_in_silence(tmp_path):
    ones = (ALL == 1).astype(int)
    model = fitted("EM", X, ones, zeros="unknown")
    model.save(tmp_path / "model.pt")
    wanted = ap(model, ALL, ALL != 0)
    for each in (model, Classifier.load(tmp_path / "model.pt", device="cpu")):
        with pytest.warns(ZerosAreUnclear, match="0 is taken for absent, though in training it"):
            assert each.score(X, ones) == pytest.approx(wanted)
        with pytest.warns(ZerosAreUnclear):
            assert each.evaluate(X, ones).AP["mean"] == pytest.approx(100 * wanted)
    with pytest.warns(ZerosAreUnclear, match=r"give complete labels as 2 \* truth - 1; evaluate"):
        judged = fitted("EM", X, ones, zeros="unknown", validation=(X, ones))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signs = fitted("EM", X, ones, zeros="unknown", validation=(X, 2 * ones - 1))
        assert signs.history_.validation.tolist() == judged.history_.validation.tolist()
        assert model.score(X, ones, zeros="absent") == model.score(X, ALL)
        told = fitted("EM", X, ones, zeros="absent", validation=(X, ones))
        assert told.score(X, ones) == told.score(X, ALL)


def test_zeros_beside_minus_ones_are_unknown_in_every_part_of_the_labels(tmp_path):
    model = fitted("EM", X, SIGNS)
    model.save(tmp_path / "model.pt")
    part = np.flatnonzero((SIGNS != -1).all(1))
    part = part[(SIGNS[part] == 1).any(1)]
    assert (SIGNS[part] == 0).any()
    for each in (model, Classifier.load(tmp_path / "model.pt", device="cpu")):
        for judge in (each.score, each.evaluate):
            with pytest.warns(ZerosAreUnclear, match="0 is taken for absent, though in training"):
                judge(X[part], SIGNS[part])
    with pytest.warns(ZerosAreUnclear):
        fitted("EM", X, SIGNS, validation=(X[part], SIGNS[part]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.score(X, SIGNS)
        model.score(X, (ALL == 1).astype(int), zeros="absent")
        hidden = np.ma.array(ALL, mask=SIGNS == 0)  # what is masked is no 0
        fitted("EM", X, hidden).score(X, (ALL == 1).astype(int))


# --- masks ---------------------------------------------------------------------------------------


def test_masked_labels_are_unknown():
    hidden = np.random.default_rng(0).random(ALL.shape) < 0.4
    masked, signs = np.ma.array(ALL, mask=hidden), np.where(hidden, 0, ALL)
    wanted = fitted("EM", X, signs)
    same(fitted("EM", X, masked), wanted)
    ones = np.ma.array((ALL == 1).astype(float), mask=hidden)
    ones.data[hidden] = np.nan
    same(fitted("EM", X, ones, zeros="absent"), wanted)
    score = wanted.score(X, signs)
    assert wanted.score(X, masked) == wanted.score(X, ones, zeros="absent") == score
    frame = wanted.evaluate(X, masked, unknown="ignore")
    assert frame.known[:-1].tolist() == (~hidden).sum(0).tolist()
    with pytest.raises(ValueError, match="some of the labels are unknown"):
        wanted.evaluate(X, masked)
    answers = np.ma.array(np.abs(ANSWERS), mask=ANSWERS < 0)
    same(fitted("CE", X, answers), fitted("CE", X, ANSWERS))
    same(fitted("DL-CL", X, answers.astype(np.uint8)), fitted("DL-CL", X, ANSWERS))


def test_masked_values_are_refused_where_nothing_may_be_unknown():
    one = np.ma.array(ONE, mask=ONE == 2)
    sets = np.ma.array(labels_of("candidates").numpy(), mask=SIGNS == 0)
    shares = np.ma.array(np.eye(3)[ONE], mask=SIGNS == 0)
    for method, observed in (("CE", one), ("PRODEN", sets), ("soft labels", shares)):
        with pytest.raises(ValueError, match=r"labels are masked in row \d+: expected values that"):
            fitted(method, X, observed)
    with pytest.raises(ValueError, match="labels are masked in row 2"):
        fitted("CE", X, ONE).score(X, one)
    x = np.ma.masked_equal(X, X[5, 1])
    with pytest.raises(ValueError, match="inputs are masked in row 5: expected values that are a"):
        fitted("CE", x, ONE)
    whole = np.ma.array(ONE)
    same(fitted("CE", np.ma.array(X), whole), fitted("CE", X, ONE))


# --- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "observed"), [("EM", SIGNS), ("PRODEN", labels_of("candidates").numpy())]
)
def test_classes_are_the_columns_of_the_labels(method, observed):
    named = pd.DataFrame(observed, columns=CLASSES)
    assert fitted(method, X, named).classes_.tolist() == list(CLASSES)
    assert fitted(method, X, named, classes=CLASSES).classes_.tolist() == list(CLASSES)
    unnamed = fitted(method, X, pd.DataFrame(observed), classes=CLASSES)
    assert unnamed.classes_.tolist() == list(CLASSES)
    with pytest.raises(ValueError, match="number 0 is 'cat': expected 'dog' as in the classes"):
        fitted(method, X, named, classes=("dog", "cat", "bird"))


@pytest.mark.filterwarnings("ignore:no row is without any label")  # these are for their columns
def test_labels_to_judge_by_have_the_columns_of_the_training():
    named = pd.DataFrame(SIGNS, columns=CLASSES)
    model = fitted("EM", FRAME, named)
    turned, truth = named[["dog", "cat", "bird"]], named > 0
    for judge in (model.score, model.evaluate, model.choose_thresholds):
        with pytest.raises(ValueError, match="columns of which number 0 is 'dog': expected 'cat'"):
            judge(FRAME, turned)
    with pytest.raises(ValueError, match="columns of which number 0 is 'dog': expected 'cat'"):
        fitted("EM", X, named, validation=(X, turned))
    with pytest.raises(ValueError, match="columns of which number 0 is 'dog': expected 'cat'"):
        fitted("True labels", X, named, truth=truth[turned.columns])
    with pytest.raises(ValueError, match="columns in the number of 2: expected 3"):
        model.score(FRAME, named[["cat", "dog"]])
    assert model.score(FRAME, named) == model.score(FRAME, SIGNS)


def test_names_say_nothing_about_classes_that_are_numbered():
    model = fitted("EM", X, SIGNS)
    named, turned = (pd.DataFrame(ALL, columns=list(names)) for names in ("abc", "201"))
    assert model.score(X, named) == model.score(X, ALL)
    with pytest.raises(ValueError, match="columns of which number 0 is '2': expected '0'"):
        model.score(X, turned)


def test_columns_of_the_inputs_are_those_of_the_training(tmp_path):
    model = fitted("CE", FRAME, ONE)
    assert model.feature_names_in_.tolist() == list("abcde")
    model.save(tmp_path / "model.pt")
    again = Classifier.load(tmp_path / "model.pt", device="cpu")
    turned = FRAME[list("bacde")]
    for call in (model.predict, model.predict_proba, again.predict, lambda x: model.score(x, ONE)):
        with pytest.raises(ValueError, match="number 0 is 'b': expected 'a' as in fit"):
            call(turned)
    with pytest.warns(UserWarning, match="columns of the training inputs have names, and those of"):
        wanted = model.predict_proba(X)
    np.testing.assert_array_equal(again.predict_proba(FRAME), wanted)
    unnamed = fitted("CE", X, ONE)
    assert not hasattr(unnamed, "feature_names_in_")
    with pytest.warns(UserWarning, match="columns of these inputs have names, and those of the tr"):
        unnamed.predict(FRAME)


def test_rows_are_those_of_the_inputs():
    y, named = pd.Series(ONE), pd.DataFrame(SIGNS, columns=CLASSES)
    turned = y.sample(frac=1, random_state=0)
    message = r"row 0 is 0 in the index of the inputs and \d+ in that of the labels: expected the"
    one, several = fitted("CE", FRAME, y), fitted("EM", FRAME, named)
    sets = labels_of("candidates")
    calls = (
        lambda: fitted("CE", FRAME, turned),
        lambda: fitted("CE", FRAME, y, validation=(FRAME, turned)),
        lambda: fitted("MoGD", FRAME, sets, clean=(FRAME, turned)),
        lambda: fitted("True labels", FRAME, named, truth=(named > 0).loc[turned.index]),
        lambda: one.score(FRAME, turned),
        lambda: one.evaluate(FRAME, turned),
        lambda: several.choose_thresholds(FRAME, named.loc[turned.index]),
    )
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()
    moved = fitted("CE", FRAME.loc[turned.index], turned)
    same_rows = fitted("CE", FRAME.loc[turned.index], turned.to_numpy())
    np.testing.assert_array_equal(moved.predict(FRAME), same_rows.predict(FRAME))


# --- one label a row, answers --------------------------------------------------------------------


def test_a_column_of_classes_is_one_label_a_row():
    y = 5 + 10 * ONE
    column = pd.DataFrame({"label": y})
    model = fitted("CE", X, column, validation=(X, column))
    assert model.classes_.tolist() == [5, 15, 25]
    same(model, fitted("CE", X, y, validation=(X, y)))
    assert model.score(X, column) == pytest.approx(accuracy_score(y, model.predict(X)))
    same(fitted("soft labels", X, y[:, None].astype(float)), fitted("soft labels", X, y))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64])
@pytest.mark.parametrize(("method", "answers"), [("CE", ANSWERS), ("DL-CL", ANSWERS), ("CE", ONE)])
def test_a_wrapped_minus_one_is_no_class(method, answers, kind):
    wrong = answers.copy()
    wrong[1] = -1
    largest = np.iinfo(kind).max
    with pytest.raises(
        ValueError, match=f"labels hold {largest}, which is what -1 becomes in uint"
    ):
        fitted(method, X, wrong.astype(kind))
    fitted(method, X, np.abs(answers).astype(kind))


def test_minus_one_is_no_class_unless_it_is_named():
    wrong = np.where(np.arange(ROWS) == 4, -1, ONE)
    for observed in (wrong, wrong.astype(float), wrong[:, None], torch.from_numpy(wrong)):
        with pytest.raises(ValueError, match=r"labels hold -1: .* leave rows without a label out"):
            fitted("CE", X, observed)
    two = np.where(ONE == 0, -1, 1)
    assert fitted("CE", X, two).classes_.tolist() == [-1, 1]
    three = np.where(ONE == 2, -1, ONE)
    assert set(fitted("CE", X, three, classes=[-1, 0, 1]).predict(X)) <= {-1, 0, 1}


def test_whole_floats_are_answers():
    wanted, floats = fitted("CE", X, ANSWERS), ANSWERS.astype(float)
    same(fitted("CE", X, floats), wanted)
    same(fitted("DL-CL", X, floats), fitted("DL-CL", X, ANSWERS))
    same(fitted("soft labels", X, floats), fitted("soft labels", X, ANSWERS))
    shares = np.eye(3)[ONE]
    same(fitted("soft labels", X, shares), fitted("soft labels", X, ONE))
    floats[0, 0] = 0.5
    with pytest.raises(ValueError, match="none for method 'CE'"):
        fitted("CE", X, floats)


# --- types ---------------------------------------------------------------------------------------


def test_frames_of_several_types_are_numbers():
    mixed = pd.DataFrame({"a": X[:, 0], "b": X[:, 1] > 0, "c": np.arange(ROWS)})
    plain = mixed.astype(float)
    nullable = mixed.astype({"a": "Float64", "b": "boolean", "c": "Int64"})
    wanted = fitted("CE", plain, ONE).predict_proba(plain)
    for frame in (mixed, nullable):
        np.testing.assert_array_equal(fitted("CE", frame, ONE).predict_proba(frame), wanted)
    nullable.iloc[3, 2] = pd.NA
    with pytest.raises(ValueError, match="input 3 holds a value that is not a finite number"):
        fitted("CE", nullable, ONE)
    with pytest.raises(ValueError, match="inputs are object: expected numbers, or names of image"):
        fitted("CE", mixed.assign(d="text"), ONE)
    with pytest.raises(ValueError, match=r"inputs are a sparse csr_matrix: .*x.toarray\(\)"):
        fitted("CE", csr_matrix(X), ONE)


def test_nullable_and_sparse_labels_are_read():
    wanted = fitted("EM", X, SIGNS)
    for observed in (pd.DataFrame(SIGNS).astype("Int64"), csr_matrix(SIGNS)):
        same(fitted("EM", X, observed), wanted)
        assert wanted.score(X, observed) == wanted.score(X, SIGNS)
    gaps = pd.DataFrame(SIGNS).astype("Float64").mask(SIGNS == 0)
    with pytest.raises(ValueError, match=r"labels hold a gap, .* 0 unknown, which .2 . frame - 1"):
        fitted("EM", X, gaps)
    same(fitted("EM", X, gaps.fillna(0)), wanted)
    for kind in ("Float64", "Int64", "UInt8"):  # as the sentence and the page on faults say
        frame = pd.DataFrame((SIGNS == 1).astype(int)).astype(kind).mask(SIGNS == 0)
        frame = frame.astype("Int64") if kind == "UInt8" else frame
        same(fitted("EM", X, (2 * frame - 1).fillna(0)), wanted)
    names = pd.Series(np.array(CLASSES)[ONE]).where(np.arange(ROWS) != 6)
    with pytest.raises(ValueError, match="the label of row 6 is missing: leave such rows out"):
        fitted("CE", X, names)


def test_whole_numbers_as_objects_keep_their_digits():
    large = np.array([2**60, 2**60 + 1] * 9, dtype=object)[:ROWS]
    assert labels.array_of(large).tolist() == large.tolist()
    assert fitted("CE", X, large).classes_.tolist() == [2**60, 2**60 + 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 2.5}, r"epochs is 2\.5: expected a whole number"),
        ({"epochs": True}, "epochs is True: expected a whole number"),
        ({"batch_size": "8"}, "batch_size is '8': expected a whole number"),
        ({"lr": "fast"}, "lr is 'fast': expected a positive number"),
    ],
)
def test_settings_of_another_type_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Classifier("CE", **(quiet | settings)).fit(X, ONE)
    Classifier("CE", epochs=np.int64(1), lr=np.float32(0.01), **quiet).fit(X, ONE)


def test_values_are_shown_as_people_write_them():
    with pytest.raises(ValueError, match=r"^every label is 0: expected two classes or more$"):
        fitted("CE", X, 0 * ONE)


def test_masked_labels_of_a_dataset_are_refused():
    class Masked(TensorDataset):
        def __getitem__(self, i):
            return self.tensors[0][i], np.ma.array([1, 0, 1], mask=[0, 0, i == 3])

    with pytest.raises(ValueError, match="labels are masked in row"):
        Classifier("EM", **quiet).fit(Masked(torch.from_numpy(X)))


# --- gaps and mixtures among names ---------------------------------------------------------------

NAMES = [CLASSES[c] for c in ONE]


class Rows(Dataset):
    """Inputs with any labels."""

    def __init__(self, y):
        self.y = y

    def __len__(self):
        return ROWS

    def __getitem__(self, i):
        return X[i], self.y[i]


@pytest.mark.parametrize("gap", [None, float("nan"), pd.NA])
@pytest.mark.parametrize("of", [list, tuple, pd.Series, Rows, lambda y: np.array(y, dtype=object)])
def test_a_gap_among_names_is_no_class(gap, of):
    observed = of([*NAMES[:4], gap, *NAMES[5:]])
    with pytest.raises(ValueError, match="the label of row 4 is missing: leave such rows out"):
        fitted("CE", observed, None) if of is Rows else fitted("CE", X, observed)
    whole = of(NAMES)
    model = fitted("CE", whole, None) if of is Rows else fitted("CE", X, whole)
    assert model.classes_.tolist() == sorted(CLASSES)


@pytest.mark.parametrize("of", [list, Rows, lambda y: np.array(y, dtype=object)])
def test_numbers_among_names_are_named(of):
    observed = of([*NAMES[:4], 7, *NAMES[5:]])
    with pytest.raises(
        ValueError, match="labels hold 7 beside 'cat': expected names alone, or num"
    ):
        fitted("CE", observed, None) if of is Rows else fitted("CE", X, observed)
    with pytest.raises(ValueError, match="classes hold 1 beside 'a': expected names alone, or num"):
        fitted("CE", X, ONE, classes=["a", 1, 2])


def test_a_gap_among_numbers_is_a_row_to_be_left_out():
    gaps = np.where(np.arange(ROWS) == 4, np.nan, ONE)
    for observed in (gaps, gaps[:, None], gaps.tolist(), pd.Series(gaps)):
        with pytest.raises(
            ValueError, match="the label of row 4 is a gap, or not finite: leave such row"
        ):
            fitted("CE", X, observed)


def test_tensors_of_every_kind_are_labels():
    wanted = fitted("CE", X, ONE)
    numbers = [torch.tensor(float(c), requires_grad=True) for c in ONE]
    for observed in (torch.from_numpy(ONE).bfloat16(), numbers, Rows(numbers)):
        model = fitted("CE", observed, None) if isinstance(observed, Rows) else None
        same(model or fitted("CE", X, observed), wanted)
    same(fitted("EM", X, torch.from_numpy(SIGNS).to_sparse()), fitted("EM", X, SIGNS))
    with pytest.raises(
        ValueError, match=r"item 1 of the dataset has labels \(2,\): the first has "
    ):
        fitted("CE", Rows([[1], [1, 2]] * 9), None)
    with pytest.raises(ValueError, match="labels are a list whose rows differ in length: expected"):
        fitted("EM", X, [[1, 0], [1]] * 8 + [[0, 1]])


def test_numbers_that_no_integer_holds_are_no_classes():
    for observed in (np.where(ONE == 2, 1e300, ONE), np.where(ANSWERS == 2, 1e300, ANSWERS)):
        for method in ("CE", "DL-CL") if observed.ndim == 2 else ("CE",):
            with pytest.raises(ValueError, match=f"none for method '{method}'"):
                fitted(method, X, observed)

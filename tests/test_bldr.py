"""BLDR and its comparators against values from the authors' code, closed forms and boundaries."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import cases
from weaklabels import methods
from weaklabels.methods import bldr
from weaklabels.weaken import asymmetric_noise, noisy_labels, symmetric_noise

GOLDEN = cases("bldr")
TOLERANCE = 1e-9


def read(name):
    """Inputs of a case as tensors, and what is expected."""
    case = GOLDEN[name]
    inputs = {
        key: torch.tensor(value, dtype=torch.float64 if _real(value) else torch.int64)
        if isinstance(value, list)
        else value
        for key, value in case["inputs"].items()
    }
    return inputs, case["expected"]


def _real(value):
    return np.asarray(value).dtype.kind == "f"


def check(loss, expected, gradients=()):
    if "loss" in expected:
        assert loss.item() == pytest.approx(expected["loss"], abs=TOLERANCE)
    for variable, name in gradients:
        (gradient,) = torch.autograd.grad(loss, variable, retain_graph=True, allow_unused=True)
        wanted = torch.tensor(expected[name], dtype=torch.float64)
        gradient = torch.zeros_like(wanted) if gradient is None else gradient
        torch.testing.assert_close(gradient, wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    "name", ["pl_single_view_plain", "pl_single_view_reg", "pl_two_views_full"]
)
def test_positive_loss_agrees_with_the_authors_code(name):
    inputs, expected = read(name)
    z, u, v = (inputs[key].requires_grad_() for key in ("logits", "u", "v"))
    n = len(inputs["labels"])
    loss = bldr.positive_loss(
        z[:n], inputs["labels"], u, v, inputs["weights"], inputs["ratio"],
        z[n:] if len(z) > n else None,
        regularisation=inputs["ratio_reg"], balance=inputs["ratio_balance"],
        consistency=inputs["ratio_consistency"],
    )  # fmt: skip
    check(loss, expected, [(z, "grad_logits"), (u, "grad_u"), (v, "grad_v")])


@pytest.mark.parametrize("name", ["nl_single_view_plain", "nl_two_views_full"])
def test_negative_loss_agrees_with_the_authors_code(name):
    inputs, expected = read(name)
    z, n = inputs["logits"].requires_grad_(), len(inputs["labels"])
    loss = bldr.negative_loss(
        z[:n], inputs["neg_mask"].bool(), inputs["weights"], z[n:] if len(z) > n else None,
        balance=inputs["ratio_balance"], consistency=inputs["ratio_consistency"],
    )  # fmt: skip
    check(loss, expected, [(z, "grad_logits")])


def test_distillation_agrees_with_the_authors_code():
    inputs, expected = read("kd_loss")
    z = inputs["middle_logits"].requires_grad_()
    loss = bldr.distillation_loss(z, inputs["pl_logits"], inputs["nl_logits"])
    check(loss, expected, [(z, "grad_middle_logits")])
    assert 9 * loss.item() == pytest.approx(expected["loss_times_T2"], abs=TOLERANCE)


def test_feature_loss_agrees_with_the_authors_code():
    inputs, expected = read("feature_loss")
    e = inputs["middle_features"].requires_grad_()
    check(bldr.feature_loss(e, inputs["final_features"]), expected, [(e, "grad_middle")])


@pytest.mark.parametrize("name", ["train_step_before_warmup_end", "train_step_after_warmup"])
def test_one_step_of_the_method_agrees_with_the_authors_code(name, monkeypatch):
    inputs, expected = read(name)
    # The official case is a table model: row i of a table is what the network says about input i.
    tables = {
        key: torch.tensor(rows, dtype=torch.float64).requires_grad_()
        for key, rows in inputs["tables"].items()
    }
    n = len(inputs["labels"])

    def from_tables(_, rows):
        middle, features = (
            torch.stack([tables[str(k)][rows] for k in keys]) for keys in ((2, 3, 4), (6, 7, 8))
        )
        heads = tables["0"][rows], tables["1"][rows]
        return bldr.Outputs(*heads, middle, tables["5"][rows], features)

    monkeypatch.setattr(bldr, "outputs", from_tables)
    method = methods.create("BLDR", warm_up=inputs["updateW_epochs"], u_rate=1.0, v_rate=1.0)
    method.start(inputs["labels"])
    method.views = (lambda rows: rows, lambda rows: rows + n)
    method.weights, method.noise_share = inputs["weights"], inputs["ratio"]
    method.found = torch.zeros(n, dtype=torch.float64)
    method.u, method.v = inputs["u"].clone(), inputs["v"].clone()
    rows = torch.arange(n)
    method.before_epoch(inputs["epoch"] + 1)
    _, loss = method.step(None, rows, rows)
    loss.backward()
    for key, wanted in expected["grads"].items():
        if wanted is None:
            assert tables[key].grad is None
            continue
        wanted = torch.tensor(wanted, dtype=torch.float64)
        torch.testing.assert_close(tables[key].grad, wanted, atol=TOLERANCE, rtol=0)
    method.after_step(None, rows, rows)
    for values, start, key in ((method.u, "u", "grad_u"), (method.v, "v", "grad_v")):
        wanted = torch.tensor(expected[key], dtype=torch.float64)
        torch.testing.assert_close(inputs[start] - values, wanted, atol=TOLERANCE, rtol=0)
    method.after_epoch(None)
    wanted = torch.tensor(expected["new_weights"], dtype=torch.float64)
    torch.testing.assert_close(method.weights, wanted, atol=TOLERANCE, rtol=0)
    assert method.noise_share == pytest.approx(expected["new_ratio"], abs=TOLERANCE)


def test_noise_detection_agrees_with_the_authors_code():
    inputs, expected = read("noise_detection")
    flagged = bldr.flag_noisy(inputs["nl_logits"], inputs["labels"], inputs["threshold"])
    assert flagged.long().tolist() == expected["flagged"]


def test_truncated_gce_agrees_with_the_public_code():
    inputs, expected = read("gce_truncated")
    z, labels, k = inputs["logits"].requires_grad_(), inputs["labels"], inputs["k"]
    entries = bldr.generalised_cross_entropy(z, labels, inputs["q"], k)
    check((inputs["weights"] * entries).mean(), expected, [(z, "grad_logits")])
    weights = bldr.truncated_weights(z, labels, inputs["q"], k)
    assert weights.tolist() == expected["new_weights"]


def test_co_teaching_agrees_with_the_authors_code():
    inputs, expected = read("co_teaching")
    z1, z2 = inputs["logits1"].requires_grad_(), inputs["logits2"].requires_grad_()
    first, second = bldr.small_loss_exchange(
        z1, z2, inputs["labels"], inputs["forget_rate"], divide_again=True
    )
    check(first, {"loss": expected["loss1"]} | expected, [(z1, "grad_logits1")])
    check(second, {"loss": expected["loss2"]} | expected, [(z2, "grad_logits2")])
    plain = bldr.small_loss_exchange(z1, z2, inputs["labels"], inputs["forget_rate"])
    assert plain[0].item() == pytest.approx(5 * first.item())


@pytest.mark.parametrize("name", ["nlnl_NL_phase", "nlnl_SelNL_phase"])
def test_negative_learning_agrees_with_the_authors_code(name):
    inputs, expected = read(name)
    z, labels = inputs["logits"].requires_grad_(), inputs["labels"]
    keep = torch.ones(len(labels), dtype=torch.bool)
    if inputs["epoch"] >= inputs["switch_epoch"]:
        likely = inputs["history"].mean(1).gather(1, labels[:, None])[:, 0]
        keep = likely >= 1 / z.shape[1]
    assert keep.long().tolist() == expected["kept"]
    loss = bldr.negative_learning(z, inputs["labels_neg"], keep, inputs["class_weights"], labels)
    check(loss, expected, [(z, "grad_logits")])


# -- label noise ----------------------------------------------------------------------------------


@given(
    classes=st.integers(2, 12), rate=st.floats(0, 1), seed=st.integers(0, 99), pair=st.booleans()
)
def test_noise_transitions_are_distributions_with_the_asked_rate(classes, rate, seed, pair):
    transition = (asymmetric_noise if pair else symmetric_noise)(classes, rate)
    np.testing.assert_allclose(transition.sum(1), 1)
    np.testing.assert_allclose(np.diag(transition), 1 - rate)
    truth = np.arange(200) % classes
    given_labels = noisy_labels(truth, transition, np.random.default_rng(seed))
    assert given_labels.dtype == np.int64
    assert (transition[truth, given_labels] > 0).all()
    again = noisy_labels(truth, transition, np.random.default_rng(seed))
    np.testing.assert_array_equal(given_labels, again)


def test_noise_has_the_asked_frequencies():
    truth = np.repeat(np.arange(5), 20_000)
    for transition in (symmetric_noise(5, 0.4), asymmetric_noise(5, 0.4, (1, 0, 2, 4, 3))):
        labels = noisy_labels(truth, transition, np.random.default_rng(0))
        counts = np.zeros((5, 5))
        np.add.at(counts, (truth, labels), 1)
        np.testing.assert_allclose(counts / 20_000, transition, atol=0.015)


def test_pair_flipping_is_the_default_asymmetric_noise():
    expected = [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]]
    np.testing.assert_allclose(asymmetric_noise(3, 0.3), expected)
    truth = np.array([0, 1, 2])
    rng = np.random.default_rng(0)
    assert noisy_labels(truth, asymmetric_noise(3, 1.0), rng).tolist() == [1, 2, 0]
    assert noisy_labels(truth, symmetric_noise(3, 0.0), rng).tolist() == [0, 1, 2]
    assert noisy_labels(truth[:0], symmetric_noise(3, 0.5), rng).shape == (0,)


def test_bad_noise_is_refused_in_one_sentence():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"rate is 1\.2: expected a share"):
        symmetric_noise(3, 1.2)
    with pytest.raises(ValueError, match=r"shape \(2, 3\): expected"):
        noisy_labels(np.array([0]), np.ones((2, 3)) / 3, rng)
    with pytest.raises(ValueError, match=r"class numbers in 0\.\.2"):
        noisy_labels(np.array([3]), symmetric_noise(3, 0.1), rng)

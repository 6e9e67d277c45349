"""MoGD: the meta-gradient three ways, reference values, boundaries, and the protocol."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.mogd import claims, runs, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.golden import cases
from weaklabels import methods, models
from weaklabels.data import Split, Splits
from weaklabels.lab import candidate_sets, sweep
from weaklabels.lab.store import Record, Store, digest
from weaklabels.methods import mogd
from weaklabels.methods import partial_label as pl
from weaklabels.methods.base import Context
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN
from weaklabels.train import OptimiserSpec, fit

GOLDEN = cases("mogd")
TOLERANCE = 1e-9


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, wanted, tolerance=TOLERANCE):
    torch.testing.assert_close(found, doubles(wanted), atol=tolerance, rtol=0)


# -- reference values -----------------------------------------------------------------------------


def reference():
    """Network, batch, clean set, candidates, rate and expected values of the reference case."""
    case = GOLDEN["mogd_meta_weights"]
    inputs = case["inputs"]
    w1, w2 = doubles(inputs["W1"]), doubles(inputs["W2"])
    net = nn.Sequential(
        nn.Linear(*reversed(w1.shape)), nn.Tanh(), nn.Linear(*reversed(w2.shape))
    ).double()
    values = (w1, doubles(inputs["b1"]), w2, doubles(inputs["b2"]))
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.data.copy_(value)
    clean = doubles(inputs["X_val"]), torch.tensor(inputs["y_val"])
    sets = torch.tensor(inputs["candidates"]) > 0
    return net, doubles(inputs["X"]), clean, sets, inputs["alpha"], case["expected"]


@pytest.mark.parametrize("find", [mogd.meta_gradient, mogd.virtual_step_gradient])
def test_meta_gradient_agrees_with_the_reference(find):
    net, x, clean, _, rate, expected = reference()
    close(find(net, x, clean, rate), expected["u"])
    assert all(parameter.grad is None for parameter in net.parameters())


def test_slopes_and_weights_agree_with_the_reference():
    net, x, clean, sets, rate, expected = reference()
    _, slopes = mogd.clean_slopes(net, x, clean)
    close(slopes, expected["logit_directional_derivative"])
    useful = mogd.meta_gradient(net, x, clean, rate)
    weights = mogd.label_weights(useful, sets)
    close(weights, expected["per_instance"])
    close(mogd.label_weights(useful, sets, "batch"), expected["per_batch"])
    uniform = pl.uniform_weights(sets.double())
    close(mogd.remembered(uniform, weights), expected["ema_from_uniform"])
    assert (weights.sum(1) == 0).nonzero().flatten().tolist() == expected["zero_rows"]


COMPARATORS = {
    "proden": lambda z, c: pl.weighted_cross_entropy(z, doubles(c["weights"])),
    "rc": lambda z, c: pl.weighted_cross_entropy(z, doubles(c["weights"])),
    "cc": lambda z, c: pl.cc_loss(z, torch.tensor(c["candidates"]) > 0),
    "lws": lambda z, c: pl.lw_sigmoid(
        z, torch.tensor(c["candidates"]) > 0, doubles(c["weights"]), c["lw"]
    ),
    "lwc": lambda z, c: pl.lw_cross_entropy(
        z, torch.tensor(c["candidates"]) > 0, doubles(c["weights"]), c["lw"]
    ),
}


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparators_agree_with_their_authors_code(name):
    case = GOLDEN[name]
    z = doubles(case["inputs"]["logits"]).requires_grad_()
    loss = COMPARATORS[name](z, case["inputs"])
    assert loss.item() == pytest.approx(case["expected"]["loss"], abs=TOLERANCE)
    close(torch.autograd.grad(loss, z)[0], case["expected"]["grad_logits"])


@pytest.mark.parametrize(
    ("name", "update"),
    [
        ("proden", pl.candidate_posterior),
        ("rc_confidence_update", pl.candidate_posterior),
        ("lw_confidence_update", pl.lw_weights),
    ],
)
def test_updates_of_comparators_agree_with_their_authors_code(name, update):
    case = GOLDEN[name]
    sets = torch.tensor(case["inputs"]["candidates"]) > 0
    close(update(doubles(case["inputs"]["logits"]), sets), case["expected"]["new_weights"])


# -- the meta-gradient ----------------------------------------------------------------------------


def tiny(seed=0, samples=4, classes=3, held=5):
    generator = torch.Generator().manual_seed(seed)
    net = models.build("mlp", classes, seed=seed, inputs=4, hidden=(6,)).double()
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    clean_x = torch.randn(held, 4, generator=generator, dtype=torch.float64)
    return net, x, (clean_x, torch.randint(classes, (held,), generator=generator))


def test_meta_gradient_is_that_of_finite_differences():
    net, x, clean = tiny()
    rate, step = 0.3, 1e-4
    theta = dict(net.named_parameters())
    found = mogd.meta_gradient(net, x, clean, rate)
    for i, j in np.ndindex(*found.shape):
        ends = []
        for epsilon in (step, -step):
            loss = epsilon * F.cross_entropy(net(x[i : i + 1]), torch.tensor([j])) / len(x)
            slopes = torch.autograd.grad(loss, list(theta.values()))
            pairs = zip(theta.items(), slopes, strict=True)
            moved = {name: value - rate * slope for (name, value), slope in pairs}
            logits = torch.func.functional_call(net, moved, (clean[0],))
            ends.append(F.cross_entropy(logits, clean[1]).item())
        assert found[i, j].item() == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-8)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 999), samples=st.integers(1, 6), classes=st.integers(2, 5),
    held=st.integers(1, 5), rate=st.floats(0.01, 2),
)  # fmt: skip
def test_closed_form_is_the_double_backward(seed, samples, classes, held, rate):
    net, x, clean = tiny(seed, samples, classes, held)
    closed = mogd.meta_gradient(net, x, clean, rate)
    double = mogd.virtual_step_gradient(net, x, clean, rate)
    torch.testing.assert_close(closed, double, atol=1e-12, rtol=1e-9)
    # Moving all labels by their probabilities moves nothing.
    balance = (net(x).softmax(1) * closed).sum(1)
    torch.testing.assert_close(balance, torch.zeros_like(balance), atol=1e-12, rtol=0)


def test_a_clean_sample_judges_its_own_label_best():
    net, x, _ = tiny()
    labels = torch.tensor([0, 1, 2, 0])
    for i in range(len(x)):
        useful = mogd.meta_gradient(net, x[i : i + 1], (x[i : i + 1], labels[i : i + 1]))
        assert useful.argmax() == labels[i]
        assert useful[0, labels[i]] > 0


def test_convolutions_and_batch_norm_in_a_fixed_mode():
    net = models.build("cifar_resnet", 3, depth=8).double().eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 3, 16, 16, generator=generator, dtype=torch.float64)
    clean = x + 0.1, torch.tensor([0, 1, 2])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    closed = mogd.meta_gradient(net, x, clean)
    torch.testing.assert_close(closed, mogd.virtual_step_gradient(net, x, clean))
    single = mogd.meta_gradient(net, x[:1], clean)
    torch.testing.assert_close(single[0] / 3, closed[0])
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_saturated_logits_stay_finite(dtype):
    logits = torch.tensor([[100.0, -100.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype)
    slopes = torch.tensor([[100.0, -50.0, 0.0], [0.0, 0.0, 0.0]], dtype=dtype)
    useful = mogd.closed_form_gradient(logits, slopes)
    weights = mogd.label_weights(useful, torch.ones(2, 3, dtype=torch.bool))
    assert useful.dtype == weights.dtype == dtype
    assert torch.isfinite(useful).all()
    assert torch.isfinite(weights).all()


# -- weights --------------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), rows=st.integers(0, 6), classes=st.integers(2, 6))
def test_weights_are_distributions_on_the_candidates_or_nothing(seed, rows, classes):
    generator = torch.Generator().manual_seed(seed)
    useful = torch.randn(rows, classes, generator=generator)
    sets = torch.rand(rows, classes, generator=generator) < 0.5
    weights = mogd.label_weights(useful, sets)
    total = weights.sum(1)
    some = ((useful > 0) & sets).any(1)
    torch.testing.assert_close(total, some.float())
    assert (weights >= 0).all()
    assert not weights[~sets].any()
    # Scale does not matter.
    torch.testing.assert_close(mogd.label_weights(7 * useful, sets), weights)
    batch = mogd.label_weights(useful, sets, "batch")
    assert batch.sum().item() == pytest.approx(float(some.any()), abs=1e-5)
    old = pl.uniform_weights(sets | (torch.arange(classes) == 0))
    mixed = mogd.remembered(old, weights, 0.9)
    assert torch.equal(mixed[~some], old[~some])
    torch.testing.assert_close(mixed.sum(1), torch.ones(rows))


def test_bad_options_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="memory is 1: expected a share"):
        methods.create("MoGD", memory=1)
    with pytest.raises(ValueError, match="expected instance or batch"):
        methods.create("MoGD", normalise="row")
    with pytest.raises(ValueError, match="has no memory"):
        methods.create("MoGD", normalise="batch")
    with pytest.raises(ValueError, match="expected closed form or double backward"):
        methods.create("MoGD", gradient="third")
    with pytest.raises(ValueError, match="expected at least one sample"):
        methods.create("MoGD", clean_batch=0)
    with pytest.raises(ValueError, match="expected instance or batch"):
        mogd.label_weights(torch.zeros(1, 2), torch.ones(1, 2) > 0, "row")


def trained(**options):
    _, x, clean = tiny(samples=6)
    net = models.build("mlp", 3, inputs=4, hidden=(6,)).double()
    method = methods.create("MoGD", **options)
    sets = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1]] * 2) > 0
    method.start(Context(sets, clean=clean, generator=torch.Generator().manual_seed(0)))
    method.weights = method.weights.double()
    method.useful = method.useful.double()
    fit(
        net, x, method, epochs=3, batch_size=4, order=torch.Generator().manual_seed(0),
        optimiser=OptimiserSpec("sgd", lr=0.1).build(net, method),
    )  # fmt: skip
    return net, method


def test_both_gradients_train_the_same_network():
    first, second = (trained(gradient=name)[0] for name in mogd.GRADIENTS)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


def test_weights_stay_on_the_candidates_and_the_model_in_training_mode():
    net, method = trained()
    assert net.training
    torch.testing.assert_close(method.weights.sum(1), torch.ones(6, dtype=torch.float64))
    assert not method.weights[~method.observed].any()
    _, method = trained(memory=0.0, clean_batch=2)
    total = method.weights.sum(1)
    assert ((total - 1).abs() < 1e-9).logical_or(total == 0).all()
    trained(memory=0.0, normalise="batch")


# -- protocol -------------------------------------------------------------------------------------


def smoke_spec(name="MoGD", **changes):
    base = runs.settings(Chapter("mogd", "smoke", "cpu", 1)).sizes
    return replace(runs.vary(base, name), **changes)


@pytest.mark.parametrize("name", dict.fromkeys((*runs.ROWS, *runs.CHOICES)))
def test_every_row_runs_and_reports(name):
    result = runs.run(smoke_spec(name))
    assert np.isfinite(result["test_accuracy"]).all()
    assert ("auc" in result) == name.startswith("MoGD")
    assert ("true weight" in result) == (name != runs.CLEAN_ONLY)
    assert 0.1 <= result["uniform"] <= 0.5


def test_clean_samples_leave_the_training_set():
    spec = smoke_spec()
    whole = candidate_sets.load_splits(spec)
    splits, clean, sets = runs.divide(spec)
    assert len(clean) + len(splits.train) == len(whole.train)
    assert torch.bincount(clean.y).tolist() == [5] * 10
    assert sets.shape == (len(splits.train), 10)
    assert sets.gather(1, splits.train.y[:, None]).all()

    def rows(x):
        return {tuple(row) for row in x.flatten(1).round(decimals=4).tolist()}

    taken = rows(clean.x)
    assert not taken & rows(splits.train.x)
    assert not taken & rows(splits.test.x)
    # One more clean sample takes nothing back, and leaves the other sets as they are.
    more = runs.divide(replace(spec, clean=6))
    assert taken < rows(more[1].x)
    with pytest.raises(ValueError, match="more than clean are needed"):
        runs.divide(replace(spec, clean=500))


def test_a_run_is_reproducible_and_its_use_of_clean_samples_checked(tmp_path):
    spec = smoke_spec()
    first, second = (sweep.run(runs.run, [spec], Store(tmp_path / folder))[0] for folder in "ab")
    assert digest(first.values) == digest(second.values)
    with pytest.raises(ValueError, match="expected one of not, judge"):
        runs.run(replace(spec, use="peek"))
    with pytest.raises(ValueError, match="does not fit use 'not'"):
        runs.run(replace(spec, use="not"))
    with pytest.raises(ValueError, match="unknown row 'MoGD2'"):
        runs.vary(spec, "MoGD2")


def test_operations_grow_with_the_clean_set_and_the_closed_form_is_cheaper():
    few, many = (runs.operations(smoke_spec(clean=count)) for count in (1, 5))
    assert few["plain"] == many["plain"]
    for name in ("closed form", "double backward"):
        assert few[name] < many[name]
    for counted in (few, many):
        assert counted["closed form"] < counted["double backward"]


def test_paper_profile_names_data_that_can_be_loaded():
    found = runs.settings(Chapter("mogd", "paper", "cpu", 1))
    specs = [*found.sets.values(), found.sizes, *found.other.values()]
    assert {spec.dataset for spec in specs} == {
        "cifar10", "mnist", "kmnist", "fashion_mnist", "partial_label",
    }  # fmt: skip
    for spec in specs:
        for name in runs.ROWS:
            assert runs.vary(spec, name).code()


def test_a_rare_class_of_a_real_set_keeps_half_of_its_samples(monkeypatch):
    spec = smoke_spec(candidates="given", clean=5)
    y = torch.tensor([0] * 20 + [1] * 3 + [2])
    sets = np.ones((24, 3), bool)
    part = Split(torch.rand(24, 4), y, None, {"candidates": sets})
    monkeypatch.setattr(
        candidate_sets, "load_splits", lambda _: Splits(("a", "b", "c"), part, None, part)
    )
    splits, clean, left = runs.divide(spec)
    assert torch.bincount(clean.y, minlength=3).tolist() == [5, 1, 0]
    assert len(left) == len(splits.train) == 18


# -- tables and claims ----------------------------------------------------------------------------

KINDS = ("q = 0.1", "q = 0.8", "pair 0.9")


def around(mean, spread=0.1):
    return mean + spread * np.array([-1.0, 0.0, 1.0])


def made_results(**means):
    """Accuracies by kind of sets and row; a mean may be one number, or one a kind."""
    usual = dict.fromkeys(runs.ROWS, 70.0) | means
    return {
        kind: {
            row: around(mean[i] if isinstance(mean, tuple) else mean) for row, mean in usual.items()
        }
        for i, kind in enumerate(KINDS)
    }


def outcomes(rows):
    return {row.id: row.verdict.outcome for row in rows}


def scattered(mean):
    """Three values that show nothing about differences of some points."""
    return around(mean, 8)


def test_not_worse_is_a_margin_against_every_comparator():
    found = made_results(MoGD=(69.5, 80.0, 69.5), LW=(60.0, 60.0, 72.0))
    rows = claims.claim_1(found)
    assert outcomes(rows) == {"1a": HOLDS, "1b": HOLDS, "1c": FAILS}
    assert rows[2].claim.endswith("pair 0.9.")
    found["q = 0.1"]["LW"] = scattered(69)
    assert outcomes(claims.claim_1(found))["1a"] == OPEN


def test_an_advantage_grows_or_does_not_against_each_self_trainer():
    found = made_results(MoGD=(71.0, 80.0, 80.0), CC=(70.0, 70.0, 79.5))
    longer = {"60 epochs": found["q = 0.8"], "120 epochs": made_results(MoGD=60.0)["q = 0.8"]}
    rows = claims.claim_2(found, longer)
    decided = dict(zip(("2a", "2b", "2c", "2d"), (HOLDS, HOLDS, HOLDS, FAILS), strict=True))
    assert outcomes(rows) == decided | {"2e": FAILS, "2f": FAILS}
    assert "by CC is larger for pair 0.9" in rows[3].claim
    assert "(q = 0.8, 120 epochs)" in rows[4].claim
    found["pair 0.9"]["CC"] = scattered(78)
    longer["120 epochs"]["CC"] = scattered(60)
    opened = outcomes(claims.claim_2(found, longer))
    assert (opened["2d"], opened["2f"]) == (OPEN, OPEN)


def test_weights_and_judge_are_looked_at_in_every_kind():
    def decide(true, auc):
        values = [
            {"true weight": np.array([0.2, t]), "auc": np.array([0.9, a])}
            for t, a in zip(true, auc, strict=True)
        ]
        records = [
            Record(None, each | {"uniform": np.array(0.2 + 0.01 * i)}, {})
            for i, each in enumerate(values)
        ]
        return outcomes(claims.claim_3({kind: {"MoGD": records} for kind in KINDS}, 1))

    ids = ("3a", "3b", "3c", "3d", "3e", "3f")
    assert decide((0.9, 0.91), (0.6, 0.61)) == dict.fromkeys(ids, HOLDS)
    assert decide((0.1, 0.11), (0.4, 0.41)) == dict.fromkeys(ids, FAILS)
    assert decide((0.2, 0.4), (0.5, 0.6)) == dict.fromkeys(ids, OPEN)


def test_clean_samples_alone_are_a_rival_in_every_kind_and_at_every_number():
    found = made_results(MoGD=80.0)
    found["pair 0.9"]["clean only"] = around(90)
    sizes = {count: {"MoGD": around(80), "clean only": around(50)} for count in (1, 5)}
    sizes[20] = {"MoGD": around(80), "clean only": scattered(78)}
    rows = claims.claim_4(found, sizes, 5)
    assert outcomes(rows) == {"4a": HOLDS, "4b": HOLDS, "4c": FAILS, "4d": HOLDS, "4e": OPEN}
    assert "(1 per class; q = 0.8)" in rows[3].claim
    assert rows[4].as_dict()["why"] == ""


def test_every_rival_with_the_same_clean_samples_counts():
    found = made_results(**{"MoGD": 80.0, "MoGD +v": 90.0, "RC +v": (75.0, 75.0, 85.0)})
    found["q = 0.8"]["CC +v"] = scattered(78)
    rows = claims.claim_5(found)
    decided = (HOLDS, OPEN, FAILS, HOLDS, OPEN, HOLDS)
    assert outcomes(rows) == dict(zip(("5a", "5b", "5c", "5d", "5e", "5f"), decided, strict=True))
    assert [part.name for part in rows[0].verdict.parts] == list(runs.WITH_CLEAN)
    line = tables.gains_line(found)
    assert "- pair 0.9: +10.0 to uniform CE, -5.0 to RC +v, +10.0 to clean only" in line


def test_exact_claims_have_a_tolerance():
    u = torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert claims.claim_6(u, u + 1e-12, u + 1e-6).verdict.outcome == HOLDS
    assert claims.claim_6(u, u + 1e-6, u).verdict.outcome == FAILS
    cheap = {"plain": 10, "closed form": 20, "double backward": 50}
    counted = {10: cheap, 50: cheap, 200: cheap | {"closed form": 31}}
    assert outcomes(claims.claim_7(counted, 50)) == {"7a": HOLDS, "7b": FAILS}
    assert outcomes(claims.claim_7(counted, 200)) == {"7a": FAILS}
    assert claims.claim_8().verdict.outcome == NOT_TESTABLE

"""Candidate sets, the methods that several chapters share, their networks and the protocol."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.library.candidate_sets import (
    GOLDEN,
    TINY,
    TOLERANCE,
    batches,
    close,
    expected,
    follow,
    inputs,
)
from weaklabels import methods, models, weaken
from weaklabels.lab import candidate_sets
from weaklabels.lab.store import digest
from weaklabels.methods import partial_label as pl
from weaklabels.methods.base import Context
from weaklabels.train import OptimiserSpec, predict

SHARED = ("IM-avg", "IM-max", "CC", "RC", "PRODEN", "LWS", "LWC")


# -- losses against the authors' code -------------------------------------------------------------


def rows_of(case):
    return case["confidence_table"][case["index"]]


LOSSES = {
    "weighted_ce": lambda z, c: pl.weighted_cross_entropy(z, rows_of(c)),
    "first_epoch_loss": lambda z, c: pl.average_loss(z, c["candidates"]),
    "cc_loss": lambda z, c: pl.cc_loss(z, c["candidates"]),
    "proden_partial_loss": lambda z, c: pl.weighted_cross_entropy(z, c["weights"]),
    "lw_sigmoid_beta1": lambda z, c: pl.lw_sigmoid(z, c["candidates"], rows_of(c), c["beta"]),
    "lw_sigmoid_beta2": lambda z, c: pl.lw_sigmoid(z, c["candidates"], rows_of(c), c["beta"]),
    "lw_sigmoid_initial_weights": lambda z, c: pl.lw_sigmoid(
        z, c["candidates"], torch.full_like(z, 1 / z.shape[1]), c["beta"]
    ),
    "lw_cross_entropy_beta1": lambda z, c: pl.lw_cross_entropy(
        z, c["candidates"], rows_of(c), c["beta"]
    ),
    "lw_cross_entropy_beta2": lambda z, c: pl.lw_cross_entropy(
        z, c["candidates"], rows_of(c), c["beta"]
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_gradients_agree_with_the_authors_code(name):
    case = inputs(name)
    z = case["logits"].requires_grad_()
    loss = LOSSES[name](z, case)
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss.item() == pytest.approx(GOLDEN[name]["expected"]["loss"], abs=TOLERANCE)
    if "grad_logits" in GOLDEN[name]["expected"]:
        close(gradient, expected(name)["grad_logits"])


@pytest.mark.parametrize(
    ("name", "weights"),
    [("rc_confidence_update", pl.candidate_posterior), ("lw_confidence_update", pl.lw_weights)],
)
def test_weights_agree_with_the_authors_code(name, weights):
    case = inputs(name)
    table = case["confidence_table"].clone()
    table[case["index"]] = weights(case["logits"], case["candidates"])
    close(table, expected(name)["confidence_table_after"])


def test_initial_and_progressive_weights():
    uniform = inputs("uniform_confidence_init")["candidates"].double()
    close(pl.uniform_weights(uniform), expected("uniform_confidence_init")["confidence"])
    case = inputs("proden_partial_loss")
    new = pl.candidate_posterior(case["logits"], case["weights"] > 0)
    close(new, expected("proden_partial_loss")["new_weights"])
    smoothing = inputs("label_smoothing")
    close(pl.smooth(smoothing["onehot"], smoothing["eps"]), expected("label_smoothing")["smoothed"])


def test_rc_follows_the_authors_training():
    follow("rc_training_trace", methods.create("RC"))


# -- losses against closed forms and at their boundaries ------------------------------------------


@settings(deadline=None)
@given(batches())
def test_gradient_of_cc_is_the_posterior_gap(batch):
    z, candidates = batch
    z = z.requires_grad_()
    (gradient,) = torch.autograd.grad(pl.cc_loss(z, candidates), z)
    gap = (z.softmax(1) - pl.candidate_posterior(z, candidates)) / len(z)
    torch.testing.assert_close(gradient, gap.detach(), atol=1e-12, rtol=1e-9)


@settings(deadline=None)
@given(batches())
def test_weights_live_on_their_sets(batch):
    z, candidates = batch
    posterior = pl.candidate_posterior(z, candidates)
    assert (posterior[~candidates] == 0).all()
    torch.testing.assert_close(posterior.sum(1), torch.ones(len(z), dtype=torch.float64))
    assert candidates.gather(1, pl.best_candidate(z, candidates)[:, None]).all()
    leveraged = pl.lw_weights(z, candidates)
    assert torch.isfinite(leveraged).all()
    assert (leveraged * candidates).sum(1).max() <= 1 + 1e-9


@settings(deadline=None)
@given(batches())
def test_cc_is_below_the_average_loss(batch):
    # -log of a sum of probabilities is less than any mean of their -log.
    z, candidates = batch
    assert pl.cc_loss(z, candidates) <= pl.average_loss(z, candidates) + 1e-9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("size", [0.0, 3.0, 100.0])
def test_losses_and_weights_stay_finite_for_large_logits_and_half_precision(dtype, size):
    z = torch.tensor([[size, -size, 0.5], [-size, -size, -size]], dtype=dtype)
    for candidates in ([[1, 1, 0], [0, 1, 1]], [[1, 1, 1], [1, 1, 1]], [[0, 1, 0], [1, 0, 0]]):
        candidates = torch.tensor(candidates) > 0
        weights = pl.uniform_weights(candidates).to(dtype)
        for loss in (
            lambda z, c: pl.cc_loss(z, c),
            lambda z, c, w=weights: pl.lw_sigmoid(z, c, w),
            lambda z, c, w=weights: pl.lw_cross_entropy(z, c, w),
            lambda z, c: pl.average_loss(z, c),
        ):
            leaf = z.clone().requires_grad_()
            value = loss(leaf, candidates)
            value.backward()
            assert torch.isfinite(value)
            assert torch.isfinite(leaf.grad).all()
        assert torch.isfinite(pl.lw_weights(z, candidates)).all()
        assert torch.isfinite(pl.candidate_posterior(z, candidates)).all()


@pytest.mark.parametrize("loss", [pl.lw_sigmoid, pl.lw_cross_entropy])
def test_leveraged_losses_pass_gradcheck(loss):
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(3, 4, generator=rng, dtype=torch.float64).requires_grad_()
    candidates = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]]) > 0
    weights = torch.rand(3, 4, generator=rng, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: loss(z, candidates, weights, 1.5), (z,))


def test_sigmoid_loss_has_a_slope_at_zero():
    # The authors' code returns a zero gradient at a logit of exactly 0.
    z = torch.zeros(1, 2, requires_grad=True)
    pl.lw_sigmoid(z, torch.tensor([[True, False]]), torch.ones(1, 2), 1.0).backward()
    assert z.grad.tolist() == [[-0.25, 0.25]]


# -- methods --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHARED, "CAVL"])
@pytest.mark.parametrize("kind", ["all classes", "only one", "mixed"])
def test_every_method_trains_on_full_and_on_singleton_sets(name, kind):
    rng = torch.Generator().manual_seed(0)
    candidates = {
        "all classes": torch.ones(12, 3, dtype=torch.bool),
        "only one": torch.eye(3, dtype=torch.bool).repeat(4, 1),
        "mixed": torch.cat([torch.ones(6, 3) > 0, torch.eye(3).repeat(2, 1) > 0]),
    }[kind]
    net = models.build("mlp", 3, inputs=4, hidden=(8,), batch_norm=True)
    method = methods.create(name)
    method.start(Context(candidates))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(12, 4, generator=rng)
    for epoch in (1, 2, 3):
        method.before_epoch(epoch, None)
        for index in torch.arange(12).split(5):
            _, loss = method.step(net, x[index], index)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            method.after_step(net, x[index], index)
            assert torch.isfinite(loss)
    assert torch.isfinite(method.weights).all()
    if name in ("RC", "PRODEN", "IM-max", "CAVL"):
        assert (method.weights[~candidates] == 0).all()
        torch.testing.assert_close(method.weights.sum(1), torch.ones(12))


def test_candidates_are_checked():
    method = methods.create("CC")
    with pytest.raises(ValueError, match=r"expected \(N, K\) bool"):
        method.start(Context(torch.ones(2, 2)))
    with pytest.raises(ValueError, match="example 1 has no candidate label"):
        method.start(Context(torch.tensor([[True, False], [False, False]])))


@pytest.mark.parametrize(
    ("name", "bad", "sentence"),
    [
        ("RC", {"refresh": "never"}, "refresh is 'never'"),
        ("RC", {"mode": "off"}, "mode is 'off'"),
        ("LWS", {"beta": -1.0}, "beta is -1.0"),
        ("IM-max", {"start_epoch": -1}, "start_epoch is -1"),
    ],
)
def test_options_are_checked(name, bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        methods.create(name, **bad)


def test_a_weight_of_proden_that_is_zero_stays_zero():
    proden = methods.create("PRODEN")
    proden.start(Context(torch.tensor([[True, True, False]])))
    index = torch.tensor([0])
    proden.loss(torch.tensor([[200.0, 0.0, 0.0]]), index)
    assert proden.weights[0].tolist() == [1.0, 0.0, 0.0]
    proden.loss(torch.tensor([[0.0, 200.0, 0.0]]), index)
    assert proden.weights[0].tolist() == [1.0, 0.0, 0.0]


def test_mode_of_the_second_pass_decides_whether_batch_norm_moves():
    x = torch.randn(8, 4)
    for mode, moves in (("train", True), ("eval", False)):
        net = models.build("mlp", 3, inputs=4, hidden=(8,), batch_norm=True).train()
        before = net.features[2].running_mean.clone()
        pl.updated_logits(net, x, mode)
        assert net.training
        assert (not torch.equal(before, net.features[2].running_mean)) == moves


# -- candidate sets -------------------------------------------------------------------------------


def test_uniform_sets_agree_with_the_official_generator():
    case = GOLDEN["uniform_candidate_sets_official"]
    labels, k = np.array(case["inputs"]["labels"]), case["inputs"]["K"]
    rng = np.random.RandomState(case["inputs"]["np_seed"])
    ours = weaken.uniform_candidates(labels, k, rng, official=True)
    assert (ours == np.array(case["expected"]["candidates"])).all()
    case = GOLDEN["uniform_candidate_sets_size_histogram"]
    n, k = case["inputs"]["n"], case["inputs"]["K"]
    rng = np.random.RandomState(case["inputs"]["np_seed"])
    sizes = weaken.uniform_candidates(np.arange(n) % k, k, rng, official=True).sum(1)
    assert (
        np.bincount(sizes, minlength=k)[1:].tolist() == (case["expected"]["size_histogram_1_to_9"])
    )
    assert sizes.mean() == pytest.approx(case["expected"]["mean_size"], abs=TOLERANCE)


def test_flipped_sets_agree_with_the_reference_generator():
    case = GOLDEN["flipping_candidates_binomial"]
    rng = np.random.RandomState(case["inputs"]["np_seed"])
    sets = weaken.flip_candidates(
        np.array(case["inputs"]["labels"]), case["inputs"]["K"], case["inputs"]["q"], rng
    )
    normalised = sets / sets.sum(1, keepdims=True)
    assert np.abs(normalised - case["expected"]["normalised_candidates"]).max() < TOLERANCE
    assert sets.sum(1).mean() == case["expected"]["avg_size"]


@pytest.mark.parametrize(
    ("name", "rates", "both_ways"),
    [("lw_transition_type01", (0.5,), False), ("lw_transition_type04", (0.5, 0.3, 0.1), True)],
)
def test_class_dependent_sets_agree_with_the_lw_code(name, rates, both_ways):
    case = GOLDEN[name]
    rng = np.random.RandomState(case["inputs"]["np_seed"])
    transition = weaken.cyclic_transition(10, rates, both_ways=both_ways)
    sets = weaken.class_dependent_candidates(np.array(case["inputs"]["labels"]), transition, rng)
    assert (sets == np.array(case["expected"]["candidates"])).all()


def draw(kind, truth, k, q, rng):
    if kind.startswith("uniform"):
        return weaken.uniform_candidates(truth, k, rng, official=kind == "uniform official")
    if kind == "cyclic":
        return weaken.class_dependent_candidates(truth, weaken.cyclic_transition(k, (q,)), rng)
    return weaken.flip_candidates(truth, k, q, rng, singletons=kind == "flip, singletons")


@settings(deadline=None)
@given(
    kind=st.sampled_from(["uniform", "uniform official", "flip", "flip, singletons", "cyclic"]),
    k=st.integers(2, 9),
    n=st.integers(0, 40),
    q=st.floats(0, 1),
    seed=st.integers(0, 2**31),
    legacy=st.booleans(),
)
def test_sets_always_hold_the_truth(kind, k, n, q, seed, legacy):
    rng = np.random.RandomState(seed) if legacy else np.random.default_rng(seed)
    truth = np.random.default_rng(seed).integers(0, k, n)
    sets = draw(kind, truth, k, q, rng)
    assert sets.shape == (n, k)
    assert sets.dtype == bool
    assert sets[np.arange(n), truth].all()
    if kind.startswith("uniform"):
        assert not sets.all(1).any()
    if kind == "flip":
        assert (sets.sum(1) >= 2).all()


def test_exact_uniform_sets_are_uniform():
    k, n = 5, 60_000
    truth = np.zeros(n, int)
    sets = weaken.uniform_candidates(truth, k, np.random.default_rng(0))
    codes = sets[:, 1:] @ (1 << np.arange(k - 1))
    counts = np.bincount(codes, minlength=2 ** (k - 1))
    assert counts[-1] == 0  # the set of all classes
    assert stats.chisquare(counts[:-1]).pvalue > 1e-4
    sizes = weaken.uniform_candidates(np.zeros(n, int), 10, np.random.default_rng(1)).sum(1)
    assert sizes.mean() == pytest.approx(5.491, abs=0.02)


def test_official_uniform_sets_have_the_published_size_law():
    k, n = 6, 60_000
    truth = np.random.default_rng(0).integers(0, k, n)
    sets = weaken.uniform_candidates(truth, k, np.random.default_rng(1), official=True)
    law = np.array([math.comb(k, s) for s in range(1, k)]) / (2**k - 2)
    counts = np.bincount(sets.sum(1), minlength=k)[1:k]
    assert stats.chisquare(counts, n * law).pvalue > 1e-4
    # Given the size, each wrong class is as likely as any other.
    joined = np.array([sets[truth == y].sum(0) for y in range(k)])
    wrong = joined[~np.eye(k, dtype=bool)].reshape(k, k - 1)
    assert min(stats.chisquare(row).pvalue for row in wrong) > 1e-4


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
def test_flipped_labels_join_with_probability_q(q):
    k, n = 8, 20_000
    truth = np.random.default_rng(0).integers(0, k, n)
    sets = weaken.flip_candidates(truth, k, q, np.random.default_rng(1), singletons=True)
    wrong = (sets.sum() - n) / (n * (k - 1))
    assert wrong == pytest.approx(q, abs=4 * math.sqrt(q * (1 - q) / (n * (k - 1))) + 1e-12)
    full = weaken.flip_candidates(truth, k, q, np.random.default_rng(1))
    # Singletons get one wrong class, chosen uniformly; nothing else changes.
    alone = sets.sum(1) == 1
    assert (full[~alone] == sets[~alone]).all()
    assert (full[alone].sum(1) == 2).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda y, rng: weaken.uniform_candidates(y, 1, rng), "classes is 1"),
        (lambda y, rng: weaken.uniform_candidates(y, 2, rng), r"truth holds 2: expected class num"),
        (lambda y, rng: weaken.flip_candidates(y, 3, 1.5, rng), "q is 1.5"),
        (lambda y, rng: weaken.class_dependent_candidates(y, np.ones((2, 3)), rng), "transition"),
    ],
)
def test_generators_check_their_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(np.array([0, 1, 2]), np.random.default_rng(0))


# -- networks -------------------------------------------------------------------------------------

COUNTED = {
    "linear": ("linear", {"inputs": 784}, (1, 28, 28)),
    "mlp": ("mlp", {"inputs": 784}, (1, 28, 28)),
    "lenet": ("lenet", {}, (1, 28, 28)),
    "resnet32": ("cifar_resnet", {}, (3, 32, 32)),
    "densenet22": ("cifar_densenet", {}, (3, 32, 32)),
    "convnet9": ("convnet", {}, (3, 32, 32)),
}


@pytest.mark.parametrize("name", COUNTED)
def test_networks_have_the_official_parameter_counts(name):
    builder, extra, shape = COUNTED[name]
    net = models.build(builder, 10, **extra).eval()
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert count == int(GOLDEN["network_parameter_counts"]["expected"][name])
    assert net(torch.zeros(2, *shape)).shape == (2, 10)
    # Every parameter is trained.
    groups = OptimiserSpec().build(net, methods.create("CC")).param_groups
    assert sum(p.numel() for group in groups for p in group["params"]) == count


def test_depths_are_checked():
    with pytest.raises(ValueError, match="6n"):
        models.build("cifar_resnet", 10, depth=33)
    with pytest.raises(ValueError, match="6n"):
        models.build("cifar_densenet", 10, depth=23)


# -- the protocol ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SHARED, "CAVL"])
def test_a_run_measures_every_epoch_and_repeats_bit_by_bit(name):
    spec = dataclasses.replace(TINY, method=name, track=("values",))
    found = candidate_sets.run(spec)
    for curve in ("train_accuracy", "test_accuracy", "select IM-max", "select CAV"):
        assert found[curve].shape == (2,)
        assert ((found[curve] >= 0) & (found[curve] <= 100)).all()
    assert found["set_sizes"].sum() == 297
    assert digest({k: np.asarray(v) for k, v in found.items()}) == digest(
        {k: np.asarray(v) for k, v in candidate_sets.run(spec).items()}
    )


def test_all_methods_of_a_seed_see_the_same_sets_and_another_seed_other_ones():
    splits = candidate_sets.load_splits(TINY)
    mine = candidate_sets.draw_candidates(TINY, splits)
    assert (
        mine == candidate_sets.draw_candidates(dataclasses.replace(TINY, method="CC"), splits)
    ).all()
    assert (mine != candidate_sets.draw_candidates(dataclasses.replace(TINY, seed=1), splits)).any()


def test_truth_as_candidates_is_supervised_training():
    spec = dataclasses.replace(TINY, candidates="truth", epochs=8, batch_size=8)
    found = candidate_sets.run(spec)
    assert found["chance"] == 100
    assert found["test_accuracy"][-1] > 60


def test_mixing_keeps_inner_products_and_destroys_the_layout():
    plain = candidate_sets.load_splits(TINY).train.x.flatten(1)
    mixed = candidate_sets.load_splits(dataclasses.replace(TINY, inputs="mixed")).train.x
    torch.testing.assert_close(plain @ plain.T, mixed @ mixed.T, atol=1e-4, rtol=1e-5)
    assert (plain - mixed).abs().mean() > 0.1
    assert mixed.shape == (297, 64)


def test_subset_and_standard_inputs():
    spec = dataclasses.replace(TINY, train_size=50, inputs="standard")
    x = candidate_sets.load_splits(spec).train.x
    assert len(x) == 50
    assert x.mean().item() == pytest.approx(0, abs=1e-5)
    assert x.std().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"candidates": "guessed"}, "unknown candidates 'guessed'"),
        ({"candidates": "given"}, "brings no candidate sets"),
        ({"inputs": "upside down"}, "unknown inputs"),
        ({"train_size": 10_000}, "train_size is 10000: there are 297"),
        ({"track": ("mood",)}, "cannot track mood"),
    ],
)
def test_specs_are_checked(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        candidate_sets.run(dataclasses.replace(TINY, **change))


def test_evaluation_does_not_depend_on_the_batch():
    net = models.build("gap_cnn", 10)
    x = torch.rand(37, 1, 8, 8)
    torch.testing.assert_close(predict(net, x, 5), predict(net, x, 37))

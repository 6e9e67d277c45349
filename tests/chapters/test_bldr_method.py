"""BLDR and its comparators against values from the authors' code, closed forms and boundaries."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import cases
from weaklabels import methods, models
from weaklabels.lab.noisy_labels import epoch_decay
from weaklabels.methods import bldr, label_noise
from weaklabels.methods.base import Context
from weaklabels.networks import two_heads
from weaklabels.train import OptimiserSpec

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
        return two_heads.Outputs(*heads, middle, tables["5"][rows], features)

    monkeypatch.setattr(bldr, "outputs", from_tables)
    method = methods.create("BLDR", warm_up=inputs["updateW_epochs"], u_rate=1.0, v_rate=1.0)
    views = (lambda rows: rows, lambda rows: rows + n)
    method.start(Context(inputs["labels"], views=views))
    method.weights, method.noise_share = inputs["weights"], inputs["ratio"]
    method.found = torch.zeros(n, dtype=torch.float64)
    method.u, method.v = inputs["u"].clone(), inputs["v"].clone()
    rows = torch.arange(n)
    method.before_epoch(inputs["epoch"] + 1, None)
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


def test_truncated_gce_agrees_with_the_public_code():
    inputs, expected = read("gce_truncated")
    z, labels, k = inputs["logits"].requires_grad_(), inputs["labels"], inputs["k"]
    entries = label_noise.generalised_cross_entropy(z, labels, inputs["q"], k)
    check((inputs["weights"] * entries).mean(), expected, [(z, "grad_logits")])
    weights = label_noise.truncated_weights(z, labels, inputs["q"], k)
    assert weights.tolist() == expected["new_weights"]


def test_co_teaching_agrees_with_the_authors_code():
    inputs, expected = read("co_teaching")
    z1, z2 = inputs["logits1"].requires_grad_(), inputs["logits2"].requires_grad_()
    first, second = label_noise.small_loss_exchange(
        z1, z2, inputs["labels"], inputs["forget_rate"], divide_again=True
    )
    check(first, {"loss": expected["loss1"]} | expected, [(z1, "grad_logits1")])
    check(second, {"loss": expected["loss2"]} | expected, [(z2, "grad_logits2")])
    plain = label_noise.small_loss_exchange(z1, z2, inputs["labels"], inputs["forget_rate"])
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
    loss = label_noise.negative_learning(
        z, inputs["labels_neg"], keep, inputs["class_weights"], labels
    )
    check(loss, expected, [(z, "grad_logits")])


# -- gradients and boundaries ---------------------------------------------------------------------


def batch(n=6, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2, n, classes, generator=generator, dtype=torch.float64)
    noise = torch.rand(2, n, classes, generator=generator, dtype=torch.float64) / 2
    labels = torch.randint(classes, (n,), generator=generator)
    weights = torch.rand(n, generator=generator, dtype=torch.float64)
    return *z, *noise, labels, weights


def test_gradients_are_those_of_finite_differences():
    weak, strong, u, v, labels, weights = batch()
    weak.requires_grad_(), strong.requires_grad_()
    rejected = bldr.complementary_set(labels, 5)

    target = weak.detach().clone()  # gradcheck moves its inputs in place

    def positive(a, b):
        # Finite differences would see through the stopped gradient of the weak view.
        consistency = bldr.consistency_term(target, b)
        return bldr.positive_loss(a, labels, u, v, weights, 0.2) + consistency

    assert torch.autograd.gradcheck(positive, (weak, strong))
    assert torch.autograd.gradcheck(lambda a: bldr.negative_loss(a, rejected, weights), weak)
    assert torch.autograd.gradcheck(
        lambda a: label_noise.generalised_cross_entropy(a, labels).sum(), weak
    )
    assert torch.autograd.gradcheck(lambda a: bldr.agreement_loss(a, strong.detach()), weak)


def test_noise_variables_learn_from_different_terms():
    weak, _, u, v, labels, weights = batch()
    u.requires_grad_(), v.requires_grad_()
    first = bldr.positive_loss(weak, labels, u, v, weights, 0.2, regularisation=0)
    grad_u, grad_v = torch.autograd.grad(first, (u, v), allow_unused=True)
    assert grad_u.abs().sum() > 0
    assert grad_v is None or not grad_v.any()
    both = bldr.positive_loss(weak, labels, u, v, weights, 0.2)
    again, grad_v = torch.autograd.grad(both, (u, v))
    torch.testing.assert_close(again, grad_u)
    assert grad_v.abs().sum() > 0


def test_several_heads_at_once_are_the_heads_one_by_one():
    weak, strong, u, v, labels, weights = batch()
    stacked = bldr.positive_loss(
        torch.stack([weak, strong]), labels, u, v, weights, 0.2, torch.stack([strong, weak])
    )
    single = [
        bldr.positive_loss(a, labels, u, v, weights, 0.2, b)
        for a, b in ((weak, strong), (strong, weak))
    ]
    torch.testing.assert_close(stacked, torch.stack(single))
    middle = bldr.distillation_loss(torch.stack([weak, strong]), weak, strong)
    torch.testing.assert_close(middle[1], bldr.distillation_loss(strong, weak, strong))


def test_gce_lies_between_mean_absolute_error_and_cross_entropy():
    weak, _, _, _, labels, _ = batch()
    p = torch.softmax(weak, 1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(label_noise.generalised_cross_entropy(weak, labels, 1.0), 1 - p)
    torch.testing.assert_close(
        label_noise.generalised_cross_entropy(weak, labels, 1e-7), -p.log(), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_saturated_logits_stay_finite(dtype):
    logits = torch.tensor([[100.0, -100.0, 0.0], [-100.0, 100.0, 0.0]], dtype=dtype)
    logits.requires_grad_()
    labels, ones = torch.tensor([1, 1]), torch.ones(2, dtype=dtype)
    zeros = torch.zeros(2, 3, dtype=dtype)
    rejected = bldr.complementary_set(labels, 3, logits.argmax(1))
    for loss in (
        bldr.positive_loss(logits, labels, zeros, zeros, ones, 0.5, logits),
        bldr.negative_loss(logits, rejected, ones, logits),
        label_noise.generalised_cross_entropy(logits, labels).mean(),
        label_noise.negative_learning(logits, torch.tensor([0, 0])),
    ):
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_a_constant_prediction_has_no_negative_loss_if_it_is_spared():
    # The collapse of the negative head: always the same class, whatever the label.
    logits = torch.tensor([[30.0, 0.0, 0.0, 0.0]]).expand(4, -1)
    labels = torch.arange(4)
    spared = bldr.complementary_set(labels, 4, logits.argmax(1))
    ones = torch.ones(4)
    assert bldr.negative_loss(logits, spared, ones, balance=0).item() == pytest.approx(0, abs=1e-6)
    honest = bldr.complementary_set(labels, 4)
    assert bldr.negative_loss(logits, honest, ones, balance=0) > 5


def test_weights_and_noise_share_of_equal_and_empty_sets():
    found = torch.tensor([0.1, 0.4, 0.9])
    torch.testing.assert_close(bldr.sample_weights(found), torch.tensor([0.0, 0.375, 1.0]))
    assert bldr.noise_share(found) == pytest.approx(1 / 3)
    assert (bldr.sample_weights(torch.full((3,), 0.5)) == 1).all()


@given(seed=st.integers(0, 99), classes=st.integers(2, 10))
def test_a_complementary_label_is_never_the_given_one(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (50,), generator=generator)
    other = label_noise.complementary_label(labels, classes, generator)
    assert (other != labels).all()
    assert 0 <= other.min() <= other.max() < classes


def test_nothing_kept_gives_no_gradient():
    logits = torch.randn(3, 4, requires_grad=True)
    nobody = torch.zeros(3, dtype=torch.bool)
    loss = label_noise.negative_learning(logits, torch.zeros(3, dtype=torch.int64), nobody)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert not gradient.any()


# -- networks, methods, protocol ------------------------------------------------------------------


def test_heads_predict_with_the_mean_of_both_softmaxes():
    network = models.build("mlp", 10, inputs=64, hidden=(16, 16, 16), batch_norm=True)
    two_heads.add_heads(network, (3, 6))
    x = torch.rand(5, 1, 8, 8)
    network.eval()
    out = two_heads.outputs(network, x)
    assert out.middle.shape == (2, 5, 10)
    assert out.middle_features.shape == (2, 5, 16)
    mean = (torch.softmax(out.positive, 1) + torch.softmax(out.negative, 1)) / 2
    torch.testing.assert_close(network(x), mean.log())
    torch.testing.assert_close(two_heads.NegativeHead(network)(x), out.negative)
    torch.testing.assert_close(two_heads.PositiveHead(network)(x), out.positive)


def test_branches_of_convolutional_stages_have_the_final_width():
    network = models.build("resnet18", 10, pretrained=False, small=True)
    two_heads.add_heads(network, (3, 4, 5), (8, 4, 2))
    out = two_heads.outputs(network.eval(), torch.rand(2, 3, 32, 32))
    assert out.features.shape == (2, 512)
    assert out.middle_features.shape == (3, 2, 512)
    assert out.middle.shape == (3, 2, 10)


def test_without_branches_and_negative_learning_the_positive_head_predicts_alone():
    network = models.build("mlp", 4, inputs=8, hidden=(6,))
    two_heads.add_heads(network, negative=False)
    x = torch.rand(3, 8)
    out = two_heads.outputs(network, x)
    assert out.middle.shape == (0, 3, 4)
    torch.testing.assert_close(network(x), out.positive)


@pytest.mark.parametrize(("reweight", "estimate"), [(True, False), (False, True)])
def test_weights_and_estimated_share_are_renewed_apart(reweight, estimate):
    method = methods.create("BLDR", warm_up=1, reweight=reweight, estimate=estimate)
    method.start(Context(torch.arange(4)))
    method.found = torch.tensor([0.1, 0.2, 0.9, 1.0])
    method.before_epoch(1, None)
    method.after_epoch(None)
    assert (method.weights == 1).all()
    assert method.noise_share == 0.1
    method.before_epoch(2, None)
    method.after_epoch(None)
    assert (method.weights == 1).all().item() != reweight
    assert method.noise_share == (0.5 if estimate else 0.1)


def test_both_networks_of_co_teaching_shrink_alike():
    network = models.build("mlp", 3, inputs=4, hidden=(5,))
    method = methods.create("Co-teaching", forget=0.5)
    method.prepare(network)
    groups = OptimiserSpec("sgd", lr=0.1, weight_decay=0.01).build(network, method).param_groups
    assert {group["weight_decay"] for group in groups} == {0.01}
    assert {group["lr"] for group in groups} == {0.1}
    mine = {id(p) for group in groups for p in group["params"]}
    assert {id(p) for p in method.parameters()} <= mine


@pytest.mark.parametrize("pretrained", [True, False])
def test_the_second_network_of_co_teaching_keeps_pretrained_features(pretrained):
    network = models.build("mlp", 3, inputs=4, hidden=(5,))
    network.pretrained = pretrained
    method = methods.create("Co-teaching", forget=0.5)
    method.prepare(network)

    def same(part):
        pairs = zip(
            getattr(network, part).parameters(),
            getattr(method.peer, part).parameters(),
            strict=True,
        )
        return all(torch.equal(one, other) for one, other in pairs)

    assert same("features") == pretrained
    assert not same("head")


def test_builders_say_whether_their_features_are_pretrained():
    assert models.build("efficientnet_lite0", 3).pretrained
    assert not models.build("efficientnet_lite0", 3, pretrained=False).pretrained
    assert not models.build("resnet18", 3, pretrained=False).pretrained
    assert not models.build("patch_net", 3).pretrained


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="both come from the negative head"):
        methods.create("BLDR", negative=False)
    with pytest.raises(ValueError, match="expected 'always' or 'after warm-up'"):
        methods.create("BLDR", spare_prediction="never")


def test_epoch_average_agrees_with_the_authors_code():
    inputs, expected = read("ema")
    average = inputs["params_per_epoch"][0].clone()
    for epoch, parameters in enumerate(inputs["params_per_epoch"]):
        decay = epoch_decay(epoch) if epoch else 0.0
        average.lerp_(parameters, 1 - decay)
        wanted = torch.tensor(expected["ema_per_epoch"][epoch], dtype=torch.float64)
        torch.testing.assert_close(average, wanted, atol=TOLERANCE, rtol=0)


def test_the_first_epoch_of_re_weighting_is_the_one_after_the_warm_up():
    method = methods.create("BLDR", warm_up=2)
    method.start(Context(torch.zeros(3, dtype=torch.int64)))
    method.found = torch.tensor([0.1, 0.4, 0.9])
    for epoch, weights in ((1, [1, 1, 1]), (2, [1, 1, 1]), (3, [0, 0.375, 1])):
        method.before_epoch(epoch, None)
        method.after_epoch(None)
        torch.testing.assert_close(method.weights, torch.tensor(weights, dtype=torch.float32))

"""CAVL and the map selection against the authors' code, autograd, grad-cam and closed forms."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.library.candidate_sets import TINY, batches, close, expected, follow, inputs
from weaklabels import methods, models
from weaklabels.cam import class_activation_maps, grad_cam
from weaklabels.lab import candidate_sets
from weaklabels.lab.spec import options
from weaklabels.methods.base import Context
from weaklabels.methods.class_activation_value import (
    MAP_RULES,
    WINDOW,
    class_activation_value,
    first_class_activation_value,
    map_scores,
    select,
)
from weaklabels.methods.partial_label import best_candidate
from weaklabels.models import GlobalAveragePool, Network
from weaklabels.train import fit

# -- the authors' code ----------------------------------------------------------------------------


def test_update_agrees_with_the_authors_code():
    case, result = inputs("cav_confidence_update"), expected("cav_confidence_update")
    values = class_activation_value(case["logits"])
    close(values * case["candidates"], result["cav_masked"])
    chosen = select(values, case["candidates"])
    assert chosen.tolist() == result["selected_candidate_only"].tolist()
    official = select(values, case["candidates"], official_masking=True)
    assert official.tolist() == result["selected"].tolist()
    table = case["confidence_table"].clone()
    table[case["index"]] = nn.functional.one_hot(official, 5).double()
    close(table, result["confidence_table_after"])


def test_update_at_its_edges():
    case, result = inputs("cav_update_edge_cases"), expected("cav_update_edge_cases")
    values = class_activation_value(case["logits"])
    ours = select(values, case["candidates"])
    official = select(values, case["candidates"], official_masking=True)
    assert ours.tolist() == result["selected_candidate_only"].tolist()
    assert official.tolist() == result["selected_official"].tolist()
    largest = best_candidate(case["logits"], case["candidates"])
    assert largest.tolist() == result["argmax_candidate_logit"].tolist()


@pytest.mark.parametrize("official", [False, True])
def test_cavl_follows_the_authors_training(official):
    follow("cavl_training_trace", methods.create("CAVL", official_masking=official))


def test_maps_count_and_grad_cam_agree_with_the_authors_head():
    case, result = inputs("cam_count_and_gap"), expected("cam_count_and_gap")
    net = head_on(case)
    maps = class_activation_maps(net, case["features"])
    close(map_scores(maps, "count"), result["cam_count"])
    close(net(case["features"]).detach(), result["logits"])
    close(map_scores(maps, "raw_mean") + case["fc_bias"], result["mean_of_raw_cam_plus_bias"])
    chosen = best_candidate(map_scores(maps), case["candidates"])
    assert chosen.tolist() == result["selected_by_count"].tolist()
    ours = torch.stack([grad_cam(net, case["features"], torch.full((4,), k)) for k in range(5)], 1)
    close(ours, expected("grad_cam_gap_head")["grad_cam"])
    close(ours, maps.relu() / 16)


def head_on(case):
    head = nn.Linear(3, 5).double()
    head.weight.data, head.bias.data = case["fc_weight"], case["fc_bias"]
    return Network(nn.Identity(), GlobalAveragePool(), head)


# -- the two forms --------------------------------------------------------------------------------


def test_first_form_is_gradient_times_activation():
    z = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for j in range(5):
        leaf = z.clone().requires_grad_()
        log_p = leaf.log_softmax(1)[:, j]
        (gradient,) = torch.autograd.grad(-log_p.sum(), leaf)
        by_autograd = gradient[:, j].abs() * log_p.detach().exp()
        close(first_class_activation_value(z)[:, j], by_autograd)


def test_final_form_is_gradient_times_activation_of_the_squared_loss():
    f = torch.linspace(-3, 3, 61, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(((f - 1) ** 2 / 2).sum(), f)
    close(class_activation_value(f.detach()), gradient.abs() * f.detach())


def test_shape_of_the_final_form():
    rising = torch.linspace(-3, 0.5, 100, dtype=torch.float64)
    falling = torch.linspace(0.5, 1, 50, dtype=torch.float64)
    again = torch.linspace(1, 3, 100, dtype=torch.float64)
    for part, sign in ((rising, 1), (falling, -1), (again, 1)):
        assert (sign * class_activation_value(part).diff() > 0).all()
    end = torch.tensor(WINDOW[1], dtype=torch.float64)
    assert class_activation_value(end).item() == pytest.approx(0.25, abs=1e-12)
    assert math.isclose(WINDOW[1], 1.20711, abs_tol=1e-5)


@settings(deadline=None)
@given(batches())
def test_final_form_parts_from_the_largest_logit_only_inside_the_window(batch):
    z, candidates = batch
    largest = best_candidate(z, candidates)
    top = z.gather(1, largest[:, None])[:, 0]
    differs = select(class_activation_value(z), candidates) != largest
    inside = (top > WINDOW[0] - 1e-12) & (top < WINDOW[1] + 1e-12)
    assert not (differs & ~inside).any()


@settings(deadline=None)
@given(batches())
def test_first_form_chooses_the_most_probable_candidate(batch):
    z, candidates = batch
    values = first_class_activation_value(z)
    first, largest = select(values, candidates), best_candidate(z, candidates)
    gap = (values.gather(1, first[:, None]) - values.gather(1, largest[:, None]))[:, 0]
    # Two candidates that share all the mass have the same value: then rounding decides.
    assert ((first == largest) | (gap <= 1e-12 * values.amax(1))).all()


def test_first_form_survives_saturation_in_single_precision():
    z = torch.tensor([[17.0, 0.0, -3.0]])
    p = z.softmax(1)
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert select((1 - p) * p, everything).item() == 1  # what the difference 1 - p does
    assert select(first_class_activation_value(z), everything).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_no_nan(dtype):
    z = torch.tensor([[100.0, -100.0, 0.5]], dtype=dtype)
    assert not class_activation_value(z).isnan().any()
    assert not first_class_activation_value(z).isnan().any()
    assert select(class_activation_value(z), torch.ones(1, 3) > 0).item() == 0


@settings(deadline=None)
@given(batches(), st.booleans())
def test_selection_stays_among_the_candidates(batch, first):
    z, candidates = batch
    values = first_class_activation_value(z) if first else class_activation_value(z)
    chosen = select(values, candidates)
    assert candidates.gather(1, chosen[:, None]).all()


# -- maps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", MAP_RULES)
def test_map_rules_give_one_score_per_class(rule):
    maps = torch.randn(3, 4, 5, 5)
    assert map_scores(maps, rule).shape == (3, 4)
    with pytest.raises(ValueError, match="unknown rule"):
        map_scores(maps, "median")


def test_maps_need_a_pooled_head():
    with pytest.raises(ValueError, match="class activation maps need a linear head"):
        class_activation_maps(models.build("lenet", 10), torch.rand(1, 1, 28, 28))
    with pytest.raises(ValueError, match="class activation maps need a linear head"):
        class_activation_maps(models.build("mlp", 10, inputs=64), torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("network", "shape"),
    [("gap_cnn", (1, 8, 8)), ("lenet", (1, 28, 28)), ("cifar_resnet", (3, 32, 32))],
)
def test_maps_agree_with_the_grad_cam_package(network, shape):
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = models.build(network, 10, seed=3).eval()
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0))
    classes = torch.tensor([0, 3, 3, 9])
    with package.GradCAM(net, target_layers=[net.features[-1]]) as reference:
        targets = [ClassifierOutputTarget(int(c)) for c in classes]
        theirs = reference(input_tensor=x, targets=targets)
    assert np.abs(as_the_package(grad_cam(net, x, classes), shape) - theirs).max() < 1e-4
    assert theirs.max() > 0.9
    if network != "lenet":
        cam = class_activation_maps(net, x)[torch.arange(4), classes].relu()
        assert np.abs(as_the_package(cam, shape) - theirs).max() < 1e-4


def as_the_package(maps, shape):
    """Scaled to [0, 1], resized to the input and scaled again."""
    from pytorch_grad_cam.utils.image import scale_cam_image

    return scale_cam_image(scale_cam_image(maps.numpy(), shape[:0:-1]))


# -- training -------------------------------------------------------------------------------------


def labels_by_epoch(method, epochs=4):
    """Weights of a tiny run after each epoch."""
    torch.manual_seed(0)
    net = models.build("mlp", 4, inputs=6, hidden=(8,))
    x = torch.randn(20, 6)
    candidates = torch.rand(20, 4) < 0.5
    candidates[torch.arange(20), torch.randint(0, 4, (20,))] = True
    method.start(Context(candidates))
    tables = [method.weights.clone()]
    fit(
        net,
        x,
        method,
        epochs=epochs,
        batch_size=5,
        optimiser=torch.optim.SGD(net.parameters(), lr=0.1),
        order=torch.Generator().manual_seed(0),
        after_epoch=lambda epoch: tables.append(method.weights.clone()),
    )
    return candidates, tables


def one_hot(table):
    return bool(((table == 0) | (table == 1)).all())


@pytest.mark.parametrize("start", [1, 2, 3])
def test_labels_are_identified_at_the_end_of_the_starting_epoch(start):
    candidates, tables = labels_by_epoch(methods.create("CAVL", start_epoch=start))
    uniform = candidates / candidates.sum(1, keepdim=True)
    for epoch in range(1, 5):
        if epoch < start:
            assert torch.equal(tables[epoch], uniform)
        else:
            assert one_hot(tables[epoch])
            assert candidates[tables[epoch] == 1].all()


def test_starting_at_epoch_0_uses_the_initial_network():
    method = methods.create("CAVL", start_epoch=0)
    net = models.build("mlp", 3, inputs=4, hidden=(5,))
    x = torch.randn(9, 4)
    candidates = torch.ones(9, 3, dtype=torch.bool)
    method.start(Context(candidates))
    with torch.no_grad():
        logits = net(x)
    method.before_epoch(1, lambda: logits)
    chosen = select(class_activation_value(logits), candidates)
    assert method.weights.argmax(1).tolist() == chosen.tolist()
    assert one_hot(method.weights)


def test_first_form_trains_exactly_as_im_max():
    spec = dataclasses.replace(TINY, epochs=4)
    hard = dataclasses.replace(spec, method="IM-max")
    first = dataclasses.replace(spec, method="CAVL", method_options=options(value="first"))
    a, b = candidate_sets.run(hard), candidate_sets.run(first)
    assert (a["test_accuracy"] == b["test_accuracy"]).all()


def test_online_labels_come_from_the_loss_itself():
    method = methods.create("CAVL", online=True)
    candidates = torch.tensor([[True, True, False], [False, True, True]])
    method.start(Context(candidates))
    z, index = torch.tensor([[3.0, 1.0, 9.0], [9.0, -1.0, 0.2]]), torch.tensor([0, 1])
    method.before_epoch(1, None)
    assert method.loss(z, index).item() == pytest.approx(
        -(z.log_softmax(1) * candidates / 2).sum(1).mean().item(), abs=1e-6
    )
    method.before_epoch(2, None)
    loss = method.loss(z, index)
    assert loss.item() == pytest.approx(
        -z.log_softmax(1)[index, torch.tensor([0, 2])].mean().item()
    )
    method.after_step(None, z, index)  # no second pass


def test_smoothing_spreads_the_target():
    _, tables = labels_by_epoch(methods.create("CAVL", smoothing=0.1), epochs=2)
    assert tables[2].unique().tolist() == pytest.approx([0.025, 0.925])


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_map_selection_trains_and_leaves_the_model_in_training_mode(mode):
    method = methods.create("CAM selection", mode=mode)
    net = models.build("gap_cnn", 10).train()
    x = torch.rand(6, 1, 8, 8)
    method.start(Context(torch.ones(6, 10, dtype=torch.bool)))
    method.before_epoch(1, None)
    method.after_step(net, x, torch.arange(6))
    assert net.training
    assert one_hot(method.weights)


@pytest.mark.parametrize(
    ("name", "bad", "sentence"),
    [
        ("CAVL", {"value": "second"}, "value is 'second'"),
        ("CAM selection", {"start_epoch": 0}, "start_epoch is 0"),
    ],
)
def test_options_are_checked(name, bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        methods.create(name, **bad)


def test_maps_are_tracked_and_their_mean_is_the_logit_without_bias():
    spec = dataclasses.replace(
        TINY,
        network="gap_cnn",
        network_options=(),
        track=("values", "maps"),
        method="CAM selection",
    )
    found = candidate_sets.run(spec)
    for rule in MAP_RULES:
        assert found[f"select CAM, {rule}"].shape == (2,)
    assert (found["final differs outside window"] == 0).all()
    assert (found["first differs"] == 0).all()

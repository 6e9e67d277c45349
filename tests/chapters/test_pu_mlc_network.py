"""PU-MLC's network: the local-global convolution and the graph head."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.chapters.test_pu_mlc_method import case, check, small_model
from weaklabels import methods, models
from weaklabels.methods.base import Context
from weaklabels.networks import graph_head, local_global
from weaklabels.train import OptimiserSpec, fit

RENAMED = {
    "reduction": "reduce",
    "agg_attn": "gather",
    "broad_attn": "broadcast",
    "v": "value",
    "proj": "project",
}


@pytest.mark.parametrize("stride", [1, 2])
def test_local_global_convolution(stride):
    inputs, expected = case(f"lgconv_stride{stride}")
    outputs, channels = inputs["param:conv.weight"].shape[:2]
    conv = nn.Conv2d(channels, outputs, 3, stride, padding=1, bias=False).double()
    both = local_global.LocalGlobalConv(
        conv, heads=inputs["num_heads"], reduction=inputs["reduction_ratio"]
    )
    state = {}
    for name, value in inputs.items():
        if name.startswith("param:global_branch."):
            layer, kind = name.removeprefix("param:global_branch.").split(".")
            state[f"branch.{RENAMED.get(layer, layer)}.{kind}"] = value
    state["local.weight"] = inputs["param:conv.weight"]
    missing, unexpected = both.load_state_dict(state, strict=False)
    assert not unexpected
    assert all("running" in name or "num_batches" in name for name in missing)
    both.train()
    x = inputs["x"].requires_grad_()
    output = both(x)
    check(both.local(x), expected["local_conv_output"])
    check(both.branch(x), expected["global_branch_output"])
    check(output, expected["output"])
    check(torch.autograd.grad((output**2).sum(), x)[0], expected["grad_x"])


def _small_backbone():
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, padding=3),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()),
    )


def test_branches_leave_the_features_as_they_are_at_the_start():
    torch.manual_seed(0)
    backbone = _small_backbone().eval()
    x = torch.randn(4, 3, 20, 20)
    before = backbone(x)
    branches = local_global.add_global_branches(backbone)
    change = (backbone(x) - before).norm() / before.norm()
    assert len(branches) == 2  # the 7 x 7 stem gets none
    assert isinstance(backbone[0], nn.Conv2d)
    assert 0 < change < 1e-3
    assert all(p.requires_grad for branch in branches for p in branch.parameters())


def test_a_branch_sees_the_whole_image_and_its_attention_sums_to_one():
    torch.manual_seed(0)
    branch = local_global.GlobalBranch(16, 16)
    x = torch.randn(2, 16, 6, 6, requires_grad=True)
    weights, gate = branch.attention(x)
    assert weights.shape == gate.shape == (2, 8, 6, 6)
    check(weights.sum((2, 3)), np.ones((2, 8)), atol=1e-5)
    assert ((gate > 0) & (gate < 1)).all()
    # The gradient of the output in one corner reaches the opposite one.
    corner = branch(x)[0, :, 0, 0].sum()
    assert torch.autograd.grad(corner, x)[0][0, :, 5, 5].abs().sum() > 0


@pytest.mark.parametrize(
    ("channels", "parameters"), [(64, 10016), (128, 38448), (256, 150608), (512, 596112)]
)
def test_size_of_a_branch(channels, parameters):
    branch = local_global.GlobalBranch(channels, channels)
    assert sum(p.numel() for p in branch.parameters()) == parameters


def test_networks_that_cannot_take_branches_are_refused():
    with pytest.raises(ValueError, match="multiple of the heads"):
        local_global.GlobalBranch(12, 12)
    with pytest.raises(ValueError, match="keeps the size"):
        local_global.LocalGlobalConv(nn.Conv2d(16, 16, 3))
    with pytest.raises(ValueError, match="no 3 x 3 convolution"):
        local_global.add_global_branches(nn.Sequential(nn.Conv2d(16, 16, 1)))


def test_cooccurrence():
    inputs, expected = case("cooccurrence_graph")
    check(graph_head.cooccurrence(inputs["masked_labels"]), expected["adjacency"])
    never = inputs["masked_labels"].clone()
    never[:, 3] = 0
    graph = graph_head.cooccurrence(never)
    assert torch.isfinite(graph).all()
    check(graph[3], np.eye(6)[3])


def test_graph_head_parts():
    inputs, expected = case("graph_head")
    adjacency = inputs["adjacency"]
    decoupling = graph_head.SemanticDecoupling(4, inputs["word_vectors"], width=5).double()
    graph = graph_head.GatedGraph(4, adjacency).double()
    read_out = graph_head.PerClassLinear(3, 4).double()
    names = {
        "sd.fc1": decoupling.of_image,
        "sd.fc2": decoupling.of_word,
        "sd.fc3": decoupling.joint,
        "sd.fc4": decoupling.score,
        "gnn.fc_1_w": graph.update_message,
        "gnn.fc_1_u": graph.update_state,
        "gnn.fc_2_w": graph.reset_message,
        "gnn.fc_2_u": graph.reset_state,
        "gnn.fc_3_w": graph.new_message,
        "gnn.fc_3_u": graph.new_state,
        "cls": read_out,
    }
    for name, value in inputs.items():
        if name.startswith("param:"):
            layer, kind = name.removeprefix("param:").rsplit(".", 1)
            getattr(names[layer], kind).data = value
    features, attention = decoupling(inputs["feature_map"])
    state = graph(features)
    check(features, expected["semantic_feature"])
    check(attention.permute(0, 2, 3, 1), expected["attention_BHWC"])
    check(state, expected["graph_feature"])
    check(read_out(state), expected["readout"])


def test_the_method_builds_the_papers_network_around_a_backbone():
    torch.manual_seed(0)
    features = nn.Sequential()
    features.add_module("stem", nn.Conv2d(1, 16, 7, 4))
    last = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
    features.add_module("last", last)
    model = models.Network(features, models.GlobalAveragePool(), nn.Linear(16, 5))
    method = methods.create("PU-MLC", local_global=3, graph_head=True, train_features=("last",))
    method.start(Context(torch.randint(-1, 2, (12, 5), dtype=torch.int8)))
    method.prepare(model)
    assert not model.features.stem.weight.requires_grad
    assert all(p.requires_grad for p in model.features.last.parameters())
    frozen = model.features.stem.weight.clone()
    fit(
        model,
        torch.rand(12, 1, 24, 24),
        method,
        epochs=1,
        batch_size=5,
        optimiser=OptimiserSpec(lr=1e-2).build(model, method),
        order=torch.Generator().manual_seed(0),
    )
    assert torch.equal(model.features.stem.weight, frozen)
    assert torch.equal(last[1].running_mean, torch.zeros(16))  # the statistics stay
    assert not torch.equal(last[1].weight, torch.ones(16))  # the scale learns
    assert model(torch.rand(3, 1, 24, 24)).shape == (3, 5)


def test_two_methods_with_one_seed_train_alike():
    x = torch.rand(20, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    results = []
    for _ in range(2):
        model, method = small_model(), methods.create("PU-MLC", local_global=1, seed=4)
        method.start(Context(torch.eye(5, dtype=torch.int8).repeat(4, 1)))
        method.prepare(model)
        fit(
            model,
            x,
            method,
            epochs=2,
            batch_size=7,
            optimiser=OptimiserSpec(warm_up=0.2).build(model, method),
            order=torch.Generator().manual_seed(0),
        )
        results.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(*results)
    assert torch.isfinite(results[0]).all()


def test_a_rival_on_the_papers_network_has_its_own_loss():
    x, index = torch.rand(6, 1, 8, 8), torch.arange(6)
    observed = torch.randint(-1, 2, (6, 4), dtype=torch.int8)
    found = {}
    for name in ("Partial BCE on PU-MLC's network", "PU-MLC"):
        method = methods.create(name, graph_head=True, graph_channels=8, seed=3)
        method.start(Context(observed))
        model = models.build("patch_net", 4, width=8, patch=4, seed=0)
        method.prepare(model)
        assert isinstance(model.head, graph_head.GraphHead)
        found[name] = method.step(model.eval(), x, index)
    ours, other = found.values()
    torch.testing.assert_close(ours[0], other[0])
    plain = methods.create("Partial BCE")
    plain.start(Context(observed))
    torch.testing.assert_close(ours[1], plain.loss(ours[0], index))


def test_the_temperature_may_begin_later():
    method = methods.create("PU-MLC", plain_epochs=2)
    method.start(Context(torch.ones(6, 4, dtype=torch.int8)))
    model = models.build("patch_net", 4, width=8, patch=4, seed=0)
    below = {}
    for epoch in (1, 2, 3):
        method.before_epoch(epoch, lambda: None)
        method.step(model, torch.rand(6, 1, 8, 8), torch.arange(6))
        below[epoch] = bool((method.readings["tau"] < 1).any())
    assert below == {1: False, 2: False, 3: True}

"""Networks whose layout in memory or whose pool is chosen for speed, against plain formulas."""

import pytest
import torch
from torch.nn import functional as F

from weaklabels import models
from weaklabels.methods import l2d
from weaklabels.models import GlobalMaxPool
from weaklabels.networks import two_heads


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("images", [1, 5])
def test_the_patch_network_is_convolution_norm_relu_twice_and_a_pool(channels, pool, images):
    net = models.build("patch_net", 4, channels=channels, width=6, pool=pool).double().eval()
    x = torch.randn(images, channels, 24, 24, dtype=torch.float64)
    weights = net.state_dict()
    maps, step = x, {0: 4, 3: 1}
    for layer, stride in step.items():
        weight, bias = (weights[f"features.{layer}.{part}"] for part in ("weight", "bias"))
        patches = F.unfold(maps, weight.shape[-1], stride=stride)
        side = int(patches.shape[-1] ** 0.5)
        maps = (weight.flatten(1) @ patches + bias[:, None]).view(images, -1, side, side)
        maps = torch.relu(maps / (1 + 1e-5) ** 0.5)  # batch norm as it starts
    torch.testing.assert_close(net.features(x), maps)
    vectors = maps.flatten(2).amax(2) if pool == "max" else maps.flatten(2).mean(2)
    torch.testing.assert_close(net(x), vectors @ weights["head.weight"].T + weights["head.bias"])


def test_channels_come_last_whatever_the_input():
    for name, options, shape in (
        ("patch_net", {"channels": 1}, (2, 1, 24, 24)),
        ("patch_net", {"channels": 3}, (2, 3, 24, 24)),
        ("gap_cnn", {}, (2, 1, 8, 8)),
    ):
        maps = models.build(name, 3, **options).features(torch.rand(shape))
        assert maps.is_contiguous(memory_format=torch.channels_last), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_max_pool_is_the_largest_value_and_its_gradient_goes_there(dtype):
    maps = torch.randperm(2 * 3 * 16).view(2, 3, 4, 4).to(dtype).requires_grad_()
    pooled = GlobalMaxPool()(maps)
    assert torch.equal(pooled, maps.amax((2, 3)))
    pooled.sum().backward()
    assert torch.equal(maps.grad.bool(), maps == pooled[:, :, None, None])


def test_a_network_of_another_kind_is_named():
    plain = models.build("mlp", 3, inputs=4, hidden=(6,))
    body = (("width", 4), ("patch", 4), ("stride", 4))
    decoder = models.build("label_decoder", 3, backbone_options=body, width=8, heads=2, hidden=8)
    with pytest.raises(TypeError, match="the head is a ClasswiseLinear: expected a linear layer"):
        decoder.linear_head()
    with pytest.raises(TypeError, match="build it as 'label_decoder'"):
        l2d.outputs(plain, torch.rand(2, 4))
    with pytest.raises(TypeError, match="the network has one head"):
        two_heads.outputs(plain, torch.rand(2, 4))
    two_heads.add_heads(plain)
    with pytest.raises(TypeError, match="the features are a Staged: expected a Sequential"):
        two_heads.add_heads(plain)

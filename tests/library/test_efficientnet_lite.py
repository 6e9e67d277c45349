"""EfficientNet-Lite against the values of another implementation, and on real photographs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tests import golden
from tests.library import tiny_datasets as tiny
from weaklabels import models
from weaklabels.data import voc
from weaklabels.models import GlobalAveragePool
from weaklabels.networks import efficientnet_lite as lite

CASES = golden.cases("efficientnet_lite")
IMAGENET = {"dog": range(151, 269), "cat": range(281, 286)}
"""Classes of ImageNet in which a VOC class is found."""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_are_those_of_the_original(case):
    given, expected = case["inputs"], case["expected"]
    shape = (given["images"], 3, given["side"], given["side"])
    x = torch.sin(torch.arange(np.prod(shape), dtype=torch.float64)).reshape(shape) / 2 + 0.5
    net = models.build(f"efficientnet_lite{given['size']}", 1000, classifier=True).double().eval()
    with torch.no_grad():
        maps = net.features(x)
        logits = net(x)[:, given["classes"]]
    assert list(maps.shape) == expected["shape"]
    assert maps.mean().item() == pytest.approx(expected["maps"], abs=1e-6)
    torch.testing.assert_close(logits, torch.tensor(expected["logits"]).double(), atol=1e-5, rtol=0)


def test_first_guesses_on_photographs_are_mostly_right():
    kit = tiny.shared("voc2012-subset-small") / "VOCdevkit" / "VOC2012"
    index = voc.read_index(kit, "val")
    net = models.build("efficientnet_lite0", 1000, classifier=True).eval()
    for name, wanted in IMAGENET.items():
        alone = (index.flags >= 0).sum(1) == 1
        rows = np.flatnonzero(alone & (index.flags[:, voc.CLASSES.index(name)] == 1))[:8]
        files = [kit / "JPEGImages" / f"{index.ids[row]}.jpg" for row in rows]
        pixels = np.stack([np.asarray(Image.open(file).resize((224, 224))) for file in files])
        with torch.no_grad():
            guesses = net(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).topk(5).indices
        assert np.isin(guesses, wanted).any(1).mean() > 0.5, name


def test_it_is_features_pool_and_head_with_channels_last():
    net = models.build("efficientnet_lite0", 20, pretrained=False)
    assert isinstance(net.pool, GlobalAveragePool)
    assert net.linear_head().out_features == 20
    maps = net.features(torch.rand(2, 3, 64, 64))
    assert maps.shape == (2, 1280, 2, 2)
    assert maps.is_contiguous(memory_format=torch.channels_last)


def test_a_new_head_depends_on_the_seed_and_the_features_do_not():
    one, other = (models.build("efficientnet_lite0", 5, seed=seed) for seed in (0, 1))
    assert torch.equal(one.features[1][0].weight, other.features[1][0].weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_a_missing_package_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(lite, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="bring the package efficientnet-lite0-pytorch-"):
        models.build("efficientnet_lite0", 20)


def test_other_sizes_and_other_weights_are_refused():
    with pytest.raises(ValueError, match="size is 3: expected 0, 1 or 2"):
        lite.layers(3)
    layers = torch.nn.Sequential(*lite.layers(1))
    with pytest.raises(ValueError, match="another size's"):
        lite.fill(layers, None, lite.imagenet(0))


@pytest.mark.parametrize("side", [7, 8, 9])
@pytest.mark.parametrize("kernel", [3, 5])
def test_every_stride_gets_a_position(side, kernel):
    conv = lite.SameConv(2, 2, kernel, 2, kernel // 2, groups=2, bias=False)
    assert conv(torch.rand(1, 2, side, side)).shape[-1] == -(-side // 2)
    half = lite.SameConv(1, 1, 3, 2, 1, bias=False)
    torch.nn.init.ones_(half.weight)
    counted = half(torch.ones(1, 1, 8, 8))[0, 0]
    assert counted[0, 0] == 9, "an even side is padded at its end alone"
    assert counted[-1, -1] == 4

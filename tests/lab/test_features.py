"""Features of photographs by a frozen network, computed once."""

import pytest
import torch
from torch import nn

from weaklabels.backbones import Backbone
from weaklabels.lab import features


@pytest.fixture
def backbone(monkeypatch):
    """Maps that are the pixels themselves; it counts what it is shown."""

    class Shown(nn.Identity):
        images = 0

        def forward(self, x):
            self.images += len(x)
            return x

    network = Shown()
    one = Backbone("same", network, (0.5,) * 3, (0.5,) * 3, "id", False)
    monkeypatch.setattr(features, "_backbone", lambda _: one)
    return network


def test_features_are_computed_once_for_images_and_views(backbone, tmp_path):
    images = torch.randint(0, 255, (5, 3, 32, 32), dtype=torch.uint8)
    folder = str(tmp_path)
    plain = features.extracted(images, "data", folder)
    enlarged = images.float() / 127.5 - 1
    torch.testing.assert_close(plain, enlarged.mean((2, 3)), atol=0.02, rtol=0)
    steps = (("cutout", 16),)
    first, second = (
        features.extracted(images, "data", folder, steps=steps, view=k) for k in (0, 1)
    )
    assert not torch.equal(first, second)
    assert (first <= plain + 0.02).all()  # a black square makes it darker
    assert backbone.images == 15
    again = features.extracted(images, "data", folder, steps=steps, view=1)
    assert torch.equal(again, second)
    assert backbone.images == 15


def test_all_are_standardised_by_the_training_images():
    train, other = torch.randn(50, 4) * 3 + 2, torch.randn(7, 4)
    train[:, 3] = 1.0  # a feature that says nothing
    scaled, rest = features.standardised(train, other)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std(0)[:3], torch.ones(3))
    expected = (other - train.mean(0)) / train.std(0).clamp(min=features.SMALLEST)
    torch.testing.assert_close(rest, expected)


def test_a_network_sees_the_first_view():
    x = torch.randn(2, 3, 4).half()
    assert torch.equal(features.FirstView()(x), x[:, 0].float())
    assert torch.equal(features.FirstView()(x[:, 1]), x[:, 1].float())

"""Dropout: what is dropped, where it is inserted, and predictions with it switched on."""

from __future__ import annotations

import pytest
import torch

from weaklabels import models
from weaklabels.dropout import Dropout, add_dropout, dropout_passes


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_dropout_has_the_moments_of_pytorchs(share):
    torch.manual_seed(0)
    x = torch.rand(400, 500) + 1
    ours, theirs = Dropout(share)(x), torch.nn.Dropout(share)(x)
    for values in (ours, theirs):
        assert (values == 0).float().mean() == pytest.approx(share, abs=0.005)
    kept = ours != 0
    torch.testing.assert_close(ours[kept], x[kept] / (1 - share))
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), rel=0.01)
    assert ours.var().item() == pytest.approx(theirs.var().item(), rel=0.01)


def test_all_or_nothing_is_dropped_as_in_pytorch():
    x = torch.rand(6, 5, dtype=torch.float64)
    assert torch.equal(Dropout(1.0)(x), torch.nn.Dropout(1.0)(x))
    assert torch.equal(Dropout(0.0)(x), x)
    third = Dropout(1 / 3)(x)
    torch.testing.assert_close(third[third != 0], 1.5 * x[third != 0], rtol=1e-12, atol=0)


def test_the_gradient_passes_where_a_value_was_kept():
    torch.manual_seed(0)
    x = torch.ones(50, 40, dtype=torch.float64, requires_grad=True)
    out = Dropout(0.25)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_type_stays_and_evaluation_changes_nothing(dtype):
    x = torch.rand(30, 20).to(dtype)
    layer = Dropout(0.5)
    assert layer(x).dtype == dtype
    assert layer.eval()(x) is x


def test_dropout_is_inserted_once_and_drawn_anew():
    mlp = add_dropout(models.build("mlp", 3, inputs=4, hidden=(8, 6)), 0.5)
    assert sum(isinstance(m, torch.nn.Dropout) for m in mlp.features) == 2
    assert isinstance(mlp.pool, torch.nn.Identity)
    deep = add_dropout(models.build("gap_cnn", 3), 0.5)
    assert isinstance(deep.pool[1], torch.nn.Dropout)
    x = torch.rand(5, 4)
    passes = dropout_passes(mlp, x, 4, seed=1)
    assert passes.shape == (4, 5, 3)
    assert not torch.equal(passes[0], passes[1])
    assert torch.equal(passes, dropout_passes(mlp, x, 4, seed=1))
    assert mlp.training
    assert add_dropout(models.build("mlp", 3, inputs=4), 0).features[-1].__class__ is torch.nn.ReLU

"""Moving average of weights: the authors' values, buffers, boundaries."""

import pytest
import torch
from torch import nn

from tests.golden import cases
from weaklabels.ema import WeightAverage


def linear(weight):
    layer = nn.Linear(3, 2, bias=False).double()
    layer.weight.data = torch.tensor(weight, dtype=torch.float64)
    return layer


def test_it_agrees_with_the_authors_code_of_cap():
    case = cases("cap")["ema"]
    inputs = case["inputs"]
    inputs = case["inputs"]
    average = WeightAverage(linear(inputs["initial"]), 0.9997)
    for weight in inputs["weights_after_steps"]:
        average.update(linear(weight))
    expected = torch.tensor(case["expected"]["ema_weight"], dtype=torch.float64)
    torch.testing.assert_close(average.model.weight.data, expected, atol=1e-9, rtol=0)


def test_buffers_are_averaged_and_counters_copied():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).train()
    average = WeightAverage(model, 0.75)
    model(torch.arange(12.0).reshape(4, 3))
    average.update(model)
    norm, ours = model[1], average.model[1]
    torch.testing.assert_close(ours.running_mean, 0.25 * norm.running_mean)
    assert ours.num_batches_tracked == norm.num_batches_tracked == 1


def test_the_averaged_model_is_a_separate_one_for_prediction_only():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).train()
    average = WeightAverage(model, 0.0)
    assert not average.model.training
    assert not any(p.requires_grad for p in average.model.parameters())
    model[0].weight.data.zero_()
    assert average.model[0].weight.abs().sum() > 0
    average.update(model)
    assert average.model[0].weight.abs().sum() == 0


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match="decay is"):
        WeightAverage(nn.Linear(1, 1), decay)

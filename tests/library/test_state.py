"""State as plain values that a file keeps, and the way back."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from weaklabels.state import KIND, pack, unpack


def through_a_file(value, now):
    file = io.BytesIO()
    torch.save(pack(value, "it"), file)
    file.seek(0)
    return unpack(torch.load(file, weights_only=True), now, "it")


def test_plain_values_and_arrays_come_back():
    value = {"a": [1, 2.5, (None, "x", True)], "b": {"c": torch.arange(3)}}
    back = through_a_file(value, None)
    assert back["a"] == value["a"]
    assert torch.equal(back["b"]["c"], torch.arange(3))
    array = through_a_file(np.arange(4, dtype=np.int16), None)
    assert array.dtype == np.int16
    assert array.tolist() == [0, 1, 2, 3]
    number = through_a_file(np.float32(0.1), None)
    assert type(number) is np.float32
    assert number == np.float32(0.1)


def test_parameters_networks_and_optimisers_are_changed_in_place():
    saved, now = nn.Linear(2, 1), nn.Linear(2, 1)
    weight = now.weight
    assert through_a_file(saved, now) is now
    assert now.weight is weight
    assert torch.equal(now.weight, saved.weight)
    assert through_a_file(nn.Parameter(torch.ones(1, 2)), weight) is weight
    assert (weight == 1).all()
    stepped = torch.optim.SGD(saved.parameters(), lr=0.5, momentum=0.9)
    other = torch.optim.SGD(now.parameters(), lr=0.1, momentum=0.9)
    assert through_a_file(stepped, other).param_groups[0]["lr"] == 0.5


def test_generators_go_on_where_they_were():
    saved, now = torch.Generator().manual_seed(1), torch.Generator()
    torch.rand(3, generator=saved)
    assert through_a_file(saved, now) is now
    assert torch.rand(1, generator=now) == torch.rand(1, generator=saved)
    for kind in (np.random.PCG64, np.random.MT19937):
        saved, now = (np.random.Generator(kind(seed)) for seed in (1, 2))
        saved.random(3)
        assert through_a_file(saved, now).random() == saved.random()


def test_a_restored_tensor_is_a_copy():
    value = torch.zeros(2)
    unpack(pack(value, "it"), torch.ones(2), "it").add_(1)
    assert (value == 0).all()


@pytest.mark.parametrize("value", [{1, 2}, print, np.array(["a"]), {KIND: 1}, [object()]])
def test_what_cannot_be_saved_is_named(value):
    with pytest.raises(TypeError, match=r"it.* is a \w+, which cannot be saved"):
        pack(value, "it")


def test_a_state_needs_something_to_take_it():
    with pytest.raises(TypeError, match="it is None: expected a generator to take the saved state"):
        unpack(pack(torch.Generator(), "it"), None, "it")

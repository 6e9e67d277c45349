"""Augmentations of batches."""

import pytest
import torch

from weaklabels.data.augment import flip, noise, pick_view, pipeline, rand_augment


def test_pipelines_draw_from_their_generator_alone():
    batch = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    steps = (("flip",), ("cutout", 0.5, None), ("rand_augment",))
    first = pipeline(steps, torch.Generator().manual_seed(0))(batch)
    torch.rand(5)
    second = pipeline(steps, torch.Generator().manual_seed(0))(batch)
    assert torch.equal(first, second)
    assert first.dtype == torch.float32
    assert 0 <= first.min() <= first.max() <= 1
    with pytest.raises(ValueError, match="unknown augmentation 'blur'"):
        pipeline((("blur",),), torch.Generator())


def test_augmentations_keep_shape_and_leave_their_input_alone():
    generator = torch.Generator().manual_seed(0)
    batch = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    before = batch.clone()
    state = torch.get_rng_state()
    assert rand_augment(batch, generator).shape == flip(batch, generator).shape == batch.shape
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(batch, before)
    noisy = noise(torch.zeros(400, 1, 8, 8), generator, 0.5)
    assert noisy.std().item() == pytest.approx(0.5, rel=0.05)


def test_one_view_of_each_example_is_picked():
    batch = torch.arange(200).view(100, 2, 1, 1, 1).repeat(1, 1, 3, 2, 2)
    picked = pick_view(batch, torch.Generator().manual_seed(0), 0, 2)
    assert picked.shape == (100, 3, 2, 2)
    which = picked[:, 0, 0, 0] - 2 * torch.arange(100)
    assert set(which.tolist()) == {0, 1}
    only = pick_view(batch, torch.Generator().manual_seed(0), 1, 2)
    assert torch.equal(only, batch[:, 1])

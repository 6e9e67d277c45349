"""Small inputs and labels of every kind, for the tests of the estimator."""

import torch
from torch import nn

CLASSES = ("cat", "dog", "bird")
ROWS = 17
quiet = {"progress": False, "device": "cpu"}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(rows=ROWS, side=8):
    return torch.rand(rows, 1, side, side, generator=rng())


def features(rows=ROWS):
    return torch.randn(rows, 5, generator=rng())


def labels_of(kind, rows=ROWS, count=3):
    one = torch.arange(rows) % count
    several = torch.randint(-1, 2, (rows, count), generator=rng(1))
    if kind == "missing":
        return several
    if kind == "candidates":
        return (several > 0) | nn.functional.one_hot(one, count).bool()
    if kind == "noisy":
        return one
    if kind == "partly labelled":
        several[several == 0] = 1
        several[rows // 2 :] = 0
        return several
    return torch.cat([one[:, None], torch.randint(-1, count, (rows, 3), generator=rng(2))], 1)

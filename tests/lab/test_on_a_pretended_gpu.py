"""Runs of every protocol, and their checkpoints, where devices that are mixed are refused."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.pretended_gpu import STATE
from weaklabels import models
from weaklabels.lab import candidate_sets, multilabel, noisy_labels, two_stage
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.weights import restore, restore_on_cpu, weights_of
from weaklabels.train import OptimiserSpec

SMALL = {
    "data_options": options(train=8, val=6, test=6),
    "network_options": options(width=4, batch_norm=False),
}
DIGITS = {"data_options": options(test=1777), "epochs": 1}
RUNS = {
    "multi-label": (
        multilabel.run,
        multilabel.Spec(
            "LL-Cp",
            options(rate=0.02),
            epochs=1,
            batch_size=4,
            average=0.9,
            track=("test_scores", "weights"),
            **SMALL,
        ),
    ),
    "candidate sets": (
        candidate_sets.run,
        candidate_sets.Spec(
            "CAVL",
            network="gap_cnn",
            candidates="flip",
            q=0.3,
            batch_size=10,
            track=("values", "maps", "weights"),
            **DIGITS,
        ),
    ),
    "noisy labels": (
        noisy_labels.run,
        noisy_labels.Spec(
            "GCE",
            network_options=options(hidden=(4,), inputs=64),
            batch_size=10,
            **DIGITS,
        ),
    ),
    "two stages": (
        two_stage.run,
        two_stage.Spec(
            "CAP",
            options(warm_up=0),
            annotation="labelled share",
            annotation_options=options(share=0.5),
            warm_up=two_stage.Stage(epochs=1, batch_size=4),
            weak=(("noise", 0.05),),
            strong=(("noise", 0.3),),
            epochs=1,
            batch_size=8,
            labelled_batch=4,
            optimiser=OptimiserSpec("adamw", lr=1e-3, weight_decay=1e-4, warm_up=0.2),
            **SMALL,
        ),
    ),
}


@pytest.mark.parametrize("protocol", RUNS)
def test_no_protocol_mixes_devices(protocol, pretended):
    run, spec = RUNS[protocol]
    found = run(replace(spec, device=pretended))
    assert all(not isinstance(value, torch.Tensor) for value in found.values())


def test_a_network_that_is_shown_lies_beside_the_data(pretended):
    network = models.build("mlp", 3, seed=0, inputs=4, hidden=(2,)).to(pretended)
    record = Record(None, weights_of(network, "weights/"), {})
    assert next(restore(network, record).parameters()).is_cuda
    assert restore_on_cpu(network, record)(torch.zeros(1, 4)).shape == (1, 3)


def test_a_checkpoint_brings_a_run_back_to_its_gpu(pretended, tmp_path):
    path = tmp_path / "state.pt"
    network = nn.Linear(2, 2).to(pretended)
    Checkpoint(path, model=network).save(3)
    assert torch.equal(torch.load(path)["generators"]["cuda"], STATE)
    again = nn.Linear(2, 2).to(pretended)
    assert Checkpoint(path, model=again).restore() == 3
    assert torch.equal(again.weight.cpu(), network.weight.cpu())
    assert again.weight.is_cuda


def test_a_run_on_a_cpu_leaves_the_gpus_alone(pretended, tmp_path, monkeypatch):
    """A worker that only looks at a GPU holds some hundred megabytes of it."""
    for name in ("get_rng_state", "get_rng_state_all", "set_rng_state", "set_rng_state_all"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: pytest.fail("a GPU was touched"))
    checkpoint = Checkpoint(tmp_path / "state.pt", model=nn.Linear(2, 2))
    checkpoint.save(3)
    assert checkpoint.restore() == 3

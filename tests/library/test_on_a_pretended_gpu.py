"""The estimator where devices that are mixed are refused, and what is kept of generators."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.library.weak_kinds import features, images, labels_of
from tests.pretended_gpu import Mixed, OnGpu
from weaklabels import Classifier, methods, metrics
from weaklabels.estimator import choices
from weaklabels.state import global_generators, set_global_generators

OF_EVERY_KIND = ["LL-Cp", "ROLE", "CAP", "CAVL", "PRODEN", "GCE", "Co-teaching", "DL-CL", "L2D"]


def test_the_pretended_gpu_refuses_what_a_gpu_refuses(pretended):
    here = torch.ones(3)
    there = here.to(pretended)
    assert there.is_cuda
    assert there.to(pretended) is there
    for mixed in (
        lambda: here + there,
        lambda: torch.cat([here, there]),
        lambda: here[there.long()],
        lambda: nn.Linear(3, 2)(there),
        lambda: nn.Linear(3, 2).to(pretended)(here),
        lambda: torch.rand(3, generator=torch.Generator(), device=pretended),
    ):
        with pytest.raises(Mixed):
            mixed()
    for array in (there.numpy, lambda: np.asarray(there)):
        with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
            array()


def test_the_pretended_gpu_takes_what_a_gpu_takes(pretended):
    here, rows = torch.ones(3), torch.tensor([0, 2])
    there = here.to(pretended)
    there[rows] += torch.tensor(1.0)
    assert there.tolist() == there.cpu().numpy().tolist() == [2, 1, 2]
    here.copy_(there)
    assert here.tolist() == [2, 1, 2]
    network = copy.deepcopy(nn.Linear(3, 2).to(pretended)).double()
    optimiser = torch.optim.Adam(network.parameters())
    network(there.double()).sum().backward()
    optimiser.step()
    assert isinstance(network.weight.grad, OnGpu)
    assert not isinstance(network.cpu().weight, OnGpu)


@pytest.mark.parametrize("name", OF_EVERY_KIND)
def test_the_estimator_does_not_mix_devices(name, pretended, tmp_path):
    settings = {"epochs": 1, "batch_size": 9, "progress": False, "device": pretended}
    told, x = {}, features()
    if "teacher" in methods.get(name).needs:
        x = images()
        told["teacher"] = Classifier("Vanilla", **settings).fit(x, labels_of("missing"))
    model = Classifier(name, **settings)
    model.fit(x, labels_of(sorted(choices.kinds_of(name))[0]), folder=tmp_path, **told)
    assert next(model.model_.parameters()).is_cuda
    assert np.isfinite(model.predict_proba(x)).all()


def test_generators_are_those_of_the_device_alone(monkeypatch):
    """A GPU that takes no part is not touched, nor Apple's off a Mac."""
    asked = []
    for module, kind in ((torch.cuda, "cuda"), (torch.mps, "mps")):
        monkeypatch.setattr(
            module, "get_rng_state", lambda *device, k=kind: asked.append((k, *device)) or k
        )
        monkeypatch.setattr(module, "set_rng_state", lambda *told, k=kind: asked.append((k, *told)))
    cpu, second, mps = map(torch.device, ("cpu", "cuda:1", "mps"))
    states = {device.type: global_generators(device) for device in (cpu, second, mps)}
    assert [set(each) for each in states.values()] == [{"cpu"}, {"cpu", "cuda"}, {"cpu", "mps"}]
    assert asked == [("cuda", second), ("mps",)]
    asked.clear()
    for device in (cpu, second, mps):
        for each in states.values():
            set_global_generators({"generators": each}, device)
    assert asked == [("cuda", "cuda", second), ("mps", "mps")]


def test_an_older_state_of_several_gpus_is_read_with_fewer(monkeypatch):
    told = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda *state: told.append(state))
    saved = {"generator": torch.get_rng_state(), "gpu generators": ["first", "second"]}
    for name in ("cpu", "cuda:0", "cuda:1", "cuda:2", "mps"):
        set_global_generators(saved, torch.device(name))
    assert told == [("first", torch.device("cuda:0")), ("second", torch.device("cuda:1"))]


def test_rates_need_no_float64_on_the_device(pretended, monkeypatch):
    """Apple's MPS has none."""
    scores, truth = torch.tensor([[1.0, -1.0]]), torch.tensor([[1, 0]])
    monkeypatch.setattr(OnGpu, "double", lambda self: pytest.fail("no float64 here"))
    here, there = (
        metrics.precision_recall_f1(scores.to(d), truth.to(d), 0) for d in ("cpu", pretended)
    )
    assert here == there

"""What the tests of the methods on candidate sets share."""

import pytest
import torch
from hypothesis import strategies as st

from tests.golden import cases
from weaklabels import models
from weaklabels.lab.candidate_sets import Spec
from weaklabels.lab.spec import options
from weaklabels.methods.base import Context
from weaklabels.methods.partial_label import uniform_weights

GOLDEN = cases("class_activation_value")
TOLERANCE = 1e-9

TINY = Spec(
    "IM-avg", data_options=options(test=1500), network_options=options(hidden=(16,)), epochs=2
)
"""A run of a second on a handful of digits."""


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def inputs(name):
    given_values = GOLDEN[name]["inputs"]
    found = {k: tensor(v) if isinstance(v, list) else v for k, v in given_values.items()}
    if "candidates" in found:
        found["candidates"] = found["candidates"] > 0
    if "index" in found:
        found["index"] = found["index"].long()
    return found


def expected(name):
    values = GOLDEN[name]["expected"]
    lists = {k: v for k, v in values.items() if isinstance(v, list) and k != "trace"}
    return values | {k: tensor(v) for k, v in lists.items()}


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


def follow(name, method):
    """Train the linear model of a golden trace and check every step against it."""
    case, steps = inputs(name), iter(GOLDEN[name]["expected"]["trace"])
    net = models.linear(5, inputs=4)
    net.head.weight.data, net.head.bias.data = case["W0"].clone(), case["b0"].clone()
    method.start(Context(case["candidates"]))
    method.weights = uniform_weights(case["candidates"].double())
    optimiser = torch.optim.SGD(net.parameters(), lr=case["lr"])
    for epoch in (1, 2, 3):
        method.before_epoch(epoch, None)
        for batch in ([0, 1, 2], [3, 4, 5]):
            index = torch.tensor(batch)
            _, loss = method.step(net, case["X"][index], index)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            method.after_step(net, case["X"][index], index)
            step = next(steps)
            assert loss.item() == pytest.approx(step["loss"], abs=TOLERANCE)
            if "selected" in step:
                assert method.weights[index].argmax(1).tolist() == step["selected"]
    close(net.head.weight.data, expected(name)["W_final"])
    close(method.weights, expected(name)["confidence_final"])


@st.composite
def batches(draw):
    k, b = draw(st.integers(2, 6)), draw(st.integers(1, 5))
    scale = draw(st.sampled_from([0.1, 1.0, 10.0, 100.0]))
    seed = draw(st.integers(0, 2**31))
    rng = torch.Generator().manual_seed(seed)
    z = scale * torch.randn(b, k, generator=rng, dtype=torch.float64)
    candidates = torch.rand(b, k, generator=rng) < draw(st.floats(0, 1))
    candidates[torch.arange(b), torch.randint(0, k, (b,), generator=rng)] = True
    return z, candidates

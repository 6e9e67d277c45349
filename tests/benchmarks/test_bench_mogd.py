"""What the meta-gradient of MoGD costs, as ratios within one run."""

import pytest
import torch

from tests.benchmarks.ratios import ratio
from weaklabels import methods, models
from weaklabels.lab import sweep
from weaklabels.methods.base import Context
from weaklabels.methods.mogd import meta_gradient, virtual_step_gradient
from weaklabels.methods.partial_label import uniform_weights, weighted_cross_entropy
from weaklabels.train import OptimiserSpec

CLASSES, BATCH, CLEAN = 10, 100, 50

NETWORKS = {
    "small MLP": (lambda: models.build("mlp", CLASSES, inputs=64, hidden=(128, 128)), (1, 8, 8)),
    "wide MLP": (lambda: models.build("mlp", CLASSES, inputs=784, hidden=(500, 500)), (1, 28, 28)),
    "ResNet-8": (lambda: models.build("cifar_resnet", CLASSES, depth=8), (3, 32, 32)),
}
"""Name -> function that builds a network, shape of its inputs."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with sweep.one_thread():
        yield


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_closed_form_beats_the_double_backward_and_a_step_stays_affordable(name):
    build, shape = NETWORKS[name]
    model = build()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(BATCH, *shape, generator=generator)
    clean = torch.rand(CLEAN, *shape, generator=generator), torch.arange(CLEAN) % CLASSES
    sets = torch.rand(BATCH, CLASSES, generator=generator) < 0.5
    sets[:, 0] = True
    weights, index = uniform_weights(sets), torch.arange(BATCH)
    method = methods.create("MoGD")
    method.start(Context(sets, clean=clean))
    optimiser = OptimiserSpec("sgd", lr=0.01).build(model, method)

    def update(loss):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def plain():
        update(weighted_cross_entropy(model(x), weights))

    def judged():
        update(method.step(model, x, index)[1])

    step = ratio(judged, plain)
    model.eval()
    forms = ratio(
        lambda: meta_gradient(model, x, clean), lambda: virtual_step_gradient(model, x, clean)
    )
    print(f"\n{name}: step {step:.2f} x plain, closed form {forms:.2f} x double backward")
    assert forms <= 0.9
    assert step <= 5

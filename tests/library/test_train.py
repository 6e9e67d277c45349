"""The training loop: hooks in order, every example once an epoch, the same bits again."""

import pytest
import torch
from torch import nn

from weaklabels import methods, models
from weaklabels.methods.base import Context, Method
from weaklabels.models import Network
from weaklabels.train import OptimiserSpec, fit, predict


class Diary(Method):
    """Writes down which hook was called."""

    def __init__(self):
        self.lines = []
        self.extra = nn.Parameter(torch.zeros(3))

    def parameters(self):
        return [self.extra]

    def before_epoch(self, epoch, predict):
        super().before_epoch(epoch, predict)
        self.lines.append(f"epoch {epoch}")

    def loss(self, logits, index):
        self.lines.append(f"loss {len(index)}")
        return (logits**2).mean() + ((self.extra - 1) ** 2).sum()

    def after_step(self, model, x, index):
        self.lines.append("stepped")

    def after_epoch(self, predict):
        self.lines.append(f"predicted {len(predict())}")


def train(method, epochs=2, name="adam", seed=0, **options):
    x = torch.arange(10.0)[:, None].repeat(1, 4) / 10
    model = models.build("linear", 3, inputs=4)
    method.start(Context(torch.zeros(10, 3, dtype=torch.int8)))
    optimiser = OptimiserSpec(name, lr=1e-2).build(model, method)
    order = torch.Generator().manual_seed(seed)
    fit(model, x, method, epochs=epochs, batch_size=4, optimiser=optimiser, order=order, **options)
    return model


def test_hooks_are_called_in_order_and_the_last_batch_is_kept():
    method = Diary()
    train(method, epochs=1)
    batches = ["loss 4", "stepped", "loss 4", "stepped", "loss 2", "stepped"]
    assert method.lines == ["epoch 1", *batches, "predicted 10"]


def test_every_example_is_seen_once_an_epoch_in_a_new_order():
    seen = []
    train(Diary(), after_step=lambda index, logits, loss: seen.append(index))
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(10))
    assert not torch.equal(first, second)


def test_the_methods_own_parameters_learn_at_their_own_rate():
    method = Diary()
    model = models.build("linear", 3, inputs=4)
    groups = OptimiserSpec("adam", lr=1e-3, head_lr=1e-2).build(model, method).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([1e-2, 1e-2])
    train(method)
    assert (method.extra > 0).all()


def test_parameters_with_equal_settings_are_updated_in_one_call():
    model, method = models.build("mlp", 3, inputs=4), methods.create("AN")
    (group,) = OptimiserSpec("adam").build(model, method).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters()]
    vectors_apart = OptimiserSpec("adamw", weight_decay=0.1, decay_vectors=False)
    matrices, vectors = vectors_apart.build(model, method).param_groups
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim > 1 for p in matrices["params"])
    assert all(p.ndim == 1 for p in vectors["params"])


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_same_seed_same_bits(name):
    a, b, c = (train(Diary(), name=name, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(a.head.weight, b.head.weight)
    assert not torch.equal(a.head.weight, c.head.weight)


def test_unknown_optimiser_is_named():
    with pytest.raises(ValueError, match="unknown optimiser 'lion'"):
        train(Diary(), name="lion")


def test_prediction_is_in_evaluation_mode_and_puts_the_mode_back():
    model = Network(nn.Dropout(0.5), nn.Identity(), nn.Linear(4, 2)).train()
    x = torch.ones(7, 4)
    assert torch.equal(predict(model, x, batch_size=3), predict(model, x))
    assert model.training


def test_initial_weights_depend_on_the_seed_alone_and_disturb_nothing():
    state = torch.get_rng_state()
    a, b, c = (models.build("mlp", 3, inputs=4, seed=s) for s in (0, 0, 1))
    assert torch.equal(a.head.weight, b.head.weight)
    assert not torch.equal(a.head.weight, c.head.weight)
    assert torch.equal(state, torch.get_rng_state())


def test_unknown_network_is_named():
    with pytest.raises(ValueError, match="unknown network 'transformer'"):
        models.build("transformer", 3)


def test_every_registered_method_says_its_name_back():
    assert {"AN", "IU", "WAN", "LSAN", "EPR", "ROLE", "LL-R", "LL-Ct", "LL-Cp"} <= set(
        methods.names()
    )
    assert all(issubclass(methods.get(name), Method) for name in methods.names())

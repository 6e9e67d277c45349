"""What holds for every registered method, in the manner of scikit-learn's check_estimator.

A method passes each test on a tiny problem whose weak labels have the form it asks for, or stands
in ``REFUSES`` with the reason.
"""

import io
import math
import re
from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from weaklabels import methods, models
from weaklabels.methods.base import EXTRAS, LABEL_FORMS, Context, Method, told
from weaklabels.train import Losses, OptimiserSpec, fit, predict

ROWS, CLASSES, WORKERS, EPOCHS = 10, 3, 2, 4

OPTIONS = {
    "BLDR": {"warm_up": 1},
    "Co-teaching": {"forget": 0.4, "ramp": 2},
    "CAVL": {"start_epoch": 0},
    "DL-CL": {"classes": CLASSES, "workers": WORKERS},
    "EM": {"alpha": 0.1},
    "EM+APL": {"alpha": 0.1, "beta": 0.5, "warm_up": 1, "epochs": EPOCHS},
    "EntMin": {"alpha": 0.1},
    "L1R": {"weight": 0.01},
    "L2R": {"weight": 0.01},
    "MoGD": {"clean_batch": 3},
    "NLNL": {"negative": 1, "selective": 2, "history": 3},
    "ReviewKD": {"stages": (1, 3), "width": 4},
    "nnPU": {"known_share": 0.5},
    "nnPU on PU-MLC's network": {"known_share": 0.5},
} | {name: {"rate": 0.1} for name in ("LL-R", "LL-Ct", "LL-Cp")}
OPTIONS |= {name: {"eps": 0.1, "steps": 2} for name in ("PGD-AT", "TRADES", "MART")}
CURRICULA = ("CAP", "CAP, true proportions", "FreeMatch", "Top-k", "IAT", "True labels")
OPTIONS |= {name: {"warm_up": 1} for name in (*CURRICULA, "CAP thresholds", "CDCR")}
OPTIONS["CDCR, one threshold"] = {"warm_up": 1}
"""What a constructor must be told, and short schedules, so that every part comes into play."""

REFUSES = {
    (name, "one class"): ("complementary label needs another", "there is no other class")
    for name in ("NL", "NLNL")
}
REFUSES["CAP thresholds", "nothing known"] = (
    "need annotated negatives",
    "without known labels the share of positives is unknown",
)
"""(method, case) -> (words of the one sentence with which it is refused, why it cannot be)."""

SCRATCH = {"readings", "noise", "_flips"}
"""Attributes that live from a step to its after_step (or to an observer), not beyond."""

every = pytest.mark.parametrize("name", methods.names())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are tiny: waiting for a second thread takes longer
    yield
    torch.set_num_threads(before)


def labels_of(form, generator):
    """Weak labels of a form, in which every value occurs; the first rows of "partial" are bare."""
    drawn = torch.randint(-1, 2, (ROWS, CLASSES), generator=generator)
    classes = torch.arange(ROWS) % CLASSES
    if form == "partial":
        drawn[:2], drawn[2] = 0, torch.tensor([1, -1, 0])
        drawn[3:6] = 2 * F.one_hot(classes[:3]) - 1
        return drawn.to(torch.int8)
    if form == "candidates":
        return (drawn > 0) | F.one_hot(classes, CLASSES).bool()
    if form == "classes":
        return classes
    if form == "answers":
        return torch.randint(-1, CLASSES, (ROWS, WORKERS), generator=generator)
    return drawn.float().softmax(1)


class Problem:
    """A method, started and prepared, with all that training takes."""

    def __init__(self, name, *, classes=CLASSES, change=lambda labels: labels, dtype=torch.float32):
        torch.default_generator.manual_seed(0)
        generator = torch.Generator().manual_seed(1)
        kind = methods.get(name)
        options = OPTIONS.get(name, {})
        if "classes" in options:
            options = options | {"classes": classes}
        self.method = methods.create(name, **options)
        self.model = initial_network(name, classes).to(dtype)
        self.x = torch.rand(ROWS, *_shape_for(kind, name), generator=generator).to(dtype)
        truth = torch.randint(0, 2, (ROWS, classes), generator=generator)
        self.known = self.method.wanted(
            expected_positives=1.5,
            truth=truth,
            clean=(self.x[:4] + 0.1, torch.arange(4) % classes),
            generator=torch.Generator().manual_seed(2),
            teacher=initial_network(name, classes).to(dtype) if "teacher" in kind.needs else None,
            inputs=self.x,
            views=(lambda x: x, lambda x: x + 0.1 * torch.randn_like(x)),
        )
        observed = change(labels_of(kind.label_form, generator))
        self.method.start(Context(observed, **self.known))
        self.method.prepare(self.model)
        self.optimiser = OptimiserSpec("sgd", lr=0.02).build(self.model, self.method)
        self.order = torch.Generator().manual_seed(3)
        self.losses = []

    def train(self, epochs=EPOCHS, done=0, batch_size=4, after_epoch=None):
        fit(
            self.model,
            self.x,
            self.method,
            epochs=epochs,
            batch_size=batch_size,
            optimiser=self.optimiser,
            order=self.order,
            after_step=lambda index, logits, loss: self.losses.append(loss.item()),
            after_epoch=after_epoch,
            done=done,
        )
        return self

    def step(self, epoch=EPOCHS - 1):
        """One step on all rows in a late epoch; returns the loss after its backward pass."""
        self.method.before_epoch(epoch, lambda averaged=False: predict(self.model, self.x).float())
        index = torch.arange(ROWS)
        _, loss = self.method.step(self.model.train(), self.x, index)
        loss.backward()
        self.optimiser.step()
        self.method.after_step(self.model, self.x, index)
        return loss

    def states(self):
        """Everything that a run which goes on later needs."""
        parts = self.model, self.method, self.optimiser
        states = [part.state_dict() for part in parts]
        return [*states, self.order.get_state(), torch.get_rng_state()]

    def load(self, states):
        """Go on from states that have been through a file."""
        file = io.BytesIO()
        torch.save(states, file)
        file.seek(0)
        states = torch.load(file, weights_only=True)
        for part, state in zip((self.model, self.method, self.optimiser), states[:3], strict=True):
            part.load_state_dict(state)
        self.order.set_state(states[3])
        torch.set_rng_state(states[4])
        return self


NETWORKS = {
    "label_decoder": {
        "backbone_options": (("width", 4), ("patch", 4), ("stride", 4), ("batch_norm", False)),
        "width": 8,
        "heads": 2,
        "hidden": 8,
        "dropout": 0.0,
    },
    "gap_cnn": {"widths": (4, 4, 4)},
    "mlp": {"inputs": 4, "hidden": (6,)},
}


@cache
def built(network, classes):
    return models.build(network, classes, **NETWORKS[network])


def initial_network(name, classes):
    """A network that suits a method; all have the same initial weights."""
    if "teacher" in methods.get(name).needs or name == "Vanilla":
        return deepcopy(built("label_decoder", classes))
    return deepcopy(built("gap_cnn" if name == "CAM selection" else "mlp", classes))


def _shape_for(kind, name):
    return (1, 8, 8) if "teacher" in kind.needs or name in ("Vanilla", "CAM selection") else (4,)


def same(one, other):
    """Whether two values, or two states, agree bit for bit."""
    if isinstance(one, nn.Module):
        return same(dict(one.state_dict()), dict(other.state_dict()))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one.nan_to_num(7), other.nan_to_num(7))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return vars(one) == vars(other) if hasattr(one, "__dict__") and one != other else one == other


def check(name, case, work):
    """Do the work, or be refused with the words of the table; returns None if refused."""
    if (name, case) not in REFUSES:
        return work()
    words, _ = REFUSES[name, case]
    with pytest.raises(ValueError, match=words):
        work()
    return None


def constants(method):
    """The attributes that are not its state."""
    state = method.state_dict()
    return {name: value for name, value in vars(method).items() if name not in state}


@cache
def uninterrupted(name):
    """The trained problem, its states after each epoch, and the constant attributes before."""
    problem = Problem(name)
    kept, before = [deepcopy(problem.states())], deepcopy(constants(problem.method))
    problem.train(after_epoch=lambda epoch: kept.append(deepcopy(problem.states())))
    return problem, kept, before


# -- state ----------------------------------------------------------------------------------------


@every
def test_the_same_seed_gives_the_same_bits_and_a_resumed_run_those_of_the_uninterrupted_one(name):
    """Epoch by epoch, each in a new problem that is given the state after the one before."""
    whole, kept, _ = uninterrupted(name)
    losses = []
    for done in range(EPOCHS):
        resumed = Problem(name)
        if done:
            resumed.load(kept[done])
        assert same(resumed.states(), kept[done])
        resumed.train(epochs=done + 1, done=done)
        assert same(resumed.states(), kept[done + 1])
        losses += resumed.losses
    assert losses == whole.losses


@every
def test_what_is_not_state_stays_as_it_was(name):
    whole, _, before = uninterrupted(name)
    after = constants(whole.method)
    assert set(after) - set(before) <= SCRATCH
    for key, value in before.items():
        assert key in SCRATCH or same(value, after[key]), key


@every
def test_a_state_of_another_method_is_refused(name):
    method = Problem(name).method
    with pytest.raises(ValueError, match=r"a state of nothing for method .*: expected .*epoch"):
        method.load_state_dict({"nothing": 1})


# -- what it is told ------------------------------------------------------------------------------


def test_a_context_holds_what_the_table_of_extras_says():
    assert {"observed", *EXTRAS} == set(Context.__dataclass_fields__) - {"_"}
    kinds = [methods.get(name) for name in methods.names()]
    assert all(kind.needs | kind.uses <= set(EXTRAS) for kind in kinds)


def test_only_what_a_class_needs_is_sure_to_be_told():
    assert told(0.0) == 0.0
    with pytest.raises(ValueError, match="name it in its `needs`"):
        told(None)


@every
def test_what_is_missing_or_of_no_use_is_refused(name):
    method = methods.create(name, **OPTIONS.get(name, {}))
    observed = labels_of(method.label_form, torch.Generator().manual_seed(1))
    if method.needs:
        with pytest.raises(ValueError, match=f"needs {sorted(method.needs)[0]}, .*: none is given"):
            method.start(Context(observed))
    if "truth" not in method.needs:
        known = Problem(name).known | {"truth": torch.ones(ROWS, CLASSES)}
        with pytest.raises(ValueError, match="does not use truth, the true labels"):
            method.start(Context(observed, **known))


@every
def test_labels_of_another_form_are_refused(name):
    method = methods.create(name, **OPTIONS.get(name, {}))
    own = labels_of(method.label_form, torch.Generator().manual_seed(1))
    for wrong in (own[..., None], own.float() if own.dtype == torch.bool else own.bool()):
        with pytest.raises(ValueError, match=r"weak labels for method .*: expected "):
            method.start(Context(wrong, **Problem(name).known))


def test_partial_labels_hold_signs():
    _, _, fits = LABEL_FORMS["partial"]
    assert fits(torch.tensor([[-1, 0, 1]], dtype=torch.int8))
    assert not fits(torch.tensor([[-1, 0, 2]], dtype=torch.int8))
    assert not fits(torch.ones(1, 3, dtype=torch.bool))


# -- numbers --------------------------------------------------------------------------------------


def finite(problem):
    """Whether the gradients of a step, and its loss, are finite."""
    loss = problem.step()
    trained = [*problem.model.parameters(), *problem.method.parameters()]
    gradients = [p.grad for p in trained if p.grad is not None]
    assert loss.isfinite()
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)
    return loss


@every
def test_saturated_logits_have_a_finite_loss_and_finite_gradients(name):
    problem = Problem(name)
    for network in (problem.model, getattr(problem.method, "peer", None)):
        if network is None:
            continue
        with torch.no_grad():
            scale = 1e4 / network(problem.x).abs().max()
            for weights in network.head.parameters():
                weights.mul_(scale)
    finite(problem)


@every
def test_half_precision_has_a_finite_loss(name):
    assert finite(Problem(name, dtype=torch.bfloat16)).dtype in (torch.float32, torch.bfloat16)


@every
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_inputs_that_are_not_finite_are_refused(name, bad):
    if (name, bad) == ("PGD-AT", math.inf):
        return  # its attack clips all inputs to [0, 1]
    problem = Problem(name)
    problem.x = problem.x.clone().fill_(bad)
    with pytest.raises(
        FloatingPointError, match=f"{re.escape(name)}.*the loss of epoch 1, step 1 is"
    ):
        problem.train()
    assert not problem.losses


@every
def test_batches_of_one(name):
    check(name, "batch of one", lambda: Problem(name).train(epochs=3, batch_size=1))


def one_class(labels):
    """Weak labels if there is one class, which every candidate set holds."""
    if labels.dtype == torch.bool:
        return torch.ones(ROWS, 1, dtype=torch.bool)
    return labels.clamp(max=0) if labels.dtype == torch.int64 else labels[:, :1]


@every
def test_one_class(name):
    check(name, "one class", lambda: Problem(name, classes=1, change=one_class).train())


NOTHING = {
    "partial": torch.zeros_like,
    "candidates": torch.ones_like,
    "distributions": lambda labels: torch.full_like(labels, 1 / CLASSES),
    "answers": lambda labels: torch.full_like(labels, -1),
}
"""Form -> labels that tell nothing: nobody has answered, every class is possible, or all are as
likely. A class number always tells something."""


def test_nothing_can_be_known_in_every_form_but_one():
    assert NOTHING.keys() == LABEL_FORMS.keys() - {"classes"}


@every
def test_nothing_known(name):
    form = methods.get(name).label_form
    if form == "classes":
        return
    check(name, "nothing known", lambda: Problem(name, change=NOTHING[form]).train())


def test_on_a_gpu_the_losses_of_an_epoch_are_looked_at_once():
    losses = Losses(Method(), 3)
    losses.unseen = [torch.tensor(1.0), torch.tensor(math.nan)]
    with pytest.raises(FloatingPointError, match="the loss of epoch 3, step 2 is nan"):
        losses.check()

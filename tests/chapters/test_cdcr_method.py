"""CDCR against values from the authors' code, closed forms and boundaries."""

import numpy as np
import pytest
import torch
from chapters.cdcr import runs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden import cases
from weaklabels import methods, models
from weaklabels.methods.base import Context
from weaklabels.methods.cdcr import (
    class_confidences,
    curriculum_weights,
    select,
)
from weaklabels.methods.pseudo_labels import weighted_loss
from weaklabels.metrics import average_precision
from weaklabels.train import OptimiserSpec, fit
from weaklabels.weaken import candidates

GOLDEN = cases("cdcr")
TOLERANCE = {"atol": 1e-9, "rtol": 0}


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


# -- the authors' values ---------------------------------------------------------------------------


class Replay:
    """A generator that returns the uniform numbers of the authors' run."""

    def __init__(self, values):
        self.values = np.array(values)

    def uniform(self, size):
        assert self.values.shape == size
        return self.values


def test_candidates_agree_with_the_authors_code():
    case = GOLDEN["candidate_generation"]
    inputs, truth = case["inputs"], np.array(case["inputs"]["true_labels"])
    ours = candidates(truth, inputs["noise_level"], Replay(inputs["uniform"]))
    assert (ours == np.array(case["expected"]["candidates"])).all()


@pytest.mark.parametrize("name", [n for n in GOLDEN if n.startswith("selection")])
def test_selection_agrees_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    p, given_set = tensor(inputs["confidences"]), tensor(inputs["candidates"]) == 1
    selected = select(p, given_set, inputs["alpha"], class_difficulty="difficulty" in name)
    assert torch.equal(
        curriculum_weights(given_set, selected).double(), tensor(expected["weights"])
    )
    right = int((selected & (tensor(inputs["true_labels"]) == 1)).sum())
    assert (right, int(selected.sum())) == (expected["true_selected"], expected["selected"])
    assert right / int(selected.sum()) == pytest.approx(expected["purity"], abs=1e-9)
    if "class_mean_confidence" in expected:
        by_class, mean = class_confidences(p, given_set)
        torch.testing.assert_close(by_class, tensor(expected["class_mean_confidence"]), **TOLERANCE)
        assert mean.item() == pytest.approx(expected["global_mean_confidence"], abs=1e-9)


LOSSES = {
    "warmup_bce": lambda z, s, w: weighted_loss(z, s, torch.ones_like(s)),
    "weighted_bce": weighted_loss,
    "asl_on_candidates": lambda z, s, w: weighted_loss(z, s, torch.ones_like(s), **runs.ASL),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_agree_with_the_authors_code(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    z = tensor(inputs["logits"]).requires_grad_()
    loss = LOSSES[name](z, tensor(inputs["candidates"]), tensor(inputs.get("weights", [])))
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, z)
    torch.testing.assert_close(gradient, tensor(expected["grad"]), **TOLERANCE)


def test_average_precision_agrees_up_to_the_constant_in_the_authors_divisor():
    inputs, expected = GOLDEN["mAP"]["inputs"], GOLDEN["mAP"]["expected"]
    labels = tensor(inputs["labels"])
    count = labels.sum(0).numpy()
    ours = average_precision(tensor(inputs["scores"]), labels) * count / (count + 1e-8)
    np.testing.assert_allclose(ours / 100, expected["ap"], **TOLERANCE)
    assert ours.mean() == pytest.approx(expected["mAP"], abs=1e-7)


# -- selection -------------------------------------------------------------------------------------

confidences = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        st.lists(st.floats(0, 1), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]),
        st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]),
        st.just(shape),
    )
)


@given(confidences, st.floats(0, 1), st.booleans())
@settings(max_examples=80, deadline=None)
def test_only_candidates_are_selected_and_every_negative_counts(table, threshold, difficulty):
    p, chosen, shape = table
    p, chosen = tensor(p).reshape(shape), torch.tensor(chosen).reshape(shape)
    selected = select(p, chosen, threshold, class_difficulty=difficulty)
    weights = curriculum_weights(chosen, selected)
    assert not (selected & ~chosen).any()
    assert (weights[~chosen] == 1).all()
    assert torch.equal(weights[chosen] == 1, selected[chosen])


def test_negatives_in_proportion_keep_the_balance_of_a_class():
    given_set = torch.tensor([[1, 1], [1, 0], [1, 0], [1, 1], [0, 0]], dtype=torch.bool)
    chosen = given_set & torch.tensor([[1, 1], [0, 1], [0, 1], [0, 0], [0, 0]], dtype=torch.bool)
    weights = curriculum_weights(given_set, chosen, in_proportion=True)
    assert weights.tolist() == [[1, 1], [0, 0.5], [0, 0.5], [0, 0], [0.25, 0.5]]
    everything = curriculum_weights(given_set, given_set, in_proportion=True)
    assert torch.equal(everything, curriculum_weights(given_set, given_set))
    nobody = torch.zeros(3, 2, dtype=torch.bool)
    assert torch.equal(curriculum_weights(nobody, nobody, in_proportion=True), torch.ones(3, 2))


def test_a_hard_class_gets_a_lower_bar():
    p = tensor([[0.9, 0.5], [0.7, 0.3]])
    everything = torch.ones(2, 2, dtype=torch.bool)
    by_class, mean = class_confidences(p, everything)
    torch.testing.assert_close(by_class, tensor([0.8, 0.4]))
    assert mean.item() == pytest.approx(0.6)
    assert select(p, everything, 0.6).tolist() == [[True, True], [False, False]]
    one = select(p, everything, 0.6, class_difficulty=False)
    assert one.tolist() == [[True, False], [True, False]]


def test_the_overall_mean_pools_entries_and_is_not_the_mean_of_the_class_means():
    p = tensor([[0.9, 0.1], [0.9, 0.5], [0.9, 0.5]])
    chosen = torch.tensor([[1, 1], [1, 0], [1, 0]]).bool()
    by_class, mean = class_confidences(p, chosen)
    torch.testing.assert_close(by_class, tensor([0.9, 0.1]))
    assert mean.item() == pytest.approx(0.7)


def test_classes_without_candidates_and_empty_tables_are_harmless():
    chosen = torch.tensor([[True, False], [True, False]])
    by_class, mean = class_confidences(tensor([[0.2, 0.9], [0.4, 0.9]]), chosen)
    assert by_class.tolist() == pytest.approx([0.3, 0.3])
    assert mean.item() == pytest.approx(0.3)
    none = torch.zeros(3, 2, dtype=torch.bool)
    assert not select(torch.rand(3, 2), none).any()
    assert select(torch.rand(0, 2), none[:0]).shape == (0, 2)
    assert (curriculum_weights(none, none) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precision_selects_without_nan(dtype):
    p = torch.sigmoid(torch.tensor([[100.0, -100.0], [0.0, 1.0]])).to(dtype)
    assert select(p, torch.ones(2, 2, dtype=torch.bool)).tolist() == [[True, False], [False, True]]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="expected the same shape"):
        select(torch.zeros(2, 3), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="unselected is 'dropped'"):
        methods.create("CDCR", unselected="dropped")
    with pytest.raises(ValueError, match="negatives is 'few'"):
        methods.create("CDCR", negatives="few")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extreme_logits_stay_finite(dtype):
    z = torch.tensor([[100.0, -100.0, 0.0]] * 2, dtype=dtype, requires_grad=True)
    given_set, weights = torch.tensor([[1, 1, 1], [0, 0, 0]]), torch.ones(2, 3)
    loss = weighted_loss(z, given_set, weights) + weighted_loss(z, given_set, weights, **runs.ASL)
    (gradient,) = torch.autograd.grad(loss, z)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


# -- the method in the loop ------------------------------------------------------------------------


def candidate_data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(30, 4, generator=generator)
    truth = (x[:, :3] > 0).to(torch.int8)
    noise = torch.rand(30, 3, generator=generator) < 0.3
    return x, truth, torch.where((truth == 1) | noise, 1, -1).to(torch.int8)


def train(epochs=3, **options):
    x, _, observed = candidate_data()
    method = methods.create(options.pop("name", "CDCR"), **options)
    method.start(Context(observed))
    model = models.build("linear", 3, inputs=4)
    used = []
    fit(
        model,
        x,
        method,
        epochs=epochs,
        batch_size=10,
        optimiser=OptimiserSpec("adam", lr=0.2).build(model, method),
        order=torch.Generator().manual_seed(0),
        after_epoch=lambda epoch: used.append((method.weights.clone(), method.targets.clone())),
    )
    return method, used, observed


def test_all_candidates_are_trained_on_during_the_warm_up():
    method, used, observed = train(warm_up=2)
    assert all((weights == 1).all() for weights, _ in used[:2])
    assert torch.equal(used[2][0] == 0, (observed == 1) & ~method.selected)
    assert (used[2][0] == 0).any()
    assert torch.equal(used[2][1], observed == 1)


def test_rest_negative_turns_unselected_candidates_into_negatives():
    method, used, observed = train(warm_up=1, unselected="negative")
    assert all((weights == 1).all() for weights, _ in used)
    assert torch.equal(used[-1][1], method.selected)
    assert (method.targets <= (observed == 1)).all()


def test_a_selection_made_once_is_kept_and_the_usual_one_is_not():
    _, once, _ = train(epochs=5, warm_up=1, once=True)
    _, anew, _ = train(epochs=5, warm_up=1)
    assert torch.equal(once[1][0], once[4][0])
    assert not torch.equal(anew[1][0], anew[4][0])


def test_one_threshold_does_not_look_at_the_classes():
    method, *_ = train(warm_up=1, name="CDCR, one threshold")
    assert method.trace()["thresholds"].tolist() == pytest.approx([0.6] * 3)
    assert methods.create("CDCR").class_difficulty

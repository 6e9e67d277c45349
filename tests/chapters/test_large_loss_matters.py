"""Large Loss Matters against values from the authors' code, closed forms and boundaries."""

import math

import numpy as np
import pytest
import torch
from chapters.large_loss_matters import record, runs, tables
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.golden import cases
from tests.lab.recorded_features import check_record
from weaklabels import methods
from weaklabels.cam import class_activation_maps
from weaklabels.lab.store import Record
from weaklabels.methods import baselines
from weaklabels.methods.base import Context
from weaklabels.methods.large_loss_matters import large_loss, large_loss_entries, modified_count
from weaklabels.metrics import annotated_average_precision, mean_average_precision
from weaklabels.models import Network
from weaklabels.press.chapter import Chapter
from weaklabels.train import OptimiserSpec, fit, predict
from weaklabels.weaken import few_labels

GOLDEN = cases("large_loss_matters")
SCHEMES = {"LL-R": "reject", "LL-Ct": "correct temporarily", "LL-Cp": "correct permanently"}
TOLERANCE = 1e-7  # the authors' corrected targets are made in single precision


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def entries(pairs, shape):
    mask = torch.zeros(shape, dtype=torch.bool)
    for row, column in pairs:
        mask[row, column] = True
    return mask


def golden_batch(name):
    inputs = GOLDEN[name]["inputs"]
    return tensor(inputs["logits"]).requires_grad_(), torch.tensor(inputs["labels"]).to(torch.int8)


@pytest.mark.parametrize(
    "name", [n for n in GOLDEN if n.startswith(("LL-", "ties", "known_negatives", "naive_an"))]
)
def test_scheme_agrees_with_the_authors_code(name):
    case, (z, observed) = GOLDEN[name], golden_batch(name)
    inputs, expected = case["inputs"], case["expected"]
    scheme = next((s for s in SCHEMES if s in name), "LL-R")
    if "clean_rate" in inputs:
        k = math.ceil(z.numel() * (1 - inputs["clean_rate"]) - 1e-9)
    else:
        rate = inputs.get("delta_rel_percent", 0) / 100
        k = modified_count(*z.shape, inputs["epoch"], rate, growing=scheme != "LL-Cp")
    assert k == expected.get("k", 0)
    modified = large_loss_entries(z, observed, k)
    assert torch.equal(modified, entries(expected["modified"], z.shape))
    loss = large_loss(z, observed, modified, SCHEMES[scheme])
    assert loss.item() == pytest.approx(expected["loss"], abs=TOLERANCE)
    (gradient,) = torch.autograd.grad(loss, z)
    if "grad_logits" in expected:
        torch.testing.assert_close(
            gradient, tensor(expected["grad_logits"]), atol=TOLERANCE, rtol=0
        )
    if "grad_l1" in expected:
        assert gradient.abs().sum().item() == pytest.approx(expected["grad_l1"], abs=TOLERANCE)
    for rule, strict in (("flipped_ge", False), ("flipped_strict_gt", True)):
        if rule in expected:
            flips = large_loss_entries(z, observed, k, strict=strict)
            assert torch.equal(flips, entries(expected[rule], z.shape))


def test_observed_entries_are_never_modified_even_when_k_exceeds_the_unknown_ones():
    # The official code modifies every entry here, observed ones included.
    case = GOLDEN["edge_k_exceeds_unobserved_LL-R"]
    z, observed = golden_batch("edge_k_exceeds_unobserved_LL-R")
    modified = large_loss_entries(z, observed, case["expected"]["k"])
    assert torch.equal(modified, entries(case["expected"]["unobserved"], z.shape))


def test_number_of_modified_entries_is_the_exact_one():
    for row in GOLDEN["k_schedule"]["expected"]["rows"]:
        b, k, rate = row["B"], row["K"], row["delta_rel_percent"] / 100
        growing = [modified_count(b, k, t, rate, growing=True) for t in range(1, 11)]
        assert growing == row["k_exact_rational"]
        constant = modified_count(b, k, 2, rate, growing=False)
        assert constant == row["k_Cp_epochs_ge_2"]


def test_worked_example_of_figure_2():
    case = GOLDEN["figure2_example"]
    z = torch.logit(tensor(case["inputs"]["probabilities"]))
    observed = torch.tensor(case["inputs"]["labels"]).to(torch.int8)
    modified = large_loss_entries(z, observed, case["inputs"]["k"])
    nothing = torch.zeros_like(modified)
    expected = case["expected"]
    assert large_loss(z, observed, nothing, "reject").item() == pytest.approx(expected["naive_an"])
    for name in ("LL-R", "LL-Ct"):
        loss = large_loss(z, observed, modified, SCHEMES[name]).item()
        assert loss == pytest.approx(expected[name], abs=1e-9)


COMPARATORS = {
    "comparator_an": lambda z, y, _: baselines.assume_negative(z, y),
    "comparator_an_ls": lambda z, y, _: baselines.label_smoothing(z, y),
    "comparator_wan": lambda z, y, _: baselines.weighted_assume_negative(z, y),
    "comparator_epr": lambda z, y, i: baselines.expected_positive_regularisation(
        z, y, i["expected_num_pos"]
    ),
    "comparator_iu": lambda z, y, _: baselines.ignore_unobserved(z, y),
    "comparator_full": lambda z, y, _: baselines.ignore_unobserved(z, 2 * y - 1),
    "comparator_iun": lambda z, y, i: baselines.ignore_unobserved(
        z, torch.where(torch.tensor(i["true_labels_pm1"]) == -1, -1, y)
    ),
}


@pytest.mark.parametrize("name", COMPARATORS)
def test_comparator_agrees_with_the_code_of_cole_et_al(name):
    case, (z, observed) = GOLDEN[name], golden_batch(name)
    loss = COMPARATORS[name](z, observed, case["inputs"])
    assert loss.item() == pytest.approx(case["expected"]["loss"], abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, z)
    torch.testing.assert_close(gradient, tensor(case["expected"]["grad_logits"]), atol=1e-9, rtol=0)


def test_role_agrees_with_the_code_of_cole_et_al():
    case, (z, observed) = GOLDEN["comparator_role"], golden_batch("comparator_role")
    estimates = tensor(case["inputs"]["estimator_logits"]).requires_grad_()
    loss = baselines.role(z, estimates, observed, case["inputs"]["expected_num_pos"])
    assert loss.item() == pytest.approx(case["expected"]["loss"], abs=1e-9)
    for found, name in zip(
        torch.autograd.grad(loss, (z, estimates)),
        ("grad_logits", "grad_estimator_logits"),
        strict=True,
    ):
        torch.testing.assert_close(found, tensor(case["expected"][name]), atol=1e-9, rtol=0)


def test_mean_average_precision_agrees_with_the_authors_code():
    case = GOLDEN["map"]
    found = mean_average_precision(tensor(case["inputs"]["scores"]), tensor(case["inputs"]["true"]))
    assert found == pytest.approx(case["expected"]["map_percent"], abs=1e-9)


def test_partially_annotated_average_precision_agrees_with_the_authors_code():
    case = GOLDEN["map_partially_annotated_test"]
    truth = torch.tensor(case["inputs"]["true"])
    observed = torch.where(truth == -1, 0, torch.where(truth == 1, 1, -1))
    values = annotated_average_precision(tensor(case["inputs"]["scores"]), observed)
    kept = values[~np.isnan(values)]
    np.testing.assert_allclose(kept / 100, case["expected"]["ap_per_kept_class"], atol=1e-9)
    assert kept.mean() == pytest.approx(case["expected"]["map_percent"])


@pytest.mark.parametrize("name", ["observed_labels_1pos_0neg", "observed_labels_1pos_2neg"])
def test_annotations_agree_with_the_code_of_cole_et_al(name):
    inputs = GOLDEN[name]["inputs"]
    truth = np.array(inputs["labels_pm1"]) == 1
    rng = np.random.RandomState(inputs["seed"])
    found = few_labels(
        truth.astype(int), rng, positives=inputs["num_pos"], negatives=inputs["num_neg"]
    )
    np.testing.assert_array_equal(found, GOLDEN[name]["expected"]["observed"])


class Given(nn.Module):
    """Feature maps that are given, whatever the input."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, x):
        return self.maps


def test_class_activation_maps_agree_with_the_authors_code():
    case = GOLDEN["cam"]
    maps, weight = tensor(case["inputs"]["features"]), tensor(case["inputs"]["weight"])
    head = nn.Linear(weight.shape[1], weight.shape[0]).double()
    head.weight.data, head.bias.data = weight, tensor(case["inputs"]["bias"])
    from weaklabels.models import GlobalAveragePool

    model = Network(Given(maps), GlobalAveragePool(), head)
    found = class_activation_maps(model, maps)
    torch.testing.assert_close(found, tensor(case["expected"]["cam"]), atol=1e-9, rtol=0)
    logits = found.mean((2, 3)) + head.bias
    torch.testing.assert_close(logits, tensor(case["expected"]["logits"]), atol=1e-9, rtol=0)
    torch.testing.assert_close(model(maps), logits)


class Tanh(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0]).double()
        self.linear.weight.data, self.linear.bias.data = weight, bias

    def forward(self, x):
        return torch.tanh(self.linear(x))


@pytest.mark.parametrize("name", [n for n in GOLDEN if n.startswith("training_run")])
def test_whole_training_run_agrees_with_the_authors_loop(name):
    inputs, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    hyper = inputs["hyper"]
    head = nn.Linear(4, 6).double()
    head.weight.data, head.bias.data = tensor(inputs["W2"]), tensor(inputs["b2"])
    model = Network(Tanh(tensor(inputs["W1"]), tensor(inputs["b1"])), nn.Identity(), head)
    scheme, rate = hyper["scheme"].split()[0], hyper["delta_rel_percent"] / 100
    if scheme == "Naive":
        method = methods.create("AN", epsilon=0.0)
    else:
        strict = {"strict": True} if scheme == "LL-Cp" else {}
        method = methods.create(scheme, rate=rate, **strict)
    method.start(Context(torch.tensor(inputs["obs"]).to(torch.int8)))
    spec = OptimiserSpec(
        hyper["optimizer"],
        lr=hyper["lr_features"],
        head_lr=hyper["lr_classifier"],
        weight_decay=hyper["weight_decay"],
        momentum=hyper["momentum"] or 0.9,
    )
    losses, val = [], []
    x_val, y_val = tensor(inputs["Xv"]), tensor(inputs["Yv"])
    fit(
        model,
        tensor(inputs["Xtr"]),
        method,
        epochs=hyper["epochs"],
        batch_size=hyper["batch_size"],
        optimiser=spec.build(model, method),
        order=torch.Generator().manual_seed(0),
        after_step=lambda index, logits, loss: losses.append(loss.item()),
        after_epoch=lambda epoch: val.append(mean_average_precision(predict(model, x_val), y_val)),
    )
    np.testing.assert_allclose(losses, expected["train_loss_per_epoch"], atol=TOLERANCE)
    np.testing.assert_allclose(val, expected["val_map_per_epoch"], atol=1e-6)
    assert int(np.argmax(val)) + 1 == expected["best_epoch"]
    last = expected["last_epoch_weights"]
    torch.testing.assert_close(head.weight.data, tensor(last["W2"]), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        model.features.linear.weight.data, tensor(last["W1"]), atol=1e-6, rtol=0
    )
    if "observed_labels_after" in expected:
        assert torch.equal(
            method.observed, torch.tensor(expected["observed_labels_after"]).to(torch.int8)
        )


# -- boundaries and properties --------------------------------------------------------------------

batches = st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.integers(0, 40), st.integers(0, 2**32 - 1)
)


@given(batches)
def test_modified_entries_are_the_largest_losses_among_the_unknown(drawn):
    rows, classes, k, seed = drawn
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, classes, generator=g)
    observed = torch.randint(-1, 2, (rows, classes), generator=g)
    modified = large_loss_entries(z, observed, k)
    unknown = observed == 0
    assert not (modified & ~unknown).any()
    assert modified.sum() == min(k, int(unknown.sum()))
    if modified.any() and (unknown & ~modified).any():
        assert z[modified].min() >= z[unknown & ~modified].max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scheme", SCHEMES.values())
def test_saturated_logits_give_finite_losses_and_gradients(dtype, scheme):
    z = torch.tensor([[100.0, -100.0, 0.0], [100.0, -100.0, 50.0]], dtype=dtype).requires_grad_()
    observed = torch.tensor([[1, 0, 0], [0, 1, -1]])
    loss = large_loss(z, observed, large_loss_entries(z, observed, 2), scheme)
    (gradient,) = torch.autograd.grad(loss, z)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("scheme", SCHEMES.values())
def test_gradient_is_the_numerical_one(scheme):
    z = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    observed = torch.zeros(4, 5, dtype=torch.int8)
    observed[:, 0] = 1
    modified = large_loss_entries(z, observed, 3)
    assert torch.autograd.gradcheck(
        lambda v: large_loss(v, observed, modified, scheme), z.requires_grad_()
    )


def test_correction_pulls_the_score_up_and_rejection_leaves_it_alone():
    z = torch.tensor([[3.0]], requires_grad=True)
    observed = torch.tensor([[0]])
    chosen = torch.tensor([[True]])
    (up,) = torch.autograd.grad(large_loss(z, observed, chosen, "correct temporarily"), z)
    (none,) = torch.autograd.grad(large_loss(z, observed, chosen, "reject"), z)
    assert up.item() == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item() - 1)
    assert none.item() == 0


def test_permanent_correction_accumulates_and_leaves_the_given_labels_alone():
    observed = torch.zeros(8, 10, dtype=torch.int8)
    observed[:, 0] = 1
    method = methods.create("LL-Cp", rate=0.05)
    method.start(Context(observed))
    g, counts = torch.Generator().manual_seed(0), []
    for epoch in range(1, 5):
        method.before_epoch(epoch, None)
        index = torch.arange(8)
        method.step(lambda x: torch.randn(8, 10, generator=g), None, index)
        method.after_step(None, None, index)
        counts.append(int((method.observed == 1).sum()))
    assert counts == [8, 12, 16, 20]
    assert int((observed == 1).sum()) == 8


def test_curriculum_labels_what_it_is_sure_of_and_revises_it():
    observed = torch.tensor([[1, 0, 0, -1]], dtype=torch.int8)
    method = methods.create("Curriculum", threshold=2.0)
    method.start(Context(observed))
    method.after_epoch(lambda: torch.tensor([[-9.0, 3.0, -1.0, 9.0]]))
    assert method.labels.tolist() == [[1, 1, 0, -1]]
    method.after_epoch(lambda: torch.tensor([[-9.0, 1.0, -3.0, 9.0]]))
    assert method.labels.tolist() == [[1, 0, -1, -1]]
    assert method.labels.dtype == torch.int8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: methods.create("LL-R", rate=2.0), "rate is 2.0"),
        (lambda: methods.create("LL-X"), "unknown method 'LL-X'"),
        (lambda: large_loss(torch.zeros(1, 1), torch.zeros(1, 1), None, "flip"), "unknown scheme"),
    ],
)
def test_wrong_parameters_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- the chapter's experiments --------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["quick", "smoke", "paper"])
def test_tables_hold_methods_that_exist(profile):
    settings = runs.settings(Chapter("large_loss_matters", profile))
    tracked = {name: spec.track for name, spec in runs.end_to_end(settings).items()}
    assert list(tracked) == list(runs.TABLE_METHODS)
    assert {name for name, track in tracked.items() if "modified" in track} == set(runs.LL)
    assert all("pointing" in track for track in tracked.values())
    made = [runs.watched, runs.linear_init, runs.rate_study, runs.sparse, runs.learning_rates]
    studies = [make(settings) for make in made]
    studies += [runs.size_study(settings, 1000), runs.counted(settings, 2.5, 10)]
    for spec in (spec for study in studies for spec in study.values()):
        methods.create(spec.method, **dict(spec.method_options))


def test_estimates_of_role_move_where_all_others_have_sgd():
    table = runs.table(runs.settings(Chapter("large_loss_matters", "paper")).base)
    adam = {name for name, spec in table.items() if spec.optimiser.name == "adam"}
    assert adam == {"ROLE"}
    assert table["ROLE"].linear_lr == 1e-3


@pytest.mark.parametrize("name", ["EPR", "ROLE"])
def test_a_count_of_its_own_replaces_the_one_that_is_told(name):
    observed, index = torch.tensor([[1, 0, 0], [0, 1, 0]]), torch.arange(2)
    losses = []
    for count, told in ((None, 2.0), (2.0, 1.0), (None, 1.0)):
        method = methods.create(name, count=count)
        method.start(Context(observed, expected_positives=told))
        losses.append(method.loss(torch.ones(2, 3), index).item())
    assert losses[0] == losses[1] != losses[2]


def test_equal_steps_are_more_epochs_and_a_rate_that_is_as_large_per_step():
    settings = runs.settings(Chapter("large_loss_matters", "quick"))
    usual = runs.size_study(settings, 1000)[125, "LL-Ct"]
    longer = runs.size_study(settings, 1000, equal_steps=True)[125, "LL-Ct"]
    rate = dict(usual.method_options)["rate"]
    assert (usual.epochs, longer.epochs) == (15, 120)
    assert dict(longer.method_options)["rate"] == rate / 8
    none_left_out = runs.size_study(settings, 100, equal_steps=True)[125, "LL-Ct"]
    assert (none_left_out.epochs, dict(none_left_out.method_options)["rate"]) == (15, rate)


def test_a_rate_set_by_the_number_of_positives_ends_at_the_share_of_false_negatives():
    settings = runs.settings(Chapter("large_loss_matters", "quick"))
    spec = runs.counted(settings, 2.4, 10)["told", "LL-R"]
    assert dict(spec.method_options)["rate"] * (spec.epochs - 1) == pytest.approx(0.14)


def test_permanent_correction_flips_at_least_one_label_in_a_batch():
    small = tables.applied_rates(16, 20, 2270, 25, 0.001)
    assert small == {"asked": 0.1, "applied": pytest.approx(0.3125), "flips": 142 * 24}
    assert tables.applied_rates(160, 20, 2270, 25, 0.001)["flips"] == (4 * 14 + 1) * 24


def test_the_single_labels_that_are_shown_are_those_nearest_to_the_median():
    logits = np.zeros((3, 2, 3))
    logits[:, 0, 1], logits[:, 1, 2] = (1, 3, 2), (0, 9, 0)  # the only false negatives
    shown = tables.single_labels(labels(logits=logits))
    assert np.allclose(shown["FN"], np.logaddexp(0, [1, 3, 2]), atol=1e-2)


def test_the_options_are_those_that_the_recorded_tuning_chose():
    recorded = Chapter("large_loss_matters").recorded("tuning")
    if recorded is None:
        pytest.skip("make record CHAPTERS=large_loss_matters NAME=tuning was not run yet")
    chosen = {row["method"]: row["chosen"] for row in recorded["rows"]}
    assert {each.method: each.chosen for each in runs.TUNED} == chosen


def test_published_tables_are_complete():
    assert tables.TABLE_2.shape == (9, 8)
    assert list(tables.TABLE_2.index) == list(runs.TABLE_METHODS)
    assert tables.TABLE_3.shape == (9, 6)


def test_the_recorded_table_is_that_of_the_code():
    chapter = Chapter("large_loss_matters")
    rows = record.feature_rows(chapter)
    assert dict(rows["LL-R"].spec.method_options) == {"rate": 0.002}
    assert all(runs.VOC_RATES[name] in rows[name].values for name in runs.LL)
    assert {len(row.values) for row in rows.values()} == {0, 7}  # as many for each method
    check_record(chapter.recorded("voc2012_features"), rows)


def labels(*, modified=None, logits=None):
    """A record of two images with three classes: one label given, one hidden, one absent each."""
    values = {
        "truth": np.array([[1, 1, 0], [1, 0, 1]]),
        "observed": np.array([[1, 0, 0], [1, 0, 0]]),
        "test_ap": np.zeros((3, 3)),
    }
    if modified is not None:
        values["modified"] = np.packbits(np.array(modified, bool), axis=2)
    if logits is not None:
        values["entry_logits"] = np.array(logits)
    return Record(None, values, {})


def test_what_is_modified_is_compared_with_the_truth():
    nothing, right = np.zeros((2, 3)), np.array([[0, 1, 0], [0, 0, 1]])
    wrong = np.array([[0, 0, 1], [0, 0, 0]])
    run = labels(modified=[nothing, right, right | wrong])
    assert np.isnan(tables.precision([run])[0, 0])
    np.testing.assert_allclose(tables.precision([run])[0, 1:], [100, 100 * 2 / 3])
    assert tables.guessing([run]).tolist() == [50]
    assert tables.guessing_by_epoch([run], stays=False).tolist() == [[50, 50, 50]]
    once = labels(modified=[nothing, right, wrong])
    assert tables.guessing_by_epoch([once], stays=True).tolist() == [[50, 50, 0]]
    assert tables.persistence([run]).tolist() == [100]
    assert tables.telling_scenes(run, 2) == [1, 0]
    shown = {name: mask.astype(int).tolist() for name, mask in tables.corrections(run, 0).items()}
    assert shown == {
        "given": [[1, 1, 1], [0, 0, 0], [0, 0, 0]],
        "added, right": [[0, 0, 0], [0, 1, 1], [0, 0, 0]],
        "added, wrong": [[0, 0, 0], [0, 0, 0], [0, 0, 1]],
    }


def test_memorisation_follows_each_kind_of_label():
    start, end = np.zeros((2, 3)), [[0, 2, -2], [0, -2, 2]]  # false negatives rise, true ones fall
    curves = tables.memorisation([labels(logits=[start, end])])
    assert curves["FN"][0, 1] > curves["FN"][0, 0] > curves["TN"][0, 1]
    assert curves["AUC"].tolist() == [[0.5, 1.0]]
    assert [curves[f"first {kind}"].item() for kind in ("TP", "TN", "FN")] == [100, 100, 0]

"""L2D against values from the authors' code, closed forms and boundaries."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.golden import cases
from weaklabels import methods, models
from weaklabels.data import load
from weaklabels.methods import distillation, l2d
from weaklabels.methods.base import Context
from weaklabels.metrics import known_count_f1, mean_average_precision

GOLDEN = cases("l2d")
TOLERANCE = 1e-9


def golden(name):
    """Inputs of a case in double precision, and what is expected."""
    case = GOLDEN[name]
    inputs = {
        key: torch.tensor(value, dtype=torch.float64)
        for key, value in case["inputs"].items()
        if not key.endswith("_maps")
    }
    return inputs, case["expected"]


def check(loss, expected, gradients=()):
    assert loss.item() == pytest.approx(expected["loss"], abs=TOLERANCE)
    for variable, name in gradients:
        (gradient,) = torch.autograd.grad(loss, variable, retain_graph=True)
        wanted = torch.tensor(expected[name], dtype=torch.float64)
        torch.testing.assert_close(gradient, wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["bce_sum", "bce_sum_saturated"])
def test_hard_label_loss_agrees_with_the_authors_code(name):
    inputs, expected = golden(name)
    z = inputs["logits"].requires_grad_()
    check(l2d.hard_label_loss(z, inputs["labels"]), expected, [(z, "grad_logits")])


@pytest.mark.parametrize("reduction", l2d.REDUCTIONS)
def test_mld_agrees_with_the_authors_code(reduction):
    inputs, expected = golden(f"mld_{reduction}")
    z = inputs["student_logits"].requires_grad_()
    loss = l2d.multi_label_distillation(z, inputs["teacher_logits"], reduction)
    check(loss, expected, [(z, "grad_student_logits")])


@pytest.mark.parametrize("name", ["pairwise_distance_student", "pairwise_distance_teacher"])
def test_distances_agree_with_the_authors_code(name):
    inputs, expected = golden(name)
    wanted = torch.tensor(expected["dist"], dtype=torch.float64)
    torch.testing.assert_close(
        l2d.pairwise_distances(inputs["rows"]), wanted, atol=TOLERANCE, rtol=0
    )


@pytest.mark.parametrize("name", ["huber_structure_loss", "huber_structure_two_rows"])
def test_structure_loss_agrees_with_the_authors_code(name):
    inputs, expected = golden(name)
    rows = inputs["student_rows"].requires_grad_()
    everyone = torch.ones(1, len(rows), dtype=torch.bool)
    loss = l2d.structure_losses(rows[None], inputs["teacher_rows"][None], everyone)[0]
    check(loss, expected, [(rows, "grad_student")])


EMBEDDING_LOSSES = {
    "cd_loss": l2d.class_aware,
    "id_loss": l2d.instance_aware,
    "led_total": l2d.label_wise_embedding,
}


@pytest.mark.parametrize("name", EMBEDDING_LOSSES)
def test_embedding_losses_agree_with_the_authors_code(name):
    inputs, expected = golden(name)
    e = inputs["student_emb"].requires_grad_()
    loss = EMBEDDING_LOSSES[name](e, inputs["teacher_emb"], inputs["labels"])
    check(loss, expected, [(e, "grad_student_emb")])


def test_without_pairs_the_embedding_losses_are_zero():
    inputs, expected = golden("cd_id_no_pairs")
    arguments = inputs["student_emb"], inputs["teacher_emb"], inputs["labels"]
    assert l2d.class_aware(*arguments).item() == expected["cd"] == 0
    assert l2d.instance_aware(*arguments).item() == expected["id"] == 0


def test_full_objective_agrees_with_the_authors_code():
    inputs, expected = golden("l2d_full_objective")
    z, e = inputs["student_logits"].requires_grad_(), inputs["student_emb"].requires_grad_()
    student = l2d.Outputs([], e, z)
    teacher = l2d.Outputs([], inputs["teacher_emb"], inputs["teacher_logits"])
    method = methods.create("L2D")
    loss = l2d.hard_label_loss(z, inputs["labels"])
    loss = loss + method.weight * method.term(student, teacher, inputs["labels"])
    check(loss, expected, [(z, "grad_student_logits"), (e, "grad_student_emb")])


FEATURE_LOSSES = {
    "rkd_distance": distillation.relational_distance,
    "rkd_angle": distillation.relational_angle,
    "rkd_total": distillation.relational,
    "pkt": distillation.probabilistic_transfer,
}


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_feature_losses_agree_with_the_authors_code(name):
    inputs, expected = golden(name)
    f = inputs["student_feat"].requires_grad_()
    check(FEATURE_LOSSES[name](f, inputs["teacher_feat"]), expected, [(f, "grad_student")])


def test_partial_softmax_agrees_with_the_authors_code():
    inputs, expected = golden("partial_softmax")
    z = inputs["student_logits"].requires_grad_()
    loss = distillation.partial_softmax(z, inputs["teacher_logits"], inputs["labels"])
    check(loss, expected, [(z, "grad_student_logits")])


def test_review_loss_agrees_with_the_authors_code():
    case = GOLDEN["reviewkd_hcl"]
    student, teacher = (
        [torch.tensor(maps, dtype=torch.float64) for maps in case["inputs"][key]]
        for key in ("student_maps", "teacher_maps")
    )
    student = [maps.requires_grad_() for maps in student]
    loss = distillation.hierarchical_context(student, teacher)
    assert loss.item() == pytest.approx(case["expected"]["loss"], abs=TOLERANCE)
    gradients = torch.autograd.grad(loss, student)
    for gradient, wanted in zip(gradients, case["expected"]["grad_student"], strict=True):
        wanted = torch.tensor(wanted, dtype=torch.float64)
        torch.testing.assert_close(gradient, wanted, atol=TOLERANCE, rtol=0)


def test_evaluation_agrees_with_the_authors_code():
    inputs, expected = golden("evaluation")
    micro, macro = known_count_f1(inputs["scores"], inputs["labels"])
    assert micro / 100 == pytest.approx(expected["OF1"], abs=TOLERANCE)
    assert macro / 100 == pytest.approx(expected["CF1"], abs=TOLERANCE)
    mean = mean_average_precision(inputs["scores"], inputs["labels"]) / 100
    assert mean == pytest.approx(expected["mAP"], abs=TOLERANCE)


def test_known_counts_at_the_boundaries():
    scores = torch.tensor([[3.0, 2.0, 1.0], [0.5, 0.5, 0.1]])
    everything = torch.ones(2, 3)
    assert known_count_f1(scores, everything) == (100.0, 100.0)
    assert known_count_f1(scores, torch.zeros(2, 3)) == (0.0, 0.0)
    # A tie across the cut is left out: only the first row's label is predicted.
    one_each = torch.tensor([[1, 0, 0], [1, 0, 0]])
    micro, macro = known_count_f1(scores, one_each)
    assert micro == pytest.approx(100 * 2 / 3)
    assert macro == pytest.approx(100 * 2 / 9)


def batch(seed=0, n=6, classes=5, width=4):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, n, classes, generator=generator, dtype=torch.float64)
    embeddings = torch.randn(2, n, classes, width, generator=generator, dtype=torch.float64)
    labels = (torch.rand(n, classes, generator=generator) < 0.5).double()
    return *logits, *embeddings, labels


def test_gradients_are_those_of_finite_differences():
    z, z_teacher, e, e_teacher, labels = batch()
    z.requires_grad_(), e.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: l2d.hard_label_loss(v, labels), z)
    for loss in (
        l2d.multi_label_distillation,
        distillation.softmax_distillation,
        distillation.probability_mse,
    ):
        assert torch.autograd.gradcheck(lambda v, loss=loss: loss(v, z_teacher), z)
    assert torch.autograd.gradcheck(lambda v: distillation.partial_softmax(v, z_teacher, labels), z)
    assert torch.autograd.gradcheck(lambda v: l2d.label_wise_embedding(v, e_teacher, labels), e)


def test_mld_has_the_gradient_of_soft_labels_and_vanishes_at_the_teacher():
    z, z_teacher, *_ = batch()
    z.requires_grad_()
    gradients = [
        torch.autograd.grad(loss(z, z_teacher), z)[0]
        for loss in (l2d.multi_label_distillation, l2d.soft_label_bce)
    ]
    torch.testing.assert_close(*gradients, atol=1e-14, rtol=0)
    closed_form = (torch.sigmoid(z) - torch.sigmoid(z_teacher)) / len(z)
    torch.testing.assert_close(gradients[0], closed_form.detach(), atol=1e-14, rtol=0)
    assert l2d.multi_label_distillation(z_teacher, z_teacher).item() == 0


@given(shift=st.floats(-20, 20), seed=st.integers(0, 99))
def test_softmax_distillation_is_blind_to_a_shift_and_mld_is_not(shift, seed):
    z, z_teacher, *_ = batch(seed)
    plain = distillation.softmax_distillation(z, z_teacher)
    torch.testing.assert_close(distillation.softmax_distillation(z + shift, z_teacher), plain)
    if abs(shift) > 1:
        assert l2d.multi_label_distillation(z_teacher + shift, z_teacher) > 0.01


@given(seed=st.integers(0, 99), scale=st.floats(0.01, 100))
def test_structure_loss_ignores_scale_rotation_and_translation(seed, scale):
    _, _, e, e_teacher, labels = batch(seed)
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(4, 4, dtype=torch.float64, generator=generator)
    moved = scale * e @ torch.linalg.qr(square)[0] + 1
    for loss in (l2d.class_aware, l2d.instance_aware):
        assert loss(moved, e, labels).item() == pytest.approx(0, abs=1e-9)
        assert loss(moved, e_teacher, labels).item() == pytest.approx(
            loss(e, e_teacher, labels).item(), abs=1e-9
        )


def test_structure_loss_by_hand():
    _, _, e, e_teacher, labels = batch(3)
    total = 0.0
    for i in range(len(labels)):
        rows = labels[i] == 1
        if rows.sum() < 2:
            continue
        relative = []
        for values in (e, e_teacher):
            d = torch.cdist(values[i, rows], values[i, rows])
            relative.append(d / d[d > 0].mean())
        gap = F.huber_loss(*relative, reduction="sum")
        total += gap.item() / int(rows.sum())
    assert l2d.instance_aware(e, e_teacher, labels).item() == pytest.approx(total, abs=1e-6)


def test_equal_embeddings_and_empty_batches_give_finite_gradients():
    labels = torch.ones(3, 4)
    e = torch.zeros(3, 4, 2, requires_grad=True)
    loss = l2d.label_wise_embedding(e, torch.randn(3, 4, 2), labels)
    (gradient,) = torch.autograd.grad(loss, e)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    empty = torch.zeros(0, 4)
    assert l2d.multi_label_distillation(empty, empty).item() == 0
    assert (
        distillation.partial_softmax(torch.zeros(2, 4), torch.zeros(2, 4), torch.zeros(2, 4)).item()
        == 0
    )
    assert l2d.class_aware(torch.zeros(0, 4, 2), torch.zeros(0, 4, 2), empty).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_saturated_logits_stay_finite_in_every_precision(dtype):
    z = torch.tensor([[100.0, -100.0, 0.0, 17.5]], dtype=dtype, requires_grad=True)
    teacher, labels = -z.detach(), torch.tensor([[0.0, 1.0, 1.0, 0.0]])
    for loss in (
        l2d.hard_label_loss(z, labels),
        l2d.multi_label_distillation(z, teacher),
        distillation.partial_softmax(z, teacher, labels),
    ):
        (gradient,) = torch.autograd.grad(loss, z)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="batchmean, sum, mean"):
        l2d.multi_label_distillation(torch.zeros(1, 1), torch.zeros(1, 1), "average")


def small_network(width, seed=0):
    body = (("width", width), ("patch", 8), ("stride", 8), ("batch_norm", False))
    return models.build(
        "label_decoder", 10, seed=seed, backbone="patch_net", backbone_options=body,
        width=16, heads=2, hidden=32, dropout=0.0,
    )  # fmt: skip


def test_label_decoder_keeps_the_contract_of_networks():
    network = small_network(8)
    x = load("scenes", train=5, val=1, test=1).train.x
    out = l2d.outputs(network, x)
    assert out.embeddings.shape == (5, 10, 16)
    torch.testing.assert_close(out.logits, network(x))
    expected = (out.embeddings * network.head.weight).sum(2) + network.head.bias
    torch.testing.assert_close(out.logits, expected)
    torch.testing.assert_close(out.features, out.stages[-1].mean((2, 3)))
    assert "features.1.queries" not in dict(network.named_parameters())


DISTILLATIONS = [
    ("MLD", {}), ("Softmax KD", {}), ("MSE", {}), ("PS", {}), ("RKD", {}), ("PKT", {}),
    ("FitNet", {}), ("ReviewKD", {"stages": (1, 3), "width": 4}), ("L2D", {}),
    ("L2D", {"logits_weight": 0.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), DISTILLATIONS)
def test_every_method_trains_the_student_and_leaves_the_teacher_alone(name, options):
    split = load("scenes", train=20, val=1, test=1, min_digits=3, max_digits=6, grid=8).train
    teacher, student = small_network(16), small_network(8, seed=1)
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    method = methods.create(name, hard=0.0, **options)
    method.start(Context(2 * split.y - 1, teacher=teacher))
    method.prepare(student)
    _, loss = method.step(student.train(), split.x, torch.arange(20))
    loss.backward()
    weight = student.features[0][0].weight
    assert weight.grad.abs().sum() > 0
    assert all(p.grad is not None for p in method.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())

    known = methods.create(name, hard=0.0, **options)
    known.start(Context(2 * split.y - 1, teacher=teacher, inputs=split.x))
    known.prepare(student)
    if method.parameters():
        known.projection = method.projection
    _, again = known.step(student, split.x, torch.arange(20))
    torch.testing.assert_close(again, loss)


def test_hard_labels_read_observed_positives():
    method = methods.create("Vanilla")
    method.start(Context(torch.tensor([[1, -1], [-1, 1]], dtype=torch.int8)))
    logits = torch.tensor([[2.0, 1.0]])
    expected = F.binary_cross_entropy_with_logits(
        logits, torch.tensor([[0.0, 1.0]]), reduction="sum"
    )
    torch.testing.assert_close(method.loss(logits, torch.tensor([1])), expected)

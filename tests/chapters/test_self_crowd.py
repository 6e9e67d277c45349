"""Self-Crowd and its comparators against other code, closed forms and boundaries."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.self_crowd import runs, tables
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import cases
from weaklabels import crowds, data, methods
from weaklabels.lab.store import Record, digest
from weaklabels.methods import self_crowd as sc
from weaklabels.methods.base import Context
from weaklabels.press.chapter import Chapter

GOLDEN = cases("self_crowd")
TOLERANCE = 1e-9


def case(name):
    return GOLDEN[name]["inputs"], GOLDEN[name]["expected"]


@pytest.mark.parametrize("form", sc.FORMS)
def test_crowd_layer_agrees_with_the_authors_code(form):
    inputs, expected = case(f"crowd_layer_{form}")
    p, kernel = (
        torch.tensor(inputs[key], dtype=torch.float64, requires_grad=True)
        for key in ("p", "kernel")
    )
    answers = torch.tensor(inputs["answers"])
    logits = sc.crowd_layer(p, kernel, form)
    np.testing.assert_allclose(logits.detach(), expected["out"], atol=TOLERANCE, rtol=0)
    loss = sc.annotation_loss(logits, answers)
    assert loss.item() == pytest.approx(expected["loss_per_answer"], abs=TOLERANCE)
    # The official gradients are those of the mean over all pairs, the missing ones included.
    share = (answers >= 0).double().mean()
    assert (share * loss).item() == pytest.approx(expected["loss"], abs=TOLERANCE)
    gradients = torch.autograd.grad(share * loss, (p, kernel))
    for gradient, key in zip(gradients, ("grad_p", "grad_kernel"), strict=True):
        np.testing.assert_allclose(gradient, expected[key], atol=TOLERANCE, rtol=0)


def test_selection_agrees_with_the_reference():
    inputs, expected = case("pseudo_annotation_selection")
    answers, q = np.array(inputs["answers"]), np.array(inputs["q"])
    counts = crowds.class_counts(answers, q.shape[2])
    assert counts.tolist() == expected["counts"]
    for strategy, key in (("plain", "plain"), ("aware", "ratio")):
        found = sc.pseudo_annotations(q, answers, inputs["b"], strategy)
        assert np.stack(found, 1).tolist() == expected[key]
    inverse = 1 / np.maximum(counts, 1)
    np.testing.assert_allclose(inverse / inverse.sum(), expected["quota_share"], atol=1e-9)
    rows, workers, said = sc.pseudo_annotations(q, answers, inputs["quota_total"], "quota")
    for c, pairs in expected["quota"].items():
        mine = said == int(c)
        assert np.stack([rows[mine], workers[mine]], 1).tolist() == pairs


@pytest.mark.parametrize("form", [*sc.FORMS, sc.SHARED])
def test_gradient_of_the_crowd_layer(form):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    kernel = sc.first_kernel(3, 5, form).double()
    kernel = (kernel + 0.1 * torch.randn(kernel.shape, generator=generator)).requires_grad_()
    answers = torch.randint(-1, 3, (4, 5), generator=generator)

    def loss(z, w):
        out = sc.crowd_layer(torch.softmax(z, 1), w, form).expand(-1, -1, 5)
        return sc.annotation_loss(out, answers)

    assert torch.autograd.gradcheck(loss, (logits, kernel))


@pytest.mark.parametrize("form", [*sc.FORMS, sc.SHARED])
def test_at_first_every_worker_repeats_the_network(form):
    p = torch.softmax(torch.randn(6, 4), 1)
    logits = sc.crowd_layer(p, sc.first_kernel(4, 3, form), form)
    assert logits.shape[2] == (1 if form == sc.SHARED else 3)
    for r in range(logits.shape[2]):
        torch.testing.assert_close(logits[:, :, r], p)
    # Softmax of a softmax is nearly flat: at most e / (e + K - 1).
    assert torch.softmax(logits, 1).max() <= np.e / (np.e + 3) + 1e-6


def test_workers_who_share_a_matrix_answer_alike():
    method = methods.create("DL-CL", classes=3, workers=4, form=sc.SHARED)
    answers = torch.tensor([[0, -1, 2, -1], [1, 1, -1, 0]])
    method.start(Context(answers))
    assert [p.shape for p in method.parameters()] == [(3, 3, 1)]
    logits = torch.randn(2, 3)
    own = methods.create("DL-CL", classes=3, workers=4)
    own.start(Context(answers))
    rows = torch.arange(2)
    torch.testing.assert_close(method.loss(logits, rows), own.loss(logits, rows))
    moved = answers[:, [1, 0, 3, 2]]  # who said it does not matter
    before = method.loss(logits, rows)
    method.observed = moved
    torch.testing.assert_close(method.loss(logits, rows), before)


def test_unknown_forms_and_strategies_are_named():
    with pytest.raises(ValueError, match="unknown crowd layer 'XX'"):
        sc.first_kernel(3, 2, "XX")
    with pytest.raises(ValueError, match="unknown strategy 'best'"):
        sc.pseudo_annotations(np.ones((1, 1, 2)) / 2, np.array([[-1]]), 1, "best")
    with pytest.raises(ValueError, match="generator"):
        sc.pseudo_annotations(np.ones((1, 1, 2)) / 2, np.array([[-1]]), 1, "random")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_loss_is_finite_at_the_boundaries(dtype):
    logits = torch.tensor([[100.0, -100.0, 0.0], [-100.0, 100.0, 100.0]], dtype=dtype)
    logits.requires_grad_()
    kernel = sc.first_kernel(3, 2).to(dtype) * 50
    out = sc.crowd_layer(torch.softmax(logits, 1), kernel)
    for answers in ([[0, 1], [-1, 2]], [[-1, -1], [-1, -1]]):
        loss = sc.annotation_loss(out, torch.tensor(answers))
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
    assert loss == 0  # nothing was answered


def test_missing_answers_do_not_change_the_loss():
    p = torch.softmax(torch.randn(5, 3), 1)
    out = sc.crowd_layer(p, sc.first_kernel(3, 4))
    answers = torch.full((5, 4), -1)
    answers[:, 1] = torch.tensor([0, 1, 2, 0, 1])
    alone = sc.annotation_loss(out[:, :, 1:2], answers[:, 1:2])
    torch.testing.assert_close(sc.annotation_loss(out, answers), alone)


def test_method_uses_what_is_observed_now():
    method = methods.create("DL-CL", classes=3, workers=2)
    method.start(Context(torch.tensor([[0, -1], [1, 1]])))
    logits = torch.randn(1, 3)
    before = method.loss(logits, torch.tensor([0]))
    method.observed = torch.tensor([[0, 2], [1, 1]])
    assert method.loss(logits, torch.tensor([0])) != before
    assert [p.shape for p in method.parameters()] == [(3, 3, 2)]


@given(st.integers(1, 8), st.integers(1, 6), st.integers(2, 4), st.integers(0, 2**20))
def test_pseudo_annotations_fill_missing_pairs_once(count, workers, classes, seed):
    rng = np.random.default_rng(seed)
    q = rng.dirichlet(np.ones(classes), size=(count, workers))
    answers = rng.integers(-1, classes, (count, workers))
    missing = int((answers < 0).sum())
    for strategy in sc.STRATEGIES:
        rows, columns, said = sc.pseudo_annotations(q, answers, 5, strategy, rng)
        assert (answers[rows, columns] == -1).all()
        assert len({*zip(rows.tolist(), columns.tolist(), strict=True)}) == len(rows)
        assert (said == q[rows, columns].argmax(1)).all()
        if strategy == "quota":
            quota = sc.quotas(crowds.class_counts(answers, classes), 5)
            assert (np.bincount(said, minlength=classes) <= quota).all()
        else:
            assert len(rows) == min(5, missing)


def test_awareness_prefers_rare_classes_and_counts_what_was_added():
    q = np.array([[[0.9, 0.1], [0.4, 0.6]]])
    answers = np.full((4, 2), -1)
    answers[1:, 0] = 0  # three of class 0, none of class 1
    q = np.tile(q, (4, 1, 1))
    _, _, plain = sc.pseudo_annotations(q, answers, 1, "plain")
    _, _, aware = sc.pseudo_annotations(q, answers, 1, "aware")
    assert (plain[0], aware[0]) == (0, 1)
    answers[:, 1] = 1  # now the pseudo-annotations are more
    _, _, again = sc.pseudo_annotations(q, answers, 1, "aware")
    assert again[0] == 0


def test_long_tail_has_the_wanted_sizes():
    truth = np.repeat(np.arange(4), [50, 40, 64, 45])
    rows, order = runs.long_tail(truth, 4, 8.0, np.random.default_rng(0))
    sizes = np.bincount(truth[rows], minlength=4)[order]
    assert sizes.tolist() == [40, 20, 10, 5]
    assert (np.diff(rows) > 0).all()


def test_imbalance_and_evenness():
    assert tables.imbalance(np.array([8, 4, 2])) == 4
    assert tables.imbalance(np.array([8, 0])) == 8
    assert tables.entropy_share(np.array([3, 3, 3])) == pytest.approx(1)
    assert tables.entropy_share(np.array([5, 0, 0])) == 0


SMOKE = next(iter(runs.settings(Chapter("self_crowd", "smoke")).values()))


def test_all_methods_of_a_run():
    spec = replace(SMOKE, warm_up=runs.LOOK + 1, base_steps=5, round_steps=3, rounds=2)
    found = runs.run(spec)
    task = runs.load_task(spec)
    given_ = int((task.answers >= 0).sum())
    for name in set(runs.LABEL_METHODS) & set(spec.methods):
        assert found[f"{name}/recall"].shape == (3, 10)
        assert found[f"{name}/early"].shape == (2, 10)
    for name in ("random", "plain", "aware"):
        totals = found[f"{name}/counts"].sum(1)
        assert totals.tolist() == [given_ + r * round(given_ / 2) for r in range(3)]
        assert (found[f"{name}/right"] <= found[f"{name}/added"]).all()
    assert (np.diff(found["DL-CL/counts"], axis=0) == 0).all()
    first = [found[f"{name}/recall"][0] for name in runs.CONTINUED]
    assert all((row == first[0]).all() for row in first)  # all go on from the same base
    assert digest(found) == digest(runs.run(spec))


def test_strategies_do_not_disturb_each_other():
    spec = replace(SMOKE, warm_up=5, base_steps=5, round_steps=3, rounds=2)
    together = runs.run(replace(spec, methods=("random", "aware")))
    alone = runs.run(replace(spec, methods=("aware",)))
    np.testing.assert_array_equal(together["aware/recall"], alone["aware/recall"])
    np.testing.assert_array_equal(together["aware/kernel"], alone["aware/kernel"])


def test_simulated_crowd_has_the_spec_s_size():
    task = runs.load_task(SMOKE)
    assert task.answers.shape[1] == SMOKE.workers
    assert 500 <= len(task.x) <= 530  # class sizes from 126 down to 13
    counts = np.bincount(task.truth, minlength=10)[task.order]
    assert (np.diff(counts) <= 0).all()
    assert (task.answers >= 0).sum(1).min() >= 1


def test_a_real_crowd_is_thinned_and_idle_workers_leave():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    answers = np.where(rng.random((60, 6)) < 0.8, truth[:, None], -1)
    answers[:, 2] = -1
    answers[answers.max(1) < 0, 0] = 0
    task = runs.make_task(
        torch.zeros(60, 2), truth, torch.zeros(3, 2), np.arange(3), answers=answers, ratio=0,
        mean_answers=1, workers=0, seed=0,
    )  # fmt: skip
    assert ((task.answers >= 0).sum(1) == 1).all()
    assert (task.answers >= 0).any(0).all()
    assert task.answers.shape[1] <= 5
    assert task.confusion is None


def test_the_paper_profile_has_a_real_crowd(monkeypatch):
    chosen = runs.settings(Chapter("self_crowd", "paper"))
    assert {spec.dataset for spec in chosen.values()} == {"labelme"}
    rng = np.random.default_rng(0)

    def part(count, extra):
        x = torch.rand(count, 512, 4, 4)
        return data.Split(x, torch.arange(count) % 8, extra=extra)

    answers = np.where(rng.random((80, 5)) < 0.6, rng.integers(0, 8, (80, 5)), -1)
    answers[:, 0] = rng.integers(0, 8, 80)
    splits = data.Splits(tuple("abcdefgh"), part(80, {"answers": answers}), None, part(16, {}))
    monkeypatch.setattr(runs, "load_splits", lambda _: splits)
    spec = replace(next(iter(chosen.values())), warm_up=2, base_steps=2, round_steps=1, rounds=1)
    found = runs.run(spec)
    assert found["aware/recall"].shape == (2, 8)


def test_implied_confusion_of_a_sure_network():
    kernel = sc.first_kernel(3, 2).numpy()
    kernel[2, 0, 1] = 3.0  # [answer, class, worker]
    learnt = tables.implied_confusion(kernel)
    sure = sc.crowd_layer(torch.eye(3), torch.from_numpy(kernel))
    wanted = torch.softmax(sure, 1).permute(2, 0, 1).numpy()
    np.testing.assert_allclose(learnt, wanted, atol=1e-6)
    assert learnt[1, 0].argmax() == 2
    records = [Record(None, {"aware/kernel": kernel}, {})]
    for diagonal in (True, False):
        same = tables.confusion_correlation(records, [learnt], diagonal=diagonal)
        assert same.tolist() == pytest.approx([1])


def test_variants_of_the_base_model_take_as_many_steps():
    chosen = runs.variants(Chapter("self_crowd", "smoke"))
    steps = {s.warm_up + s.base_steps + s.rounds * s.round_steps for s in chosen.values()}
    main = next(iter(runs.settings(Chapter("self_crowd", "smoke")).values()))
    assert steps == {main.warm_up + main.base_steps + main.rounds * main.round_steps}
    found = runs.run(replace(chosen["form SW"], warm_up=2, base_steps=2, rounds=1, round_steps=2))
    assert found["DL-CL/kernel"].shape == (20, 1)
    assert [key for key in found if key.endswith("/recall")] == ["DL-CL/recall"]


def test_what_is_known_of_the_answers_is_varied_on_the_same_crowds():
    chosen = runs.who_answered(Chapter("self_crowd", "smoke"))
    assert [level for level, _ in chosen] == [2] * 3 + [1] * 3
    first = {known: spec for (level, known), spec in chosen.items() if level == 2}
    tasks = [runs.load_task(spec) for spec in first.values()]
    for task in tasks[1:]:
        np.testing.assert_array_equal(task.answers, tasks[0].answers)
    short = {"warm_up": 2, "base_steps": 2, "rounds": 1, "round_steps": 2}
    found = {known: runs.run(replace(spec, **short)) for known, spec in first.items()}
    assert found["one matrix"]["DL-CL/kernel"].shape == (10, 10, 1)
    assert list(found["shares"])[2:] == ["shares/early", "shares/recall"]
    assert found["shares"]["shares/early"].shape == (0, 10)


def test_shares_of_votes_are_distributions():
    task = replace(runs.load_task(SMOKE), answers=np.array([[0, 0, 3, -1], [-1, 2, -1, -1]]))
    shares = runs._vote_shares(task)
    assert shares.shape == (2, 10)
    assert shares[0, [0, 3]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert shares[1, 2] == 1

"""Self-Crowd and its comparators against other code, closed forms and boundaries."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.self_crowd import figures as show
from chapters.self_crowd import record
from chapters.self_crowd import runs as ex
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


def test_em_agrees_with_the_authors_code():
    inputs, expected = case("em_aggregator")
    answers, p = np.array(inputs["answers"]), np.array(inputs["predictions"])
    votes = crowds.majority_vote(answers, p.shape[1])
    assert votes.tolist() == expected["majority_vote"]
    confusion = crowds.reliability(answers, p, inputs["pi_prior"])
    np.testing.assert_allclose(confusion, expected["pi"], atol=TOLERANCE, rtol=0)
    posterior = crowds.network_posterior(answers, p, confusion)
    wanted = np.array(expected["posterior_unnormalised"])
    wanted /= wanted.sum(1, keepdims=True)
    np.testing.assert_allclose(posterior, wanted, atol=TOLERANCE, rtol=0)
    assert posterior.argmax(1).tolist() == expected["posterior_argmax"]


@pytest.mark.parametrize("iterations", [1, 5, 15])
def test_dawid_skene_agrees_with_crowd_kit(iterations):
    inputs, expected = case("dawid_skene")
    answers = np.array(inputs["answers"])
    posterior, shares, confusion = crowds.dawid_skene(
        answers, 3, iterations=iterations, smoothing=0
    )
    for found, key in ((posterior, "posterior"), (shares, "priors"), (confusion, "confusion")):
        wanted = expected[f"{key}_after_{iterations}"]
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE, rtol=0)


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


@pytest.mark.parametrize("form", sc.FORMS)
def test_gradient_of_the_crowd_layer(form):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    kernel = sc.first_kernel(3, 5, form).double()
    kernel = (kernel + 0.1 * torch.randn(kernel.shape, generator=generator)).requires_grad_()
    answers = torch.randint(-1, 3, (4, 5), generator=generator)

    def loss(z, w):
        return sc.annotation_loss(sc.crowd_layer(torch.softmax(z, 1), w, form), answers)

    assert torch.autograd.gradcheck(loss, (logits, kernel))


@pytest.mark.parametrize("form", sc.FORMS)
def test_at_first_every_worker_repeats_the_network(form):
    p = torch.softmax(torch.randn(6, 4), 1)
    logits = sc.crowd_layer(p, sc.first_kernel(4, 3, form), form)
    for r in range(3):
        torch.testing.assert_close(logits[:, :, r], p)
    # Softmax of a softmax is nearly flat: at most e / (e + K - 1).
    assert torch.softmax(logits, 1).max() <= np.e / (np.e + 3) + 1e-6


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
    rows, order = crowds.long_tail(truth, 4, 8.0, np.random.default_rng(0))
    sizes = np.bincount(truth[rows], minlength=4)[order]
    assert sizes.tolist() == [40, 20, 10, 5]
    assert (np.diff(rows) > 0).all()


def test_workers_are_distributions_with_the_wanted_rates():
    confusion = crowds.draw_workers(6, 5, np.random.default_rng(0), right=(0.4, 0.6))
    np.testing.assert_allclose(confusion.sum(2), 1)
    diagonal = confusion[:, np.arange(5), np.arange(5)]
    assert diagonal.min() >= 0.4
    assert diagonal.max() <= 0.6


def test_answers_follow_the_confusions():
    rng = np.random.default_rng(0)
    confusion = crowds.draw_workers(2, 3, rng)
    truth = np.repeat(np.arange(3), 4000)
    answers = crowds.answer(truth, confusion, np.ones((12000, 2), bool), rng)
    for r in range(2):
        shares = np.stack(
            [np.bincount(answers[truth == c, r], minlength=3) / 4000 for c in range(3)]
        )
        np.testing.assert_allclose(shares, confusion[r], atol=0.03)
    asked = np.zeros((5, 2), bool)
    assert (crowds.answer(truth[:5], confusion, asked, rng) == -1).all()


def test_few_workers_are_asked():
    rng = np.random.default_rng(0)
    asked = crowds.few_workers(np.ones((4000, 20), bool), 2.0, rng)
    assert asked.sum(1).min() == 1
    assert asked.sum(1).mean() == pytest.approx(2, abs=0.06)
    one = crowds.few_workers(np.ones((50, 4), bool), 1.0, rng)
    assert (one.sum(1) == 1).all()
    possible = rng.random((200, 5)) < 0.3
    few = crowds.few_workers(possible, 4.0, rng)
    assert not (few & ~possible).any()
    assert (few.sum(1) >= np.minimum(possible.sum(1), 1)).all()


def test_votes_break_ties_at_random_or_downwards():
    answers = np.tile([2, 1, -1], (400, 1))
    assert set(crowds.majority_vote(answers, 3)) == {1}
    drawn = crowds.majority_vote(answers, 3, np.random.default_rng(0))
    assert 100 < (drawn == 2).sum() < 300
    assert 0 not in drawn
    clear = crowds.majority_vote(np.array([[0, 0, 2]]), 3, np.random.default_rng(0))
    assert clear.tolist() == [0]


def test_dawid_skene_finds_who_is_reliable():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    good, bad = np.full((3, 3), 0.05) + 0.85 * np.eye(3), np.full((3, 3), 1 / 3)
    confusion = np.stack([good, good, bad, bad, bad])
    answers = crowds.answer(truth, confusion, np.ones((300, 5), bool), rng)
    posterior, shares, found = crowds.dawid_skene(answers, 3)
    vote = crowds.majority_vote(answers, 3, rng)
    assert (posterior.argmax(1) == truth).mean() > (vote == truth).mean() + 0.05
    np.testing.assert_allclose(posterior.sum(1), 1)
    np.testing.assert_allclose(found.sum(2), 1)
    np.testing.assert_allclose(shares.sum(), 1)
    assert found[0, 0, 0] > 0.8 > found[3, 0, 0]


def test_dawid_skene_survives_one_answer_an_example():
    posterior, _, confusion = crowds.dawid_skene(np.array([[0, -1], [-1, 1], [1, -1]]), 3)
    assert np.isfinite(posterior).all()
    assert np.isfinite(confusion).all()


def test_imbalance_and_evenness():
    assert crowds.imbalance(np.array([8, 4, 2])) == 4
    assert crowds.imbalance(np.array([8, 0])) == 8
    assert crowds.evenness(np.array([3, 3, 3])) == pytest.approx(1)
    assert crowds.evenness(np.array([5, 0, 0])) == 0
    assert crowds.class_counts(np.array([[0, -1], [2, 2]]), 4).tolist() == [1, 0, 2, 0]


SMOKE = next(iter(ex.settings(Chapter("self_crowd", "smoke")).values()))


def test_all_methods_of_a_run():
    spec = replace(SMOKE, warm_up=5, base_steps=5, round_steps=3, rounds=2)
    found = ex.run(spec)
    task = ex.load_task(spec)
    given_ = int((task.answers >= 0).sum())
    for name in ex.LABEL_METHODS:
        assert found[f"{name}/recall"].shape == (3, 10)
    for name in ("random", "plain", "aware"):
        totals = found[f"{name}/counts"].sum(1)
        assert totals.tolist() == [given_ + r * round(given_ / 2) for r in range(3)]
        assert (found[f"{name}/right"] <= found[f"{name}/added"]).all()
    assert (np.diff(found["DL-CL/counts"], axis=0) == 0).all()
    first = [found[f"{name}/recall"][0] for name in ex.CONTINUED]
    assert all((row == first[0]).all() for row in first)  # all go on from the same base
    assert digest(found) == digest(ex.run(spec))


def test_strategies_do_not_disturb_each_other():
    spec = replace(SMOKE, warm_up=5, base_steps=5, round_steps=3, rounds=2)
    together = ex.run(replace(spec, methods=("random", "aware")))
    alone = ex.run(replace(spec, methods=("aware",)))
    np.testing.assert_array_equal(together["aware/recall"], alone["aware/recall"])
    np.testing.assert_array_equal(together["aware/kernel"], alone["aware/kernel"])


def test_simulated_crowd_has_the_spec_s_size():
    task = ex.load_task(SMOKE)
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
    task = ex.make_task(
        torch.zeros(60, 2), truth, torch.zeros(3, 2), np.arange(3), answers=answers, ratio=0,
        mean_answers=1, workers=0, seed=0,
    )  # fmt: skip
    assert ((task.answers >= 0).sum(1) == 1).all()
    assert (task.answers >= 0).any(0).all()
    assert task.answers.shape[1] <= 5
    assert task.confusion is None


def test_the_paper_profile_has_a_real_crowd(monkeypatch):
    chosen = ex.settings(Chapter("self_crowd", "paper"))
    assert {spec.dataset for spec in chosen.values()} == {"labelme"}
    rng = np.random.default_rng(0)

    def part(count, extra):
        x = torch.rand(count, 512, 4, 4)
        return data.Split(x, torch.arange(count) % 8, extra=extra)

    answers = np.where(rng.random((80, 5)) < 0.6, rng.integers(0, 8, (80, 5)), -1)
    answers[:, 0] = rng.integers(0, 8, 80)
    splits = data.Splits(tuple("abcdefgh"), part(80, {"answers": answers}), None, part(16, {}))
    monkeypatch.setattr(ex.data, "load", lambda *_, **__: splits)
    ex._load_task.cache_clear()
    spec = replace(next(iter(chosen.values())), warm_up=2, base_steps=2, round_steps=1, rounds=1)
    found = ex.run(spec)
    assert found["aware/recall"].shape == (2, 8)
    ex._load_task.cache_clear()


def test_record_of_real_crowds(monkeypatch, tmp_path):
    """The recorded command on a small crowd: every table of the chapter can be made from it."""
    rng = np.random.default_rng(0)
    truth = np.arange(120) % 4
    answers = np.where(rng.random((120, 6)) < 0.7, truth[:, None], -1)
    answers[:, 0] = rng.integers(0, 4, 120)
    split = data.Split(torch.empty(120, 0), torch.from_numpy(truth), extra={"answers": answers})
    splits = data.Splits(tuple("abcd"), split, None, split)
    monkeypatch.setattr(record.data, "load", lambda *_, **__: splits)
    vectors = torch.randn(120, 5, generator=torch.Generator().manual_seed(0))
    parts = (vectors, truth, np.stack([truth] * 3, 1), vectors, truth)
    monkeypatch.setattr(record, "features", lambda *_: parts)
    monkeypatch.setattr(record, "SEEDS", range(2))
    monkeypatch.setattr(record, "DRAWS", range(2))
    monkeypatch.setattr(record, "REPOSITORY", tmp_path)
    short = replace(ex.Spec(), warm_up=2, base_steps=2, round_steps=1)
    monkeypatch.setattr(
        record.ex, "Spec", lambda **given_: replace(short, **given_ | {"rounds": 1})
    )
    record.main(["--data", str(tmp_path)])
    path = tmp_path / "book" / "recorded" / "self_crowd" / "real_crowds.json"
    content = json.loads(path.read_text())
    assert str(tmp_path) not in path.read_text()
    inference = show.recorded_inference_table(content)
    assert len(inference) == 3 * 4
    assert show.recorded_network_table(content).shape == (len(record.METHODS), 6)
    votes = [row["majority vote"][0] for row in content["truth_inference"] if row["set"] == "dog"]
    assert max(votes) <= 100


def test_implied_confusion_of_a_sure_network():
    kernel = sc.first_kernel(3, 2).numpy()
    kernel[2, 0, 1] = 3.0  # [answer, class, worker]
    learnt = show.implied_confusion(kernel)
    sure = sc.crowd_layer(torch.eye(3), torch.from_numpy(kernel))
    wanted = torch.softmax(sure, 1).permute(2, 0, 1).numpy()
    np.testing.assert_allclose(learnt, wanted, atol=1e-6)
    assert learnt[1, 0].argmax() == 2
    runs = [Record({}, {"aware/kernel": kernel}, {})]
    for diagonal in (True, False):
        same = show.confusion_correlation(runs, [learnt], diagonal=diagonal)
        assert same.tolist() == pytest.approx([1])


def test_variants_of_the_base_model_take_as_many_steps():
    chosen = ex.variants(Chapter("self_crowd", "smoke"))
    steps = {s.warm_up + s.base_steps + s.rounds * s.round_steps for s in chosen.values()}
    main = next(iter(ex.settings(Chapter("self_crowd", "smoke")).values()))
    assert steps == {main.warm_up + main.base_steps + main.rounds * main.round_steps}
    found = ex.run(replace(chosen["form SW"], warm_up=2, base_steps=2, rounds=1, round_steps=2))
    assert found["DL-CL/kernel"].shape == (20, 1)
    assert [key for key in found if key.endswith("/recall")] == ["DL-CL/recall"]

"""LfOSA's room: its runs, and what decides its claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.lfosa import claims, figures, patches, runs, summary, tables

from weaklabels import data
from weaklabels.lab.store import Record, digest
from weaklabels.methods import lfosa
from weaklabels.press.chapter import Chapter


def test_patches_fill_the_range_of_grey():
    drawn = patches.draw(50, np.random.default_rng(0))
    assert drawn.shape == (50, 1, 8, 8)
    assert drawn.dtype == np.float32
    assert drawn.min() == 0
    assert drawn.max() == 1
    np.testing.assert_array_equal(drawn, patches.draw(50, np.random.default_rng(0)))


SMOKE = Chapter("lfosa", "smoke")


@pytest.mark.parametrize("task", ["near unknowns", "far unknowns"])
def test_first_labels_and_test_images_are_of_known_classes(task):
    spec = runs.settings(SMOKE)[task]
    loaded = runs.load_task(spec)
    first = loaded.y[loaded.initial]
    assert (first.bincount() == spec.initial).all()
    assert len(set(loaded.initial)) == len(loaded.initial)
    assert loaded.test_y.max() < loaded.classes
    known = np.isin(loaded.kind, spec.known)
    np.testing.assert_array_equal(known, loaded.y.numpy() < loaded.classes)
    assert (loaded.kind == -1).sum() == spec.patches


@pytest.mark.parametrize("strategy", [*lfosa.STRATEGIES, "LfOSA, T=2"])
def test_every_strategy_spends_its_budget_once(strategy):
    spec = replace(runs.vary(runs.settings(SMOKE)["far unknowns"], strategy), steps=3, rounds=2)
    found = runs.run(spec)
    assert found["queried"].sum(1).tolist() == [spec.budget] * spec.rounds
    bought = np.diff(found["counts"], axis=0).sum(1)
    np.testing.assert_allclose(bought, found["precision"] * spec.budget)
    total = (runs.load_task(spec).y < len(spec.known)).sum().item()
    np.testing.assert_allclose(found["recall"], found["counts"][1:].sum(1) / total)
    assert ("mav" in found) == lfosa.needs_detector(strategy.partition(", T")[0])
    assert digest(found) == digest(runs.run(spec))


def test_strategies_of_a_seed_start_alike():
    spec = replace(runs.settings(SMOKE)["near unknowns"], rounds=1)
    first = {n: runs.run(runs.vary(spec, n)) for n in ("Random", "Certainty", "LfOSA")}
    assert len({float(found["accuracy"][0]) for found in first.values()}) == 1


def test_a_single_query_is_the_first_one_of_a_run():
    spec = replace(runs.vary(runs.settings(SMOKE)["near unknowns"], "LfOSA"), rounds=1)
    task = runs.load_task(spec)
    asked = runs.ask(spec, task)
    assert len(set(asked) - set(task.initial)) == spec.budget
    kinds = np.bincount(task.kind[asked], minlength=task.kind.max() + 2)
    np.testing.assert_array_equal(kinds, runs.run(spec)["queried"][0])


def test_a_query_may_empty_the_pool():
    spec = replace(runs.settings(SMOKE)["near unknowns"], budget=2000, rounds=1, steps=2)
    found = runs.run(runs.vary(spec, "LfOSA"))
    assert found["recall"][-1] == 1
    assert found["queried"].sum() == len(runs.load_task(spec).y) - 20


def test_first_labels_may_be_a_share():
    spec = replace(runs.settings(SMOKE)["near unknowns"], initial=0.1)
    loaded = runs.load_task(spec)
    known = int((loaded.y < loaded.classes).sum())
    assert len(loaded.initial) == round(0.1 * known)
    assert (loaded.y[loaded.initial] < loaded.classes).all()


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="unknown strategy 'Psychic'"):
        runs.vary(runs.settings(SMOKE)["near unknowns"], "Psychic")


def test_rotation_keeps_shape_type_and_centre():
    images = torch.randint(0, 255, (6, 3, 9, 9), dtype=torch.uint8)
    turned = runs.rotate(images, torch.Generator().manual_seed(0))
    assert turned.shape == images.shape
    assert turned.dtype == images.dtype
    assert torch.equal(turned[..., 4, 4], images[..., 4, 4])
    assert not torch.equal(turned, images)
    assert torch.equal(runs.rotate(images, torch.Generator(), degrees=0.0), images)


def test_the_paper_profile_has_the_papers_settings():
    chapter = Chapter("lfosa", "paper")
    for title, spec in (runs.settings(chapter) | runs.openness(chapter)).items():
        assert spec.dataset in data.LOADERS
        assert (spec.budget, spec.rounds, spec.epochs, spec.batch_size) == (1500, 10, 100, 128)
        assert spec.known == tuple(range(len(spec.known)))
        assert str(len(spec.known)) in title
        assert spec.code() == [data.loader(spec.dataset)]
    assert runs.vary(spec, "BALD").dropout == 0.5


def test_paper_settings_run_on_small_photographs(monkeypatch):
    """The official procedure on a few random images: augmented, in epochs, uint8, ResNet-18."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(0, 255, (40, 3, 16, 16), dtype=np.uint8))
    y = torch.arange(40) % 5
    split = data.Split(x, y)
    splits = data.Splits(tuple("abcde"), split, None, split)
    monkeypatch.setattr(runs, "load_splits", lambda _: splits)
    spec = replace(
        runs.photographs(Chapter("lfosa", "paper"), "cifar10", 3),
        initial=0.5, epochs=1, rounds=1, budget=10, batch_size=16,
    )  # fmt: skip
    for name in ("LfOSA", "BALD", "Coreset"):
        found = runs.run(runs.vary(spec, name))
        assert found["queried"].sum() == 10


def test_mixtures_are_drawn_of_a_class_that_both_runs_predict_if_there_is_one():
    def record(predicted):
        mav = np.arange(len(predicted), dtype=np.float32)
        values = {
            "predicted": np.array(predicted),
            "mav": mav,
            "truth": np.zeros(len(predicted), int),
        }
        return Record(None, values, {})

    first, second = record([0] * 9 + [1] * 6), record([1] * 8 + [2] * 7)
    both = figures.draw_mixtures({"a": first, "b": second}, 2)
    assert [len(ax.patches) > 0 for ax in both.axes] == [True, True]
    nothing = figures.draw_mixtures({"a": first, "b": record([2] * 15)}, 2)
    assert "no two examples" in nothing.axes[1].texts[0].get_text().replace("\n", " ")


# -- measures and claims, on made-up records ------------------------------------------------------

PUBLISHED = Chapter("lfosa", "smoke").recorded("published_curves")


def made(*values, first=0.1, accuracy=None, counts=(5, 5, 5), same=0.9):
    """A record for each value: precision and recall from ``first`` to it, in three rounds."""
    ends = values if accuracy is None else accuracy
    return [
        Record(
            None,
            {
                "precision": np.array([first, value, value]),
                "recall": np.array([first, value, value]),
                "accuracy": np.array([10.0, 10.0, 100 * end]),
                "counts": np.array([counts]),
                "same_counts": np.array(100 * same),
            },
            {},
        )
        for value, end in zip(values, ends, strict=True)
    ]


HIGH, LOW, WIDE = made(0.90, 0.91, 0.92), made(0.50, 0.52, 0.54), made(0.50, 0.99, 0.70)


def both(change=None):
    """Two tasks in which LfOSA is ahead of all others; the second one with a change."""
    start = dict.fromkeys(runs.ALL, LOW) | {"LfOSA": HIGH}
    return {"near": start, "far": start | (change or {})}


def outcomes(rows):
    assert [row.id[-1] for row in rows] == ["a", "b"]
    return [row.verdict.outcome for row in rows]


def test_evenness_is_full_for_equal_shares_and_zero_for_one_class():
    records = [*made(0.5, counts=(5, 5, 5)), *made(0.5, counts=(7, 0, 0))]
    assert tables.evenness(records).tolist() == pytest.approx([100, 0])


def test_tables_have_a_row_for_each_strategy():
    scores = tables.score_table(both()["near"])
    assert list(scores.index) == list(runs.MAIN)
    assert scores.loc["LfOSA", "recall"] == "91.0 ± 1.0"
    assert tables.ablation_table(both()).shape == (6, 6)
    assert list(tables.published_table(PUBLISHED).index)[:2] == ["T=0.2", "T=0.5"]


def test_a_claim_about_every_rival_needs_them_all():
    rivals = (*runs.LOGGED, *runs.FURTHER)
    groups = both()["near"] | {"LfOSA": made(0.5, 0.51, 0.52)}
    groups |= dict.fromkeys(rivals, made(0.1, 0.1, 0.1))
    values = claims.logged(PUBLISHED, "recall")
    assert claims.against_each(groups, rivals, claims.final_recall, values).outcome == "holds"
    groups["BALD"] = made(0.4, 0.6, 0.5)
    found = claims.against_each(groups, rivals, claims.final_recall, values)
    assert found.outcome == "open"
    assert found.ours.startswith("51.0 ± 1.0; mean difference to Random +41.0 [+39.3, +42.7], Unc")
    assert "BALD +1.0 [-15.1, +17.1] (open)" in found.ours
    assert found.parts[0].paper_effect == pytest.approx(67.12 - 32.79, abs=0.01)
    assert found.parts[3].name == "BALD"
    assert found.parts[3].paper_effect is None
    groups["BALD"] = made(0.60, 0.62, 0.61)
    assert claims.against_each(groups, rivals, claims.final_recall, values).outcome == "fails"


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        (claims.claim_1, "Certainty"),
        (claims.claim_2, "Certainty"),
        (claims.claim_3, "Certainty"),
        (claims.claim_6, "AV+GMM"),
    ],
)
def test_one_rival_as_good_is_enough_to_fail(claim, name):
    assert outcomes(claim(both({name: HIGH}), PUBLISHED)) == ["holds", "fails"]
    assert outcomes(claim(both({name: WIDE}), PUBLISHED)) == ["holds", "open"]


@pytest.mark.parametrize("claim", [claims.claim_1, claims.claim_2, claims.claim_3])
def test_rivals_without_logs_have_rows_of_their_own(claim):
    rows = claim(both({"OpenMax": HIGH}), PUBLISHED, further=True)
    assert [(row.id[-1], row.verdict.outcome) for row in rows] == [("c", "holds"), ("d", "fails")]
    assert outcomes(claim(both({"OpenMax": HIGH}), PUBLISHED)) == ["holds", "holds"]


def test_a_task_that_was_not_run_has_no_row():
    near, far = both()["near"], both()["far"]
    assert [row.id for row in claims.claim_1({"near": near, "far": {}}, PUBLISHED)] == ["1a"]
    assert [row.id for row in claims.claim_8({"near": {}, "far": far})] == ["8b"]


def test_temperatures_are_compared_with_the_authors_at_one_seed():
    assert outcomes(claims.claim_5(both({"LfOSA, T=2": HIGH}))) == ["holds", "fails"]
    rows = claims.claim_5(both({"LfOSA, T=2": WIDE}))
    assert outcomes(rows) == ["holds", "open"]
    effects = [part.paper_effect for part in rows[0].verdict.parts]
    assert effects == pytest.approx([39.3 - 37.8, 39.3 - 36.4])
    # What those runs found after 10 rounds of 1,500 queries, of 10,000 known examples.
    recall = claims.logged(PUBLISHED, "recall")
    for name in ("LfOSA, T=1", "LfOSA, T=2"):
        found = 100 * (recall[name] / 100 - 0.08) * 10_000 / 15_000
        assert claims.AUTHORS_SEED_1[name] == pytest.approx(found, abs=0.1)


@pytest.mark.parametrize(
    ("claim", "name"), [(claims.claim_11, "LfOSA"), (claims.claim_12, "LfOSA, balanced")]
)
def test_the_control_is_held_against_the_strategy_whose_counts_it_has(claim, name):
    worse, as_good = made(0.7, 0.71, 0.72, same=0.95), made(0.97, 0.98, 0.97, same=0.95)
    groups = both({name: as_good})
    groups["near"] = groups["near"] | {name: worse}
    assert outcomes(claim(groups)) == ["holds", "fails"]
    groups["far"] = groups["far"] | {name: made(0.80, 0.99, 0.90, same=0.95)}
    assert outcomes(claim(groups)) == ["holds", "open"]


def test_the_control_has_the_same_counts_and_the_first_labels():
    task = runs.load_task(runs.settings(SMOKE)["near unknowns"])
    first = np.bincount(task.y[task.initial], minlength=task.classes)
    more = first + np.array([3, 0, 7, 1])
    rows = runs.same_counts(task, more, np.random.default_rng(0))
    assert np.bincount(task.y[rows], minlength=task.classes).tolist() == more.tolist()
    assert len(set(rows)) == len(rows)
    assert set(task.initial) <= set(rows)
    again = runs.same_counts(task, more + 1, np.random.default_rng(0))
    assert set(rows) < set(again)


def test_shares_of_known_examples_are_counted_on_both_sides_of_a_mixture():
    values = np.concatenate([np.linspace(0, 1, 20), np.linspace(9, 10, 20)]).astype(np.float32)
    truth = np.array([0] * 5 + [2] * 15 + [0] * 19 + [2])
    seen = Record(None, {"mav": values, "predicted": np.zeros(40, int), "truth": truth}, {})
    lower, upper = tables.known_by_component([seen, seen], 2)
    assert [*lower, *upper] == pytest.approx([25, 25, 95, 95])


def test_the_summary_names_the_rows_that_are_shown():
    ids = {id for rows in summary.QUESTIONS.values() for id in rows}
    text = summary.summary(dict.fromkeys(ids, "open") | {"11a": "holds"})
    assert "**holds** (11a)" in text
    assert all(id in text for id in ids)


@pytest.mark.parametrize(("first", "expected"), [(0.6, "fails"), (0.5, "open")])
def test_purity_has_to_rise_in_the_first_rounds(first, expected):
    rounds = made(0.5, 0.51, 0.52, first=first)
    assert outcomes(claims.claim_7(both({"LfOSA": rounds}), PUBLISHED)) == ["holds", expected]


def test_a_rival_without_detector_is_counted_where_a_claim_does_not_hold():
    first, second = (row.as_dict() for row in claims.claim_6(both({"AV+GMM": HIGH}), PUBLISHED))
    assert first["why"] == ""
    assert second["why"].endswith("within two points of purity in 3 of 3 seeds.")


@pytest.mark.parametrize(("other", "expected"), [(HIGH, "fails"), (WIDE, "open")])
def test_each_form_of_uncertainty_is_held_against_dice(other, expected):
    better = {"Random": made(0.7, 0.71, 0.72)}
    half = both(better | {"Uncertainty": other}) | {"near": both()["near"] | better}
    assert outcomes(claims.claim_4(half, PUBLISHED)) == ["holds", expected]
    further = claims.claim_4(both(better | {"BALD": other}), PUBLISHED, further=True)
    assert [row.id for row in further] == ["4c", "4d"]
    assert further[1].verdict.outcome == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.85, 0.86, 0.87), "fails"), ((0.89, 0.90, 0.91), "holds"), ((0.80, 0.99, 0.90), "open")],
)
def test_balance_may_cost_two_points_of_purity_and_not_more(values, expected):
    groups = {task: rows | {runs.BALANCED: HIGH} for task, rows in both().items()}
    groups["far"] = groups["far"] | {runs.BALANCED: made(*values)}
    assert outcomes(claims.claim_9(groups)) == ["holds", expected]


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [((0.5, 0.51, 0.52), "fails"), ((0.99, 0.80, 0.95), "open")],
)
def test_balance_has_to_gain_accuracy(accuracy, expected):
    better = {runs.BALANCED: made(0.9, 0.9, 0.9, accuracy=(0.95, 0.96, 0.97))}
    groups = both({runs.BALANCED: made(0.9, 0.9, 0.9, accuracy=accuracy)})
    groups["near"] = groups["near"] | better
    assert outcomes(claims.claim_8(groups)) == ["holds", expected]


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [((0.5, 0.51, 0.52), "holds"), ((0.99, 0.98, 0.99), "fails"), ((0.99, 0.6, 0.95), "open")],
)
def test_a_balanced_choice_has_to_beat_random_queries(accuracy, expected):
    ours = {runs.BALANCED: made(0.9, 0.9, 0.9, accuracy=(0.90, 0.91, 0.92))}
    random = {"Random": made(0.9, 0.9, 0.9, accuracy=accuracy)}
    assert outcomes(claims.claim_19(both(ours | random))) == ["fails", expected]


def test_every_mismatch_ratio_counts():
    assert claims.claim_10(both()).verdict.outcome == "holds"
    assert claims.claim_10(both({"Random": HIGH})).verdict.outcome == "fails"
    assert claims.claim_10(both({"Random": WIDE})).verdict.outcome == "open"


def test_what_is_asked_twice_has_rows_in_both_places():
    recorded = {row["id"] for row in Chapter("lfosa").recorded("claims")}
    for places in summary.FINDINGS.values():
        assert set(places.values()) <= recorded
    assert summary.FINDINGS["its queries are purer, far unknowns"] == {
        "digits": "1b",
        "photographs": "13c",
    }

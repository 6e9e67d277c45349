"""BLDR's room: its runs, and what decides its claims."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.bldr import claims, record, runs, tables

from weaklabels import methods
from weaklabels.lab import sweep
from weaklabels.lab.loading import load_splits
from weaklabels.lab.noisy_labels import cosine_after, given_labels, run
from weaklabels.lab.store import Record, Store, digest
from weaklabels.lab.tuned import FIRST_TUNING_SEED
from weaklabels.press.chapter import Chapter


def smoke_spec(name, **changes):
    base = runs.settings(Chapter("bldr", "smoke"))["symmetric"]
    return replace(runs.vary(base, name), data_options=(("test", 1500),), **changes)


EVERY = list(dict.fromkeys([*runs.MAIN, *runs.STUDIES]))


@pytest.mark.parametrize("name", EVERY)
def test_every_method_runs_and_reports(name):
    result = run(smoke_spec(name))
    count = len(result["epoch"])
    assert result["test"].shape == result["test_average"].shape == (count,)
    assert np.isfinite(result["test"]).all()
    assert result["wrong"].dtype == bool
    assert 0.3 < result["wrong"].mean() < 0.7
    assert ("weights" in result) == (name.split(runs.BARE)[0] not in runs.COMPARATORS)


def test_every_method_has_the_settings_that_were_chosen_for_it():
    for name in runs.TUNED_METHODS:
        spec, bare = smoke_spec(name), smoke_spec(name + runs.BARE)
        strength, rate = runs.CHOSEN["symmetric"][name]
        assert (spec.weak, spec.optimiser.lr) == (runs.VIEWS[strength], rate)
        assert bare.weak == bare.strong == ()
        assert bare == runs.at_rate(runs.bare(spec), runs.BARE_RATES["symmetric"][name])
        base = runs.settings(Chapter("bldr", "paper"))["cifar10n, worse_label"]
        assert runs.vary(base, name + runs.BARE) == runs.bare(runs.vary(base, name))
    with pytest.raises(KeyError):  # no rate was chosen for it
        runs.vary(runs.settings(Chapter("bldr", "smoke"))["asymmetric"], "CE" + runs.BARE)
    one, other = smoke_spec("BL+weights"), smoke_spec("BL+DR")
    assert (one.weak, one.strong, one.optimiser) == (other.weak, other.strong, other.optimiser)
    strengths = [runs.seen(smoke_spec("BL"), strength) for strength in runs.VIEWS]
    assert strengths[0].strong == runs.VIEWS[runs.STRONG]
    assert strengths[-1].strong == strengths[-1].weak


def test_the_control_of_self_distillation_trains_u_and_v_three_times_as_fast():
    options = dict(smoke_spec("BL+DR, faster u, v").method_options)
    usual = methods.create("BLDR")
    assert options["u_rate"] / usual.u_rate == options["v_rate"] / usual.v_rate == 3


def test_the_table_has_every_run_once():
    assert sorted(runs.ORDER) == sorted([*runs.MAIN, *runs.STUDIES])


def test_the_findings_of_the_tuning_study_are_in_order():
    rates = {"0.02": [1.0, 1.0]}
    rows = [
        {"noise": noise, "method": name, "validation": tried}
        for noise, name, *steps in (
            ("symmetric", "CE", {"0": [50.0, 52.0], "1": [90.0, 92.0]}, rates, {"0": [93.0, 93.0]}),
            ("symmetric", "NL", {"0": [85.0, 85.0], "1": [60.0, 60.0]}, rates, {"0": [97.0, 95.0]}),
            ("asymmetric", "NL", {"0": [81.0, 83.0], "1": [60.0, 60.0]}, rates, {"0": [8.0, 9.0]}),
        )
        for tried in steps
    ]
    text = tables.tuning_findings({"tried": rows})
    assert "is varied even then): NL 85.0, CE 51.0." in text
    assert "the same rate and the views that suit each method: CE 91.0, NL 85.0." in text
    assert "- Symmetric noise, a learning rate of its own as well: NL 96.0, CE 93.0." in text
    assert "- Asymmetric noise, a learning rate of its own as well: NL 8.5." in text
    assert "no view varied" not in text
    bare = {"noise": "symmetric", "method": "CE", "validation": {"1": [5.0, 6.0], "2": [7.0, 8.0]}}
    text = tables.tuning_findings({"tried": rows, "no views": [bare]})
    assert (
        "- Symmetric noise, no view varied, and the learning rate that is best there: CE 7.5."
        in (text)
    )
    assert text.count("no view varied") == 1
    assert tables.tuning_findings(None) == tables.NOT_YET


def test_the_table_of_settings_has_a_row_a_method():
    table = tables.chosen_table(runs.TUNED)
    assert list(table.index) == list(runs.TUNED_METHODS)
    for noise, chosen in runs.CHOSEN.items():
        found = table[[f"{noise}: strength of views", f"{noise}: learning rate"]].to_numpy()
        assert found.astype(float).tolist() == [list(each) for each in chosen.values()]
    bare = table["symmetric: learning rate, no views"].astype(float)
    assert bare.to_dict() == runs.BARE_RATES["symmetric"]
    edge = replace(runs.TUNED[1], chosen=runs.LEARNING_RATES[-1])
    assert tables.chosen_table([edge]).iloc[0, 0] == "1 (edge)"


def test_the_settings_are_those_that_the_tuning_study_chose():
    settings = [
        (each.method, each.setting) for each in runs.TUNED if "no views" not in each.setting
    ]
    assert [name for name, _ in settings[::2]] == 2 * list(runs.TUNED_METHODS)
    recorded = Chapter("bldr", "smoke").recorded("tuning")
    if recorded is None:
        pytest.skip("the tuning study is not recorded")
    chosen = {(row["noise"], row["method"]): {} for row in recorded["tried"]}
    for row in recorded["tried"]:  # the second choice of views takes the place of the first
        chosen[row["noise"], row["method"]][row["setting"]] = row["chosen"]
        means = {float(value): np.mean(scores) for value, scores in row["validation"].items()}
        assert means[row["chosen"]] == pytest.approx(max(means.values()), abs=1e-9)
    assert chosen == {
        (noise, name): {"strength of views": strength, "learning rate": rate}
        for noise, each in runs.CHOSEN.items()
        for name, (strength, rate) in each.items()
    }


def test_the_rates_without_views_are_those_that_the_tuning_study_chose():
    recorded = Chapter("bldr", "smoke").recorded("tuning") or {}
    if "no views" not in recorded:
        pytest.skip("the learning rates without views are not recorded")
    chosen = {noise: {} for noise in runs.BARE_RATES}
    for row in recorded["no views"]:
        assert [float(rate) for rate in row["validation"]] == list(runs.BARE_LEARNING_RATES)
        means = {float(value): np.mean(scores) for value, scores in row["validation"].items()}
        assert means[row["chosen"]] == pytest.approx(max(means.values()), abs=1e-9)
        chosen[row["noise"]][row["method"]] = row["chosen"]
    assert chosen == runs.BARE_RATES


def test_rates_that_were_tried_on_bare_digits_are_taken_from_there():
    """Methods of one view, whose first choice was not to vary it."""
    for row in (Chapter("bldr", "smoke").recorded("tuning") or {"tried": []})["tried"]:
        if row["method"] in record.AT_HOME_BARE and row["setting"] == "strength of views":
            assert row["chosen"] == 0
    for name in record.AT_HOME_BARE:
        spec = smoke_spec(name)
        views = methods.create(spec.method, **dict(spec.method_options)).wanted(views=True)
        assert "views" not in views


def test_without_views_only_rates_that_are_not_held_are_computed():
    def pretend(function, specs, seeds):
        assert (function, seeds) == (run, record.TUNING_SEEDS)
        asked.extend(specs.items())
        return {key: made(*[80 - 1000 * abs(key[1] - 0.001) for _ in seeds]) for key in specs}

    asked, methods_, rates = [], runs.TUNED_METHODS, runs.BARE_LEARNING_RATES
    chapter = Chapter("bldr", "smoke")
    object.__setattr__(chapter, "repeat", pretend)
    scores = {f"{rate:g}": [0.0, 0.0, 0.0] for rate in runs.LEARNING_RATES}
    tried = [
        {"noise": noise, "method": name, "setting": "learning rate", "validation": scores}
        for noise in runs.RATES
        for name in methods_
    ]
    found = record.with_bare_rates(chapter, {"tried": tried})
    known = len(record.AT_HOME_BARE) * len(runs.LEARNING_RATES)
    assert len(asked) == len(methods_) * len(rates) - known
    for (name, rate), spec in asked:
        assert spec.weak == spec.strong == ()
        assert (spec.noise, spec.optimiser.lr, spec.evaluate_every) == (
            "symmetric",
            rate,
            spec.epochs,
        )
        assert spec.method == smoke_spec(name).method
    assert found["tried"] == tried
    assert [row["method"] for row in found["no views"]] == list(methods_)
    assert {(row["noise"], row["chosen"]) for row in found["no views"]} == {("symmetric", 0.001)}
    assert all(list(row["validation"]) == [f"{r:g}" for r in rates] for row in found["no views"])
    asked.clear()
    assert record.with_bare_rates(chapter, found) == found
    assert not asked


def test_the_tuning_study_tries_views_rates_and_views_on_seeds_of_its_own():
    """Weak views are best at a rate below 0.1, where they are chosen first; bare digits above."""

    def pretend(function, specs, seeds):
        assert function is run
        assert min(seeds) >= FIRST_TUNING_SEED
        scores = {}
        for key, spec in specs.items():
            fast = spec.optimiser.lr >= 0.1
            wanted = runs.VIEWS[0] if fast else runs.VIEWS[1]
            scores[key] = made(
                *(50.0 + 10 * (spec.weak == wanted) + 30 * (spec.optimiser.lr == 0.1),)
            )
            asked.append((spec.noise, spec.method, spec.optimiser.lr, spec.weak))
        return scores

    asked = []
    chapter = Chapter("bldr", "smoke")
    object.__setattr__(chapter, "repeat", pretend)
    found = record.tuning(chapter)["tried"]
    assert [row["method"] for row in found[::3]] == 2 * list(runs.TUNED_METHODS)
    assert [row["noise"] for row in found[::27]] == list(runs.RATES)
    assert [row["chosen"] for row in found] == 18 * [1, 0.1, 0]
    tried = [tuple(map(float, row["validation"])) for row in found[:3]]
    assert tried == [tuple(runs.VIEWS), runs.LEARNING_RATES, tuple(runs.VIEWS)]
    assert len(asked) == 18 * (2 * len(runs.VIEWS) + len(runs.LEARNING_RATES))


def test_runs_are_reproducible_and_the_noise_is_shared_by_methods(tmp_path):
    spec = smoke_spec("BLDR")
    first, second = (sweep.run(run, [spec], Store(tmp_path / folder))[0] for folder in ("a", "b"))
    assert digest(first.values) == digest(second.values)
    splits = load_splits(spec)
    np.testing.assert_array_equal(
        given_labels(spec, splits), given_labels(smoke_spec("CE"), splits)
    )
    with pytest.raises(ValueError, match="expected symmetric, asymmetric"):
        given_labels(replace(spec, noise="worse_label"), splits)


def test_learning_rate_is_constant_then_a_cosine():
    spec = runs.at_rate(smoke_spec("CE", epochs=6, constant_epochs=2), 0.02)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.02)
    schedule = cosine_after(spec, optimiser, steps_per_epoch=3)
    rates = []
    for _ in range(6 * 3 + 3):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    np.testing.assert_allclose(rates[: 3 * 3], 0.02)
    np.testing.assert_allclose(rates[4 * 3], (0.02 + 2e-4) / 2)
    np.testing.assert_allclose(rates[6 * 3], 2e-4)


def test_paper_profile_is_wired_to_the_challenge_data():
    settings = runs.settings(Chapter("bldr", "paper"))
    assert list(settings) == [f"{d}, {n}" for d, names in runs.HUMAN_NOISE.items() for n in names]
    for kind, base in settings.items():
        for spec in runs.table(base, EVERY).values():
            assert kind == f"{spec.dataset}, {spec.noise}"
            assert spec.code()
            methods.create(spec.method, **dict(spec.method_options))


# -- measures and claims, on made-up records ------------------------------------------------------


def made(*lasts, first=50.0, peak=0.0, fitted=100.0, auc=0.5, missed=5):
    """A record for each last accuracy: of its 10 wrong labels all but ``missed`` are flagged."""
    wrong = np.arange(20) < 10
    found = np.where(wrong & (np.arange(20) >= missed), 0.0, 1.0)
    return [
        Record(
            None,
            {
                "epoch": np.array([1, 10]),
                "test": np.array([max(first + i / 10, peak), last]),
                "test_average": np.array([first, last]),
                "fitted": np.array([0.0, fitted]),
                "auc": np.array([0.5, auc + i / 1000]),
                "wrong": wrong,
                "found": found,
            },
            {},
        )
        for i, last in enumerate(lasts)
    ]


def outcome(row):
    return row.verdict.outcome


def test_measures_of_a_curve():
    records = made(70.0, 71.0, peak=80.0)
    assert tables.last(records).tolist() == [70, 71]
    assert tables.best(records).tolist() == [80, 80]
    assert tables.at_share(records, 0.1).tolist() == [80, 80]
    # Epoch 1 of 10; never reached counts as the whole training.
    assert tables.time_to(records).tolist() == [10, 10]
    assert tables.time_to(records, 81).tolist() == [100, 100]
    # Half of the wrong labels flagged and nothing else: precision 1, recall 1/2.
    assert tables.detection_f1(records).tolist() == pytest.approx([200 / 3] * 2)
    assert tables.score_table({"CE": records}).loc["CE", "last"] == "70.5 ± 0.7"
    assert list(tables.score_table({"a": records, "b": records}, ("b", "a")).index) == ["b", "a"]


@pytest.mark.parametrize(
    ("lasts", "expected"),
    [((60, 61, 62), "holds"), ((75, 75, 76), "fails"), ((60, 75, 69), "open")],
)
def test_memorising_costs_more_than_ten_points(lasts, expected):
    assert outcome(claims.claim_1a({runs.SAME_RATE: made(*lasts, peak=80.0)})) == expected


@pytest.mark.parametrize(
    ("fitted", "expected"),
    [((99, 98, 99), "holds"), ((90, 91, 90), "fails"), ((99, 92, 97), "open")],
)
def test_memorising_fits_nearly_all(fitted, expected):
    records = [made(60, fitted=share)[0] for share in fitted]
    assert outcome(claims.claim_1b({runs.SAME_RATE: records})) == expected


def test_speed_is_the_time_to_eighty_per_cent_with_the_margins_of_the_text():
    fast, slow = made(90, 90, 90, peak=85.0), made(90, 90, 90, first=38.0)
    mixed = [*fast[:2], slow[0]]
    for ours, expected in ((slow, "holds"), (fast, "fails"), (mixed, "open")):
        rows = claims.claim_3({"CE": fast, "CE, no views": fast, "NL": ours})
        assert [(row.id, outcome(row)) for row in rows] == [("3a", expected), ("3b", expected)]
    bare = {"CE, no views": fast, "BL, no views": fast}
    assert outcome(claims.claim_4c(bare)) == "holds"
    assert outcome(claims.claim_4c(bare | {"BL, no views": slow})) == "fails"
    rows = claims.claim_4({"CE": fast, "PL": slow, "BL": fast})
    assert [row.id for row in rows] == ["4a", "4b"]
    assert [outcome(row) for row in rows] == ["holds", "holds"]
    assert outcome(claims.claim_4({"CE": fast, "PL": fast, "BL": slow})[0]) == "fails"
    assert outcome(claims.claim_4({"CE": fast, "PL": fast, "BL": mixed})[1]) == "open"


@pytest.mark.parametrize(
    ("claim", "ours", "other"),
    [
        (claims.claim_6a, "BL", "PL"),
        (claims.claim_6e, "BLDR", "PL"),
        (claims.claim_7a, "BLDR", "BL+DR"),
        (claims.claim_7b, "BLDR", "BL+DR, faster u, v"),
    ],
)
def test_steps_of_the_ladder_are_compared_at_the_last_epoch(claim, ours, other):
    high, low, wide = made(90, 91, 92), made(80, 81, 83, peak=99.0), made(70, 81, 97)
    assert outcome(claim({ours: high, other: low})) == "holds"
    assert outcome(claim({ours: low, other: high})) == "fails"
    assert outcome(claim({ours: wide, other: low})) == "open"


def test_where_wrong_labels_agree_both_are_held_against_the_positive_head():
    low, high, wide = made(80, 81, 83), made(90, 91, 92), made(70, 81, 97)
    rows = claims.claim_6fg({"PL": low, "BL": high, "BLDR": wide})
    assert [(row.id, outcome(row)) for row in rows] == [("6f", "holds"), ("6g", "open")]
    assert [outcome(row) for row in claims.claim_6fg({})] == ["not testable here"] * 2


def test_views_and_a_rate_cure_memorising_by_more_than_ten_points_each():
    def outcomes(views, own):
        groups = {"CE": views, "CE, no views": own, runs.SAME_RATE: made(70, 71, 72)}
        rows = claims.claim_1c(groups)
        assert [row.id for row in rows] == ["1c", "1d", "1e"]
        return [outcome(row) for row in rows]

    high, low, wide = made(95, 96, 95), made(75, 76, 75), made(70, 99, 90)
    assert outcomes(high, low) == ["holds", "fails", "holds"]
    assert outcomes(low, high) == ["fails", "holds", "fails"]
    assert outcomes(wide, wide) == ["open", "open", "fails"]  # the same records: no difference


def test_negative_learning_is_held_against_both_cross_entropies():
    groups = {"NL": made(85, 86, 87), "CE, no views": made(60, 61, 63), "CE": made(92, 93, 95)}
    rows = claims.claim_2(groups)
    assert [row.id for row in rows] == ["2a", "2b"]
    assert [outcome(row) for row in rows] == ["holds", "fails"]
    assert outcome(claims.claim_2(groups | {"NL": made(85, 99, 95)})[1]) == "open"


def test_weights_and_estimate_have_rows_of_their_own():
    low, high, wide = made(80, 81, 83), made(90, 91, 92), made(70, 81, 97)
    rows = claims.claim_6bcd({"BL": low, "BL+DR": high, "BL+weights": low, "BL+rho": wide})
    assert [row.id for row in rows] == ["6b", "6c", "6d"]
    assert [outcome(row) for row in rows] == ["holds", "fails", "open"]


def test_without_views_both_directions_are_held_against_each_single_one():
    low, high, wide = made(80, 81, 83), made(90, 91, 92), made(70, 81, 99)
    groups = {"BL, no views": high, "CE, no views": low, "NL, no views": high}
    assert [outcome(row) for row in claims.claim_11(groups)] == ["holds", "fails"]
    groups["BL, no views"] = wide
    assert [outcome(row) for row in claims.claim_11(groups)] == ["open", "open"]


def test_the_summary_names_the_rows_that_are_shown():
    ids = {id for rows in claims.QUESTIONS.values() for id in rows}
    text = claims.summary(dict.fromkeys(ids, "open") | {"6a": "holds"})
    assert "**holds** (6a)" in text
    assert all(id in text for id in ids)


def test_telling_labels_apart_is_a_matter_of_auc():
    low, high = (made(90, 90, 90, auc=auc) for auc in (0.6, 0.9))
    mixed = [low[0], high[1], low[2]]
    rows = claims.claim_5({"CE": low, "CE, no views": low, "NL": high, "BLDR": mixed})
    assert [row.id for row in rows] == ["5a", "5b", "5c"]
    assert [outcome(row) for row in rows] == ["holds", "open", "holds"]
    rows = claims.claim_5({"CE": low, "CE, no views": high, "NL": low, "BLDR": high})
    assert [outcome(row) for row in rows] == ["fails", "holds", "fails"]


def test_finding_wrong_labels_is_a_matter_of_f1():
    some, most = (made(90, 90, 90, missed=missed) for missed in (5, 1))
    mixed = [most[0], *some[:2]]
    for ours, other, expected in (
        (most, some, "holds"),
        (some, most, "fails"),
        (mixed, some, "open"),
    ):
        assert outcome(claims.claim_8({"BLDR": ours, "BL+DR": other})) == expected


def test_every_comparator_has_a_row_of_its_own():
    groups = {name: made(80, 81, 83) for name in runs.COMPARATORS}
    groups |= {"BLDR": made(90, 91, 92), "Co-teaching": made(95, 95, 96)}
    groups["NL"] = made(80, 99, 90)
    rows = {row.id: outcome(row) for row in claims.claim_9(groups, "asymmetric")}
    assert rows == {"9f": "holds", "9g": "holds", "9h": "open", "9i": "holds", "9j": "fails"}
    missing = claims.claim_9({}, "symmetric")
    assert {row.id: outcome(row) for row in missing} == dict.fromkeys(
        ("9a", "9b", "9c", "9d", "9e"), "not testable here"
    )


def test_both_directions_alone_are_held_against_every_comparator():
    groups = {name: made(80, 81, 83) for name in runs.COMPARATORS}
    groups |= {"BLDR": made(90, 91, 92), "BL": made(80, 81, 83)}
    groups |= {"GCE": made(70, 71, 73, peak=97.0), "Co-teaching": made(95, 95, 96)}
    rows = {row.id: row for row in claims.claim_19(groups, "symmetric")}
    assert list(rows) == [f"19{letter}" for letter in "abcde"]
    # BL is like CE at the end, above GCE, which was far higher before, and below co-teaching
    assert [outcome(rows[f"19{letter}"]) for letter in "abe"] == ["fails", "holds", "fails"]
    assert "GCE; symmetric" in rows["19b"].claim
    missing = claims.claim_19({}, "asymmetric")
    assert {outcome(row) for row in missing} == {"not testable here"}
    assert len({row.id for row in missing} - set(rows)) == 5
    assert outcome(claims.claim_10()) == "not testable here"

"""Stability attacks: values of the authors' code, closed forms against simulation, boundaries."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.stability_attacks import claims, record, runs, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.golden import cases
from weaklabels.lab.loading import load_splits
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record
from weaklabels.lab.sweep import run_one
from weaklabels.methods import stability_attacks
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, OPEN

CASES = cases("stability_attacks")


def case(name):
    """Inputs as float64 tensors (labels int64, numbers as they are), and what is expected."""

    def value(x):
        if not isinstance(x, list):
            return x
        return torch.from_numpy(np.array(x))

    found = CASES[name]
    return {k: value(v) for k, v in found["inputs"].items()}, found["expected"]


class Toy(nn.Module):
    """The network of the golden values."""

    def __init__(self, given):
        super().__init__()
        for name in ("W1", "b1", "W2", "b2"):
            setattr(self, name, nn.Parameter(given[name].clone()))

    def forward(self, x):
        return torch.tanh(x.flatten(1) @ self.W1.T + self.b1) @ self.W2.T + self.b2


def close(found, expected, atol=1e-9):
    np.testing.assert_allclose(
        found.detach().numpy() if torch.is_tensor(found) else found, expected, rtol=0, atol=atol
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_step_and_its_projection(norm):
    given, expected = case(f"{norm}_step_project")
    stepped = stability_attacks.step(given["x"], given["g"], -given["step_size"], norm)
    close(stepped, expected["stepped"])
    close(
        stability_attacks.project(stepped, given["x0"], given["eps"], norm), expected["projected"]
    )


def test_unknown_norms_are_refused():
    x = torch.zeros(1, 2)
    for function in (stability_attacks.step, stability_attacks.project):
        with pytest.raises(ValueError, match="expected 'linf' or 'l2'"):
            function(x, x, 0.1, "l1")


@pytest.mark.parametrize("name", ["fgsm_no_random_start", "pgd10_no_random_start"])
def test_attacks_at_test_time(name):
    given, expected = case(name)
    model, x, y = Toy(given), given["x"], given["y"]
    close(F.cross_entropy(model(x), y), expected["loss_clean"])
    moved = stability_attacks.pgd(
        model, x, y, given["eps"], steps=given["num_steps"], size=given["step_size"]
    )
    close(moved, expected["x_adv"])
    close(F.cross_entropy(model(moved), y), expected["loss_adv"])


def test_the_random_start():
    given, expected = case("pgd10_random_start")
    model, x, y, eps = Toy(given), given["x"], given["y"], given["eps"]
    start = stability_attacks.random_start(x, eps, given["u"])
    moved = stability_attacks.pgd(model, x, y, eps, steps=given["num_steps"], start=start)
    close(moved, expected["x_adv"])
    close(F.cross_entropy(model(moved), y), expected["loss_adv"])


def test_the_margin_objective():
    given, expected = case("cw_loss")
    logits = given["logits"].requires_grad_()
    loss = stability_attacks.carlini_wagner(logits, given["y"])
    close(loss, expected["loss"])
    close(torch.autograd.grad(loss, logits)[0], expected["grad_logits"])


@pytest.mark.parametrize("name", ["hyp", "adv"])
def test_poisons(name):
    given, expected = case(f"poison_{name}_noaug")
    model, x, y = Toy(given), given["x"], given["y"]
    target = y if name == "hyp" else stability_attacks.adversarial_target(y, 4)
    assert target.tolist() == expected["target"]
    close(F.cross_entropy(model(x), target), expected["loss_before"])
    moved = stability_attacks.poison(model, x, target, given["eps"], steps=given["steps"])
    close(moved, expected["x_poison"])
    close(F.cross_entropy(model(moved), target), expected["loss_after"])


def test_shifts_and_flips():
    given, expected = case("random_transform")
    # The authors' grid is float32, turned into float64 afterwards.
    close(
        stability_attacks.shift_and_flip(given["x"], given["randgen"], given["shift"]),
        expected["out"],
        1e-6,
    )


def test_poisons_under_shifts_and_flips():
    given, expected = case("poison_hyp_aug5")

    def transform(x, t):
        return stability_attacks.shift_and_flip(x, given["randgen"][t], 2)

    moved = stability_attacks.poison(
        Toy(given), given["x"], given["y"], given["eps"], steps=given["steps"], transform=transform
    )
    close(moved, expected["x_poison"])


def test_bytes_are_cut_not_rounded():
    given, expected = case("poison_quantise")
    assert stability_attacks.as_bytes(given["x"].float()).squeeze().tolist() == (
        torch.tensor(expected["uint8"]).squeeze().tolist()
    )


@pytest.mark.parametrize("name", ["pgd_at", "trades", "mart"])
def test_losses_of_the_defences_and_their_gradients(name):
    given, expected = case(f"{name}_loss")
    model, x, y, eps = Toy(given), given["x"], given["y"], given["eps"]
    search = {"size": given["step_size"], "steps": given["num_steps"]}
    if name == "pgd_at":
        loss = stability_attacks.adversarial_loss(
            model, stability_attacks.pgd(model, x, y, eps, **search), y
        )
    elif name == "trades":
        moved = stability_attacks.trades_attack(model, x, given["z"], eps, **search)
        close(moved, expected["x_adv"])
        loss = stability_attacks.trades_loss(model, x, moved, y)
    else:
        moved = stability_attacks.pgd(model, x, y, eps, start=x + 0.001 * given["z"], **search)
        loss = stability_attacks.mart_loss(model, x, moved, y)
    close(loss, expected["loss"])
    for parameter, gradient in zip(("W1", "b1", "W2", "b2"), torch.autograd.grad(
        loss, [model.W1, model.b1, model.W2, model.b2]), strict=True):  # fmt: skip
        close(gradient, expected[f"g{parameter}"])


NAMES = {
    "clean": "clean",
    "hyp_weak_only": "hypocritical",
    "hyp_all": "hypocritical, all features",
    "adv_weak_only": "adversarial",
}


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith("gaussian")])
def test_closed_forms(name):
    given, expected = CASES[name]["inputs"], CASES[name]["expected"]
    setting = stability_attacks.Gaussians(given["d"], given["eta"], given["eps"], given["sigma"])
    eps, eta = setting.eps, setting.eta
    budgets = {
        "0": 0.0, "eps": eps, "eps+eta/2": eps + eta / 2, "eps+eta": eps + eta, "2eps": 2 * eps
    }  # fmt: skip
    for key, values in expected.items():
        attack, budget = key.split("|")
        weights = setting.robust_weights(NAMES[attack], budgets[budget])
        close(weights[0], values["w_robust"])
        close(weights[1:], np.full(setting.d, values["w_nonrobust"]))
        close(setting.accuracy(weights), values["natural_acc"])
        close(setting.accuracy(weights, eps), values["robust_acc"])


def test_the_closed_form_is_what_a_simulation_gives():
    setting = stability_attacks.Gaussians(d=20)
    rng = np.random.default_rng(0)
    weights = setting.robust_weights("hypocritical", setting.eps)
    y = rng.choice([-1, 1], 200_000)
    x = y[:, None] * setting.mean + setting.sigma * rng.standard_normal((len(y), 21))
    margin = y * (x @ weights)
    assert (margin > 0).mean() == pytest.approx(setting.accuracy(weights), abs=0.005)
    robust = margin - setting.eps * np.abs(weights).sum() > 0
    assert robust.mean() == pytest.approx(setting.accuracy(weights, setting.eps), abs=0.005)


@given(
    d=st.integers(1, 200),
    eta=st.floats(0.01, 0.3),
    ratio=st.floats(1.1, 3),
    sigma=st.floats(0.3, 2),
)
@settings(max_examples=50, deadline=None)
def test_eps_plus_eta_is_the_smallest_budget_that_repairs(d, eta, ratio, sigma):
    setting = stability_attacks.Gaussians(d, eta, min(eta * ratio, 0.6), sigma)
    repaired = setting.robust_weights("hypocritical", setting.eps + eta + 1e-9)
    assert (repaired[1:] == 0).all()
    assert repaired[0] > 0
    almost = setting.robust_weights("hypocritical", setting.eps + 0.9 * eta)
    assert (almost[1:] > 0).all()
    assert setting.accuracy(almost, setting.eps) < setting.accuracy(repaired, setting.eps)


def test_nothing_survives_a_budget_above_every_mean():
    setting = stability_attacks.Gaussians()
    weights = setting.robust_weights("clean", 1.5)
    assert not weights.any()
    assert setting.accuracy(weights) == setting.accuracy(weights, 0.2) == 0.5
    with pytest.raises(ValueError, match="attack 'other'"):
        setting.training_mean("other")


@given(eps=st.floats(0.01, 0.5), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_moved_inputs_stay_in_the_ball_and_in_the_box(eps, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(4, 6, generator=generator)
    y = torch.tensor([0, 1, 2, 0])
    model = nn.Linear(6, 3)
    for moved in (
        stability_attacks.pgd(model, x, y, eps, steps=3),
        stability_attacks.poison(model, x, y, eps, steps=3),
        stability_attacks.random_sign(x, eps, generator),
        stability_attacks.trades_attack(
            model, x, torch.randn(4, 6, generator=generator), eps, eps / 4, 3
        ),
    ):
        assert ((moved - x).abs() <= eps + 1e-6).all()
        assert ((moved >= 0) & (moved <= 1)).all()
        assert not moved.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_are_finite_for_huge_logits(dtype):
    class Fixed(nn.Module):
        def forward(self, x):
            return (100 * x[:, :3]).to(dtype)

    x = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]], requires_grad=True)
    y = torch.tensor([0, 0])
    for loss in (
        stability_attacks.adversarial_loss(Fixed(), x, y),
        stability_attacks.trades_loss(Fixed(), x, x.flip(0), y),
        stability_attacks.mart_loss(Fixed(), x, x.flip(0), y),
        stability_attacks.carlini_wagner(Fixed()(x), y),
    ):
        assert torch.isfinite(loss)
        (gradient,) = torch.autograd.grad(loss, x)
        assert torch.isfinite(gradient).all()


# -- the room -------------------------------------------------------------------------------------


def test_a_run_learns_from_what_the_crafting_network_made():
    spec = runs.Spec(
        attack="hypocritical",
        data_options=options(test=50),
        network_options=options(inputs=64, hidden=(8,)),
        epochs=1,
        craft_epochs=1,
        craft_steps=2,
        steps=1,
        test_steps=2,
    )
    crafting = runs.crafting_spec(spec)
    assert crafting.budget == spec.craft_budget
    assert crafting == runs.crafting_spec(replace(spec, method="MART", budget=1.5, epochs=2))
    moved = runs.craft(crafting)["x"] - load_splits(spec).train.x.numpy()
    assert 0 < np.abs(moved).max() <= spec.eps + 1e-6
    found = run_one(runs.run, spec, None)
    assert found["curve"].shape == (len(runs.STRENGTHS),)
    assert found["curve"][0] == found["natural"]
    assert found["robust"] <= found["natural"]


def test_poison_depends_on_the_draws_of_the_crafting_network_alone():
    spec = runs.Spec(attack="hypocritical", network_options=options(inputs=64, hidden=(8,)))
    crafting = runs.crafting_spec(replace(spec, craft_draws=7, craft_hidden=(4,)))
    assert (crafting.seed, crafting.chance, crafting.draws) == (0, 7, 7)
    assert dict(crafting.network_options)["hidden"] == (4,)
    assert runs.crafting_spec(spec).chance == spec.chance == 0
    victims = runs.strangers(runs.settings(Chapter("stability_attacks")))
    poisons = {runs.crafting_spec(s) for (_, kind), s in victims.items() if kind == "hypocritical"}
    assert len(poisons) == 2  # the victim's double, and one stranger to all the others


def test_every_seed_has_a_crafting_network_of_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(
        runs, "remember", lambda _, spec: asked.append(spec) or Record(spec, {"natural": 1}, {})
    )
    spec = runs.Spec(attack="hypocritical", seed=3)
    assert runs.among_strangers(spec) == {"natural": 1}
    runs.among_strangers(replace(spec, craft_draws=runs.OWN_DRAWS))
    runs.among_strangers(replace(spec, seed=4, craft_draws=runs.OWN_DRAWS))
    assert [runs.crafting_spec(each).chance for each in asked] == [3, 10_003, 10_004]
    assert [each.chance for each in asked] == [3, 3, 4]


def test_other_defences_have_the_chosen_budget_or_that_of_the_paper():
    quick = runs.defences(runs.settings(Chapter("stability_attacks")))
    assert list(quick) == ["PGD-AT, ε", "PGD-AT, 1.5 ε", "TRADES, 1.5 ε", "MART, 1.5 ε"]
    paper = runs.defences(runs.settings(Chapter("stability_attacks", "paper")))
    assert list(paper) == ["PGD-AT, ε", "PGD-AT, 1.75 ε", "TRADES, 1.5 ε", "MART, 1.75 ε"]


def test_the_budget_is_that_of_the_record():
    recorded = Chapter("stability_attacks").recorded("tuning")
    assert {f"{eps:g}": budget for eps, budget in runs.CHOSEN.items()} == recorded["chosen"]
    assert recorded["seeds"] == list(range(1000, 1000 + runs.TUNING_SEEDS))
    assert all(each.interior for each in runs.TUNED)
    assert runs.chosen_budget(8 / 255) == runs.PAPERS


def test_the_best_budget_on_validation_images_is_chosen(monkeypatch):
    def run_all(self, function, specs):
        return [{"validation": 50 - abs(spec.budget - 1.5) - spec.eps} for spec in specs]

    monkeypatch.setattr(Chapter, "run", run_all)
    found = record.tune(Chapter("stability_attacks", "smoke"))
    assert found["chosen"] == {"0.15": 1.5, "0.1": 1.5}
    assert found["validation"]["0.1"]["2"] == [49.4] * 3


def records(natural, robust, spread=0.1):
    """One record a seed, with a little spread."""
    scores = {"natural": natural, "robust": robust, "fgsm": robust, "margin": robust}
    return [
        Record(None, {name: np.array(values + d) for name, values in scores.items()}, {})
        for d in (-spread, 0.0, spread)
    ]


def found(**changed):
    """Records as the paper's table has them, one radius; ``kind=(natural, robust)`` changes."""
    rows = {
        "clean": (82.0, 50.0),
        "random": (82.0, 49.0),
        "adversarial": (77.0, 48.0),
        "hypocritical": (88.0, 37.0),
    }
    table = {(0.1, kind, 1.0): records(*values) for kind, values in (rows | changed).items()}
    larger = {1.25: (84.0, 45.0)}
    larger[runs.chosen_budget(0.1)] = changed.get("repaired", (80.0, 49.0))
    return table | {(0.1, "hypocritical", b): records(*values) for b, values in larger.items()}


def outcomes(rows):
    return [row.verdict.outcome for row in rows]


@pytest.mark.parametrize(
    ("number", "kind", "fails", "unclear"),
    [
        ("1", "hypocritical", (88.0, 46.0), (88.0, 44.0, 9.0)),
        ("2", "hypocritical", (81.0, 37.0), (82.5, 37.0, 9.0)),
        ("3", "hypocritical", (79.0, 37.0), (81.0, 37.0, 9.0)),
        ("4", "adversarial", (77.0, 36.0), (77.0, 38.0, 9.0)),
        ("5", "adversarial", (77.0, 51.0), (77.0, 49.5, 9.0)),
        ("16", "adversarial", (82.5, 48.0), (81.0, 48.0, 9.0)),
        ("6", "repaired", (80.0, 36.0), (80.0, 40.0, 9.0)),
        ("7", "repaired", (80.0, 46.0), (80.0, 48.0, 9.0)),
        ("8", "repaired", (88.5, 49.0), (87.0, 49.0, 9.0)),
        ("11", "random", (82.0, 44.0), (82.0, 46.0, 9.0)),
    ],
)
def test_a_claim_on_digits_holds_as_published_and_not_otherwise(number, kind, fails, unclear):
    decide = getattr(claims, f"claim_{number}")
    assert [row.id for row in decide(found())] == [f"{number}a"]
    assert outcomes(decide(found())) == [HOLDS]
    assert outcomes(decide(found(**{kind: fails}))) == [FAILS]
    assert outcomes(decide(found(**{kind: unclear}))) == [OPEN]


def test_every_radius_has_a_row():
    weaker = {(0.2, kind, b): group for (_, kind, b), group in found(clean=(82.0, 40.0)).items()}
    assert [row.id for row in claims.on_digits(found(), "b")][:3] == ["1b", "2b", "3b"]
    assert claims.on_digits({}, "b") == []
    rows = claims.claim_1(found() | weaker)
    assert [row.figure for row in rows] == ["tab-stab-digits", "tab-stab-weaker"]
    assert [row.id for row in rows] == ["1a", "1b"]
    assert outcomes(rows) == [HOLDS, FAILS]
    assert rows[0].verdict.parts[0].paper_effect == pytest.approx(50.63 - 37.61)


def test_claims_on_the_closed_forms():
    assert outcomes(claims.claim_9(stability_attacks.Gaussians())) == [HOLDS, HOLDS]
    few = stability_attacks.Gaussians(d=1)  # one weak feature cannot outweigh the strong one
    assert outcomes(claims.claim_9(few))[0] == FAILS
    none = stability_attacks.Gaussians(eta=0.0)  # a budget of ε is enough already
    assert outcomes(claims.claim_9(none))[1] == FAILS


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [((2.0,) * 5, HOLDS), ((4.0,) * 5, FAILS), ((2.0, 2.0, 2.0, 4.0, 4.0), OPEN)],
)
def test_fits_agree_with_the_closed_form_within_three_points(gaps, expected):
    setting = stability_attacks.Gaussians()
    weights = setting.robust_weights("hypocritical", setting.eps)
    robust = 100 * setting.accuracy(weights, setting.eps)
    fits = [Record(None, {"robust": np.array(robust + gap)}, {}) for gap in gaps]
    row = claims.claim_10(setting, {("hypocritical", setting.eps): fits})
    assert row.verdict.outcome == expected


def test_claims_on_the_crafting_network():
    crafted = {"0 ε": records(0, 40), "0.25 ε": records(0, 37), "1 ε": records(0, 35)}
    assert outcomes(claims.claim_12(crafted)) == [HOLDS, FAILS]
    crafted["1 ε"] = records(0, 37, spread=9.0)
    assert outcomes(claims.claim_12(crafted)) == [HOLDS, OPEN]
    del crafted["0 ε"]
    assert [row.id for row in claims.claim_12(crafted)] == ["12b"]


def strange(own, other):
    """Robust accuracies of victims on hypocritical images: the crafter's double, others."""
    found = {("same", "hypocritical"): records(0, own)}
    for name in ("other draws", *runs.NETWORKS):
        found |= {(name, "hypocritical"): records(0, other), (name, "clean"): records(0, 50)}
    return found


def test_claims_on_victims_that_the_crafting_network_does_not_know():
    assert outcomes(claims.claim_13(strange(37, 40))) == [HOLDS] * 4
    assert outcomes(claims.claim_13(strange(37, 47))) == [FAILS] * 4
    assert outcomes([claims.claim_14(strange(37, 40))]) == [HOLDS]
    assert outcomes([claims.claim_14(strange(40, 37))]) == [FAILS]
    alone = {key: found for key, found in strange(37, 40).items() if key[0] not in runs.NETWORKS}
    assert outcomes(claims.claim_13(alone)) == [HOLDS, *3 * ["not testable here"]]
    assert tables.strangers(strange(37, 40)).shape[0] == 2 * 4 + 1


def test_the_price_of_a_larger_budget_is_told_from_that_of_the_poison():
    larger = runs.chosen_budget(0.1)

    # 50 with the conventional budget on clean images; 49 with the larger one on hypocritical ones.
    expected = {45.0: [HOLDS, HOLDS], 50.0: [FAILS, HOLDS], 55.0: [FAILS, FAILS]}
    for clean, wanted in expected.items():
        rows = claims.claim_17(found() | {(0.1, "clean", larger): records(80.0, clean)})
        assert [row.id for row in rows] == ["17a", "17c"]
        assert outcomes(rows) == wanted


def test_the_takeaway_says_what_the_rows_say():
    text = claims.takeaway({"1a": HOLDS, "1b": OPEN, "11a": FAILS, "6a": FAILS})
    assert "falls by more than 5 points: holds (1a), open (1b)." in text
    assert "a larger budget" in text.lower()
    assert "natural accuracy" not in text
    ids = [row.id for row in claims.on_digits(found())] + ["12a", "12b", "13a", "14"]
    text = claims.takeaway(dict.fromkeys(ids, HOLDS))
    assert all(f"({id})" in text for id in ids)


def test_reasons_belong_to_what_was_measured():
    text = claims.claim_2(found(hypocritical=(81.0, 37.0)))[0].why[FAILS]
    assert "82.0 %" in text
    assert not claims.claim_2(found())[0].why.get(HOLDS)
    assert claims._outlier(np.array([2.0, 3.0, 4.0, 12.0])) == {}
    assert "One of 4 seeds has +26.8" in claims._outlier(np.array([2.0, 26.8, 3.0, 4.0]))[OPEN]


def test_runs_that_collapse_are_counted():
    assert "In no run" in tables.collapses(found())
    fallen = found() | {(0.1, "clean", 2.0): records(10.0, 10.0)}
    assert "3 of 3 seeds on clean images with 2 ε (ε = 0.1)" in tables.collapses(fallen)


def test_what_is_added_to_empty_pixels():
    spec = runs.Spec()
    clean = load_splits(spec).train.x.numpy()
    everywhere = Record(spec, {"x": clean + 0.1}, {})
    there = Record(spec, {"x": clean + 0.1 * (clean == 0)}, {})
    found = tables.on_empty({"a": [everywhere], "b": [there]})
    assert found["a"] == pytest.approx(found["pixels"], abs=0.01)
    assert found["b"] == pytest.approx([100])


def test_tables_of_records():
    groups = found()
    assert tables.radii(groups) == [0.1]
    assert set(tables.budgets(groups)) == {1.0, 1.25, runs.chosen_budget(0.1)}
    assert tables.fits({("clean", 0.2): records(90, 50)})["clean"][0.2].shape == (3, 2)
    assert tables.pictures({"a": np.full(1, 255, np.uint8), "b": np.ones(1)}) == {"a": 1, "b": 1}

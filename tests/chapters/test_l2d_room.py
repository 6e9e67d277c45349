"""The room of L2D: its runs, what is read from them, and its claims."""

import json
from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from chapters.l2d import choices, claims, figures, photographs, record, runs, tables

from weaklabels import methods, models
from weaklabels.lab import sweep
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store, digest
from weaklabels.lab.tuned import FIRST_TUNING_SEED, best
from weaklabels.methods.base import Context
from weaklabels.metrics import mean_average_precision
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN


def student():
    (base, *_) = runs.settings(Chapter("l2d", "smoke", "cpu", 1)).values()
    return base


def test_run_is_reproducible_and_reports_structure(tmp_path):
    spec = runs.distil(student(), "LED", 0.01)
    store = Store(tmp_path)
    (first,) = sweep.run(runs.run, [spec], store)
    (second,) = sweep.run(runs.run, [spec], Store(tmp_path / "again"))
    assert digest(first.values) == digest(second.values)
    assert np.isfinite(first["structure"]).all()
    assert first["test"].shape == (3,)
    (teacher,) = sweep.run(runs.run, [spec.teacher], store)
    assert np.isnan(teacher["structure"]).all()
    # A network that is its own teacher has no structure loss.
    network = runs.build(spec)
    own = runs.structure_to(network, network, runs.load_splits(spec).test, 50, torch.Tensor.float)
    assert own == pytest.approx([0, 0], abs=1e-6)


def test_students_of_an_untrained_teacher_are_measured_against_the_trained_one(tmp_path):
    store = Store(tmp_path)
    spec = runs.distil(student(), "LED", 0.01)
    (own,), (near,) = (sweep.run(f, [spec], store) for f in (runs.run, runs.near_trained))
    assert near["structure"] == pytest.approx(own["structure"])
    control = runs.distil(student(), photographs.CONTROL, 0.01)
    (own,), (near,) = (sweep.run(f, [control], store) for f in (runs.run, runs.near_trained))
    assert (abs(near["structure"] / own["structure"] - 1) > 1e-3).all()
    with pytest.raises(ValueError, match="no teacher"):
        runs.near_trained(replace(control, teacher=None, method="Vanilla", method_options=()))


def test_a_student_learns_from_the_teacher_of_its_seed(tmp_path):
    spec = replace(runs.distil(student(), "FitNet", 0.01), seed=1)
    store = Store(tmp_path)
    (fresh,) = sweep.run(runs.run, [spec], store)
    assert store.load(store.path(runs.run, replace(spec.teacher, seed=1)), spec.teacher)
    # Whether the teacher was there or had to be trained first changes nothing.
    store.path(runs.run, spec).unlink()
    (again,) = sweep.run(runs.run, [spec], store)
    assert digest(fresh.values) == digest(again.values)


def test_settings_that_a_run_would_ignore_are_refused():
    with pytest.raises(TypeError, match="annotation"):
        runs.Spec("Vanilla", annotation="full")


def test_weights_are_shares_of_the_hard_label_loss():
    assert choices.weight_grid({"CD": 400 / 30}, (0.1, 1.0)) == {"CD": {0.1: 1.3, 1.0: 13.0}}
    frame = tables.weights_table({"CD": 1.3, "PS": None})
    assert frame.weight.tolist() == ["1.3", "as released"]


def test_every_weight_is_chosen_from_the_same_grid_on_tuning_seeds(tmp_path):
    def size(spec):
        return {"hard": np.array(400.0), "term": np.array(40.0)}

    def value(spec):
        weight = dict(spec.method_options).get("weight")
        worse = abs(weight - 1.0) if weight else 5.0  # 1 is a share of 0.1
        return {"val": np.array(80.0 - worse + 0.1 * spec.seed)}

    seen = set()

    class Made(Setting):
        def run(self, function, specs):
            seen.update(spec.seed for spec in specs)
            found = size if function is runs.initial_sizes else value
            return [Record(spec, found(spec), {}) for spec in specs]

    folder = Made("quick", "cpu", 1, "data", Store(tmp_path), tmp_path)
    content = json.loads(json.dumps(record.RECORDS["tuning"](folder)))
    assert seen == set(choices.TUNING_SEEDS)
    assert min(seen) >= FIRST_TUNING_SEED
    assert set(content["chosen"]) == {*runs.TERMS, *runs.UNTRAINED}
    assert set(content["chosen"].values()) == {0.1}
    (tmp_path / "tuning.json").write_text(json.dumps(content))
    assert set(choices.chosen_weights(choices.choice(folder)).values()) == {1.0}
    assert all(each.values == choices.SCENE_SHARES for each in choices.tuned(content))
    assert tables.mean_validation(content)["CD"][0] == pytest.approx(80 - 5 + 100.1)


def test_a_share_of_nothing_is_a_weight_of_nothing():
    tuning = {"shares": [0.0, 0.1], "weights": {"CD": [0.0, 2.5]}, "chosen": {"CD": 0.0}}
    assert choices.chosen_weights(tuning) == {"CD": 0.0}
    assert set(choices.chosen_weights({}).values()) == {None}


def test_without_the_recorded_choice_there_are_no_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="make record"):
        choices.choice(Setting("quick", "cpu", 1, "data", Store(tmp_path), tmp_path))


def test_the_recorded_choice_is_that_of_the_present_grid():
    tuning = Chapter("l2d").recorded("tuning")
    if tuning is None:
        pytest.skip("not recorded")
    assert tuning["seeds"] == list(choices.TUNING_SEEDS)
    assert tuning["shares"] == list(choices.SCENE_SHARES)
    for name, rows in tuning["validation"].items():
        scores = {float(share): values for share, values in rows.items()}
        assert tuning["chosen"][name] == best(scores)


def test_an_untrained_teacher_has_the_initial_weights(tmp_path):
    spec = replace(runs.distil(student(), "CD, untrained teacher", 0.01), seed=3)
    found, made = runs.taught_by(spec), runs.build(replace(spec.teacher, seed=3))
    for ours, initial in zip(found.parameters(), made.parameters(), strict=True):
        torch.testing.assert_close(ours, initial)
    assert not runs.distil(student(), "CD", 0.01).untrained


def test_budgets_vary_one_thing_at_a_time():
    base = student()
    table = runs.budgets(base, (1, 2), "RKD", dict.fromkeys(runs.TERMS, 1.0))
    assert {key[:2] for key in table} == {
        *((name, "length") for name in ("Vanilla", "L2D")),
        *((name, "size") for name in ("Vanilla", "RKD", "L2D")),
    }
    assert table["L2D", "length", 2].epochs == 2
    assert table["L2D", "length", 2].network_options == base.network_options
    widths = [table["RKD", "size", size].network_options for size in runs.students(base)]
    assert len(set(widths)) == 3
    assert {spec.teacher for spec in table.values()} == {base.teacher}


def test_paper_profile_is_wired_to_the_papers_data():
    chapter = Chapter("l2d", "paper", "cpu", 1)
    assert list(runs.settings(chapter)) == ["voc2007", "coco2014", "nuswide"]
    for dataset, base in runs.settings(chapter).items():
        assert base.teacher.epochs < base.epochs == base.optimiser.cycle_epochs
        table = runs.table(base, choices.chosen_weights({}))
        assert {"teacher", "Vanilla", "ReviewKD", "L2D"} <= table.keys()
        for spec in table.values():
            assert spec.dataset == dataset
            assert spec.code()
            methods.create(spec.method, **dict(spec.method_options))


def test_review_distillation_finds_the_stages_of_a_resnet():
    teacher, student = (
        models.build(
            "label_decoder", 4, backbone=name, backbone_options=(("pretrained", False),),
            width=16, heads=2, hidden=16,
        )
        for name in ("resnet34", "resnet18")
    )  # fmt: skip
    _, options = runs.REVIEW_KD["ReviewKD"]
    method = methods.create("ReviewKD", width=8, **dict(options))
    method.start(Context(torch.ones(2, 4, dtype=torch.int8), teacher=teacher))
    method.prepare(student)
    logits, loss = method.step(student.train(), torch.rand(2, 3, 64, 64), torch.arange(2))
    assert logits.shape == (2, 4)
    assert torch.isfinite(loss)
    assert method._channels(student.features[0]) == [64, 128, 256, 512]


def test_agreement_tells_a_copy_from_equal_distances():
    draw = torch.Generator().manual_seed(0)
    labels = (torch.rand(12, 6, generator=draw) < 0.6).to(torch.int8)
    teacher, other = torch.randn(2, 12, 6, 5, generator=draw)
    kept = {"teacher": teacher, "copy": 3 * teacher + 1, "Vanilla": other}
    found = {name: [Record(None, {"embeddings": e.numpy()}, {})] for name, e in kept.items()}
    table = tables.agreement(found, ("copy", "Vanilla"), [labels])
    for kind in ("CD", "ID"):
        assert table.loc["copy", f"{kind}, correlation"] == "1.00"
        assert table.loc["copy", f"{kind}, loss"] == "0.00"
        assert float(table.loc["Vanilla", f"{kind}, correlation"]) < 0.5
        assert table.loc[tables.EQUAL, f"{kind}, correlation"] == "-"
        losses = [float(table.loc[name, f"{kind}, loss"]) for name in (tables.EQUAL, "Vanilla")]
        assert 0 < losses[0] < losses[1]


# -- the claims ------------------------------------------------------------------------------------


def scored(test, structure=1.0, **chosen):
    """Records of two seeds: one test score for all three measures, and the structure losses.

    The runs had the options that were ``chosen``.
    """
    by_seed = np.broadcast_to(structure, len(test))
    pairs = zip(test, by_seed, strict=True)
    values = ({"test": np.full(3, a), "structure": np.full(2, b)} for a, b in pairs)
    spec = SimpleNamespace(method_options=options(**chosen))
    return [Record(spec, found, {}) for found in values]


def groups(structure=0.5, weights=(), **scores):
    """All methods at 80 and 81, but for those given; their structure losses and those of LED.

    The weights of methods are 0.5, but for those given.
    """
    weights = dict.fromkeys(("MLD", "LED", *runs.TERMS, *runs.UNTRAINED), 0.5) | dict(weights)
    own = {name: {"weight": weight} for name, weight in weights.items()}
    own["L2D"] = dict(runs.full_l2d(student(), weights).method_options)
    names = ("teacher", "Vanilla", *runs.TERMS, *runs.UNTRAINED, "L2D")
    return {
        name: scored(
            scores.get(name, [80, 81]),
            structure if name == "LED" or name in scores else 1.0,
            **own.get(name, {}),
        )
        for name in names
    }


def outcomes(*rows):
    return {row.id: row.verdict.outcome for row in rows}


AHEAD, BEHIND, UNCLEAR = [82, 83.1], [79, 80.1], [78, 84]


@pytest.mark.parametrize(("ours", "outcome"), [(AHEAD, HOLDS), (BEHIND, FAILS), (UNCLEAR, OPEN)])
def test_claims_about_l2d_follow_its_lead(ours, outcome):
    found = groups(L2D=ours)
    rows = [
        *claims.claim_1(found),
        claims.claim_2(found),
        *claims.claim_3(found, ["FitNet", "RKD", "PKT"]),
    ]
    ids = ("1a", "1b", "1c", "2", "3a", "3b", "3c")
    assert outcomes(*rows) == dict.fromkeys(ids, outcome)


def test_each_rival_has_a_row_of_its_own():
    rows = claims.claim_3(groups(L2D=AHEAD, PKT=AHEAD), ["RKD", "PKT"])
    assert outcomes(*rows) == {"3a": HOLDS, "3b": FAILS}


@pytest.mark.parametrize(
    ("ours", "outcome"), [([79.8, 80.8], HOLDS), (BEHIND, FAILS), (UNCLEAR, OPEN)]
)
def test_logit_distillation_may_be_half_a_point_worse(ours, outcome):
    rows = claims.claim_4(groups(MLD=ours))
    assert outcomes(*rows) == dict.fromkeys(("4a", "4b", "4c"), outcome)


def all_rows(found):
    rows = [
        *claims.claim_1(found),
        claims.claim_2(found),
        *claims.claim_3(found, ["FitNet", "RKD", "PKT"]),
        *claims.claim_4(found),
        *claims.claim_5(found),
        *claims.claim_6(found),
        claims.claim_7(found),
        *claims.claim_10(found),
    ]
    return {row.id: row.as_dict() for row in rows}


@pytest.mark.parametrize(
    ("nothing", "ids"),
    [
        (("MLD",), "2 4a 4b 4c"),
        (("MSE",), "4b"),
        (("MLD", "MSE"), "2 4a 4b 4c"),
        (("FitNet",), "3a"),
        (("CD",), "5a 5c 10b"),
        (("LED",), "2 5c 5d 6a 6b 10d"),
        (("ID, untrained teacher",), "10c"),
        (("MLD", "LED"), "1a 1b 1c 2 3a 3b 3c 4a 4b 4c 5c 5d 6a 6b 7 10a 10d"),
    ],
)
def test_a_row_about_a_method_of_weight_0_is_not_testable(nothing, ids):
    rows = all_rows(groups(weights=dict.fromkeys(nothing, 0.0)))
    not_tested = [id for id, row in rows.items() if row["outcome"] == NOT_TESTABLE]
    assert not_tested == ids.split()
    assert all("Validation chose the weight 0 for " in rows[id]["why"] for id in not_tested)


def test_the_reason_names_the_method_and_the_row_that_asks_the_same():
    rows = all_rows(groups(weights={"MLD": 0.0, "MSE": 0.0, "ID, untrained teacher": 0.0}))
    reasons = {id: row["why"] for id, row in rows.items()}
    alone = "Validation chose the weight 0 for MLD: it is the student without distillation"
    assert reasons["2"] == f"{alone}, of which row 1a asks (tab-l2d-weights)."
    assert reasons["4a"] == reasons["4c"] == f"{alone} (tab-l2d-weights)."
    assert "for MLD and MSE: each of them is" in reasons["4b"]
    assert reasons["10c"].endswith("of which row 5b asks (tab-l2d-weights).")


@pytest.mark.parametrize(
    ("each", "together", "alone", "both"),
    [
        (AHEAD, [81.8, 82.9], HOLDS, HOLDS),
        (BEHIND, [78, 79.1], FAILS, FAILS),
        (UNCLEAR, AHEAD, OPEN, OPEN),
    ],
)
def test_cd_and_id_are_judged_alone_and_together(each, together, alone, both):
    rows = claims.claim_5(groups(CD=each, ID=each, LED=together))
    assert outcomes(*rows) == {"5a": alone, "5b": alone, "5c": both, "5d": both}


@pytest.mark.parametrize(("ours", "outcome"), [(AHEAD, HOLDS), (BEHIND, FAILS), (UNCLEAR, OPEN)])
def test_a_gain_is_credited_to_the_teacher_against_an_untrained_one(ours, outcome):
    found = outcomes(*claims.claim_10(groups(CD=ours, L2D=ours)))
    assert (found["10a"], found["10b"]) == (outcome, outcome)
    assert (found["10c"], found["10d"]) == (FAILS, FAILS)


@pytest.mark.parametrize(
    ("structure", "outcome"), [([0.7, 0.72], HOLDS), ([1.0, 1.01], FAILS), ([0.5, 1.0], OPEN)]
)
def test_structure_is_compared_with_that_of_the_vanilla_student(structure, outcome):
    assert outcomes(*claims.claim_6(groups(structure))) == {"6a": outcome, "6b": outcome}


@pytest.mark.parametrize(
    ("untrained", "outcome"), [([0.9, 0.92], HOLDS), ([0.7, 0.71], FAILS), ([0.5, 1.0], OPEN)]
)
def test_structure_is_credited_to_what_the_teacher_has_learnt(untrained, outcome):
    name = photographs.CONTROL
    control = {name: groups(untrained)["LED"]}
    rows = claims.claim_6_control(groups([0.7, 0.72]), control)
    assert outcomes(*rows) == {"6c": outcome, "6d": outcome}
    rows = claims.claim_6_control(groups([0.7, 0.72]), {})
    assert outcomes(*rows) == dict.fromkeys(("6c", "6d"), NOT_TESTABLE)


@pytest.mark.parametrize(("teacher", "outcome"), [(AHEAD, HOLDS), (BEHIND, FAILS), (UNCLEAR, OPEN)])
def test_the_teacher_is_compared_with_the_student(teacher, outcome):
    assert outcomes(claims.claim_7(groups(teacher=teacher))) == {"7": outcome}


def test_the_photographs_are_not_at_hand():
    assert outcomes(claims.claim_9()) == {"9": NOT_TESTABLE}


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(1.5, 0.1, HOLDS), (-1.5, 0.1, FAILS), (0.5, 4.0, OPEN)]
)
def test_students_without_labels_are_compared_in_count_and_rank(lead, spread, outcome):
    gain = np.array([lead, lead + spread])
    alone = {"MLD alone": scored(70 + gain), "Softmax KD alone": scored([70, 70])}
    errors = {"MLD alone": 5 - gain, "Softmax KD alone": np.array([5.0, 5.0])}
    same = dict.fromkeys(errors, np.array([5.0, 5.0]))
    found = outcomes(*claims.claim_8(alone, errors, same))
    assert found == {"8a": outcome, "8b": outcome, "8c": FAILS}
    assert outcomes(*claims.claim_8(alone, same, errors))["8c"] == outcome
    nowhere = dict.fromkeys(errors, np.array([np.nan, np.nan]))
    assert outcomes(*claims.claim_8(alone, errors, nowhere))["8c"] == NOT_TESTABLE


def test_a_cut_takes_out_an_offset_that_all_images_share():
    draw = np.random.default_rng(0)
    truth = (draw.random((200, 10)) < 0.4).astype(int)
    logits = 2.0 * truth - 1 + draw.uniform(-0.5, 0.5, truth.shape)
    of_image = draw.choice([-3.0, 3.0], (200, 1))
    assert tables.count_error([logits], [truth])[0] == 0
    for offset, error in ((4.0, 0.0), (4.0 + of_image, 1.0)):
        cut = tables.best_cut(logits + offset, truth)
        assert tables.count_error([logits + offset], [truth])[0] > 2
        assert (tables.count_error([logits + offset], [truth], [cut])[0] > 0) == bool(error)
    # Absent labels end at 3.5 now and present ones begin at 4.5: the cut is midway.
    assert tables.best_cut(logits + 4, truth) == pytest.approx(4, abs=0.02)
    assert np.isnan(tables.best_cut(logits[:0], truth[:0]))
    table = tables.alone_table(
        {"a": scored([80, 81])}, {"a": np.array([1.0, 2])}, {"a": np.array([np.nan, 1])}
    )
    assert table.loc["a"].tolist() == ["80.5 ± 0.7", "1.50 ± 0.71", "-"]


def test_students_without_labels_are_asked_on_validation_scenes(tmp_path):
    spec = runs.alone_table(student(), {"MLD": 1.0})["MLD alone"]
    (found,) = sweep.run(runs.run, [spec], Store(tmp_path))
    scores, truth = runs.validation_scores(found)
    assert scores.shape == truth.shape == (50, 10)
    assert float(found["val"]) == pytest.approx(
        float(mean_average_precision(torch.from_numpy(scores), torch.from_numpy(truth))), abs=1e-4
    )
    without = tuple(each for each in spec.data_options if each[0] != "val")
    nothing = replace(spec, data_options=(*without, ("val", 0)))
    assert runs.validation_scores(Record(nothing, {}, {}))[0].shape == (0, 10)


def test_the_figure_of_students_without_labels_names_the_teacher_beside_them():
    truth = np.array([[1, 1, 0, 0], [1, 1, 1, 0]])
    scores = {name: [truth - 0.5, truth - 0.5] for name in ("teacher", "MLD alone")}
    right = figures.draw_softmax([truth, truth], scores).axes[1]
    assert right.get_title() == "teacher, and students without labels"
    named = [text.get_text() for text in right.get_legend().get_texts()]
    assert named == ["teacher", "MLD alone", "right answer"]
    plt.close("all")

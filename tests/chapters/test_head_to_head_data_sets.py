"""Other data sets in the head to head: what is run, what is recorded, tables, claims."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from chapters.head_to_head import data_set_claims as claims
from chapters.head_to_head import data_set_tables as tables
from chapters.head_to_head import data_sets, entries, figures, runs, summary
from chapters.head_to_head.data_set_tables import Study
from chapters.head_to_head.tables import Scores

from weaklabels import methods
from weaklabels.lab.multilabel import Spec, annotate, load_splits, make_method, run
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.press.chapter import Chapter
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, NOT_TESTABLE, OPEN

SINGLE, HALF = runs.FIRST
NAMES = ("a", "b", "c", "d", "e", claims.PHOTOGRAPHS)
ROOM = Path(__file__).parents[2] / "book" / "chapters" / "head_to_head"

# -- runs -----------------------------------------------------------------------------------------


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Two tiny sets in Mulan's format; nowhere in the test file of the second is its last class."""
    for name, which in (("one", "flags"), ("two", "emotions")):
        _write(tmp_path / "mulan" / which, which, absent=name == "two")
    sets = {
        name: {
            "dataset": "mulan",
            "data_options": options(which=which, validation=0.4),
            "batch_size": 16,
        }
        for name, which in (("one", "flags"), ("two", "emotions"))
    }
    monkeypatch.setattr(data_sets, "DATA_SETS", sets)
    return Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def _write(folder: Path, which: str, absent: bool) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    labels = "".join(f'<label name="l{k}"></label>' for k in range(3))
    (folder / f"{which}.xml").write_text(f"<labels>{labels}</labels>")
    header = "@relation toy\n" + "".join(f"@attribute x{k} numeric\n" for k in range(4))
    header += "".join(f"@attribute l{k} {{0,1}}\n" for k in range(3)) + "@data\n"
    for part in ("train", "test"):
        x = rng.normal(size=(60, 4))
        y = (x[:, :3] > 0.3).astype(int)
        if absent and part == "test":
            y[:, 2] = 0
        y[:, 0] |= ~y.any(1)
        table = zip(x.round(3).tolist(), y.tolist(), strict=True)
        rows = (",".join(map(str, [*inputs, *truth])) for inputs, truth in table)
        (folder / f"{which}-{part}.arff").write_text(header + "\n".join(rows) + "\n")


@pytest.mark.parametrize("weak", runs.FIRST)
@pytest.mark.parametrize("name", entries.RANKED)
def test_every_method_is_what_it_is_on_scenes(setting: Setting, weak: str, name: str) -> None:
    base = data_sets.base_spec("one", setting)
    for knob in range(len(entries.METHODS[name].knobs)):
        spec = data_sets.vary(base, (weak, name), 1, 0.01, knob)
        scenes = entries.specify(entries.scene_spec(), name, weak, 1, 0.01, knob)
        kept = ("seed", "method", "annotation", "annotation_options", "optimiser", "epochs")
        assert all(getattr(spec, each) == getattr(scenes, each) for each in kept)
        assert spec.network == "mlp"
        if name != "nnPU":
            assert spec.method_options == scenes.method_options
    truth = load_splits(spec).train.y
    observed = torch.from_numpy(annotate(spec, truth.numpy()))
    assert isinstance(make_method(spec, observed, truth), methods.get(spec.method))


def test_known_share_is_that_of_the_data_set(setting: Setting) -> None:
    base = data_sets.base_spec("one", setting)
    spec = data_sets.vary(base, (SINGLE, "nnPU"), 3, 0.01, 0)
    truth = load_splits(spec).train.y.numpy()
    found = (annotate(spec, truth) == 1).sum() / truth.sum()
    assert dict(spec.method_options)["known_share"] == found
    half = data_sets.vary(base, (HALF, "nnPU"), 3, 0.01, 0)
    assert dict(half.method_options)["known_share"] == 0.5


def test_a_class_without_positives_is_left_out_of_the_mean(setting: Setting) -> None:
    record = run(data_sets.base_spec("two", setting))
    last = record["test_ap"][-1]
    assert last[2] == 0
    assert data_sets.mean_ap(last) == pytest.approx(last[:2].mean())
    held = data_sets.counts(data_sets.base_spec("two", setting))
    assert [held[f"classes in {part}"] for part in ("training", "test")] == [3, 2]
    assert (held["training images"], held["validation images"], held["test images"]) == (36, 24, 60)
    assert held["images without a positive"] == 0


def test_settings_are_chosen_on_tuning_seeds_by_the_last_epoch(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Spec] = []

    def run_all(self: Setting, function: Callable, specs: Iterable[Spec]) -> list[dict]:
        # The score is best at a rate of 0.06 and the last knob; the first epoch always has more.
        specs = list(specs)
        seen.extend(specs)
        return [
            {name: np.array([[99.0], [_score(spec)]]) for name in ("val_ap", "test_ap")}
            for spec in specs
        ]

    def _score(spec: Spec) -> float:
        alpha = dict(spec.method_options).get("alpha", 0.0)
        return 50 - abs(np.log(spec.optimiser.lr / 0.06)) + alpha + 0.001 * (spec.seed >= 1000)

    monkeypatch.setattr(Setting, "run", run_all)
    monkeypatch.setattr(data_sets, "RANKED", ("AN", "EM"))
    content = json.loads(json.dumps(data_sets.data_sets(setting)))
    assert len(content["rows"]) == 2 * (1 + 2 * 2)
    em = next(row for row in content["rows"] if row["method"] == "EM")
    rate, dial = em["tried"]
    assert (rate["setting"], rate["chosen"]) == ("learning rate", 0.06)
    assert list(rate["validation"]) == ["0.006", "0.02", "0.06", "0.2"]
    assert (dial["setting"], dial["chosen"]) == ("alpha", 10.0)
    assert em["last"] == [60.0, 60.0]
    assert [row["tried"][1:] for row in content["rows"] if row["method"] == "AN"] == [[]] * 4
    assert {spec.seed for spec in seen} == {100, 101, 1000, 1001}
    results = [spec for spec in seen if spec.seed < 1000]
    assert {spec.optimiser.lr for spec in results} == {0.06}


def test_the_record_in_miniature(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_sets, "RANKED", ("nnPU",))
    monkeypatch.delitem(data_sets.DATA_SETS, "one")
    content = data_sets.data_sets(replace(setting, seeds=1))
    assert set(content["data"]) == {"two"}
    assert len(content["rows"]) == 3
    assert all(0 < value <= 100 for row in content["rows"] for value in row["last"])


# -- a made-up record -----------------------------------------------------------------------------


def made(shift: Callable[[str, str, str], float] = lambda weak, where, name: 0.0) -> dict:
    """A record in which the methods follow each other in steps of a point, in the same order."""
    cells = [("-", entries.ALL_LABELS), *((w, name) for w in runs.FIRST for name in entries.RANKED)]
    rows = []
    for i, where in enumerate(NAMES):
        for weak, name in cells:
            place = -1 if weak == "-" else entries.RANKED.index(name)
            score = 50.0 + 5 * i - place + shift(weak, where, name)
            rows.append(
                {
                    "data set": where,
                    "weakening": weak,
                    "method": name,
                    "tried": _made_tried(name, score),
                    "last": [score - 0.1, score + 0.1],
                }
            )
    return {
        "what": "made up",
        "command": "make record",
        "provenance": {"date": "2026-01-01", "torch": "2.0"},
        "protocol": {
            "network": "MLP",
            "optimiser": "Adam",
            "epochs": 12,
            "batch_size": dict.fromkeys(NAMES, 32),
            "rates": [0.01, 0.1],
            "seeds": [100, 101],
            "tuning_seeds": [1000, 1001],
        },
        "data": {name: {"test images": 1200, "classes": 3} for name in NAMES},
        "differences": ["A difference."],
        "rows": rows,
    }


def _made_tried(name: str, score: float) -> list[dict]:
    rate = {"setting": "learning rate", "chosen": 0.1, "validation": {"0.01": 1.0, "0.1": score}}
    if name not in entries.METHODS or not entries.METHODS[name].dial:
        return [rate]
    values = entries.METHODS[name].values
    validation = {f"{values[0]:g}": score, f"{values[1]:g}": score - 1}
    dial = {"setting": entries.METHODS[name].dial, "chosen": values[0], "validation": validation}
    return [rate, dial]


def scenes(sign: float = 1.0) -> Scores:
    """Scores on scenes, in the order of the made-up record, or in the opposite one."""
    return {
        (weak, name): sign * (90.0 - i) + np.array([-0.1, 0.1, 0.0])
        for weak in runs.FIRST
        for i, name in enumerate(entries.RANKED)
    }


def test_tables_of_the_record() -> None:
    study = Study(made())
    shown = tables.set_scores(study)
    assert shown.columns.tolist() == list(NAMES)
    assert shown.loc[(SINGLE, "AN"), "a"] == "50.0 ± 0.1"
    assert shown.loc[(HALF, entries.ALL_LABELS), "b"] == "56.0 ± 0.1"
    chosen = tables.chosen_settings(study)
    assert chosen.loc[(SINGLE, "AN"), "a"] == "0.1*"
    assert chosen.loc[(SINGLE, "EM"), "a"] == "0.1*; 0"
    assert chosen.loc[("-", entries.ALL_LABELS), claims.PHOTOGRAPHS] == "0.1*"
    assert tables.data_table(made()).loc["test images", "a"] == "1,200"
    assert "numbered from 1000" in tables.note(made())


def test_ranks_are_over_data_sets_and_the_scenes() -> None:
    study = Study(made())
    over = tables.rankings(study, scenes())
    assert [each.tasks for each in over.values()] == [7, 7]
    assert all(each.names == entries.RANKED for each in over.values())
    figures.draw_critical(over).canvas.draw()
    text = tables.findings(study, scenes())
    assert "7 data sets, the scenes among them" in text
    table = tables.order_table(study, scenes(-1.0))
    assert table.loc["a", SINGLE] == "-1.00"
    assert table.loc["mean ranks", HALF] == "-1.00 [-1.00, -1.00]"
    assert table.loc["between two sets", HALF] == "1.00"


def test_without_a_record_everything_says_so() -> None:
    assert tables.read(None) is None
    assert NOT_RECORDED in tables.note(None)
    assert NOT_RECORDED in tables.findings(None, scenes())
    assert tables.rankings(None, scenes()) == {}
    for table in (
        tables.data_table(None),
        tables.set_scores(None),
        tables.chosen_settings(None),
        tables.order_table(None, scenes()),
    ):
        assert table.empty
    assert set(outcomes(None).values()) == {NOT_TESTABLE}


# -- claims ---------------------------------------------------------------------------------------


def outcomes(study: Study | None, on_scenes: Scores | None = None) -> dict[str, str]:
    rows = [
        *claims.claim_18(study),
        claims.claim_19(study),
        claims.claim_20(study),
        claims.claim_21(study),
        claims.claim_22(study),
        claims.claim_23(study),
        *claims.claim_24(study, on_scenes or scenes()),
    ]
    return {row.id: row.verdict.outcome for row in rows}


def ahead(lead: float, *names: str, spread: float = 0.0) -> Study:
    """A study in which AN has 50 points, some methods so many more, all others 20 less.

    ``spread``: half of the distance between the lead on every other data set.
    """

    def shift(weak: str, where: str, name: str) -> float:
        if weak == "-":
            return 0.0
        level = -20.0 if name != "AN" else 0.0
        if name in names:
            level = lead + spread * (-1) ** NAMES.index(where)
        return level + entries.RANKED.index(name)

    return Study(made(shift))


def test_single_methods_are_compared_with_an_over_data_sets() -> None:
    names = ("EM", "LL-R", "BCE on known")
    ids = ("18a", "18b", "19", "20")
    # Worth a point where the paper gives an effect, else half a point.
    for lead, spread, expected in (
        (2.0, 0.1, (HOLDS,) * 4),
        (0.0, 0.1, (FAILS,) * 4),
        (0.7, 0.01, (HOLDS,) * 4),
        (-0.2, 1.0, (FAILS, OPEN, FAILS, FAILS)),
        (0.5, 3.0, (OPEN,) * 4),
    ):
        found = outcomes(ahead(lead, *names, spread=spread))
        assert tuple(found[id] for id in ids) == expected, (lead, spread)
    row = claims.claim_18(ahead(2.0, "EM"))[0]
    (part,) = row.verdict.parts
    assert (part.worth, part.paper_effect, part.seeds) == (1.0, 4.1, len(NAMES))


def test_bce_on_known_may_be_a_point_behind_the_best_of_the_others() -> None:
    assert outcomes(ahead(-0.5, "BCE on known"))["21"] == HOLDS
    assert outcomes(ahead(-1.5, "BCE on known"))["21"] == FAILS
    assert outcomes(ahead(-1.0, "BCE on known", spread=0.5))["21"] == OPEN


def test_the_best_of_two_kinds_are_compared() -> None:
    found = outcomes(ahead(2.0, "ROLE", "EM"))
    assert (found["22"], found["23"]) == (FAILS, FAILS)
    found = outcomes(ahead(2.0, "ROLE"))
    assert (found["22"], found["23"]) == (HOLDS, FAILS)
    found = outcomes(ahead(2.0, "EM"))
    assert (found["22"], found["23"]) == (FAILS, HOLDS)
    assert outcomes(ahead(0.5, "EM", spread=3.0))["23"] == OPEN


def test_the_favourite_is_that_of_the_validation_images_of_each_set() -> None:
    record = made()
    for row in record["rows"]:
        if (row["method"], row["data set"]) == ("EPR", "b"):
            row["tried"][-1]["validation"]["0.1"] = 99.0
    study = Study(record)
    assert study.favourites(SINGLE, ("AN", "EPR")) == dict.fromkeys(NAMES, "AN") | {"b": "EPR"}
    scores = study.scores(SINGLE)
    assert study.best_of(SINGLE, ("AN", "EPR"))[1] == pytest.approx(scores["b", "EPR"].mean())


def test_orders_agree_or_not() -> None:
    study = Study(made())
    found = outcomes(study)
    ids = [f"24{letter}" for letter in "abcd"]
    assert [found[id] for id in ids] == [HOLDS] * 4
    found = outcomes(study, scenes(-1.0))
    assert [found[id] for id in ids] == [FAILS] * 4
    mixed = {
        (weak, name): np.array([7.0 * i % 16, 7.0 * i % 16])
        for weak in runs.FIRST
        for i, name in enumerate(entries.RANKED)
    }
    assert outcomes(study, mixed)["24a"] == OPEN
    assert "between two of the data sets 1.00" in claims.claim_24(study, scenes())[0].verdict.ours


def test_questions_of_both_places_name_rows_that_exist() -> None:
    known = set(outcomes(None))
    assert {places[claims.OTHERS] for places in claims.FINDINGS.values()} <= known
    recorded = {row["id"] for row in Chapter("head_to_head").recorded("claims")}
    assert {places[claims.SCENES] for places in claims.FINDINGS.values()} <= recorded


def test_the_answers_name_rows_that_are_recorded() -> None:
    recorded = json.loads((ROOM / "recorded" / "claims.json").read_text(encoding="utf-8"))
    ids = {id for rows in summary.QUESTIONS.values() for id in rows}
    assert ids <= {row["id"] for row in recorded}
    assert summary.summary({"6": "open", "24a": "holds", "24b": "holds"}) == (
        "- The orders of the methods under two weakenings go together: **open** (6).\n"
        "- The orders of the methods on scenes and on other data, photographs among them, go "
        "together: **holds** (24a, 24b)."
    )

"""CDCR on photographs and on real candidates: its recorders in miniature, and what is read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from chapters.cdcr import figures, photograph_claims, real_candidates, record, runs, tables
from matplotlib import pyplot as plt

from tests.chapters.small_photographs import miniature
from tests.library import tiny_datasets as tiny
from weaklabels.lab import photographs
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_RECORDED, NOT_TESTABLE, OPEN

METHODS = ("BCE", "CDCR", "True labels")
"""Those that are run here."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        setting = miniature(tmp_path_factory.mktemp("voc"), patch, seeds=1)
        usual = photographs.photographs
        own = {"network_options": options(pretrained=False)}
        patch.setattr(photographs, "photographs", lambda setting: usual(setting) | own)
        patch.setattr(photographs, "EPOCHS", 2)
        patch.setattr(runs, "METHODS", METHODS)
        for name, value in {"RATES": (1e-4,), "FIRST_EPOCHS": 1}.items():
            patch.setattr(record, name, value)
        yield record.on_photographs(setting)


def test_every_method_is_recorded_at_both_rates(recorded):
    found = [(row["name"], row["rate"]) for row in recorded["rows"]]
    low, high = record.NOISE
    assert found == [
        *((name, low) for name in METHODS),
        *((name, high) for name in METHODS if name != "True labels"),
    ]
    assert json.loads(json.dumps(recorded, allow_nan=False)) == recorded
    for row in recorded["rows"]:
        assert [each["setting"] for each in row["tried"]] == ["learning rate"]
        assert recorded["first stage"][row["row"]]["chosen"] == 1e-4


def test_all_candidates_are_selected_without_a_rule(recorded):
    for row in recorded["rows"]:
        if row["name"] != "CDCR":
            assert row["selection"]["recall"] == [[100.0, 100.0]]
        purity = np.array(row["selection"]["purity"])
        assert (purity == 100).all() == (row["name"] == "True labels")


@pytest.fixture
def setting(tmp_path):
    """A setting with a tiny MirFlickr: one feature a class, and every second wrong label."""
    tiny.mirflickr(tmp_path)
    return Setting("quick", "cpu", 2, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def test_real_candidates_are_those_of_the_file(setting):
    spec = real_candidates.mirflickr(setting.data_root, {})["BCE"]
    short = replace(spec, epochs=2)
    found = real_candidates.run(short)
    assert found["test_ap"].shape == found["val_ap"].shape == (2, 3)
    assert found["tally"].sum((1, 2, 3, 4)).tolist() == [120 * 3] * 2
    assert found["tally"][..., 0, 1, :].sum() == 0
    given = real_candidates.load_splits(short).train
    assert found["tally"][0][:, 1, 1].sum() == given.extra["candidates"].sum()
    truth = real_candidates.run(replace(short, told="truth"))
    assert truth["tally"][0][:, 1, 1, 0].sum() == 0


def test_the_selection_begins_after_the_warm_up(setting):
    spec = real_candidates.mirflickr(setting.data_root, {})["CDCR"]
    found = real_candidates.run(replace(spec, epochs=real_candidates.WARM_UP + 1))
    left_out = found["tally"][:, :, 0, 1].sum((1, 2))
    assert (left_out[:-1] == 0).all()
    assert left_out[-1] > 0


def test_mirflickr_is_recorded_with_what_was_tried(setting, monkeypatch):
    monkeypatch.setattr(record, "MIRFLICKR_SEEDS", range(100, 102))
    monkeypatch.setattr(runs, "TUNING_SEEDS", range(1000, 1001))
    few = {name: (option, values[:2]) for name, (option, values) in record.DIALS.items()}
    monkeypatch.setattr(record, "DIALS", few)
    monkeypatch.setattr(real_candidates, "RATES", (1e-2,))
    usual = real_candidates.mirflickr
    short = lambda *given: {n: replace(s, epochs=6) for n, s in usual(*given).items()}  # noqa: E731
    monkeypatch.setattr(real_candidates, "mirflickr", short)
    found = record.mirflickr(setting)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [row["row"] for row in found["rows"]] == list(real_candidates.METHODS)
    for row in found["rows"]:
        dial = real_candidates.DIALS.get(row["row"], ())[:1]
        assert [each["setting"] for each in row["tried"]] == ["learning rate", *dial]
        assert {len(each["validation"]) for each in row["tried"][1:]} <= {2}
        assert len(row["last"]) == 2
    assert found["data"]["true among the candidates (%)"] < 100


# -- what is read from the records ----------------------------------------------------------------


def made_up(lead=2.0, spread=0.1, purer=5.0, grows=3.0, warm_up=0):
    """Rows of three seeds: after a warm-up CDCR is ahead, its selection purer and growing by so
    much."""
    wobble = spread * np.array([-1.0, 0.0, 1.0])

    def row(ours):
        more = wobble[:, None] * ours
        purity = np.array([[50.0, 52.0]] * 3) + purer * ours + more
        recall = np.array([[80.0, 80.0 + grows]] * 3) + more * np.array([0, 1])
        purity = np.hstack([np.full((3, warm_up), 50.0), purity])
        recall = np.hstack([np.full((3, warm_up), 100.0), recall])
        curves = {"purity": purity, "recall": recall, "selected": recall / 10}
        curves |= {f"{name} by class": curves[name] for name in ("purity", "recall")}
        return {
            "last": (np.array([60.0, 61.0, 62.0]) + lead * ours + wobble * ours).tolist(),
            "best": (np.array([61.0, 62.0, 63.0]) + lead * ours + wobble * ours).tolist(),
            "by class": [[10.0 + ours, 20.0]] * 3,
            "selection": {name: each.tolist() for name, each in curves.items()},
        }

    kept = dict(zip(real_candidates.METHODS, (0, 0, 0, 1, 0), strict=True))
    return {name: row(ours) for name, ours in kept.items()}


def on_photographs(**chosen):
    return {
        (name, rate): row
        for rate in photograph_claims.NOISE
        for name, row in made_up(**chosen).items()
    }


def on_mirflickr(**chosen):
    return made_up(**chosen, warm_up=real_candidates.WARM_UP)


def decided(rows, mirflickr):
    parts = [getattr(photograph_claims, f"claim_{number}") for number in range(16, 21)]
    found = [row for part in parts for row in part(rows)] + photograph_claims.claim_21(mirflickr)
    return {row.id: row.verdict.outcome for row in found}


@pytest.mark.parametrize(
    ("lead", "spread", "outcome"), [(2.0, 0.1, HOLDS), (-2.0, 0.1, FAILS), (0.0, 3.0, OPEN)]
)
def test_rows_about_scores_follow_the_lead(lead, spread, outcome):
    chosen = {"lead": lead, "spread": spread}
    found = decided(on_photographs(**chosen), on_mirflickr(**chosen))
    ids = (
        "16a",
        "16b",
        "16c",
        "16d",
        "17a",
        "17b",
        "17e",
        "17f",
        "18a",
        "18b",
        "21a",
        "21b",
        "21e",
    )
    assert {found[id] for id in ids} == {outcome}
    assert {found[id] for id in ("17c", "17d", "17g", "17h", "21c")} == {
        FAILS
    }  # one threshold is level with BCE


@pytest.mark.parametrize(("more", "outcome"), [(5.0, HOLDS), (-5.0, FAILS)])
def test_rows_about_the_selection_look_at_its_curves(more, outcome):
    chosen = {"purer": more, "grows": more}
    found = decided(on_photographs(**chosen), on_mirflickr(**chosen))
    assert {found[id] for id in ("19a", "19b", "20a", "20b", "21d")} == {outcome}


def test_class_difficulty_may_be_a_little_below():
    found = decided(on_photographs(lead=-0.3), on_mirflickr(lead=-0.3))
    assert found["18a"] == found["18b"] == found["21e"] == HOLDS


def test_tables_and_figures_show_what_was_recorded():
    rows, mirflickr = on_photographs(), on_mirflickr()
    table = tables.recorded_table(rows, ("method", "rate"))
    assert table.loc[("CDCR", 0.1), "mAP, last epoch"] == "63.0 ± 1.1"
    assert (
        "best"
        not in tables.recorded_table(
            {
                name: {k: v for k, v in row.items() if k != "best"}
                for name, row in mirflickr.items()
            },
            ("method",),
        ).columns.str.cat()
    )
    for fig in (
        figures.draw_photograph_selection(rows),
        figures.draw_photograph_classes(rows, {"a": 3, "b": 9}),
        figures.draw_mirflickr_selection(mirflickr),
    ):
        assert all(ax.get_lines() for ax in fig.axes)
        plt.close(fig)


def test_without_a_record_everything_says_so():
    rows, mirflickr = tables.photograph_rows(None), tables.mirflickr_rows(None)
    assert tables.recorded_table(rows, ("method", "rate")).empty
    for fig in (
        figures.draw_photograph_selection(rows),
        figures.draw_photograph_classes(rows, {}),
        figures.draw_mirflickr_selection(mirflickr),
    ):
        assert NOT_RECORDED in [text.get_text() for text in fig.axes[0].texts]
        plt.close(fig)
    found = decided(rows, mirflickr)
    assert set(found.values()) == {NOT_TESTABLE}
    assert len(found) == 23

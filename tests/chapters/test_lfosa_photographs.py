"""LfOSA on photographs: what is run, and rows on made-up records."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from chapters.lfosa import claims, figures, record, runs, summary, tables

from tests.chapters.small_photographs import coarse_pixels
from weaklabels import data
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.press.chapter import Chapter

BEST = 0.01
ROUNDS = 6


@pytest.fixture
def setting(tmp_path):
    return Setting("quick", "cpu", 3, str(tmp_path), Store(tmp_path / "runs"), tmp_path)


def splits(images, classes=10):
    """A dataset of random images of 32 x 32 pixels."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.integers(1, 255, (images, 3, 32, 32), dtype=np.uint8))
    part = data.Split(x, torch.arange(images) % classes)
    return data.Splits(tuple("abcdefghij"), part, None, part)


@pytest.fixture
def small(monkeypatch):
    """CIFAR-10 and Fashion-MNIST of a few random images."""
    grey = torch.full((100, 1, 28, 28), 255, dtype=torch.uint8)
    clothes = data.Split(grey, torch.zeros(100, dtype=torch.int64))
    monkeypatch.setattr(runs, "load_splits", lambda _: splits(60))
    loaded = data.Splits(("a",), clothes, None, clothes)
    monkeypatch.setattr(data, "load", lambda *_, **__: loaded)
    monkeypatch.setattr(runs, "extracted", coarse_pixels)


def test_far_images_take_the_place_of_the_unknown_ones(small):
    pools = runs.small_photographs(Chapter("lfosa", "quick"))
    near, far = (runs.load_task(replace(pools[runs.POOLS[k]], features="")) for k in (0, 2))
    assert (near.y < 4).sum() == (far.y < 4).sum() == 24
    assert len(near.y) == len(far.y)
    unknown = far.x[far.y == 4]
    assert unknown.shape == (36, 3, 32, 32)
    assert (unknown[:, :, 2:-2, 2:-2] == 255).all()
    assert (unknown[:, :, :2] == 0).all()
    assert set(far.kind[far.y.numpy() == 4]) == {-1}
    # The same photographs are labelled at first.
    assert torch.equal(near.x[near.initial], far.x[far.initial])
    assert torch.equal(near.test_x, far.test_x)


def test_pools_run_on_features_as_in_the_record(small):
    network = options(inputs=48, hidden=(8, 4))
    for title, task in runs.small_photographs(Chapter("lfosa", "quick", data_root="data")).items():
        spec = replace(task, initial=0.5, budget=10, rounds=2, steps=2, network_options=network)
        assert runs.load_task(spec).x.shape == (60, 48)
        found = runs.run(runs.vary(spec, "LfOSA"))
        assert found["queried"].sum() == 20, title
        assert 0 <= runs.held_out_accuracy(replace(spec, budget=5))["validation"] <= 100


def test_the_far_dataset_is_part_of_what_a_run_depends_on():
    pools = runs.small_photographs(Chapter("lfosa", "quick"))
    assert tuple(pools) == runs.POOLS
    far = pools[runs.POOLS[2]].code()
    assert far == [data.loader("cifar10"), data.loader("fashion_mnist")]


@pytest.fixture
def recorded(setting, monkeypatch, small):
    asked = []

    def run_all(self, function, specs):
        specs = list(specs)
        asked.extend((function, spec) for spec in specs)
        return [made_up(function, spec) for spec in specs]

    monkeypatch.setattr(Setting, "run", run_all)
    return record.RECORDS["cifar10"](setting), asked


def made_up(function, spec):
    if function is runs.held_out_accuracy:
        score = 60 - abs(spec.optimiser.lr - BEST)
        return Record(spec, {"validation": np.array(score)}, {})
    assert function is runs.run
    return made(0.5 + spec.seed / 1e4)


def made(value, *, first=None, accuracy=0.6, same=0.6, classes=4):
    """A run: precision ``value`` from the second round on."""
    precision = np.full(ROUNDS, float(value))
    precision[0] = value if first is None else first
    values = {
        "precision": precision,
        "recall": np.linspace(0.1, value, ROUNDS),
        "accuracy": np.full(ROUNDS, 100.0 * accuracy),
        "counts": np.full((ROUNDS + 1, classes), 50),
        "same_counts": np.array(100.0 * same),
    }
    return Record(None, values, {})


def test_the_rate_is_chosen_for_all_with_a_seed_of_its_own(recorded):
    found, asked = recorded
    assert {tried["chosen"] for tried in found["tried"]} == {BEST}
    tuning = [spec for function, spec in asked if function is runs.held_out_accuracy]
    reported = [spec for function, spec in asked if function is runs.run]
    assert {spec.seed for spec in tuning} == {1000, 1001, 1002}
    assert {spec.optimiser.lr for spec in tuning} == set(record.LEARNING_RATES)
    assert {spec.optimiser.lr for spec in reported} == {BEST}
    assert {spec.seed for spec in reported} == {100, 101, 102}
    assert len(reported) == len(runs.POOLS) * len(runs.ON_PHOTOGRAPHS) * 3


def test_the_record_fills_tables_figure_and_text(recorded):
    found, _ = recorded
    groups = tables.recorded_groups(found)
    assert list(groups) == list(runs.POOLS)
    assert list(groups[runs.POOLS[0]]) == list(runs.ON_PHOTOGRAPHS)
    one = groups[runs.POOLS[0]]["LfOSA"]
    np.testing.assert_allclose(tables.mean_precision(one), [51.0, 51.01, 51.02])
    assert tables.recorded_scores(groups).shape == (15, 6)
    pools = tables.recorded_pools(found)
    assert list(pools) == list(runs.POOLS)
    assert list(pools.loc["chosen"]) == ["0.01"] * 3
    first, *others = found["tried"]
    wider = first | {"validation": first["validation"] | {"0.004": [1.0, 3.0, 2.0]}}
    pools = tables.recorded_pools(found | {"tried": [wider, *others]})
    assert list(pools.loc["rate 0.004"]) == ["2.0 ± 1.0", "-", "-"]
    assert [*pools.index].index("rate 0.004") == [*pools.index].index("rate 0.003") + 1
    assert len(figures.draw_recorded(groups).axes) == 9
    assert tables.recorded_findings(groups).count("\n") == 2


ROWS = (
    *(claims.claim_13, claims.claim_14, claims.claim_15),
    *(claims.claim_16, claims.claim_17, claims.claim_18, claims.claim_20),
)


def test_without_a_record_everything_says_so():
    assert tables.recorded_groups(None) == {}
    assert tables.recorded_scores({}).empty
    assert tables.recorded_pools(None).empty
    assert tables.recorded_findings({}) == tables.NOT_YET
    assert figures.draw_recorded({}).axes[0].texts[0].get_text() == tables.NOT_YET
    rows = [row for claim in ROWS for row in claim({})]
    assert {row.verdict.outcome for row in rows} == {"not testable here"}
    assert {row.id for row in rows} <= {id for ids in summary.QUESTIONS.values() for id in ids}


# -- claims ---------------------------------------------------------------------------------------


def several(*values, **more):
    return [
        made(value, **{name: of[i] for name, of in more.items()}) for i, value in enumerate(values)
    ]


WIDE = (0.20, 0.95, 0.55)


def pools(**changed):
    """LfOSA is pure and gets purer; its balanced form and random examples are more accurate."""
    low, high = (0.30, 0.31, 0.32), (0.90, 0.91, 0.92)
    groups = {
        "Random": several(0.40, 0.41, 0.42, accuracy=low),
        "Uncertainty": several(*low, accuracy=low),
        "Coreset": several(*low, accuracy=low),
        "LfOSA": several(*high, first=low, accuracy=(0.6, 0.61, 0.62), same=(0.7, 0.71, 0.72)),
        runs.BALANCED: several(*high, accuracy=(0.7, 0.71, 0.72)),
    }
    return dict.fromkeys(runs.POOLS, groups | changed)


@pytest.mark.parametrize(
    ("claim", "strategy", "fails", "undecided"),
    [
        (13, "Coreset", several(0.95, 0.96, 0.97), several(*WIDE)),
        (
            14,
            "Random",
            several(*WIDE, accuracy=(0.8, 0.81, 0.82)),
            several(*WIDE, accuracy=(0.3, 0.95, 0.6)),
        ),
        (15, "Uncertainty", several(0.5, 0.51, 0.52), several(*WIDE)),
        (
            16,
            "LfOSA",
            several(0.9, 0.9, 0.9, first=(0.95, 0.96, 0.95)),
            several(0.9, 0.9, 0.9, first=WIDE),
        ),
        (
            17,
            runs.BALANCED,
            several(*WIDE, accuracy=(0.5, 0.51, 0.52)),
            several(*WIDE, accuracy=WIDE),
        ),
        (
            18,
            "LfOSA",
            several(*WIDE, accuracy=(0.8, 0.8, 0.8)),
            several(*WIDE, accuracy=WIDE),
        ),
    ],
)
def test_rows_hold_fail_and_stay_open(claim, strategy, fails, undecided):
    rule = getattr(claims, f"claim_{claim}")
    for groups, outcome in (
        (pools(), "holds"),
        (pools(**{strategy: fails}), "fails"),
        (pools(**{strategy: undecided}), "open"),
    ):
        rows = rule(groups)
        assert [row.id for row in rows] == [f"{claim}{letter}" for letter in "abc"]
        assert {row.verdict.outcome for row in rows} == {outcome}

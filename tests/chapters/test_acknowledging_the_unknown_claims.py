"""What decides the claims of *Acknowledging the Unknown*, on records made up for it."""

import numpy as np
import pytest
from chapters.acknowledging_the_unknown import claims, runs, study_claims

from weaklabels.lab.store import Record
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

SMALL = np.array([0.0, 0.1, 0.2, 0.1, 0.0, 0.2])
WIDE = np.array([-6.0, 7.0, -5.0, 6.0, -7.0, 5.0])

LEVEL = dict.fromkeys(runs.ROWS, 70) | {"EM": 80, "DW": 72, "LS": 71, "N-LS": 72.5, "EntMin": 50}
LEVEL |= {runs.FULL: 80.2, runs.ALL_NEGATIVES: 81}
SCENES = {row: value + SMALL[::-1] for row, value in LEVEL.items()}
PHOTOGRAPHS = {row: 70 + SMALL[::-1] for row in runs.ROWS if row != "ROLE+LI"}


def outcomes(rows):
    return [row.verdict.outcome for row in rows]


@pytest.mark.parametrize(
    ("claim", "change", "wanted"),
    [
        (claims.claim_1, {}, HOLDS),
        (claims.claim_1, {"EM": 70 + SMALL}, FAILS),
        (claims.claim_1, {"EM": 70 + WIDE}, OPEN),
        (claims.claim_2, {}, HOLDS),
        (claims.claim_2, {"DW": 85 + SMALL}, FAILS),
        (claims.claim_2, {"DW": 80 + WIDE}, OPEN),
        (claims.claim_3, {}, HOLDS),
        (claims.claim_3, {"ASL": 85 + SMALL}, FAILS),
        (claims.claim_3, {"ROLE+LI": 80 + WIDE}, OPEN),
        (claims.claim_5, {runs.ALL_NEGATIVES: 70 + SMALL}, HOLDS),
        (claims.claim_5, {}, FAILS),
        (claims.claim_5, {"EM": 81 + WIDE}, OPEN),
        (claims.claim_6, {}, HOLDS),
        (claims.claim_6, {runs.FULL: 81 + SMALL}, FAILS),
        (claims.claim_6, {"EM": 80 + WIDE}, OPEN),
        (claims.claim_7, {}, HOLDS),
        (claims.claim_7, {"EntMin": 66 + SMALL}, FAILS),
        (claims.claim_7, {"EntMin": 66 + WIDE}, OPEN),
    ],
)
def test_claims_about_the_benchmark(claim, change, wanted):
    first, second = claim(SCENES | change, PHOTOGRAPHS)
    assert first.verdict.outcome == wanted
    assert second.verdict.outcome == (HOLDS if claim is claims.claim_6 else FAILS)
    assert {part.name for part in second.verdict.parts}.isdisjoint({"EM over ROLE+LI"})
    assert "ROLE+LI" not in second.claim


def test_comparisons_carry_the_effect_of_the_paper():
    assert claims.claim_1(SCENES, PHOTOGRAPHS)[0].verdict.parts[0].paper_effect == 3.2
    narrow = [part.worth for part in claims.claim_3(SCENES, PHOTOGRAPHS)[0].verdict.parts]
    assert narrow == pytest.approx([0.75, 0.665, 0.66, 0.415])


def test_claim_about_pseudo_labels():
    level = {"EM": 80 + SMALL, "EM+APL": 80.5 + SMALL[::-1]}
    lower, wide = level | {"EM+APL": 79 + SMALL}, level | {"EM+APL": 80 + WIDE}
    rows = claims.claim_4({"best": level, "last": lower}, {"best": wide, "last": level})
    assert outcomes(rows) == [HOLDS, OPEN, FAILS, HOLDS]
    assert [row.verdict.parts[0].paper_effect for row in rows] == [0.1, 0.1, None, None]


def test_claims_about_simple_repairs():
    rows = claims.claim_8(SCENES, PHOTOGRAPHS)
    assert [row.id for row in rows] == ["8a", "8b", "8c", "8d", "8e", "8f"]
    assert outcomes(rows) == [HOLDS, HOLDS, HOLDS, HOLDS, FAILS, NOT_TESTABLE]
    better = SCENES | {"N-LS": 75 + SMALL, "L1R": 71 + SMALL, "LS": 69 + SMALL}
    assert outcomes(claims.claim_8(better, PHOTOGRAPHS))[:4] == [FAILS, HOLDS, FAILS, FAILS]
    loose = SCENES | {"DW": 72 + WIDE, "L1R": 70 + WIDE, "LS": 71 + WIDE}
    assert outcomes(claims.claim_8(loose, PHOTOGRAPHS))[:4] == [OPEN, HOLDS, OPEN, OPEN]


def test_claims_about_annotated_labels():
    high, low = np.full((6, 10), 0.9), np.full((6, 10), 0.1)
    mixed = np.concatenate([high[:4], low[:2]])
    for an, em, wanted in ((high, low, HOLDS), (low, high, FAILS), (mixed, high / 2, OPEN)):
        assert claims.claim_9a({"AN": an, "EM": em}).verdict.outcome == wanted
    up = np.tile(np.arange(10.0), (6, 1))
    some = np.concatenate([up[:4], -up[:2]])
    for curve, wanted in ((up, HOLDS), (-up, FAILS), (some, OPEN)):
        assert claims.claim_9b(curve, epochs=2).verdict.outcome == wanted


def test_claims_about_classes():
    high, low = np.full((6, 20), 0.9), np.full((6, 20), 0.1)
    some = high.copy()
    some[0, 0] = np.nan
    lacking = np.where(np.isnan(some), some, 0.1)
    loose = high.copy()
    loose[::2, :4] = 0.0
    for em, an, wanted in ((some, lacking, HOLDS), (low, high, FAILS), (loose, low, OPEN)):
        both = {place: {"EM": em, "AN": an} for place in claims.LOOKS}
        assert outcomes(claims.claim_10(both)) == [wanted] * 2
    for gain, wanted in ((high, HOLDS), (-high, FAILS), (loose, OPEN)):
        rows = claims.claim_12(dict.fromkeys(claims.LOOKS, gain))
        assert outcomes(rows) == [wanted] * 2
        assert [row.figure for row in rows] == ["fig-atu-class-gain", "fig-atu-voc-class-gain"]
    assert claims.claim_13().verdict.outcome == HOLDS


def test_claims_about_densities():
    em, an = np.array([[0.95, 0.5]] * 6), np.array([[0.2, 0.01]] * 6)
    scenes, photographs = claims.LOOKS
    rows = claims.claim_11({scenes: {"EM": em, "AN": an}, photographs: {"EM": an, "AN": em}})
    assert [row.id for row in rows] == [f"11{letter}" for letter in "abcdef"]
    assert outcomes(rows) == [HOLDS] * 3 + [FAILS] * 3
    some = np.concatenate([em[:4], an[:2]])
    assert outcomes(claims.claim_11({scenes: {"EM": some, "AN": some}})) == [OPEN, OPEN, OPEN]


def test_claims_about_surfaces():
    steep = np.full((6, 3, 3), 0.9) + SMALL[:, None, None] / 10
    flat = np.full((6, 3, 3), 0.1)
    flat[..., 1] += 1
    assert outcomes(study_claims.claim_14({"AN": steep, "EM": flat})) == [HOLDS, FAILS]
    loose = steep + WIDE[:, None, None] / 10
    assert outcomes(study_claims.claim_14({"AN": steep, "EM": loose})) == [OPEN, OPEN]


def test_claims_about_more_labels():
    level = {"BCE (Neg.)": 60, "BCE (Ign.)": 70, "EM": 70.5, "EM+APL": 70.5}
    scores = {(rate, name): v + SMALL for rate in runs.RATES for name, v in level.items()}
    for rate in runs.RATES:
        scores[rate, "EM"] = 70.5 + SMALL[::-1]
    scores[0.2, "EM+APL"] = 73 + SMALL
    rows = study_claims.claim_15(scores, "scenes")
    assert outcomes(rows) == [HOLDS] * 4
    effects = [part.paper_effect for part in rows[1].verdict.parts]
    assert effects == [None, 5.1, 1.2]
    apart = scores | {(0.8, "BCE (Ign.)"): 50 + SMALL, (0.8, "EM+APL"): 74 + SMALL}
    assert outcomes(study_claims.claim_15(apart, "scenes")) == [HOLDS, FAILS, FAILS, FAILS]
    above = scores | {(0.8, "BCE (Ign.)"): 72 + SMALL}
    assert outcomes(study_claims.claim_15(above, "scenes")) == [FAILS, HOLDS, HOLDS, FAILS]
    loose = scores | {(0.8, name): 70 + WIDE for name in ("BCE (Ign.)", "EM+APL")}
    loose[0.8, "BCE (Neg.)"] = 69.5 - WIDE
    assert outcomes(study_claims.claim_15(loose, "scenes")) == [OPEN] * 4
    there = study_claims.claim_15(scores, "photographs", "efgh")
    assert [row.id for row in there] == ["15e", "15f", "15g", "15h"]
    assert all(row.claim.endswith("(photographs).") for row in there)


def trained(best, noise=SMALL):
    curves = [np.full((1, 2), best + extra) for extra in noise]
    return [Record(None, {"test_ap": c, "best_epoch": np.array(1)}, {}) for c in curves]


def test_claims_about_tricks():
    groups = {"as proposed": trained(80, SMALL[::-1]), "hard targets": trained(79)}
    groups |= {"all in one pass": trained(80), "β = 0.02": trained(78), "β = 0.9": trained(80)}
    rows = study_claims.claim_16(groups, 0.9)
    assert outcomes(rows) == [HOLDS, HOLDS, FAILS, FAILS, HOLDS]
    assert rows[4].claim == "The weight β matters: 0.9 is better than 0.02; best epoch."
    assert "0.02 is better than 0.9" in study_claims.claim_16(groups, 0.02)[4].claim
    changes = ("hard targets", "all in one pass", "β = 0.02")
    loose = groups | {name: trained(80, WIDE) for name in changes}
    assert outcomes(study_claims.claim_16(loose, 0.9)) == [OPEN] * 5


def test_claims_about_the_strength_of_smoothing():
    strengths = {0.1: 70 + SMALL, 0.3: 72 + SMALL, 0.5: 80 + SMALL}
    assert outcomes(study_claims.claim_17(strengths, 80 + SMALL[::-1])) == [HOLDS, FAILS]
    assert outcomes(study_claims.claim_17(strengths, 80 + WIDE)) == [HOLDS, OPEN]


def test_claims_about_rivals_on_photographs():
    level = dict.fromkeys(("EM", "LS", "N-LS", "ROLE"), 70 + SMALL)
    found = {"best": level | {"EM": 72 + SMALL[::-1]}, "last": level | {"LS": 60 + WIDE}}
    rows = study_claims.claim_18(found)
    assert [row.id for row in rows] == [f"18{letter}" for letter in "abcdef"]
    assert outcomes(rows) == [HOLDS] * 3 + [HOLDS, FAILS, FAILS]
    assert rows[0].verdict.parts[0].paper_effect == 1.19
    assert rows[3].verdict.parts[0].paper_effect is None

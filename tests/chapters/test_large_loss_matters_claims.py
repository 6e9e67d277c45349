"""What decides the claims of *Large Loss Matters*, on records made up for it."""

import numpy as np
import pytest
from chapters.large_loss_matters import claims, runs, study_claims, tables

from weaklabels.lab.store import Record
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

NOISE = np.array([0.0, 0.1, 0.2, 0.1, 0.0, 0.2])
WIDE = np.array([-6.0, 7.0, -5.0, 6.0, -7.0, 5.0])


def scored(best, last=None, *, pointing=50, noise=NOISE):
    """Runs with a test mAP (%) at the best and at the last epoch, and hits of the pointing game."""
    scores = np.full((2, 4), [[best], [best if last is None else last]])
    records = []
    for extra in noise:
        hits = np.array([[0, 0, i < pointing + extra] for i in range(100)])
        values = {"test_ap": scores + extra, "best_epoch": np.array(1)}
        values |= {"pointing_best": hits, "pointing_last": hits}
        records.append(Record(None, values, {}))
    return records


def outcomes(rows):
    return [row.verdict.outcome for row in rows]


def test_claims_about_curves():
    rising, falling = np.array([[0.2, 0.9, 0.1]] * 6), np.array([[0.5, 0.3, 0.1]] * 6)
    some = np.concatenate([rising[:4], falling[:2]])
    auc = np.array([[0.9, 0.8, 0.7]] * 6)
    curves = {"FN": rising, "TN": falling, "AUC": auc}
    for fn, wanted in ((rising, HOLDS), (falling, FAILS), (some, OPEN)):
        assert claims.claim_1(curves | {"FN": fn}).verdict.outcome == wanted
    assert outcomes(claims.claim_3(curves)) == [HOLDS, HOLDS]
    assert outcomes(claims.claim_3(curves | {"AUC": np.full((6, 3), 0.5)})) == [FAILS, FAILS]
    loose = auc + WIDE[:, None] / 10 * [1, 1, -1]
    assert outcomes(claims.claim_3(curves | {"AUC": loose})) == [OPEN, OPEN]


@pytest.mark.parametrize(
    ("fn", "noise", "wanted"),
    [
        (20.0, NOISE, [HOLDS, HOLDS, HOLDS]),
        (60.0, NOISE, [HOLDS, HOLDS, FAILS]),
        (90.0, NOISE, [FAILS, HOLDS, FAILS]),
        (23.0, WIDE, [HOLDS, HOLDS, OPEN]),
        (70.0, WIDE, [OPEN, HOLDS, FAILS]),
    ],
)
def test_claim_about_the_first_epoch(fn, noise, wanted):
    curves = {"first TP": 80 + NOISE, "first TN": 70 + NOISE, "first FN": fn + noise}
    assert outcomes(claims.claim_2(curves)) == wanted
    few = curves | {"first TN": 40 + NOISE}
    assert claims.claim_2(few)[1].verdict.outcome == FAILS


def protocols(naive, ours, role, *, noise=NOISE):
    level = dict.fromkeys(("WAN", "LSAN", "EPR"), 70) | {"Naive AN": naive, "ROLE": role}
    level |= dict.fromkeys(runs.LL, ours)
    groups = {name: scored(value, value - 10, noise=NOISE) for name, value in level.items()}
    groups |= {name: scored(ours, ours - 2, noise=noise) for name in runs.LL}
    recorded = {"rows": [{"row": name, "best": 70 + NOISE, "last": 70 + NOISE} for name in groups]}
    return tables.protocol_scores({"end to end": groups, "linear init": groups}, recorded)


def test_claims_about_table_2():
    clear = protocols(70, 80, 75)
    assert outcomes(claims.claim_4(clear)) == [HOLDS, HOLDS, FAILS] * 2
    assert outcomes(claims.claim_4(protocols(70, 70.5, 70, noise=WIDE)))[0] == OPEN
    assert outcomes(claims.claim_5(clear)) == [HOLDS, HOLDS, FAILS] * 2
    assert outcomes(claims.claim_5(protocols(70, 80, 90)))[:3] == [FAILS] * 3
    assert outcomes(claims.claim_5(protocols(70, 71, 70, noise=WIDE)))[0] == OPEN
    first = claims.claim_4(clear)[0]
    assert [part.paper_effect for part in first.verdict.parts] == [4.1, 3.9, 3.3]
    assert first.paper.endswith("LL-R 89.2, Naive AN 85.1, LL-Ct 89.0, LL-Cp 88.4")
    assert claims.claim_4(clear)[3].verdict.parts[0].paper_effect is None
    alone = {"linear init": clear["linear init"]}
    assert [row.id for row in claims.claim_5(alone)] == ["5b", "5e"]


def test_a_reason_is_given_only_where_it_is_about_every_comparison_that_fails():
    found = protocols(70, 80, 75)
    scores = found["photographs"] | {"Naive AN": {"best": 60 + NOISE, "last": 60 + NOISE}}
    lost = {"LL-Cp": {"best": 50 + NOISE, "last": 50 + NOISE}}
    for worse, said in ((lost, True), (lost | {"LL-Ct": lost["LL-Cp"]}, False)):
        row = claims.claim_4({"photographs": scores | worse})[0]
        assert row.verdict.outcome == FAILS
        assert ("LL-Cp flips" in row.why.get(FAILS, "")) == said
    row = claims.claim_5({"end to end": found["end to end"] | {"ROLE": scores["LL-R"]}})[0]
    assert "is told the true" in row.why[FAILS]


def test_claim_about_linear_initialisation():
    before, after = protocols(70, 80, 75)["end to end"], protocols(75, 80, 75)["end to end"]
    for linear, wanted in ((after, HOLDS), (before, FAILS)):
        found = claims.claim_6({"end to end": before, "linear init": linear})
        assert found.verdict.outcome == wanted
    loose = {"Naive AN": {"best": 70 + WIDE}}
    assert claims.claim_6({"end to end": before, "linear init": loose}).verdict.outcome == OPEN
    assert claims.claim_7().verdict.outcome == NOT_TESTABLE


def test_claims_about_what_is_modified():
    falling = np.array([[np.nan, 90.0, 60.0]] * 6)
    guess = {"LL-R": np.full((6, 3), 15.0)}
    high, sinking = {"LL-R": guess["LL-R"] + 70}, {"LL-R": np.array([[89.0, 89.0, 59.0]] * 6)}
    assert outcomes(claims.claim_8({"LL-R": falling}, guess)) == [HOLDS, HOLDS]
    assert outcomes(claims.claim_8({"LL-R": falling}, sinking)) == [HOLDS, HOLDS]
    assert outcomes(claims.claim_8({"LL-R": falling[:, [0, 2, 1]]}, high)) == [FAILS, FAILS]
    some = np.concatenate([falling[:4], [[np.nan, 10.0, 20.0]] * 2])
    assert outcomes(claims.claim_8({"LL-R": some}, guess)) == [OPEN, OPEN]
    for kept, wanted in ((80 + NOISE, HOLDS), (40 + NOISE, FAILS), (50 + WIDE, OPEN)):
        assert claims.claim_12(kept).verdict.outcome == wanted


def test_claims_about_rates():
    naive, better = scored(70, 60), scored(80, 78)
    by_rate = {0.004: naive, 0.01: better, 0.02: better, 0.06: scored(79, 50)}
    assert outcomes(study_claims.claim_9(by_rate, naive, 0.01)) == [HOLDS, HOLDS, HOLDS]
    assert outcomes(study_claims.claim_9({0.01: naive, 0.06: naive}, naive, 0.01)) == [FAILS] * 3
    loose = {0.01: naive, 0.06: scored(70, 60, noise=WIDE)}
    assert outcomes(study_claims.claim_9(loose, naive, 0.01)) == [FAILS, OPEN, OPEN]


def test_claims_about_sizes():
    naive, better = scored(70, 60), scored(80, 78)
    by_size = {(n, name): naive for n in (10, 20) for name in ("Naive AN", "LSAN", "ROLE")}
    by_size |= {(n, "LL-Ct"): better for n in (10, 20)}
    rows = study_claims.claim_10(by_size)
    assert outcomes(rows) == [HOLDS] * 3
    effects = [round(part.paper_effect, 1) for part in rows[0].verdict.parts]
    assert effects == [7.6, 6.4]  # at 50 and at 100 % of the images
    assert outcomes(study_claims.claim_10(by_size | {(10, "ROLE"): scored(90)})) == [
        HOLDS,
        HOLDS,
        FAILS,
    ]
    loose = by_size | {(10, "LSAN"): scored(79, noise=WIDE)}
    assert outcomes(study_claims.claim_10(loose)) == [HOLDS, OPEN, HOLDS]


def test_claims_about_the_pointing_game():
    rivals = {name: scored(70, pointing=30) for name in ("Naive AN", *claims.RIVALS)}
    assert outcomes(claims.claim_11(rivals | {"LL-R": scored(70, pointing=50)})) == [HOLDS] * 2
    assert outcomes(claims.claim_11(rivals | {"LL-R": scored(70, pointing=30)})) == [FAILS] * 2
    loose = scored(70, pointing=32, noise=WIDE)
    assert outcomes(claims.claim_11(rivals | {"LL-R": loose})) == [OPEN] * 2


def test_claims_about_sizes_with_equal_steps_are_rows_of_their_own():
    by_size = {(10, name): scored(70) for name in ("Naive AN", "LSAN", "ROLE")}
    rows = study_claims.claim_10(by_size | {(10, "LL-Ct"): scored(80)}, equal_steps=True)
    assert [row.id for row in rows] == ["10d", "10e", "10f"]
    assert all("as many steps" in row.claim for row in rows)


def test_claims_about_the_number_of_positives():
    told = {"EPR": scored(80), "ROLE": scored(80), "LL-R": scored(75)}
    counted = {("not told", name): scored(70) for name in ("EPR", "ROLE")}
    counted["told", "LL-R"] = scored(85)
    assert outcomes(study_claims.claim_13(counted, told)) == [HOLDS] * 4
    useless = counted | {("not told", name): scored(80) for name in ("EPR", "ROLE")}
    useless["told", "LL-R"] = scored(75)
    assert outcomes(study_claims.claim_13(useless, told)) == [FAILS] * 4
    loose = {name: scored(80 if name == "LL-R" else 78, noise=WIDE) for name in told}
    known = counted | {("not told", name): scored(79) for name in ("EPR", "ROLE")}
    known["told", "LL-R"] = scored(80)
    assert outcomes(study_claims.claim_13(known, loose)) == [OPEN] * 4


def judged(val, best, last):
    """Runs with a validation mAP and test mAPs (%) at the best and at the last epoch."""
    values = {"val_ap": np.array([[val], [0.0]]), "best_epoch": np.array(1)}
    return [
        Record(None, values | {"test_ap": np.array([[best + extra], [last + extra]])}, {})
        for extra in NOISE
    ]


def test_every_method_has_the_learning_rate_that_other_seeds_choose():
    by_rate = {(0.1, "AN"): judged(60, 70, 69), (1, "AN"): judged(80, 60, 50)}
    assert np.allclose(tables.at_own_rate(by_rate, "last")["AN"], 50 + NOISE)
    one = judged(60, 70, 69)
    one[0].values["val_ap"] = np.array([[900.0]])  # of the first seed: the others are swayed
    counts = tables.own_rates(by_rate | {(0.1, "AN"): one})
    assert counts.to_dict("index") == {"AN": {"0.1 (end)": 5, "1 (end)": 1}}
    found = tables.at_own_rate(by_rate | {(0.1, "AN"): one}, "best")["AN"]
    assert np.allclose(found, np.where(np.arange(6) == 0, 60, 70) + NOISE)


def test_claims_about_learning_rates():
    rivals = ("Naive AN", *claims.RIVALS)
    by_rate = {(rate, name): judged(70, 70, 70 - 5 * rate) for rate in (0.1, 3) for name in rivals}
    ours = {(rate, "LL-R"): judged(70, 75, 75) for rate in (0.1, 3)}
    assert outcomes(study_claims.claim_14(by_rate | ours)) == [HOLDS] * 3
    level = {cell: judged(70, 70, 60) for cell in (*by_rate, *ours)}
    assert outcomes(study_claims.claim_14(level)) == [FAILS] * 3


def test_claims_about_permanent_correction_in_large_batches():
    rows = [
        {"row": name, "best": best + NOISE, "last": last + NOISE}
        for name, best, last in (("Naive AN", 70, 70), ("LL-Cp", 72, 68))
    ]
    recorded = {"rows": rows, "protocol": {"batch_size": 160, "epochs": 10}}
    found = study_claims.claim_15(recorded)
    assert [row.id for row in found] == ["15a", "15b"]
    assert outcomes(found) == [HOLDS, FAILS]
    short = study_claims.claim_15(recorded, "cd")
    assert [row.id for row in short] == ["15c", "15d"]
    assert "over 10 epochs" in short[0].claim
    assert "epochs" not in found[0].claim

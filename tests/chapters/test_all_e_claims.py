"""ALL-E: rows on made-up records."""

import numpy as np
import pytest
from chapters.all_e import claims, runs, tables
from chapters.all_e.darkened_claims import claim_12

from weaklabels.lab.store import Record
from weaklabels.press.verdicts import FAILS, HOLDS, NOT_TESTABLE, OPEN

SPREAD = np.array([-0.001, 0.0, 0.001])


def given_outcomes(score=6.0, psnr=15.0, ssim=0.7, follows=-0.5, spread=1.0):
    given = {"score": score, "psnr": psnr, "ssim": ssim, "follows": follows}
    return {name: value + spread * SPREAD for name, value in given.items()}


def outcomes(*rows):
    return [row.verdict.outcome for row in rows]


def test_claims_on_the_aesthetic_term():
    more, less = given_outcomes(), given_outcomes(score=5.0, psnr=14.0, ssim=0.6)
    better, worse = (
        dict(zip((runs.ALL, runs.NO_SCORE), p, strict=True)) for p in ((more, less), (less, more))
    )
    unclear = {runs.ALL: given_outcomes(spread=1000), runs.NO_SCORE: more}
    assert outcomes(*map(claims.claim_1a, (better, worse, unclear))) == [HOLDS, FAILS, OPEN]
    for found, expected in ((better, HOLDS), (worse, FAILS), (unclear, OPEN)):
        assert outcomes(*claims.claim_2ab(found)) == [expected] * 2
        assert outcomes(*claims.claim_2cd(found)) == [expected] * 2


@pytest.mark.parametrize(
    ("steps", "each", "end"),
    [([4.0, 5.0, 6.0], HOLDS, HOLDS), ([4.0, 6.0, 5.0], FAILS, HOLDS), ([4, 5, 3], FAILS, FAILS)],
)
def test_claims_on_progress(steps, each, end):
    rising = np.array([steps])
    records = [Record(None, {"score": rising + s, "error": 9 - rising + s}, {}) for s in SPREAD]
    assert outcomes(*claims.claim_3ab(records)) == [each, each]
    assert outcomes(*claims.claim_3cd(records)) == [end, end]


def test_progress_is_open_where_seeds_disagree_on_a_step():
    paths = np.array([[[4.0, 6.0, 7.0]], [[4.0, 5.0, 4.5]], [[4.0, 5.0, 6.0]]])
    records = [Record(None, {"score": path, "error": 9 - path}, {}) for path in paths]
    assert outcomes(*claims.claim_3ab(records)) == [OPEN, OPEN]
    assert outcomes(*claims.claim_3cd(records)) == [OPEN, OPEN]


def test_claims_on_simple_methods():
    simple = ("gamma 0.5", "gamma to mean 0.6", "histogram equalisation")
    groups = {name: {"psnr": np.array([14.0]), "ssim": np.array([0.75])} for name in simple}
    groups[f"agents, {runs.ALL}"] = given_outcomes()
    rows = claims.claim_4(groups)
    assert [row.id for row in rows] == ["4a", "4b", "4c", "4d", "4e", "4f"]
    assert outcomes(*rows) == [HOLDS] * 3 + [FAILS] * 3
    groups[f"agents, {runs.ALL}"] = given_outcomes(spread=2000)
    assert outcomes(*claims.claim_4(groups)) == [OPEN] * 6


@pytest.mark.parametrize(("psnr", "outcome"), [(12.0, HOLDS), (18.0, FAILS)])
def test_one_curve_for_all_pixels_is_a_rival(psnr, outcome):
    curve = {"psnr": psnr + SPREAD, "ssim": np.array([0.75] * len(SPREAD))}
    groups = {f"agents, {runs.ALL}": given_outcomes(psnr=15.0), "constant curve": curve}
    rows = claims.claim_4_curve(groups, {runs.ALL: given_outcomes(psnr=18.5)})
    assert [row.id for row in rows] == ["4g", "4h", "4i", "4j"]
    assert rows[0].verdict.outcome == outcome
    assert rows[2].verdict.outcome == HOLDS


def test_the_summary_names_every_row_that_can_be_decided_by_seeds():
    ids = {id for rows in claims.QUESTIONS.values() for id in rows}
    assert {"4g", "4h", "10a", "10d"} <= ids
    text = claims.summary({"1a": HOLDS, "8a": OPEN, "2a": NOT_TESTABLE})
    assert text == "- The aesthetic term raises the judge's score: **holds** (1a), **open** (8a)."


@pytest.mark.parametrize(("score", "outcome"), [(5.0, HOLDS), (7.0, FAILS)])
def test_methods_without_a_judge_are_judged_as_well(score, outcome):
    simple = {"gamma 0.5", "histogram equalisation"}
    groups = {name: {"score": np.array([score])} for name in simple}
    groups[f"agents, {runs.ALL}"] = given_outcomes(score=6.0)
    assert outcomes(*claims.claim_10(groups, groups)) == [outcome] * 4
    assert outcomes(*claims.claim_10(groups, {}))[2:] == [NOT_TESTABLE] * 2


def test_the_brightness_of_a_patch_against_that_of_every_cell():
    cells, patch = given_outcomes(), given_outcomes(psnr=16.0, ssim=0.6)
    rows = claims.claim_9({runs.ALL: cells, runs.WHOLE: patch})
    assert [row.id for row in rows] == ["9a", "9b"]
    assert outcomes(*rows) == [HOLDS, FAILS]
    unclear = {runs.ALL: cells, runs.WHOLE: given_outcomes(spread=2000)}
    assert outcomes(*claims.claim_9(unclear)) == [OPEN] * 2


def test_claims_on_what_pixels_do():
    cases = ({"follows": -0.5}, {"follows": -0.02, "spread": 50}, {"spread": 500})
    rows = (claims.claim_5a({runs.ALL: given_outcomes(**each)}) for each in cases)
    assert outcomes(*rows) == [HOLDS, FAILS, OPEN]
    assert claims.claim_5d({runs.WHOLE: given_outcomes(follows=-0.5)}).verdict.outcome == HOLDS
    audits = ({"share_at_least": [60, 94]}, {"share_at_least": [60, 95]})
    assert outcomes(*map(claims.claim_5c, audits)) == [HOLDS, FAILS]
    assert outcomes(claims.claim_6a(), claims.claim_7()) == [HOLDS, NOT_TESTABLE]


@pytest.mark.parametrize(
    ("least", "expected"),
    [([0.95] * 5, HOLDS), ([0.94] * 5, FAILS), ([0.94, 0.94, 0.96, 0.97, 0.98], OPEN)],
)
def test_a_collapse_is_one_of_every_seed(least, expected):
    records = [Record(None, {"common": np.array([1.0, share, 1.0])}, {}) for share in least]
    assert outcomes(claims.claim_6b(records)) == [expected]


def test_the_run_in_the_middle_stands_for_all():
    psnr = [np.array([[10.0, p]]) for p in (13.0, 12.0, 14.0)]
    records = [Record(None, {"psnr": p}, {}) for p in psnr]
    assert tables.typical(records) is records[0]
    assert tables.by_step(records, "psnr").shape == (3, 2)


def test_terms_and_actions_are_told_over_all_seeds():
    terms = np.zeros((20, 5))
    terms[-2:] = [-1.0, -2.0, -3.0, -4.0, 5.0]
    records = [
        Record(None, {"terms": terms + s, "common": np.array([0.9, share, 1.0])}, {})
        for s, share in ((0.0, 0.5), (2.0, 0.7))
    ]
    assert tables.sizes(records).startswith("colour 0.00 ± 1.41, spatial -1.00 ± 1.41")
    shown = tables.common({"ours": records}, {"share_at_least": [99.5, 99, 100]})
    assert shown.loc["ours"].tolist() == ["90.0 ± 0.0", "60.0 ± 14.1", "100.0 ± 0.0"]
    assert shown.loc["released policy (recorded)"].tolist() == [
        "at least 99.5",
        "at least 99",
        "at least 100",
    ]
    assert tables.common({"ours": records}, None).index.tolist() == ["ours"]


def test_an_audit_says_on_how_many_images_it_counted():
    audit = {"images": 4, "action": [22, 26, 23], "share_at_least": [99.5, 100.0]}
    first = tables.audited(audit)
    assert "4 images: (22, 26, 23); counted on 2 of them (first and last step)" in first
    assert first.endswith("at 99.5 %, 100 % of pixels or more")
    assert "counted on 4 of them (all steps)" in tables.audited({**audit, "files": {}})


def test_differences_have_the_digits_of_their_measure():
    found = {name: given_outcomes(ssim=s) for name, s in ((runs.ALL, 0.7), ("x", 0.704))}
    for measures in found.values():
        measures["light"] = np.array([0.5, 0.5, 0.5])
    assert tables.differences(found).loc["x", "SSIM"] == "0.004 ± 0.000"


def lime(aided=(6.0, 0.1, -0.5), plain=5.0, spread=1.0):
    """A record of real photographs: judge's score, exposure error and ``follows`` of the agents
    with the aesthetic term, the score of those without it."""
    rows = [{"method": "input", "seed": -1, "score": [3.0, 5.0], "exposure": [0.2, 0.2]}]
    for seed, d in enumerate(spread * SPREAD):
        score, exposure, follows = aided
        names = {"score": score + d, "exposure": exposure + d, "follows": follows + d}
        means = {name: [value - 0.01, value + 0.01] for name, value in names.items()}
        rows.append({"method": f"agents, {runs.ALL}", "seed": seed} | means)
        means |= {"score": [plain]}
        rows.append({"method": f"agents, {runs.NO_SCORE}", "seed": seed} | means)
    return {"rows": rows}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (lime(), [HOLDS] * 4),
        (lime((3.5, 0.3, 0.0), plain=4.0), [FAILS] * 4),
        (lime((4.5, 0.1, -0.5), spread=1000), [OPEN] * 4),
    ],
)
def test_rows_on_real_photographs(record, expected):
    assert outcomes(*claims.claim_8(tables.lime_outcomes(record))) == expected


def test_real_photographs_decide_nothing_before_their_record_is_made():
    assert outcomes(*claims.claim_8(tables.lime_outcomes(None))) == [NOT_TESTABLE] * 4


def darkened(better=True, spread=1.0):
    """A record of photographs that had no part in the trials; the agents are better, or worse."""
    poor = {"psnr": 10.0, "ssim": 0.5, "score": 4.0, "light": 0.2, "error": 0.3}
    good = {"psnr": 16.0, "ssim": 0.8, "score": 6.0, "light": 0.5, "error": 0.1}
    ours, theirs = (good, poor) if better else (poor, good)
    names = ("input", "gamma 0.5", "gamma to mean 0.6", "histogram equalisation")
    rows = [{"method": name, "seed": -1} | theirs for name in names]
    for seed, d in enumerate(spread * SPREAD):
        rows.append({"method": "constant curve", "seed": seed} | theirs)
        follows = {"follows": -0.5 if better else 0.0}
        rows.append({"method": f"agents, {runs.NO_SCORE}", "seed": seed} | theirs | follows)
        moved = {name: value + d for name, value in (ours | follows).items()}
        rows.append({"method": f"agents, {runs.ALL}", "seed": seed} | moved)
    protocol = {"seeds": list(range(len(SPREAD)))}
    return {"rows": rows, "protocol": protocol, "data": {"mean value": 0.43}}


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (darkened(), HOLDS),
        (darkened(better=False), FAILS),
        (darkened(spread=1e5), OPEN),
        (None, NOT_TESTABLE),
    ],
)
def test_rows_on_photographs_that_had_no_part_in_the_trials(record, outcome):
    rows = claim_12(tables.darkened_outcomes(record))
    assert [row.id for row in rows] == [f"12{letter}" for letter in "abcdefghijklmn"]
    assert set(outcomes(*rows)) == {outcome}


def test_their_table_has_a_line_for_every_method():
    table = tables.darkened(darkened())
    assert table.loc["input", "follows"] == "-"
    assert table.loc[f"agents, {runs.ALL}", "PSNR (dB)"] == "16.00 ± 0.00"
    assert table.loc["reference"].tolist() == ["-", "-", "-", "0.430", "-", "-"]
    assert len(table) == 8

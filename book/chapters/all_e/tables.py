"""Tables of the chapter on ALL-E."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chapters.all_e.photographs import MEASURES
from chapters.all_e.runs import ALL, AS_CODED, NO_SCORE, TERMS
from weaklabels.lab.store import Record
from weaklabels.press.claims import mean_std

Outcomes = Mapping[str, Mapping[str, np.ndarray]]
"""Method -> measure -> ``(seeds,)``, one value for methods without randomness."""

HEADS = {
    "psnr": ("PSNR (dB)", 2),
    "ssim": ("SSIM", 3),
    "score": ("judge A", 2),
    "light": ("mean value", 3),
}
"""Measure -> its heading, digits after the point."""

CHOSEN = ("constant curve", "constant curve, tuned on references")
"""Comparators that choose on the training photographs, which differ from seed to seed."""

FIRST_AUDIT = (2, "first and last step")
"""On how many of its images the first audit of the released policy counted, and in which steps."""


def final(records: Sequence[Record], measure: str) -> np.ndarray:
    """``(seeds,)``: mean over test photographs after the last step."""
    return np.array([record[measure][:, -1].mean() for record in records])


def by_step(records: Sequence[Record], measure: str) -> np.ndarray:
    """``(seeds, steps + 1)``: mean over test photographs."""
    return np.stack([record[measure].mean(0) for record in records])


def traced(records: Sequence[Record], trace: str) -> np.ndarray:
    """``(seeds, episodes, ...)`` of what was recorded in training."""
    return np.stack([record[trace] for record in records])


def sizes(records: Sequence[Record]) -> str:
    """``mean ± std`` over seeds of each term of the reward in the last tenth of training."""
    values = traced(records, "terms")
    ends = values[:, -max(values.shape[1] // 10, 1) :].mean(1)
    return ", ".join(f"{term} {mean_std(ends[:, i], 2)}" for i, term in enumerate(TERMS))


def typical(records: Sequence[Record]) -> Record:
    """The run in the middle of the seeds, by PSNR."""
    return records[int(np.argsort(final(records, "psnr"))[len(records) // 2])]


def outcomes(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """Measure -> ``(seeds,)`` of trained agents: after the last step, and ``follows``."""
    follows = np.array([record["follows"].mean() for record in records])
    return {measure: final(records, measure) for measure in MEASURES} | {"follows": follows}


def comparators(found: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, np.ndarray]]:
    """The same of comparators, by method."""
    return {
        name: {m: np.array([record[m].mean() for record in records]) for m in MEASURES}
        for name, records in found.items()
    }


def agents(trained: Outcomes) -> dict[str, Mapping[str, np.ndarray]]:
    """Those agents that meet the comparators."""
    return {f"agents, {name}": trained[name] for name in (ALL, NO_SCORE, AS_CODED)}


def audited(audit: Mapping[str, Any]) -> str:
    """What is recorded of the released policy, with the number of images that were counted.

    Args:
        audit: the record. One that ``released.audit`` made has ``files``, and its shares are over
            all images and steps; the first one lacks them, and was counted by hand.
    """
    shares = ", ".join(f"{share:g} %" for share in audit["share_at_least"])
    counted, steps = FIRST_AUDIT
    if "files" in audit:
        counted, steps = audit["images"], "all steps"
    return (
        f"recorded, {audit['images']} images: {tuple(audit['action'])}; counted on {counted} of "
        f"them ({steps}) at {shares} of pixels or more"
    )


def common(groups: Mapping[str, Sequence[Record]], audit: Mapping[str, Any] | None) -> pd.DataFrame:
    """Share (%) of the pixels that take a step's most frequent action, by channel.

    Args:
        groups: agents -> a record a seed.
        audit: what is recorded of the released policy.
    """
    channels = ("leading channel", "second channel", "third channel")
    rows = {
        name: [
            mean_std(100 * np.array([record["common"][c] for record in records]))
            for c in range(len(channels))
        ]
        for name, records in groups.items()
    }
    if audit is not None:
        rows["released policy (recorded)"] = [
            f"at least {share:g}" for share in audit["share_at_least"]
        ]
    return pd.DataFrame(rows, index=channels).T


def quality(groups: Outcomes) -> pd.DataFrame:
    """``mean ± std`` over seeds of PSNR, SSIM, judge and mean value."""
    return pd.DataFrame(
        {
            head: {name: mean_std(values[measure], digits) for name, values in groups.items()}
            for measure, (head, digits) in HEADS.items()
        }
    )


def with_follows(groups: Outcomes) -> pd.DataFrame:
    """The same, and how strengths follow luminance."""
    frame = quality(groups)
    frame["follows"] = [mean_std(values["follows"], 2) for values in groups.values()]
    return frame.rename_axis("reward")


def with_noise(ablation: Outcomes, found: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """The same, and the noise of a pixel's policy in the last tenth of training."""
    frame = with_follows(ablation)
    tenth = max(len(found[ALL][0]["noise"]) // 10, 1)
    ends = [traced(records, "noise")[:, -tenth:].mean(1) for records in found.values()]
    frame["noise"] = [mean_std(end, 2) for end in ends]
    return frame


def differences(ablation: Outcomes) -> pd.DataFrame:
    """``mean ± std`` of the difference from "all terms", paired by seed."""
    return pd.DataFrame(
        {
            head: {
                name: mean_std(values[measure] - ablation[ALL][measure], digits)
                for name, values in ablation.items()
                if name != ALL
            }
            for measure, (head, digits) in HEADS.items()
        }
    ).rename_axis("reward")


def lime(record: Mapping[str, Any]) -> pd.DataFrame:
    """The recorded measures of real photographs: mean over these, ``mean ± std`` over seeds."""
    frame = pd.DataFrame(record["rows"])
    heads = {
        "score": ("judge A", 2),
        "light": ("mean value", 2),
        "exposure": ("L_exp", 3),
        "blown": ("blown out (%)", 1),
        "follows": ("follows", 2),
        "brisque": ("BRISQUE", 1),
    }
    for name in heads:
        frame[name] = [np.mean(v) if isinstance(v, list) else np.nan for v in frame[name]]
    groups = dict(list(frame.groupby("method", sort=False)))
    return pd.DataFrame(
        {
            head: {
                method: "-" if group[name].isna().all() else mean_std(group[name], digits)
                for method, group in groups.items()
            }
            for name, (head, digits) in heads.items()
        }
    ).rename_axis(f"agents: {frame.seed[frame.seed >= 0].nunique()} seeds")


def lime_outcomes(record: Mapping[str, Any] | None) -> dict[str, dict[str, np.ndarray]]:
    """Method -> measure -> ``(seeds,)``, mean over the real photographs; one value where no seed
    matters; empty without a record.
    """
    if record is None:
        return {}
    frame = pd.DataFrame(record["rows"])
    return {
        method: {
            name: np.array([np.mean(values) for values in group[name].dropna()])
            for name in ("score", "exposure", "follows")
        }
        for method, group in frame.groupby("method", sort=False)
    }


def darkened_outcomes(record: Mapping[str, Any] | None) -> dict[str, dict[str, np.ndarray]]:
    """The same of the recorded photographs that had no part in the trials, by ``MEASURES``."""
    if record is None:
        return {}
    frame = pd.DataFrame(record["rows"])
    return {
        method: {name: group[name].dropna().to_numpy() for name in (*MEASURES, "follows")}
        for method, group in frame.groupby("method", sort=False)
    }


def darkened(record: Mapping[str, Any]) -> pd.DataFrame:
    """Quality, luminance error and ``follows`` of them: ``mean ± std`` over seeds."""
    groups = darkened_outcomes(record)
    frame = quality(groups)
    for name, head, digits in (("error", "luminance error", 3), ("follows", "follows", 2)):
        found = [values[name] for values in groups.values()]
        frame[head] = [mean_std(values, digits) if len(values) else "-" for values in found]
    frame.loc["reference"] = "-"
    frame.loc["reference", HEADS["light"][0]] = f"{record['data']['mean value']:.3f}"
    return frame.rename_axis(f"agents: {len(record['protocol']['seeds'])} seeds")


def natural(record: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    """Method -> BRISQUE by real photograph, mean over seeds; empty without a record."""
    if record is None:
        return {}
    groups = pd.DataFrame(record["rows"]).groupby("method", sort=False)
    return {method: np.mean(group["brisque"].tolist(), 0) for method, group in groups}


def known(record: Mapping[str, Any]) -> pd.DataFrame:
    """Recorded BRISQUE of undamaged photographs, as they are and changed."""
    frame = pd.DataFrame(record["brisque"]["known"])
    wide = frame.pivot(index="change", columns="photograph", values="brisque")
    return wide.loc[frame.change.unique()].map("{:.1f}".format).rename_axis(columns=None)

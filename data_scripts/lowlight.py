"""Low-light photographs: LOL and LIME (``make data-lowlight``)."""

from pathlib import Path

from fetch import Dataset, main


def check(root: Path) -> dict[str, int]:
    """Open every photograph that is there; count them."""
    from weaklabels.data.lowlight import lime, lol

    base = root / "lowlight"
    counts = dict.fromkeys(DATASET.complete, 0)
    if (base / "LOL").exists():
        splits = lol(root)
        counts |= {"LOL training pairs": len(splits.train), "LOL test pairs": len(splits.test)}
    if (base / "LIME").exists():
        counts["LIME photographs"] = len(lime(root).test)
    return counts


DATASET = Dataset(
    name="lowlight",
    title="Low-light photographs (LOL, LIME)",
    terms="non-commercial research; cite Wei et al. 2018 (LOL) and Guo, Li and Ling 2017 (LIME)",
    page="https://daooshee.github.io/BMVC2018website/",
    files=(),
    places=("lowlight",),
    check=check,
    complete={"LOL training pairs": 485, "LOL test pairs": 15, "LIME photographs": 10},
    note="the page links to a file-sharing site; no checksum is published; expected are "
    "lowlight/LOL/{our485,eval15}/{low,high} and lowlight/LIME",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

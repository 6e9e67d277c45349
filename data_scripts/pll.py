"""Real-world partial-label sets and the partial multi-label MirFlickr (``make data-pll``)."""

from pathlib import Path

from fetch import Dataset, main


def check(root: Path) -> dict[str, int]:
    """Read every file that is there; count examples per set."""
    from weaklabels.data.partial_label import FILES, read_mat

    paths = {name: root / "pll-realworld" / file for name, file in FILES.items()}
    counts = {
        f"{name} examples": len(read_mat(path, "partial_target")[0]) if path.exists() else 0
        for name, path in paths.items()
    }
    path = root / "partial-multilabel" / "mirflickr.mat"
    examples = len(read_mat(path, "partial_labels")[0]) if path.exists() else 0
    return counts | {"mirflickr examples": examples}


DATASET = Dataset(
    name="pll",
    title="Real-world partial-label sets",
    terms="academic use only; cite the source of each set, named on the page",
    page="http://palm.seu.edu.cn/zhangml/Resources.htm#partial_data",
    files=(),
    places=("pll-realworld", "partial-multilabel"),
    optional=("pll-realworld", "partial-multilabel"),
    check=check,
    complete={
        "lost examples": 1_122,
        "msrcv2 examples": 1_758,
        "birdsong examples": 4_998,
        "soccer_player examples": 17_472,
        "yahoo_news examples": 22_991,
        "mirflickr examples": 10_433,
    },
    note="the page has one link per set and no checksum",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

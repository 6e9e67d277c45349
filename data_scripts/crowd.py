"""Labels from crowds: CIFAR-10N, -100N, -10H and three label-only sets (``make data-crowd``).

The checksums of CIFAR-10N, CIFAR-10H and of the label-only sets were computed from a copy, as none
is published.
"""

from pathlib import Path

from fetch import Dataset, Remote, main

CIFAR_N = "https://github.com/UCSC-REAL/cifar-10-100n/raw/main/data"
CIFAR_H = "https://github.com/jcpeterson/cifar-10h/raw/master/data"
INFER = "https://github.com/zhydhkcws/crowd_truth_infer/raw/master/datasets"
SETS = {
    "d_Duck Identification": (
        "0d5e423652c079361a4cbc0adbee0945d40f02a9dedcfb6b068e8f2af63b24f0",
        "04c6d8b6cdc298b63c05dc87d28ceebd018d4207e0ced7c1229ca3593a74983a",
    ),
    "s4_Dog data": (
        "db11159198f59fa2af87450b008f860ca2e9e04e3f15c697ef254af40fb6763a",
        "2a641fa31e80526164d956da4228f80d31b303c2691ab1855c76fef72d04b746",
    ),
    "s4_Face Sentiment Identification": (
        "9e98c7c56ea1967ca9d3e2396b9abd469e96ee47a52a0103c917397adbb98f9b",
        "c324c79fd7196d16cb638d956ec90209e405b0010741ffb5ecb1b6316f48cc4c",
    ),
}


def check(root: Path) -> dict[str, int]:
    """Read every set that is there; count labels and answers."""
    import numpy as np

    from weaklabels.data.crowd import NOISE_KINDS, read_answers, read_human_labels

    counts = dict.fromkeys(DATASET.complete, 0)
    path = root / "crowd" / "cifar-10n" / "CIFAR-10_human.pt"
    if path.exists():
        labels = read_human_labels(path, ("clean_label", *NOISE_KINDS), 50_000, 10)
        counts["CIFAR-10N images"] = len(labels["clean_label"])
    path = root / "crowd" / "cifar-100n" / "CIFAR-100_human.pt"
    if path.exists():
        labels = read_human_labels(path, ("clean_label", "noisy_label"), 50_000, 100)
        counts["CIFAR-100N images"] = len(labels["clean_label"])
    path = root / "crowd" / "cifar-10h" / "cifar10h-counts.npy"
    if path.exists():
        counts["CIFAR-10H answers"] = int(np.load(path, allow_pickle=False).sum())
    for name in SETS:
        folder = root / "crowd" / "crowd_truth_infer" / name
        if folder.exists():
            counts[f"{name} answers"] = int((read_answers(folder)[0] >= 0).sum())
    return counts


DATASET = Dataset(
    name="crowd",
    title="Crowd labels: CIFAR-10N, CIFAR-100N, CIFAR-10H, crowd_truth_infer",
    terms="CIFAR-N CC BY-NC 4.0; CIFAR-10H CC BY-NC-SA 4.0; crowd_truth_infer: none stated",
    page="http://www.noisylabels.com, https://github.com/jcpeterson/cifar-10h, "
    "https://github.com/zhydhkcws/crowd_truth_infer",
    files=(
        Remote(
            f"{CIFAR_N}/CIFAR-10_human.pt",
            "CIFAR-10_human.pt",
            "crowd/cifar-10n",
            "sha256:873e69c39cb9b5e97fb6bae2d60bb59b38a5cbc31d2b868f7903dcb2b9dd2310",
            2_401_007,
            unpack=False,
        ),
        Remote(
            f"{CIFAR_N}/CIFAR-100_human.pt",
            "CIFAR-100_human.pt",
            "crowd/cifar-100n",
            unpack=False,
        ),
        Remote(
            f"{CIFAR_H}/cifar10h-counts.npy",
            "cifar10h-counts.npy",
            "crowd/cifar-10h",
            "sha256:9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff",
            800_128,
            unpack=False,
        ),
        *(
            Remote(
                f"{INFER}/{name.replace(' ', '%20')}/{kind}.csv",
                f"{name}/{kind}.csv",
                f"crowd/crowd_truth_infer/{name}",
                f"sha256:{digest}",
                unpack=False,
            )
            for name, digests in SETS.items()
            for kind, digest in zip(("answer", "truth"), digests, strict=True)
        ),
    ),
    places=("crowd/cifar-10n", "crowd/cifar-100n", "crowd/cifar-10h", "crowd/crowd_truth_infer"),
    optional=("crowd/cifar-10n", "crowd/cifar-100n", "crowd/cifar-10h", "crowd/crowd_truth_infer"),
    check=check,
    complete={
        "CIFAR-10N images": 50_000,
        "CIFAR-100N images": 50_000,
        "CIFAR-10H answers": 511_000,
        "d_Duck Identification answers": 4_212,
        "s4_Dog data answers": 8_070,
        "s4_Face Sentiment Identification answers": 5_242,
    },
    note="no checksum is published; those used here were computed from a copy",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

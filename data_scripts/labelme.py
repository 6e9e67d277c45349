"""LabelMe with crowd labels, as released with CrowdLayer (``make data-labelme``)."""

from pathlib import Path

from fetch import Dataset, Remote, main


def check(root: Path) -> dict[str, int]:
    """Read the arrays; count images, annotators and answers."""
    from weaklabels.data.crowd import labelme

    splits = labelme(root)
    answers = splits.train.extra["answers"]
    return {
        "training images": len(splits.train),
        "test images": len(splits.test),
        "annotators": answers.shape[1],
        "answers": int((answers >= 0).sum()),
    }


DATASET = Dataset(
    name="labelme",
    title="LabelMe with crowd labels (CrowdLayer)",
    terms="none stated; research use; cite Rodrigues and Pereira 2018",
    page="https://github.com/fmpr/CrowdLayer",
    files=(Remote("http://fprodrigues.com/deep_LabelMe.tar.gz", "deep_LabelMe.tar.gz", "."),),
    places=("LabelMe",),
    check=check,
    complete={"training images": 10_000, "test images": 1_188, "annotators": 59},
    note="no checksum is published",
)


if __name__ == "__main__":
    raise SystemExit(main(DATASET))

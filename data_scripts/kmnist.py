"""Kuzushiji-MNIST (``make data-kmnist``)."""

from fetch import main
from idx_files import idx_dataset

DATASET = idx_dataset(
    "kmnist",
    title="Kuzushiji-MNIST",
    terms="CC BY-SA 4.0; cite Clanuwat et al. 2018",
    page="http://codh.rois.ac.jp/kmnist/",
    base="http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    folder="KMNIST",
    md5=(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
    sizes=(18_165_135, 29_497, 3_041_136, 5_120),
)

if __name__ == "__main__":
    raise SystemExit(main(DATASET))

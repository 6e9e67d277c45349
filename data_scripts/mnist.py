"""MNIST (``make data-mnist``)."""

from fetch import main
from idx_files import idx_dataset

DATASET = idx_dataset(
    "mnist",
    title="MNIST",
    terms="no licence stated on the page; cite LeCun, Bottou, Bengio and Haffner 1998",
    page="http://yann.lecun.com/exdb/mnist/",
    base="https://ossci-datasets.s3.amazonaws.com/mnist/",
    folder="MNIST",
    md5=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    sizes=(9_912_422, 28_881, 1_648_877, 4_542),
)

if __name__ == "__main__":
    raise SystemExit(main(DATASET))

"""Fashion-MNIST (``make data-fashion-mnist``)."""

from fetch import main
from idx_files import idx_dataset

DATASET = idx_dataset(
    "fashion_mnist",
    title="Fashion-MNIST",
    terms="MIT; cite Xiao, Rasul and Vollgraf 2017",
    page="https://github.com/zalandoresearch/fashion-mnist",
    base="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    folder="FashionMNIST",
    md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    sizes=(26_421_880, 29_515, 4_422_102, 5_148),
)

if __name__ == "__main__":
    raise SystemExit(main(DATASET))

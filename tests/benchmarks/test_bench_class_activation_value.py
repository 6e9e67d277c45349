"""Partial-label training against the usual pipeline and a bare loop, as ratios within one run."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

from tests.benchmarks.ratios import cpu_seconds, ratio
from tests.library import tiny_datasets as tiny
from weaklabels import methods, models
from weaklabels.data.idx import read_idx
from weaklabels.lab import candidate_sets as protocol
from weaklabels.lab import sweep
from weaklabels.lab.candidate_sets import Spec
from weaklabels.methods.base import Context
from weaklabels.seeding import torch_rng
from weaklabels.train import OptimiserSpec, fit

EPOCHS, CLASSES, RATE = 3, 10, 1e-3
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 60_000),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 10_000),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with sweep.one_thread():
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder of Fashion-MNIST: the real one if it is at hand, else files of its shape."""
    try:
        return tiny.shared("fashion-mnist")
    except pytest.skip.Exception:
        folder = tmp_path_factory.mktemp("fashion")
        rng = np.random.default_rng(0)
        for images, labels, count in FILES.values():
            write_idx(folder, images, rng.integers(0, 4, (count, 28, 28)) * 80)
            write_idx(folder, labels, np.arange(count) % CLASSES)
        return folder


def write_idx(folder: Path, name: str, values: np.ndarray) -> None:
    path = folder / "FashionMNIST" / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes(), 1))


# -- the usual pipeline ---------------------------------------------------------------------------


class ImageByImage(Dataset):
    """As torchvision's: an image becomes a PIL image and passes through its transform."""

    def __init__(self, root: Path, part: str) -> None:
        images, labels, _ = FILES[part]
        raw = root / "FashionMNIST" / "raw"
        self.images = read_idx(raw / images)
        self.labels = torch.tensor(read_idx(raw / labels), dtype=torch.int64)
        self.transform = ToTensor()

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = Image.fromarray(self.images[index])
        return self.transform(image), self.labels[index], index


def candidates_one_by_one(labels: torch.Tensor) -> torch.Tensor:
    """The loop of the RC code: a size, then a permutation per instance."""
    law = np.cumsum([math.comb(CLASSES, s) / (2**CLASSES - 2) for s in range(1, CLASSES)])
    drawn = np.random.default_rng(0).uniform(size=len(labels))
    rng = np.random.RandomState(0)
    candidates = torch.zeros(len(labels), CLASSES)
    for i in range(len(labels)):
        size = 1 + int(np.argmax(drawn[i] <= law))
        wrong = torch.from_numpy(rng.permutation(CLASSES))
        wrong = wrong[wrong != labels[i]]
        candidates[i, wrong[: size - 1]] = 1
        candidates[i, labels[i]] = 1
    return candidates


def usual_lenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, CLASSES),
    )  # fmt: skip


def usual_run(root: Path, batch_size: int) -> float:
    """Candidate sets, CAVL for three epochs, training and test set evaluated after each."""
    train, test = ImageByImage(root, "train"), ImageByImage(root, "test")
    candidates = candidates_one_by_one(train.labels)
    loader = DataLoader(train, batch_size, shuffle=True)
    ordered = {"train": DataLoader(train, batch_size), "test": DataLoader(test, batch_size)}
    table = candidates / candidates.sum(1, keepdim=True)
    model = usual_lenet()
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    right = {}
    for _ in range(EPOCHS):
        model.train()
        for x, _, index in loader:
            loss = -(table[index] * model(x).log_softmax(1)).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            update(model, x, table, candidates, index)
        model.eval()
        with torch.no_grad():
            for part, batches in ordered.items():
                right[part] = selected = 0
                for x, y, index in batches:
                    logits = model(x)
                    right[part] += int((logits.argmax(1) == y).sum())
                    if part == "train":
                        inside = logits.masked_fill(candidates[index] == 0, -math.inf)
                        selected += int((inside.argmax(1) == y).sum())
    return right["test"] / len(test)


def update(model, x, table, candidates, index):
    with torch.no_grad():
        logits = model(x)
        values = (logits * (1 - logits).abs()).masked_fill(candidates[index] == 0, -math.inf)
        table[index] = F.one_hot(values.argmax(1), CLASSES).to(table.dtype)


# -- ours -----------------------------------------------------------------------------------------


def spec(root: Path, batch_size: int) -> Spec:
    return Spec(
        "CAVL",
        dataset="fashion_mnist",
        data_root=str(root),
        candidates="uniform official",
        network="lenet",
        epochs=EPOCHS,
        batch_size=batch_size,
        optimiser=OptimiserSpec("adam", lr=RATE),
    )


def our_run(root: Path, batch_size: int) -> float:
    protocol._load_splits.cache_clear()  # the usual pipeline reads its files too
    return float(protocol.run(spec(root, batch_size))["test_accuracy"][-1])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch_size", [64, 256])
def test_a_run_takes_half_the_time_of_the_usual_pipeline(root, batch_size):
    found = cpu_seconds(lambda: our_run(root, batch_size))
    found /= cpu_seconds(lambda: usual_run(root, batch_size))
    print(f"\nwhole run, batch {batch_size}: {found:.2f} x the usual pipeline")
    assert found <= 0.5


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch_size", [64, 256])
def test_a_step_costs_hardly_more_than_a_bare_loop(root, batch_size):
    settings = spec(root, batch_size)
    splits = protocol.load_splits(settings)
    x = splits.train.x[:5120]
    candidates = torch.from_numpy(protocol.draw_candidates(settings, splits))[:5120]
    method = methods.create("CAVL")
    method.start(Context(candidates))
    model = models.build("lenet", CLASSES)
    optimiser = settings.optimiser.build(model, method)

    def ours():
        fit(
            model, x, method, epochs=1, batch_size=batch_size, optimiser=optimiser,
            order=torch_rng(0, "order"),
        )  # fmt: skip

    table, masks = method.weights.clone(), candidates.float()
    batches = x.split(batch_size)
    numbers = torch.arange(len(x)).split(batch_size)
    bare_model = models.build("lenet", CLASSES)
    bare_optimiser = settings.optimiser.build(bare_model, method)

    def bare():
        bare_model.train()
        for batch, index in zip(batches, numbers, strict=True):
            loss = -(table[index] * bare_model(batch).log_softmax(1)).sum(1).mean()
            bare_optimiser.zero_grad()
            loss.backward()
            bare_optimiser.step()
            update(bare_model, batch, table, masks, index)

    found = ratio(ours, bare, rounds=15)
    print(f"\nstep, batch {batch_size}: {found:.3f} x a bare loop")
    assert found <= 1.1

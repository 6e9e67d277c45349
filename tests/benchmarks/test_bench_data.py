"""What loading costs: memory that does not grow with the dataset, and a small share of an epoch.

Both are ratios, so that they mean the same on every machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.library import tiny_datasets as tiny
from weaklabels.data import augment, shards
from weaklabels.data.reading import read_ahead
from weaklabels.models import patch_net

SIDE = 96

PROGRAM = """
import json, sys, threading, time
from pathlib import Path
import torch
from weaklabels.data import augment, shards
from weaklabels.data.reading import read_ahead

def anonymous():  # memory of the process itself, in MB; pages of the file belong to the system
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

peak, running = [], True
def watch():
    while running:
        peak.append(anonymous())
        time.sleep(0.005)

torch.set_num_threads(1)
image, cache, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
files = [Path(image)] * count
before = anonymous()
thread = threading.Thread(target=watch)
thread.start()
x = shards.build(files, 96, cache, "toy", workers=2)
generator = torch.Generator().manual_seed(0)
for _ in range(2):
    for rows, batch in read_ahead(x, torch.randperm(count, generator=generator).split(32)):
        augment.to_float(augment.flip(batch, generator))
running = False
thread.join()
print(json.dumps({"grown": max(peak) - before, "array": x.nbytes / 2**20}))
"""


def grown(tmp_path: Path, count: int) -> dict[str, float]:
    tiny.image(tmp_path / "image.jpg", 128, 96)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "image.jpg"),
               str(tmp_path / f"cache{count}"), str(count)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_stays_flat_as_the_dataset_grows(tmp_path):
    small, large = (grown(tmp_path, count) for count in (1000, 8000))
    print(f"memory grown by {small['grown']:.0f} MB for {small['array']:.0f} MB of images, "
          f"by {large['grown']:.0f} MB for {large['array']:.0f} MB")  # fmt: skip
    assert large["array"] == pytest.approx(8 * small["array"], rel=0.01)
    assert large["grown"] - small["grown"] < 0.1 * (large["array"] - small["array"])


def test_loading_is_a_small_share_of_an_epoch(tmp_path):
    """Reading alone, and the time that steps wait for batches, over an epoch's time."""
    torch.set_num_threads(1)
    tiny.image(tmp_path / "image.jpg", 128, 96)
    count = 1024
    x = shards.build([tmp_path / "image.jpg"] * count, SIDE, tmp_path / "cache", "toy")
    y = torch.randint(0, 2, (count, 20), generator=torch.Generator().manual_seed(0)).float()
    network = patch_net(20, channels=3, width=64)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    generator = torch.Generator().manual_seed(0)
    shares, alone = [], []
    for _ in range(3):
        waited, started = 0.0, time.perf_counter()
        asked = started
        order = torch.randperm(count, generator=generator)
        for rows, batch in read_ahead(x, order.split(32)):
            waited += time.perf_counter() - asked
            images = augment.to_float(augment.flip(batch, generator), dtype=torch.float32)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(network(images), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            asked = time.perf_counter()
        epoch = time.perf_counter() - started
        shares.append(waited / epoch)
        started = time.perf_counter()
        for _ in read_ahead(x, order.split(32)):
            pass
        alone.append((time.perf_counter() - started) / epoch)
    print(f"waiting for batches: {min(shares):.1%} to {max(shares):.1%} of an epoch; "
          f"reading alone: {min(alone):.1%} to {max(alone):.1%}")  # fmt: skip
    assert min(shares) < 0.1
    assert min(alone) < 0.1

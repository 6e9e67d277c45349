"""Data that several tests of the lab read."""

import numpy as np
import pytest

from weaklabels.data.voc import CLASSES
from weaklabels.seeding import numpy_rng


@pytest.fixture(scope="session")
def features(tmp_path_factory):
    """A file of features with 20 classes, in the format of the VOC features."""
    rng = numpy_rng(2, "features")
    centres = rng.standard_normal((20, 16))
    labels = np.where(rng.random((160, 20)) < 0.1, 1, -1).astype(np.int8)
    labels[np.arange(160), np.arange(160) % 20] = 1
    x = (labels == 1) @ centres + 0.3 * rng.standard_normal((160, 16))
    path = tmp_path_factory.mktemp("features") / "features.npz"
    np.savez(
        path,
        ids=np.array([f"{i:06d}" for i in range(160)]),
        split=np.array(["train", "val"])[np.arange(160) % 2],
        labels=labels,
        classes=np.array(CLASSES),
        feat_test=x.astype(np.float32),
    )
    return path


@pytest.fixture(scope="session")
def gpu(gpu: str) -> str:
    """The device of the tests marked ``gpu``. The lab measures in double precision."""
    if gpu.startswith("mps"):
        pytest.skip("MPS has no double precision")
    return gpu

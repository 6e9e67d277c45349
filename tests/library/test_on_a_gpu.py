"""The library on a GPU: every method of the estimator, and numbers in double precision."""

import numpy as np
import pytest
import torch

from tests.library.weak_kinds import ROWS, features, images, labels_of
from weaklabels import Classifier, methods
from weaklabels.estimator import choices
from weaklabels.methods.base import Context
from weaklabels.methods.cap import class_aware
from weaklabels.metrics import average_precision

pytestmark = pytest.mark.gpu

CASES = [(kind, name) for kind in choices.KINDS for name in Classifier.methods(kind)]


@pytest.fixture(scope="module")
def teacher(gpu):
    return Classifier("Vanilla", epochs=1, progress=False, device=gpu).fit(
        images(), labels_of("missing")
    )


def told(name, x, teacher):
    known = {
        "clean": (x[:6], torch.arange(6) % 3),
        "teacher": teacher,
        "truth": labels_of("missing") >= 0,  # as the labelled rows say
    }
    return {key: value for key, value in known.items() if key in methods.get(name).needs}


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_every_method_learns_on_a_gpu_and_predicts_the_same_on_a_cpu(
    kind, name, gpu, teacher, tmp_path
):
    only_images = choices.is_any(name, choices.NEED_IMAGES | choices.NEED_PIXELS)
    x = images() if only_images else features()
    model = Classifier(name, epochs=2, batch_size=8, seed=3, progress=False, device=gpu)
    model.fit(x, labels_of(kind), **told(name, x, teacher))
    assert next(model.model_.parameters()).device.type == torch.device(gpu).type
    p = model.predict_proba(x)
    assert p.shape == (ROWS, 3)
    assert p.dtype == np.float64
    assert np.isfinite(p).all()
    model.save(tmp_path / "model.pt")
    again = Classifier.load(tmp_path / "model.pt", device="cpu")
    np.testing.assert_allclose(again.predict_proba(x), p, atol=0.01)


@pytest.mark.parametrize("name", ["EM", "CAP", "PRODEN", "GCE", "DL-CL"])
def test_a_gpu_learns_what_a_cpu_learns(name, gpu):
    kind = sorted(choices.kinds_of(name))[0]
    settings = {"epochs": 3, "batch_size": 8, "seed": 3, "progress": False}
    p, q = (
        Classifier(name, device=device, **settings)
        .fit(features(), labels_of(kind))
        .predict_proba(features())
        for device in (gpu, "cpu")
    )
    np.testing.assert_allclose(p, q, atol=0.02)


def test_an_estimator_moves_between_devices(gpu, tmp_path):
    model = Classifier("EM", epochs=1, progress=False, device="cpu")
    model.fit(features(), labels_of("missing"))
    model.save(tmp_path / "model.pt")
    moved = Classifier.load(tmp_path / "model.pt", device=gpu)
    np.testing.assert_allclose(
        moved.predict_proba(features()), model.predict_proba(features()), atol=0.01
    )


def test_shares_of_positives_are_counted_in_double_precision(gpu):
    """A third of 30,000 rows: in single precision the product would lose a row."""
    observed = torch.tensor([[1], [-1], [-1], [0]], dtype=torch.int8).repeat(10_000, 1)
    method = methods.create("CAP")
    method.start(Context(observed.to(gpu)))
    assert method.proportions.dtype == torch.float64
    assert method.proportions.device.type == "cpu"  # not every device has this type
    scores = torch.randn(30_000, 1, generator=torch.Generator().manual_seed(0))
    here, there = (class_aware(scores.to(d), method.proportions) for d in (gpu, "cpu"))
    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours.cpu(), theirs)


def test_average_precision_is_that_of_a_cpu(gpu):
    if torch.device(gpu).type == "mps":
        pytest.skip("MPS has no double precision")
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(500, 5, generator=generator)
    truth = (torch.rand(500, 5, generator=generator) < 0.2).to(torch.int8)
    here = average_precision(scores.to(gpu), truth.to(gpu))
    np.testing.assert_allclose(here, average_precision(scores, truth))

"""Runs on a GPU: what a CPU finds, shared by processes, resumed, in half precision, compiled."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.lab.end_to_end_runs import interrupt_third_epoch, small
from tests.library import tiny_datasets
from weaklabels import models
from weaklabels.data.reading import read_ahead
from weaklabels.lab import (
    candidate_sets,
    multilabel,
    multilabel_watch,
    noisy_labels,
    sharing,
    sweep,
    two_stage,
)
from weaklabels.lab.execute import network
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store
from weaklabels.train import OptimiserSpec, predict

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]

SCENES = multilabel.Spec(
    "LL-Cp",
    options(rate=0.02),
    data_options=options(train=64, val=30, test=60),
    network_options=options(width=16, batch_norm=False),
    epochs=3,
    average=0.9,
    track=("test_scores", "weights"),
)
DIGITS = candidate_sets.Spec(
    "PRODEN",
    data_options=options(test=1400),
    epochs=3,
    candidates="flip",
    q=0.3,
    track=("weights",),
)
WRONG = noisy_labels.Spec(
    "GCE",
    data_options=options(test=1400),
    network_options=options(hidden=(32,), inputs=64),
    epochs=3,
    constant_epochs=2,
)
STAGES = two_stage.Spec(
    "CAP",
    options(warm_up=0),
    data_options=options(train=80, val=30, test=40),
    annotation="labelled share",
    annotation_options=options(share=0.3),
    network_options=options(width=16, batch_norm=False),
    warm_up=two_stage.Stage(epochs=2, batch_size=12),
    weak=(("noise", 0.05),),
    strong=(("noise", 0.3),),
    epochs=2,
    batch_size=24,
    labelled_batch=8,
    optimiser=OptimiserSpec("adamw", lr=1e-3, weight_decay=1e-4, warm_up=0.2),
)
PROTOCOLS = {
    "multilabel": (multilabel.run, SCENES),
    "candidate sets": (candidate_sets.run, DIGITS),
    "noisy labels": (noisy_labels.run, WRONG),
    "two stages": (two_stage.run, STAGES),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    tiny_datasets.voc2012(folder, train=40, val=10)
    return folder


def agree(ours, theirs, *, points=3.0, values=0.02):
    """Whether two records are one result up to rounding: scores in percent, all else as numbers.

    Reductions have another order on a GPU, and products other low bits: an order of two scores may
    change, and with it a precision among few examples.
    """
    assert ours.values.keys() == theirs.values.keys()
    for name, value in theirs.values.items():
        found = ours[name]
        assert found.shape == value.shape, name
        assert found.dtype == value.dtype, name
        if value.dtype.kind == "f":
            percent = name.endswith(("_ap", "_ap_current", "_accuracy")) or name.startswith("test")
            tolerance = points if percent and "scores" not in name else values
            off = np.nanmean(np.abs(found.astype(float) - value.astype(float)))
            assert off <= tolerance * max(1.0, float(np.nanstd(value)) if not percent else 1), name


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_gpu_finds_what_a_cpu_finds(protocol, gpu, tmp_path):
    function, spec = PROTOCOLS[protocol]
    specs = [replace(spec, seed=seed, device=device) for seed in (0, 1) for device in (gpu, "cpu")]
    records = sweep.run(function, specs, Store(tmp_path))
    for ours, theirs in zip(records[::2], records[1::2], strict=True):
        agree(ours, theirs)
    assert records[0].provenance["device"] == sweep.provenance(gpu)["device"]


def test_processes_share_the_card_and_find_the_same(gpu, tmp_path):
    specs = [replace(SCENES, seed=seed, device=gpu) for seed in range(6)]
    shared = sweep.run(multilabel.run, specs, Store(tmp_path / "shared"), workers=3)
    alone = sweep.run(multilabel.run, specs, Store(tmp_path / "alone"))
    for ours, theirs in zip(shared, alone, strict=True):
        agree(ours, theirs, points=1.0, values=1e-3)


@pytest.mark.parametrize("method", ["LL-Cp", "ROLE", "EM+APL"])
def test_an_interrupted_run_goes_on_with_the_same_dropout(method, gpu, root, tmp_path, monkeypatch):
    """Its checkpoint holds the state of the GPU's generator, from which dropout is drawn."""
    spec = small(root, method, device=gpu, track=("weights", "test_scores"))
    evaluate = multilabel_watch.average_precision
    interrupt_third_epoch(_stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep.run(multilabel.run, [spec], Store(tmp_path))
    finally:
        monkeypatch.setattr(multilabel_watch, "average_precision", evaluate)
    assert list((tmp_path / "checkpoints").glob("*.pt"))
    (resumed,) = sweep.run(multilabel.run, [spec], Store(tmp_path))
    (whole,) = sweep.run(multilabel.run, [spec], Store(tmp_path / "again"))
    agree(resumed, whole, points=1.0, values=1e-3)


def _stop():
    raise KeyboardInterrupt


def test_images_that_are_read_ahead_arrive_whole(gpu):
    x = torch.arange(64 * 3 * 32 * 32).remainder(251).to(torch.uint8).reshape(64, 3, 32, 32)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    seen = [(rows, batch + 0) for rows, batch in read_ahead(x, order.split(5), gpu)]
    assert all(batch.device.type == torch.device(gpu).type for _, batch in seen)
    assert torch.equal(torch.cat([batch.cpu() for _, batch in seen]), x[order])


def test_half_precision_is_close_and_its_weights_stay_in_full(gpu, root):
    spec = small(root, device=gpu, epochs=1, average=None, augment=(), track=("test_scores",))
    spec = replace(spec, network="resnet18", network_options=options(pretrained=False))
    x = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(gpu)
    full, half = (
        network(replace(spec, precision=precision), 20, seed=0)
        for precision in ("float32", "bfloat16")
    )
    torch.testing.assert_close(predict(half, x), predict(full, x), atol=0.1, rtol=0.05)
    assert all(weight.dtype == torch.float32 for weight in half.parameters())
    found = multilabel.run(replace(spec, precision="bfloat16"))
    assert found["test_scores_last"].dtype == np.float32
    assert np.isfinite(found["test_scores_last"]).all()


def test_channels_last_and_compilation_change_no_result(gpu):
    pytest.importorskip("triton", reason="torch.compile needs Triton on a GPU")
    model = models.build("resnet18", 4, seed=0, pretrained=False).to(gpu).eval()
    x = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(gpu)
    with torch.no_grad():
        plain = model(x)
        model.to(memory_format=torch.channels_last)
        model.compile()
        torch.testing.assert_close(model(x), plain, atol=2e-2, rtol=2e-2)


def test_a_loss_that_is_not_finite_stops_the_run(gpu):
    wild = replace(SCENES, device=gpu, optimiser=OptimiserSpec("sgd", lr=1e30), epochs=2, track=())
    with pytest.raises(FloatingPointError, match=r"method 'LL-Cp': the loss of epoch \d, step \d"):
        multilabel.run(wild)


def test_it_is_measured_how_many_runs_share_the_card(gpu):
    run = replace(DIGITS, device=gpu)
    shared = sharing.measure(candidate_sets.run, run, gpu, counts=(1, 2), seconds=1.0)
    assert set(shared.rates) == {1, 2}
    assert all(rate > 0 for rate in shared.rates.values())
    assert 0 < shared.peak < 2e9

"""Images end to end: read from shards, checkpointed, several processes at work on one batch."""

import os
import signal
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.lab import sweep_runs
from tests.lab.end_to_end_runs import interrupt_third_epoch, small
from tests.library import tiny_datasets
from weaklabels import methods, models
from weaklabels.data.reading import read_ahead
from weaklabels.lab import keys, multilabel, multilabel_watch, sweep
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store, digest
from weaklabels.methods.base import Context
from weaklabels.train import OptimiserSpec, fit, predict


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    tiny_datasets.voc2012(folder, train=40, val=10)
    return folder


def digest_of(values):
    return digest({name: np.asarray(value) for name, value in values.items()})


class Interrupted(Exception):
    pass


def stop():
    raise Interrupted


def killed_in_its_third_epoch(spec, store):
    interrupt_third_epoch(lambda: os.kill(os.getpid(), signal.SIGKILL))
    sweep.run(multilabel.run, [spec], store)


def test_a_run_killed_after_an_epoch_goes_on_with_the_same_bits(root, tmp_path):
    """SIGKILL in a process of its own; what remains is the checkpoint of its second epoch."""
    spec, store = small(root), Store(tmp_path / "runs")
    whole = multilabel.run(spec)
    process = get_context("fork").Process(
        target=killed_in_its_third_epoch, args=(spec, store), daemon=True
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    left = [path.suffix for path in (tmp_path / "runs" / "checkpoints").iterdir()]
    assert left == [".pt"]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        restore = Checkpoint.restore
        patch.setattr(Checkpoint, "restore", lambda self: seen.append(restore(self)) or seen[-1])
        resumed = sweep.run(multilabel.run, [spec], store)[0]
    assert seen == [2]
    assert digest_of(resumed.values) == digest_of(whole)
    assert not list((tmp_path / "runs" / "checkpoints").iterdir())


@pytest.mark.parametrize("method", ["LL-Cp", "ROLE", "EM+APL"])
def test_every_kind_of_state_is_kept(method, root, tmp_path, monkeypatch):
    track = ("weights", "modified") if method == "EM+APL" else ("weights", "entry_logits")
    spec, store = small(root, method, track=track), Store(tmp_path)
    evaluate = multilabel_watch.average_precision
    monkeypatch.setattr(multilabel_watch, "average_precision", evaluate)
    interrupt_third_epoch(stop)
    with pytest.raises(Interrupted):
        sweep.run(multilabel.run, [spec], store)
    monkeypatch.setattr(multilabel_watch, "average_precision", evaluate)
    resumed = sweep.run(multilabel.run, [spec], store)[0]
    assert digest_of(resumed.values) == digest_of(multilabel.run(spec))


def test_a_damaged_checkpoint_is_reported_and_the_run_starts_again(root, tmp_path):
    spec, store = small(root), Store(tmp_path)
    path = store.folder / "checkpoints" / store.path(multilabel.run, spec).with_suffix(".pt").name
    path.parent.mkdir()
    for content in (b"", b"PK\x03\x04 cut off", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="is damaged: its run starts from the beginning"):
            assert Checkpoint(path, order=torch.Generator()).restore() == 0
        assert not path.exists()


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, OSError])
def test_a_checkpoint_that_cannot_be_read_for_another_reason_stays(error, tmp_path, monkeypatch):
    """Out of memory, a network's file system: nothing that is wrong with the file."""
    checkpoint = Checkpoint(tmp_path / "state.pt", order=torch.Generator().manual_seed(3))
    checkpoint.save(4)
    with monkeypatch.context() as patched:
        patched.setattr(torch, "load", lambda *_, **__: (_ for _ in ()).throw(error("allocate")))
        with pytest.raises(error, match="allocate"):
            checkpoint.restore()
    assert checkpoint.restore() == 4


def test_what_a_killed_process_was_writing_goes(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(SystemExit))
        patched.setattr(Path, "unlink", lambda *_, **__: None)  # as SIGKILL leaves it
        with pytest.raises(SystemExit):
            Checkpoint(path).save(1)
    assert len(list(tmp_path.iterdir())) == 1
    assert Checkpoint(path).restore() == 0
    assert not list(tmp_path.iterdir())


def test_a_bit_that_changed_in_a_checkpoint_is_damage(tmp_path):
    path = tmp_path / "state.pt"
    Checkpoint(path, weights=nn.Linear(1000, 1)).save(1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert Checkpoint(path, weights=nn.Linear(1000, 1)).restore() == 0


def test_checkpoints_hold_no_code(tmp_path):
    """A file that would run code when it is opened is damage, not a state."""

    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    path = tmp_path / "state.pt"
    torch.save({"epoch": 1, "parts": Bomb()}, path)
    with pytest.warns(UserWarning, match="damaged"):
        assert Checkpoint(path).restore() == 0


def test_images_on_disk_train_as_the_same_images_in_memory(root):
    spec = small(root, augment=(), average=None, track=("weights", "train_scores"))
    splits = multilabel.load_splits(spec)
    assert splits.train.x.dtype == torch.uint8
    in_memory = splits.train.x.float() / 255

    def train(x):
        model = models.build("patch_net", 20, channels=3, width=8)
        method = methods.create("AN")
        method.start(Context(torch.from_numpy(multilabel.annotate(spec, splits.train.y.numpy()))))
        order = torch.Generator().manual_seed(0)
        optimiser = OptimiserSpec(lr=1e-2).build(model, method)
        fit(model, x, method, epochs=2, batch_size=8, optimiser=optimiser, order=order)
        return model

    a, b = train(splits.train.x), train(in_memory)
    assert torch.equal(a.head.weight, b.head.weight)
    assert torch.equal(predict(a, splits.train.x), predict(b, in_memory))


def test_reading_ahead_gives_rows_in_order_and_errors_to_the_reader():
    x = torch.arange(20, dtype=torch.uint8)[:, None]
    got = list(read_ahead(x, torch.arange(20).flip(0).split(6)))
    assert [len(rows) for rows, _ in got] == [6, 6, 6, 2]
    assert all(torch.equal(batch[:, 0].long(), rows) for rows, batch in got)
    with pytest.raises(IndexError):
        list(read_ahead(x, [torch.tensor([99])]))


def test_tracking_the_pointing_game_changes_nothing_else():
    """Batch normalisation must not learn from the test scenes that are looked at."""
    spec = Spec(
        "AN",
        data_options=options(train=48, val=20, test=20),
        network_options=options(width=8),
        epochs=1,
        track=("weights",),
    )
    with_pointing = multilabel.run(replace(spec, track=("pointing", "weights")))
    with_pointing = {k: v for k, v in with_pointing.items() if not k.startswith("pointing")}
    assert digest_of(with_pointing) == digest_of(multilabel.run(spec))


def test_bfloat16_is_close_to_float32_and_logits_stay_float32(root):
    spec = small(root, augment=(), average=None, track=("test_scores",), epochs=1)
    spec = replace(spec, network="patch_net", network_options=options(channels=3, width=8))
    full = multilabel.run(spec)
    half = multilabel.run(replace(spec, precision="bfloat16"))
    scores = half["test_scores_last"]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, full["test_scores_last"], atol=0.1)
    assert digest_of(half) != digest_of(full)
    with pytest.raises(ValueError, match="precision is 'float8': expected one of float32"):
        multilabel.run(replace(spec, precision="float8"))


def test_weights_of_a_resnet_come_from_a_file(tmp_path):
    from torchvision.models import resnet18

    torch.manual_seed(5)
    source = resnet18()
    path = tmp_path / "resnet18.pth"
    torch.save(source.state_dict(), path)
    ours = models.build("resnet18", 4, weights=str(path), normalise=True)
    first = next(m for m in ours.modules() if isinstance(m, nn.Conv2d))
    assert torch.equal(first.weight, source.conv1.weight)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"resnet18\.pth: not a readable file of weights"):
        models.build("resnet18", 4, weights=str(path))
    with pytest.raises(FileNotFoundError, match=r"missing\.pth is not there"):
        models.build("resnet18", 4, weights=str(tmp_path / "missing.pth"))


def test_a_failure_in_one_of_the_processes_is_told(tmp_path):
    spec = Spec("AN", annotation="guess", data_options=options(train=48, val=20, test=20))
    with pytest.raises(ChildProcessError, match="the run on 2 processes failed"):
        sweep.run(multilabel.run, [spec], Store(tmp_path), gpus=2)


def test_a_run_that_shares_nothing_is_computed_once(tmp_path):
    """With two processes both would do all of it."""
    log = tmp_path / "log"
    specs = [sweep_runs.Walk(seed=1, log=str(log))]
    sweep.run(sweep_runs.walk, specs, Store(tmp_path / "runs"), gpus=2)
    assert log.read_text() == "1\n"
    assert keys.executes(multilabel.run, Spec("AN"))

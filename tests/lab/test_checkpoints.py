"""Every protocol goes on from its checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.test_on_a_gpu import PROTOCOLS
from weaklabels.lab import sweep
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.store import Store, digest


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_run_that_was_stopped_ends_with_the_same_bits(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, spec = PROTOCOLS[protocol]
    spec = replace(spec, checkpoint=True)
    uninterrupted = sweep.run_one(function, spec, None)
    store, save = Store(tmp_path), Checkpoint.save

    def save_and_stop(self: Checkpoint, epoch: int) -> None:
        save(self, epoch)
        raise KeyboardInterrupt

    path = store.path(function, spec)
    with monkeypatch.context() as stopping:
        stopping.setattr(Checkpoint, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            sweep.run_one(function, spec, store, path)
    assert list((tmp_path / "checkpoints").iterdir())
    resumed = sweep.run_one(function, spec, store, path)
    assert digest(resumed.values) == digest(uninterrupted.values)

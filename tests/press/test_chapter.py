"""What a notebook opens first."""

from dataclasses import dataclass

import pytest

from tests.lab import sweep_runs
from weaklabels.lab.sharing import Shared, written
from weaklabels.lab.store import Record
from weaklabels.press import machine
from weaklabels.press.chapter import Chapter
from weaklabels.press.runner.options import UsageError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"profile": "fast"}, "profile is 'fast'"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": -1}, "seeds is -1"),
        ({"seeds": "3"}, "seeds is '3'"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Chapter("x", **settings)


def test_device_without_gpu_is_named(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="device is 'cuda'"):
        Chapter("x", device="cuda")


def test_workers_are_those_asked_for_else_the_cores_or_what_shares_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "FOUND", tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "NVIDIA L4")
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (24 * 10**9, 24 * 10**9))
    monkeypatch.setattr("joblib.cpu_count", lambda: 16)
    monkeypatch.delenv("WEAKLABELS_WORKERS", raising=False)
    monkeypatch.setenv("WEAKLABELS_GPUS", "2")
    on_cpu, on_gpu = Chapter("x"), Chapter("x", device="cuda")
    assert (on_cpu.workers, on_cpu.gpus) == (16, 1)
    assert (on_gpu.workers, on_gpu.gpus) == (1, 2)
    measured = {"an MLP": Shared({1: 10.0, 2: 20.0, 4: 40.0}, 10**9)}
    machine.sharing_file(tmp_path, "cuda", "quick").write_text(written(measured))
    assert [Chapter("x", profile, "cuda").workers for profile in ("record", "paper")] == [4, 1]
    monkeypatch.setenv("WEAKLABELS_WORKERS", "3")
    assert (Chapter("x").workers, Chapter("x", device="cuda").workers) == (3, 3)
    monkeypatch.setenv("WEAKLABELS_WORKERS", "many")
    with pytest.raises(UsageError, match="WEAKLABELS_WORKERS=many is not a whole number"):
        Chapter("x")


def test_runs_and_claims_go_to_the_build_folder_of_the_profile(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    monkeypatch.setenv("WEAKLABELS_WORKERS", "1")
    chapter = Chapter("x", profile="smoke")
    records = chapter.run(sweep_runs.walk, [sweep_runs.Walk(seed=1)])
    assert isinstance(records[0], Record)
    assert len(list((tmp_path / "smoke" / "runs").glob("walk-*.npz"))) == 1
    assert chapter.ledger.path == tmp_path / "smoke" / "claims" / "x.json"
    assert chapter.choose(quick=1, paper=2, smoke=3) == 3
    assert chapter.recorded("nothing") is None


@dataclass(frozen=True)
class Toy:
    size: int
    seed: int = 0


def measure(spec: Toy) -> dict:
    return {"value": 10 * spec.size + spec.seed}


def test_repeat_gives_one_record_a_seed_under_each_name(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    monkeypatch.setenv("WEAKLABELS_WORKERS", "1")
    chapter = Chapter("toy", "smoke", seeds=2)
    table = {"one": Toy(1), "two": Toy(2)}
    found = chapter.repeat(measure, table)
    values = {name: [int(r["value"]) for r in records] for name, records in found.items()}
    assert values == {"one": [10, 11], "two": [20, 21]}
    assert [r.spec.seed for r in chapter.repeat(measure, table, iter([5]))["two"]] == [5]
    assert chapter.repeat(measure, {}) == {}

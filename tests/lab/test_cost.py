"""What a step costs: ratios of time, by a clock that the trials themselves move on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from weaklabels import methods, models
from weaklabels.lab import cost
from weaklabels.lab.execute import started
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import Trained
from weaklabels.lab.store import Store


class Clock:
    """Tells the seconds that its trials have taken."""

    def __init__(self, **seconds: list[float]) -> None:
        """Trial -> what it takes, call by call."""
        self.now = 100.0
        self.called: list[str] = []
        self.trials = {name: self._trial(name, iter(each)) for name, each in seconds.items()}

    def _trial(self, name, seconds):
        def train() -> None:
            assert torch.get_num_threads() == 1
            self.called.append(name)
            self.now += next(seconds)

        return train

    def __call__(self) -> float:
        return self.now


def test_ratios_are_taken_within_a_round_and_the_first_round_does_not_count():
    clock = Clock(plain=[50, 1, 2, 4, 8, 2], own=[1, 1, 4, 12, 32, 10])
    found = cost.ratios(clock.trials, 5, clock)
    assert found == {"plain": [1, 1, 1], "own": [2, 3, 4]}  # of 1, 2, 3, 4, 5
    assert clock.called == ["plain", "own"] * 6


def test_ratios_are_rounded_to_hundredths():
    clock = Clock(plain=[3, 3], own=[1, 1])
    assert cost.ratios(clock.trials, 1, clock)["own"] == [0.33, 0.33, 0.33]


@pytest.mark.parametrize(("profile", "rounds"), [("quick", 15), ("record", 15), ("smoke", 1)])
def test_a_record_says_what_is_divided_by_what(tmp_path: Path, profile: str, rounds: int):
    setting = Setting(profile, "cpu", 1, "", Store(tmp_path), tmp_path)
    called = []
    trials = {name: lambda: called.append(sum(range(9999))) for name in ("plain", "own")}
    found = cost.measure(setting, trials, "two epochs")
    assert "divided by that of plain in the same round" in found["what"]
    assert found["what"].endswith(f"over {rounds} rounds of two epochs")
    assert found["steps"].keys() == trials.keys()
    assert found["steps"]["plain"] == [1, 1, 1]
    assert len(called) == 2 * (rounds + 1)


def test_a_processor_does_not_wait_for_a_gpu(tmp_path: Path):
    setting = Setting("quick", "cuda", 1, "", Store(tmp_path), tmp_path)
    with pytest.raises(ValueError, match="processor time is measured is 'cuda': expected one of c"):
        cost.measure(setting, {"plain": lambda: None}, "two epochs")


def test_training_for_the_clock_trains():
    x, y = torch.randn(12, 1, 8, 8), torch.arange(12) % 3
    model = models.build("mlp", 3, seed=0, inputs=64, hidden=(4,))
    before = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
    cost.train(Trained(epochs=2, batch_size=5), model, started(methods.create("CE"), y), x)
    assert not torch.equal(before, nn.utils.parameters_to_vector(model.parameters()))

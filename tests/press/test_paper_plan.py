"""`make paper-plan` away from the card."""

from __future__ import annotations

import torch

from weaklabels.press.paper import plan


def test_away_from_the_card_its_speeds_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    names = ["throughput-cpu.json", "throughput-NVIDIA-H200.json", "throughput-NVIDIA-A100.json"]
    (tmp_path / names[0]).touch()
    assert plan.speeds_of(tmp_path, "cuda").name == "throughput-cuda.json"
    (tmp_path / names[1]).touch()
    assert plan.speeds_of(tmp_path, "cuda").name == names[1]
    assert plan.speeds_of(tmp_path, "cpu").name == names[0]
    (tmp_path / names[2]).touch()  # which of the two is meant cannot be known
    assert plan.speeds_of(tmp_path, "cuda").name == "throughput-cuda.json"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA L4")
    (tmp_path / names[2]).unlink()  # a card that is there was not timed
    assert plan.speeds_of(tmp_path, "cuda").name == "throughput-NVIDIA-L4.json"

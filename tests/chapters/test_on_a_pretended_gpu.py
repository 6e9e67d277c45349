"""What rooms run in ways of their own, and show, where devices that are mixed are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from chapters.class_activation_value import runs as cavl
from chapters.l2d import runs as l2d
from chapters.lfosa import runs as lfosa
from chapters.mogd import cost
from chapters.mogd import runs as mogd
from chapters.self_crowd import runs as crowd
from chapters.stability_attacks import runs as attacks

from weaklabels.lab.spec import options
from weaklabels.methods import mogd as meta
from weaklabels.press.chapter import Chapter
from weaklabels.press.runner.notebooks import read_notebook, source_of

CHAPTERS = Path(__file__).parents[2] / "book" / "chapters"


def smoke(slug, device):
    return Chapter(slug, "smoke", device, 1)


def test_distillation_does_not_mix_devices(pretended):
    base = next(iter(l2d.settings(smoke("l2d", pretended)).values()))
    few = {"data_options": options(train=8, val=4, test=4), "epochs": 1, "batch_size": 4}
    base = replace(base, teacher=replace(base.teacher, **few), **few)
    l2d.run(l2d.full_l2d(base, {"MLD": None, "LED": None}))


def test_active_learning_does_not_mix_devices(pretended):
    near = lfosa.settings(smoke("lfosa", pretended))["near unknowns"]
    lfosa.run(replace(lfosa.vary(near, "LfOSA"), rounds=1, steps=1))


def test_learning_from_a_crowd_does_not_mix_devices(pretended):
    spec = next(iter(crowd.settings(smoke("self_crowd", pretended)).values()))
    few = {"warm_up": 1, "base_steps": 1, "rounds": 1, "round_steps": 1}
    crowd.run(replace(spec, methods=("DL-CL", "quota"), **few))


def test_training_under_attack_does_not_mix_devices(pretended):
    base = attacks.settings(smoke("stability_attacks", pretended)).base
    few = {"data_options": options(test=1770), "epochs": 1, "steps": 1, "test_steps": 1}
    attacks.run(replace(base, **few))


def small(slug, device):
    few = options(test=1690)
    return replace(mogd.settings(smoke(slug, device)).sizes, data_options=few, clean=1, epochs=1)


def two_passes(function, primals, tangents):
    """``torch.func.jvp`` without ``torch.func``: backwards, and backwards again."""
    leaves = {name: value.detach().requires_grad_() for name, value in primals[0].items()}
    with torch.enable_grad():
        found = function(leaves)
        weights = torch.zeros_like(found, requires_grad=True)
        back = torch.autograd.grad(found, list(leaves.values()), weights, create_graph=True)
        (along,) = torch.autograd.grad(back, weights, list(tangents[0].values()))
    return found.detach(), along


def test_judging_by_clean_samples_does_not_mix_devices(pretended, monkeypatch):
    monkeypatch.setattr(meta, "jvp", two_passes)
    mogd.run(mogd.vary(small("mogd", pretended), "MoGD +v"))


def test_operations_are_counted_where_the_data_are(pretended):
    spec = small("mogd", pretended)
    assert cost.operations(spec, batch=4) == cost.operations(replace(spec, device="cpu"), batch=4)


def test_the_network_whose_maps_are_shown_trains_on_the_device(pretended):
    assert cavl.scene_spec(smoke("class_activation_value", pretended)).device == pretended


SHOWN = {
    "mogd": "c001 c003 c007 c009 mogd-closed-hand c014 c015 c033",
    "class_activation_value": "c001 c001a c003 c014 c016 c018 c019 c021 c022 c036 c037",
}
"""Room -> ids of the cells that show a network, and of those that make what they need."""


@pytest.mark.parametrize("slug", SHOWN)
def test_cells_that_show_a_network_do_not_mix_devices(slug, pretended, monkeypatch, tmp_path):
    monkeypatch.setattr(meta, "jvp", two_passes)
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    names = {"profile": "smoke", "device": pretended, "seeds": 1, "data_root": "data"}
    cells = read_notebook(CHAPTERS / slug / f"{slug}.ipynb")["cells"]
    sources = {cell["id"]: source_of(cell) for cell in cells}
    for id in SHOWN[slug].split():
        exec(compile(sources[id], f"cell {id} of {slug}", "exec"), names)

"""Of every function that makes a room's runs one run or a few, as small as they can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chapters.acknowledging_the_unknown import landscape
from chapters.all_e import comparators
from chapters.all_e import runs as all_e
from chapters.bldr import photographs as bldr
from chapters.bldr.runs import with_method
from chapters.cdcr import real_candidates
from chapters.class_activation_value import real_sets
from chapters.head_to_head import classes, set_choices
from chapters.isgd_pinn import runs as pinn
from chapters.isgd_pinn import wide
from chapters.l2d import photograph_control
from chapters.l2d import photographs as l2d_photographs
from chapters.l2d import runs as l2d
from chapters.lfosa import runs as lfosa
from chapters.mogd import runs as mogd
from chapters.pu_mlc import branches, demo, studies
from chapters.pu_mlc import runs as pu_mlc
from chapters.self_crowd import anonymous, photograph_tuning, tuning
from chapters.self_crowd import photographs as crowd_photographs
from chapters.self_crowd import runs as crowd
from chapters.stability_attacks import gaussian
from chapters.stability_attacks import runs as attacks
from torch import nn

from tests.chapters.small_photographs import miniature
from tests.library import tiny_datasets as tiny
from tests.run_functions import RunFunction
from weaklabels.backbones import Backbone
from weaklabels.lab import candidate_sets, features, multilabel
from weaklabels.lab.setting import Setting
from weaklabels.lab.spec import options

COLOURS = 3
"""Features of a photograph here, where pixels take the place of the frozen network's maps."""

FEW_SCENES = options(train=8, val=6, test=6)
FEW_DIGITS = {"data_options": options(test=1740), "epochs": 1}
FEW_STEPS = {"warm_up": 1, "base_steps": 1, "rounds": 1, "round_steps": 1}

Runs = Iterator[tuple[RunFunction, Mapping[str, Any]]]
"""A function, and specs for it by a name."""

Room = Callable[[Setting], Runs]


def prepared(folder: Path, patch: pytest.MonkeyPatch) -> Setting:
    """A setting with tiny data in official formats, and what makes runs on them small."""
    setting = miniature(folder, patch, seeds=1)
    tiny.cifar10_subset(folder)
    tiny.cifar10_labels(folder)
    tiny.mnist_like(folder, "FashionMNIST", train=40)
    tiny.lost(folder)
    tiny.mirflickr(folder, 60)
    pixels = Backbone("pixels", nn.Identity(), (0.5,) * 3, (0.5,) * 3, "pixels", False)
    patch.setattr(features, "_backbone", lambda _: pixels)
    patch.setattr(l2d_photographs, "DECODER", options(width=8, heads=2, hidden=8))
    return replace(setting, profile="smoke")


def of_acknowledging(_: Setting) -> Runs:
    base = multilabel.Spec(
        "EM",
        options(alpha=0.1),
        data_options=FEW_SCENES,
        network_options=options(width=4, batch_norm=False),
        epochs=1,
        batch_size=4,
        track=("weights",),
    )
    spec = landscape.LandscapeSpec(base, points=2, images=4)
    yield landscape.loss_landscape, {"EM": spec}


def of_all_e(setting: Setting) -> Runs:
    chosen = all_e.settings(setting)
    chosen = replace(chosen, base=replace(chosen.base, episodes=1, test_steps=1), descent=1)
    yield all_e.run, {"local reward": chosen.base, **all_e.as_coded(chosen)}
    yield comparators.compare, all_e.fixed(chosen)
    yield comparators.direct_descent, {"": all_e.descent(chosen)}


def of_bldr(setting: Setting) -> Runs:
    small = replace(
        bldr.human_labels(setting, "worse_label"),
        network_options=options(inputs=COLOURS, hidden=(4, 4, 4), batch_norm=True),
        epochs=2,
        constant_epochs=1,
        evaluate_every=1,
        batch_size=20,
    )
    yield bldr.run, {name: with_method(small, name) for name in ("CE", "BLDR")}


def of_cdcr(setting: Setting) -> Runs:
    spec = real_candidates.mirflickr(setting.data_root, {})["CDCR"]
    later = options(**dict(spec.method_options) | {"warm_up": 1})
    yield real_candidates.run, {"CDCR": replace(spec, epochs=2, method_options=later)}


def of_class_activation_value(setting: Setting) -> Runs:
    spec = real_sets.base_spec("lost", setting.data_root)
    yield real_sets.run, {"CAVL": replace(spec, epochs=1, batch_size=20)}


def of_head_to_head(_: Setting) -> Runs:
    spec = classes.ClassSpec(
        "PRODEN", candidates="flip", q=0.5, classes=20, examples=20, network="gap_cnn", **FEW_DIGITS
    )
    yield classes.run_classes, {"20 classes": spec}
    held_out = FEW_DIGITS | {"data_options": options(test=1700, val=20)}
    digits = candidate_sets.Spec("CC", candidates="flip", q=0.5, network="gap_cnn", **held_out)
    yield set_choices.judge, {"10 classes": digits}
    yield set_choices.judge_classes, {"20 classes": replace(spec, **held_out)}


def of_isgd_pinn(_: Setting) -> Runs:
    base = replace(pinn.SMOKE.base, budget=8, iterations=2, hidden=(4,), points=9, spectra=True)
    yield (
        pinn.run,
        {name: replace(base, method=name) for name in pinn.METHODS}
        | {name: replace(base, **changes, batch=4) for name, changes in pinn.SMOKE.others.items()},
    )
    yield pinn.inner, {"": pinn.InnerSpec(base, (1, 2))}
    small = wide.WideSpec(width=6, steps=1, iterations=2)
    yield wide.run, {kind: replace(small, kind=kind) for kind in ("tanh", "relu")}


def of_l2d(setting: Setting) -> Runs:
    few = {"data_options": FEW_SCENES, "epochs": 1, "batch_size": 4}
    base = l2d.scenes(setting)
    base = replace(base, teacher=replace(base.teacher, **few), **few)
    student = l2d.full_l2d(base, {"MLD": None, "LED": None}, track=l2d.TRACKED)
    terms = {name: l2d.distil(base, name, 1.0) for name in l2d.TERMS}
    yield l2d.run, {"teacher": base.teacher, "L2D": student, **terms}
    yield l2d.initial_sizes, {"RKD": terms["RKD"]}
    yield l2d.near_trained, {"LED": l2d.distil(base, "LED, untrained teacher", 1.0)}


def of_l2d_photographs(setting: Setting) -> Runs:
    first = l2d_photographs.teacher_spec(setting)
    small = options(pretrained=False)
    student = l2d_photographs.student_spec(
        replace(first, network_options=small, epochs=1, checkpoint=False)
    )
    spec = l2d_photographs.distil(student, "LED")
    yield l2d_photographs.run, {"LED": spec}
    yield l2d_photographs.initial_sizes, {"LED": spec}
    control = l2d_photographs.distil(student, l2d_photographs.CONTROL)
    yield photograph_control.near_trained, {"LED": control}


def of_lfosa(setting: Setting) -> Runs:
    near, far = lfosa.settings(setting).values()
    few = {"steps": 1, "rounds": 1, "budget": 8, "data_options": options(test=1600)}
    near, far = replace(near, **few), replace(far, **few, patches=20)
    pool = replace(
        lfosa.small_photographs(setting)[lfosa.POOLS[2]],
        network_options=options(inputs=COLOURS, hidden=(4,)),
        initial=0.5,
        budget=4,
        rounds=1,
        steps=1,
    )
    augmented = replace(
        pool,
        far="",
        features="",
        augment=True,
        network="patch_net",
        network_options=options(channels=3, width=4),
    )
    yield (
        lfosa.run,
        {
            **{name: lfosa.vary(near, name) for name in (*lfosa.MAIN, *lfosa.STUDIES)},
            "patches": lfosa.vary(far, "LfOSA"),
            "clothes": lfosa.vary(pool, "LfOSA"),
            "photographs": augmented,
        },
    )
    yield lfosa.held_out_accuracy, {"": near}
    yield lfosa.first_detector_accuracy, {"": near}


def of_mogd(setting: Setting) -> Runs:
    few = {"clean": 1, **FEW_DIGITS, "data_options": options(test=1690)}
    small = replace(mogd.settings(setting).sizes, **few)
    yield mogd.run, {name: mogd.vary(small, name) for name in mogd.ROWS}


def of_pu_mlc(_: Setting) -> Runs:
    pools = options(**dict(pu_mlc.SCENES) | {"train": 12, "val": 6, "test": 6, "pretrain": 8})
    narrow = options(**dict(pu_mlc.ON_SCENES.network_options) | {"width": 8})
    few = {"epochs": 1, "batch_size": 6, "data_options": pools, "network_options": narrow}
    base = replace(pu_mlc.ON_SCENES, **few)

    def small(name: str) -> multilabel.Spec:
        return replace(pu_mlc.specify(base, name, 50, 1e-3), data_options=pools)

    yield pu_mlc.run, {name: small(name) for name in pu_mlc.VARIANTS}
    yield branches.change_at_start, {"": small("PU-MLC, pre-trained, with LgConv")}
    changes = {"twins": {"change": "twins"}, "centred": {"change": "centred", "level": True}}
    yield (
        studies.run,
        {name: studies.changing(small("PU-MLC"), **change) for name, change in changes.items()},
    )
    yield demo.fit_line, {"": demo.LineSpec(0, 10, 40)}
    names = ("uPU", "nnPU", "VPU", "VPU with mixup")
    yield (
        demo.fit_flexible,
        {
            name: demo.FlexibleSpec(0, name, labelled=10, unlabeled=20, bumps=9, steps=1, every=1)
            for name in names
        },
    )


def of_self_crowd(setting: Setting) -> Runs:
    every = (*crowd.LABEL_METHODS, *crowd.CONTINUED)
    digits = crowd.Spec(data_options=options(test=1500, val=100), methods=every, **FEW_STEPS)
    yield crowd.run, {"digits": digits}
    yield tuning.trial, {"digits": digits}
    named = replace(
        crowd_photographs.table(setting)[2],
        network_options=options(inputs=COLOURS, hidden=(4,)),
        ratio=2,
        **FEW_STEPS,
    )
    nameless = anonymous.without_names(named)
    yield crowd_photographs.run, {"named": named}
    yield anonymous.run, {"nameless": nameless}
    yield photograph_tuning.trial, {"named": named, "nameless": nameless}


def of_stability(setting: Setting) -> Runs:
    few = {"data_options": options(test=1700), "epochs": 1, "steps": 1, "test_steps": 2}
    base = replace(attacks.settings(setting).base, **few, craft_steps=2)
    methods = {name: replace(base, method=name, attack="hypocritical") for name in attacks.METHODS}
    kinds = {kind: replace(base, attack=kind) for kind in attacks.ATTACKS}
    yield attacks.run, methods | kinds
    yield attacks.craft, {"adversarial": attacks.crafting_spec(kinds["adversarial"])}
    yield attacks.among_strangers, {"": replace(kinds["hypocritical"], craft_draws=5)}
    yield (
        gaussian.fit,
        {
            kind: gaussian.GaussianSpec(kind, 0.1, n=10, steps=1)
            for kind in ("clean", "adversarial", "hypocritical")
        },
    )


ROOMS: tuple[Room, ...] = (
    of_acknowledging,
    of_all_e,
    of_bldr,
    of_cdcr,
    of_class_activation_value,
    of_head_to_head,
    of_isgd_pinn,
    of_l2d,
    of_l2d_photographs,
    of_lfosa,
    of_mogd,
    of_pu_mlc,
    of_self_crowd,
    of_stability,
)

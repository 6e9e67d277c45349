"""The papers' settings on a slice: what is cut, what stands in for what, plan and budget."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from chapters.acknowledging_the_unknown import landscape
from chapters.mogd import runs as mogd

from tests.library import tiny_datasets
from tests.press.toy_paper import CELLS, repository
from weaklabels import data
from weaklabels.lab import candidate_sets, candidate_setting, multilabel
from weaklabels.lab.checkpoint import Checkpoint
from weaklabels.lab.missing_labels import photographs
from weaklabels.lab.spec import options
from weaklabels.lab.store import Record, Store
from weaklabels.lab.sweep import run as sweep
from weaklabels.lab.two_stage import Spec as TwoStages
from weaklabels.lab.two_stage import Stage
from weaklabels.press.paper import check, follow, plan, slices, throughput, work
from weaklabels.press.paper.shorten import (
    CAPS,
    kind_of,
    lighter,
    shortened,
    weights_at_hand,
    with_weights_at_hand,
)
from weaklabels.press.paper.slices import PUBLISHED, SIZES
from weaklabels.press.runner.options import UsageError, budget

CPU = SIZES["cpu"]


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A repository with one chapter, whose two tables have runs on CIFAR-10."""
    return repository(tmp_path, monkeypatch, CELLS)


# -- slices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_dataset_has_a_slice_without_any_file(name, tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    seen = {}
    with slices.installed(CPU, seen.__setitem__):
        given = {"resolution": 32} if PUBLISHED[name].several else {}
        splits = data.load(name, str(tmp_path), **given)
    assert seen == {name: True}
    assert len(splits.classes) == PUBLISHED[name].classes
    assert len(splits.train) == len(splits.train.y) <= max(CPU.images, CPU.examples)
    assert set(splits.train.extra) == set(PUBLISHED[name].extra)
    assert not data.LOADERS[name].startswith("weaklabels.press")


def test_the_photographs_are_those_of_the_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    for name in ("first", "second"):
        tiny_datasets.voc2012(tmp_path / name, train=20, val=10)
        kit = tmp_path / name / "VOCdevkit" / "VOC2012"
        devkit = slices._first_photographs(tmp_path / name, CPU) / "VOCdevkit" / "VOC2012"
        assert (devkit / "JPEGImages").resolve() == (kit / "JPEGImages").resolve()


def test_real_photographs_come_first(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    tiny_datasets.voc2012(tmp_path, train=20, val=10)
    seen = {}
    with slices.installed(CPU, seen.__setitem__), slices.installed(CPU):
        splits = data.load("voc2012", str(tmp_path), resolution=24)
    assert seen == {"voc2012": False}
    assert len(splits.train) == len(splits.test) == CPU.images
    assert splits.train.boxes is not None
    assert splits.train.boxes[:, 0].max() < CPU.images
    whole = data.load("voc2012", str(tmp_path), resolution=24)
    assert len(whole.train) == 16


def test_five_photographs_can_be_shown_and_no_step_has_one_alone():
    # Four notebooks show the first five; each of two processes has half of a step.
    assert CPU.images >= 5
    assert CPU.images % CPU.batch == CPU.batch % 2 == 0


@pytest.mark.parametrize("at_hand", [True, False])
def test_settings_hear_which_datasets_are_at_hand(at_hand, tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path / "build"))
    if at_hand:
        tiny_datasets.mnist_like(tmp_path, "FashionMNIST")
    chapter = follow.Following("head_to_head", "paper", "cpu", 1, str(tmp_path))
    seen = {}
    with slices.installed(CPU, seen.__setitem__):
        tables = candidate_setting.comparison(chapter).tables
        real_world = candidate_setting.present("partial_label", str(tmp_path), which="lost")
    images = candidate_setting.IMAGES
    assert {spec.dataset for spec in tables.values()} == set(
        ("fashion_mnist",) if at_hand else images
    )
    assert real_world is not at_hand
    assert seen == ({} if at_hand else dict.fromkeys((*images, "partial_label"), True))


@pytest.mark.parametrize(("free", "chapters"), [(10e9, 1), (24e9, 1), (80e9, 3), (140e9, 6)])
def test_a_card_follows_as_many_chapters_as_its_memory_holds(monkeypatch, free, chapters):
    monkeypatch.setattr("joblib.cpu_count", lambda: 16)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(free), int(140e9)))
    assert check.at_a_time("cuda") == chapters
    assert check.at_a_time("cpu") == check.JOBS


# -- shortened runs -------------------------------------------------------------------------------


def test_lengths_are_cut_and_everything_else_stays():
    spec = photographs("somewhere", "cpu")
    short = shortened(spec, CPU)
    assert (short.epochs, short.batch_size) == (2, CPU.batch)
    assert dict(short.data_options) == {"resolution": 32, "seed": 1200}
    kept = dict(short.network_options)
    assert kept == {"normalise": True, "pretrained": weights_at_hand("resnet50")}
    assert (short.precision, short.checkpoint, short.augment) == ("bfloat16", True, (("flip",),))
    assert shortened(spec, SIZES["cuda"]).data_options == spec.data_options
    light = lighter(short, "cpu")
    assert (light.precision, light.checkpoint) == ("float32", False)
    assert (short.network, light.network) == ("resnet50", "resnet18")
    on_gpu = lighter(short, "cuda")
    assert (on_gpu.precision, on_gpu.network) == ("bfloat16", "resnet50")
    headed = replace(short, method_options=options(graph_head=True, local_global=3))
    narrow = dict(lighter(headed, "cpu").method_options)
    assert narrow == {"graph_head": True, "graph_channels": 64, "local_global": 3}
    assert lighter(headed, "cuda").method_options == headed.method_options
    small = replace(short, network_options=options(pretrained=False, small=True))
    assert lighter(small, "cpu").network_options == options(pretrained=False)
    assert lighter(small, "cuda").network_options == small.network_options


def test_a_backbone_has_the_weights_that_are_here(monkeypatch):
    monkeypatch.setattr("weaklabels.press.paper.shorten.weights_at_hand", lambda _: False)
    spec = replace(photographs("somewhere", "cpu"), network="label_decoder")
    spec = with_weights_at_hand(replace(spec, network_options=options(backbone="resnet34")))
    inner = dict(spec.network_options)["backbone_options"]
    assert dict(inner) == {"pretrained": False}
    plain = options(backbone="patch_net")
    kept = with_weights_at_hand(replace(spec, network_options=plain)).network_options
    assert kept == plain


def test_stages_options_and_crops_are_cut_as_well():
    spec = TwoStages(
        "CAP",
        options(warm_up=12, margin=0.05),
        warm_up=Stage(epochs=12, batch_size=50),
        strong=(("square_crop", (448, 224), 448),),
        annotation_options=options(share=0.05),
        epochs=28,
    )
    short = shortened(spec, CPU)
    assert dict(short.method_options) == {"warm_up": 1, "margin": 0.05}
    assert (short.warm_up.epochs, short.warm_up.batch_size) == (2, CPU.batch)
    assert short.strong == (("square_crop", (32, 16), 32),)
    assert dict(short.annotation_options) == {"share": 0.5}


def test_runs_of_one_kind_differ_in_numbers_alone():
    spec = photographs("somewhere", "cpu")
    same = replace(spec, seed=3, epochs=7, method_options=options(epsilon=0.0))
    assert kind_of(spec) == kind_of(same)
    assert kind_of(spec) == kind_of(replace(spec, dataset="coco2014", annotation="full"))
    for other in (
        replace(spec, method="IU"),
        replace(spec, linear_init=True),
        replace(spec, method_options=options(epsilon=0.1)),
        replace(spec, track=("weights",)),
    ):
        assert kind_of(spec) != kind_of(other)


def test_a_run_with_checkpoints_is_killed_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    spec = replace(
        shortened(photographs(str(tmp_path), "cpu"), CPU),
        network="patch_net",
        network_options=options(channels=3, width=8),
        track=("weights",),
    )
    restored, restore = [], Checkpoint.restore
    monkeypatch.setattr(
        Checkpoint, "restore", lambda self: restored.append(restore(self)) or restored[-1]
    )
    runs = {name: replace(spec, checkpoint=name == "killed") for name in ("killed", "whole")}
    cases = [follow.Case("weaklabels.lab.multilabel:run", each, "cpu") for each in runs.values()]
    killed, whole = sweep(follow.run_case, cases, Store(tmp_path / "runs"))
    assert restored == [0, 1, 0]
    for name, value in whole.values.items():
        np.testing.assert_array_equal(killed[name], value)


def test_the_key_of_a_case_covers_its_run(tmp_path):
    spec = shortened(photographs("somewhere", "cpu"), CPU)
    case = follow.Case("weaklabels.lab.multilabel:run", spec, "cpu")
    assert multilabel.run in case.code()
    assert data.loader("voc2012") in case.code()


# -- a chapter ------------------------------------------------------------------------------------


def test_a_chapter_is_followed_with_one_run_of_each_kind(toy):
    trace = follow.follow("toy", "cpu", str(toy / "data"), workers=1)
    assert trace.failed == []
    assert [(t.section, t.runs, t.kinds) for t in trace.tables] == [
        ("Tables", 3, 1),
        ("Tables", 2, 1),
    ]
    assert trace.made_up == {"cifar10": True}
    assert trace.cells == len(CELLS)
    ((line, error),) = trace.silent
    assert line.startswith("found[0.5]")
    assert error.startswith("IndexError")
    ((key, images),) = trace.tables[0].cost.items()
    assert json.loads(key)["network"] == "mlp"
    assert images == pytest.approx(3 * 250 * (50_000 + 10_000 / 3))


def test_a_run_that_raises_is_told(toy, monkeypatch):
    def broken(spec):
        raise ValueError(f"no {spec.method}")

    monkeypatch.setattr(candidate_sets, "run", broken)
    broken.__module__, broken.__qualname__ = candidate_sets.__name__, "run"
    trace = follow.follow("toy", "cpu", str(toy / "data"), workers=1)
    assert ("Tables", "run PRODEN: ValueError: no PRODEN") in trace.failed
    assert ("Tables", "run CC: ValueError: no CC") in trace.failed
    assert all(table.cost for table in trace.tables)
    assert any("failed" in line for line in check.lines(vars(trace) | {"tables": [], "seconds": 1}))


def test_cells_are_told_the_device_as_well(tmp_path, monkeypatch):
    cells = [CELLS[0], "assert (profile, device, seeds) == ('paper', 'cuda:1', 1)"]
    toy = repository(tmp_path, monkeypatch, cells)
    monkeypatch.setattr(slices, "SIZES", {"cpu": CPU, "cuda": CPU})
    assert follow.follow("toy", "cuda:1", str(toy), workers=1).failed == []
    tables = work.Tables("toy", "cuda:1", "make record PROFILE=paper")
    work.compute(tables, 1, str(toy), workers=1)
    assert tables.failed == []


def test_a_cell_that_raises_is_told_unless_it_lacks_data_or_a_cell_before_it(tmp_path, monkeypatch):
    cells = [
        CELLS[0],
        "import os\nlacking = open('/no/such/data')",
        "lacking.read()",
        "rows = []",
        "rows.append(1 / 0)",
        "rows[0]",
        "device[9]",
        "raise RuntimeError('CUDA out of memory')",
        "os.getcwd(wrong=1)",
    ]
    toy = repository(tmp_path, monkeypatch, cells)
    followed = follow.follow("toy", "cpu", str(toy), workers=1)
    tables = work.Tables("toy", "cpu", "make record PROFILE=paper")
    work.compute(tables, 1, str(toy), workers=1)
    for trace, index in ((followed, []), (tables, ["device[9]"])):
        assert [error.partition(":")[0] for _, error in trace.failed] == [
            f"cell {line!r}" for line in (cells[4], *index, cells[7], cells[8])
        ]
        assert trace.failed[0] == (
            "Tables",
            f"cell {cells[4]!r}: ZeroDivisionError: division by zero",
        )
    assert work.lines(tables)[0] == "toy: 0 tables; 1 cells lack data"
    assert "  failed: Tables: cell \"raise RuntimeError('CUDA out of memory')\"" in "\n".join(
        work.lines(tables)
    )


def test_what_is_added_to_a_lost_name_is_silent_and_leaves_it_lost(tmp_path, monkeypatch):
    cells = [
        CELLS[0],
        "records = open('/no/such/data')",
        "records |= {'digits': 1}",
        "rows = [1]",
        "rows += [open('/no/such/data')]",
        "rows += [2]",
        "rows[2]",
    ]
    toy = repository(tmp_path, monkeypatch, cells)
    tables = work.Tables("toy", "cpu", "make record PROFILE=paper")
    work.compute(tables, 1, str(toy), workers=1)
    assert tables.failed == []
    assert [line for line, _ in tables.silent] == [cells[k] for k in (1, 2, 4, 6)]


def test_cells_of_mogd_find_enough_examples_of_each_class(tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    chapter = follow.Following("mogd", "paper", "cpu", 1, str(tmp_path))
    settings = mogd.settings(chapter)
    with slices.installed(CPU):
        for spec in (settings.sizes, *settings.sets.values(), *settings.other.values()):
            assert len(mogd.divide(spec)[1]) > 0
        for count in settings.counts:
            assert len(mogd.divide(replace(settings.sizes, clean=count))[1]) == 10


def test_complete_tables_are_written_at_once(toy, monkeypatch):
    def scored(self, function, specs):
        return [Record(spec, {"test_accuracy": np.array([50.0, 60.0])}, {}) for spec in specs]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", scored, raising=False)
    tables = work.Tables("toy", "cpu", "make record PROFILE=paper CHAPTERS=toy")
    work.compute(tables, 2, str(toy / "data"), workers=1)
    path = toy / "book" / "chapters" / "toy" / "recorded" / "paper.json"
    content = json.loads(path.read_text())
    assert content["what"].startswith("Scores")
    assert content["random weights"] == []
    assert [table["section"] for table in content["tables"]] == ["Tables", "Tables"]
    assert content["tables"][1]["rows"]["CC"] == {"test_accuracy": [60.0, 60.0]}
    assert "weaklabels.lab.candidate_sets:run" in content["keys"]["code"]


def test_each_protocol_of_a_room_shows_its_checkpoints(toy, monkeypatch):
    asked = []

    def run(self, function, cases):
        asked.extend(cases)
        return [Record(case, {}, {}) for case in asked[-len(cases) :]]

    monkeypatch.setattr("weaklabels.press.chapter.Chapter.run", run, raising=False)
    second = (
        "from weaklabels.lab import multilabel\n"
        "scenes = multilabel.Spec('AN', dataset='coco2014', data_root=chapter.data_root)\n"
        "_ = chapter.repeat(multilabel.run, {'AN': scenes, 'WAN': replace(scenes, method='WAN')})"
    )
    repository(toy, monkeypatch, [*CELLS[:4], second])
    assert follow.follow("toy", "cpu", str(toy / "data"), workers=1).failed == []
    assert [(case.spec.method, case.spec.checkpoint) for case in asked] == [
        ("PRODEN", True),
        ("AN", True),
        ("WAN", False),
    ]


def test_a_cell_that_builds_a_network_downloads_no_weights(tmp_path, monkeypatch):
    monkeypatch.setattr("weaklabels.press.paper.shorten.KEPT", tmp_path)
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url",
        lambda *_, **__: pytest.fail("a download"),
    )
    build = "from weaklabels.models import build\nnetwork = build('resnet18', 2, seed=0)"
    toy = repository(tmp_path, monkeypatch, [CELLS[0], build, "network.features"])
    trace = follow.follow("toy", "cpu", str(toy), workers=1)
    assert (trace.failed, trace.silent) == ([], [])


# -- plan and budget ------------------------------------------------------------------------------


def test_the_plan_puts_first_what_can_be_done_and_gains_most(toy, monkeypatch):
    trace = follow.Trace("toy")
    spec = candidate_sets.Spec("CC", dataset="cifar10", epochs=10)
    table = follow.Table("Main table", runs=2)
    throughput.add_cost(table.cost, spec)
    trace.tables.append(table)
    found = toy / "found"
    (found / "cpu").mkdir(parents=True)
    text = json.dumps(vars(trace), default=vars)
    (found / "cpu" / "toy.json").write_text(text)
    speeds = dict.fromkeys(table.cost, 1000.0)
    throughput.file_of(found, "cpu").write_text(json.dumps(speeds))
    (planned,) = plan.costs("cpu", 3, found)
    assert planned.tables[0][:2] == ("Main table", 6)
    assert planned.minutes == pytest.approx(3 * 10 * (50_000 + 10_000 / 3) / 1000 / 60)
    assert "Main table" in "\n".join(plan.lines([planned]))
    monkeypatch.setattr(plan, "FOUND", found)
    assert plan.order("cpu") == ["toy"]
    lacking = replace(planned, lacking=("cifar10",), undecided=9)
    assert planned.rank < lacking.rank
    assert replace(planned, undecided=5).rank < planned.rank


def test_networks_are_timed_at_the_sizes_of_the_slice():
    spec = candidate_sets.Spec("CC", dataset="cifar10", network="cifar_resnet", batch_size=64)
    assert throughput.measure(throughput.signature(spec), "cpu", CPU) > 0


def test_a_budget_is_a_length_of_time():
    assert [budget(text) for text in ("", "90s", "25m", "1.5h")] == [None, 90, 1500, 5400]
    for wrong in ("25", "0m", "m", "1d", "-3m"):
        with pytest.raises(UsageError, match=f"BUDGET={wrong} is not a length of time"):
            budget(wrong)


def test_the_end_of_the_budget_ends_all_and_is_no_failure():
    program = (
        "import time\n"
        "from weaklabels.press.runner.interrupt import stopping_cleanly\n"
        "with stopping_cleanly(lambda: print('clean', flush=True), 'Stopped.', 0.3):\n"
        "    time.sleep(60)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "clean\n", "Stopped.\n")


@pytest.mark.gpu
@pytest.mark.timeout(600)
def test_the_papers_network_trains_at_full_size_on_a_gpu(gpu, tmp_path, monkeypatch):
    monkeypatch.setenv("WEAKLABELS_BUILD", str(tmp_path))
    size = slices.size_for(gpu)
    spec = shortened(photographs(str(Path("nowhere")), gpu), size)
    case = follow.Case("weaklabels.lab.multilabel:run", spec, gpu)
    (record,) = sweep(follow.run_case, [case], Store(tmp_path / "runs"))
    assert record["test_ap"].shape == (2, 20)
    assert torch.device(gpu).type == "cpu" or dict(spec.data_options)["resolution"] == 448


def test_lenet_is_timed_on_images_as_large_as_it_wants_them():
    spec = candidate_sets.Spec("CC", dataset="cifar10", network="lenet", inputs="28 x 28")
    key = throughput.signature(spec)
    assert json.loads(key)["shape"] == [3, 28, 28]
    assert throughput.measure(key, "cpu", CPU) > 0


def test_only_sides_of_photographs_are_divided():
    key = json.dumps(
        {"network": "mlp", "options": [["hidden", [8]], ["inputs", 512 * 4 * 4]], "classes": 8}
        | {"shape": [512, 4, 4], "batch": 64, "precision": "float32"}
    )
    assert throughput.measure(key, "cpu", CPU) > 0


def test_points_lie_on_a_square_grid_when_shortened():
    points = CAPS["points"]
    assert round(points**0.5) ** 2 == points


def test_a_landscape_keeps_the_distances_that_are_read_off_it():
    spec = shortened(landscape.LandscapeSpec(photographs("somewhere", "cpu")), CPU)
    steps = np.round(np.linspace(-1, 1, spec.points), 6)
    assert {0.0, *landscape.DISTANCES} <= set(steps)
    assert spec.points < 21

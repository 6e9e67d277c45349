"""L2D on photographs: the runs of its record, in miniature, and the claims that it decides."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from chapters.l2d import photographs

from tests.chapters.small_photographs import miniature
from weaklabels.lab import sweep
from weaklabels.lab.spec import options
from weaklabels.lab.store import digest


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def setting(tmp_path_factory, patch):
    made = miniature(tmp_path_factory.mktemp("voc"), patch, seeds=2)
    whole = photographs.teacher_spec

    def small(setting):
        return replace(whole(setting), network_options=options(pretrained=False))

    patch.setattr(photographs, "teacher_spec", small)
    patch.setattr(photographs, "EPOCHS", 2)
    patch.setattr(photographs, "BATCH_SIZE", 16)
    patch.setattr(photographs, "DECODER", options(width=16, heads=2, hidden=16))
    return made


@pytest.fixture(scope="module")
def student(setting):
    return photographs.student_spec(photographs.teacher_spec(setting))


@pytest.fixture(scope="module")
def content(setting, student, patch):
    patch.setattr(photographs, "SHARES", (0.0, 0.3))
    patch.setattr(photographs, "RATES", (1e-4,))
    return json.loads(json.dumps(photographs.record(setting), allow_nan=False))


def test_a_student_reads_the_maps_of_both_networks(student):
    splits, model, teacher = photographs.prepared(replace(student, seed=1))
    alone, same, nobody = photographs.prepared(replace(student.teacher, seed=1))
    assert nobody is None
    own = model.features[0][1].count
    assert splits.train.x.shape[2] == own + teacher.features[0][1].count
    assert torch.equal(splits.test.x[:, :, own:], alone.test.x)
    assert splits.train.x.shape[1] == 2, "the image and its mirror image"
    # What the teacher makes of its part is what it makes of its own maps.
    trained = photographs.remember(photographs.run, replace(student.teacher, seed=1))
    photographs.multilabel.restore(same, trained, "best")
    with torch.no_grad():
        torch.testing.assert_close(teacher.eval()(splits.test.x), same.eval()(alone.test.x))


def test_an_untrained_teacher_has_its_initial_weights(student):
    spec = photographs.distil(student, photographs.CONTROL)
    _, _, teacher = photographs.prepared(spec)
    _, initial, _ = photographs.prepared(replace(student.teacher, seed=spec.seed))
    for ours, first in zip(teacher.parameters(), initial.parameters(), strict=True):
        torch.testing.assert_close(ours, first)


def test_a_run_is_reproducible_and_measures_the_structure(setting, student):
    spec = photographs.distil(student, "LED", 0.01)
    first, second = (sweep.run_one(photographs.run, spec, setting.store) for _ in range(2))
    assert digest(first.values) == digest(second.values)
    assert first["structure"].shape == (2,)
    assert first["val_ap"].shape == (2, 20)


def test_the_record_in_miniature(setting, content):
    assert next(iter(content)) == "what"
    assert [row["row"] for row in content["rows"]] == ["teacher", *photographs.STUDENTS]
    for row in content["rows"]:
        assert len(row["best"]) == 2
        assert ("structure" in row) == (row["row"] != "teacher")
        tried = [each["setting"] for each in row["tried"]]
        alone = row["row"] in ("teacher", "Vanilla")
        assert tried == ["learning rate"] + ([] if alone else ["weight"])
    weights = [list(row["tried"][1]["validation"]) for row in content["rows"][2:]]
    assert {each[0] for each in weights} == {"0"}
    assert {len(each) for each in weights} == {2}
    assert content["weights"]["teacher"]["all"] > content["weights"]["student"]["all"]
    assert setting.data_root not in json.dumps(content)

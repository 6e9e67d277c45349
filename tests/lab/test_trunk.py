"""Runs above layers that are frozen, on a tiny folder of photographs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.library import tiny_datasets as tiny
from weaklabels.data.augment import to_float
from weaklabels.lab import multilabel, sweep, trunk, two_stage
from weaklabels.lab.execute import network
from weaklabels.lab.multilabel import Pretraining, Spec
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store, digest
from weaklabels.models import Network
from weaklabels.train import OptimiserSpec

MIRRORED = (("flip", 1.0),)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voc")
    tiny.voc2012(folder, train=30, val=30)
    return folder


@pytest.fixture(scope="module")
def spec(root):
    return Spec(
        "AN",
        options(epsilon=0.0),
        dataset="voc2012",
        data_root=str(root),
        data_options=options(balanced=True, seed=3, resolution=32, cache=str(root / "shards")),
        network="efficientnet_lite0",
        network_options=options(pretrained=False),
        frozen_layers=4,
        views=(MIRRORED,),
        augment=(("pick_view", 0, 2),),
        epochs=2,
        batch_size=8,
        optimiser=OptimiserSpec(lr=1e-3),
        track=("entry_logits", "pointing", "test_scores"),
        checkpoint=True,
    )


def test_maps_are_those_of_the_layers_below_and_views_are_drawn_once(spec):
    found = trunk.maps(trunk.maps_spec(spec))
    splits = multilabel.load_splits(spec)
    below = network(spec, 20, 0).features[:4].eval()
    with torch.no_grad():
        plain, mirrored = (below(to_float(x)) for x in (splits.train.x, splits.train.x.flip(-1)))
    assert found["train"].shape == (len(splits.train), 2, *plain.shape[1:])
    assert found["test"].shape == (len(splits.test), 1, *plain.shape[1:])
    for view, wanted in enumerate((plain, mirrored)):
        np.testing.assert_allclose(found["train"][:, view], wanted, atol=1e-3, rtol=1e-3)


def test_a_run_trains_what_is_above_and_leaves_what_is_below(spec, tmp_path):
    splits = multilabel.load_splits(spec)
    store = Store(tmp_path)
    (record,) = sweep.run(multilabel.run, [spec], store)
    assert record["entry_logits"].shape == (2, len(splits.train), 20)
    assert record["pointing_last"].shape[1] == 3
    assert len(list(store.folder.glob("maps-*.npz"))) == 1
    (other,) = sweep.run(multilabel.run, [replace(spec, seed=1)], store)
    assert len(list(store.folder.glob("maps-*.npz"))) == 1, "all seeds share the maps"
    assert digest(other.values) != digest(record.values)


def test_without_a_frozen_layer_nothing_changes(spec):
    splits = multilabel.load_splits(spec)
    model = network(spec, 20, 0)
    assert trunk.on_maps(replace(spec, frozen_layers=0), splits, model) == (splits, model)


def test_what_cannot_be_frozen_is_refused(spec):
    with pytest.raises(ValueError, match="frozen_layers is 19: expected 1 to 18"):
        trunk.maps(trunk.maps_spec(replace(spec, frozen_layers=19)))
    for beside in ({"frozen": True}, {"pretraining": Pretraining()}):
        with pytest.raises(ValueError, match="expected neither frozen nor pretraining"):
            multilabel.run(replace(spec, **beside))
    with pytest.raises(TypeError, match="the features are a Identity: expected a Sequential"):
        trunk.layers_of(Network(torch.nn.Identity(), torch.nn.Identity(), torch.nn.Linear(2, 2)))


def test_two_stages_train_above_frozen_layers(spec, tmp_path):
    strong = (("pick_view", 1, 2),)
    two = two_stage.Spec(
        "CAP",
        dataset=spec.dataset,
        data_root=spec.data_root,
        data_options=spec.data_options,
        network=spec.network,
        network_options=spec.network_options,
        frozen_layers=spec.frozen_layers,
        views=spec.views,
        annotation="labelled share",
        annotation_options=options(share=0.5),
        warm_up=two_stage.Stage(epochs=1, batch_size=8),
        weak=(("pick_view", 0, 1),),
        strong=strong,
        labelled_batch=4,
        batch_size=8,
        epochs=1,
    )
    (record,) = sweep.run(two_stage.run, [two], Store(tmp_path))
    assert np.isfinite(record["test_ap"]).any()

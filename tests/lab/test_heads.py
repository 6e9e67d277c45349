"""Linear heads trained together: the same as each alone, whatever their methods keep."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.lab.recorded_features import base
from tests.library import tiny_datasets
from weaklabels import methods, models, weaken
from weaklabels.lab import multilabel, sweep
from weaklabels.lab.execute import started
from weaklabels.lab.heads import Group, Head, average_precision_together, fit_together
from weaklabels.lab.linear_protocol import Together, run_together
from weaklabels.lab.spec import options
from weaklabels.lab.store import Store, digest
from weaklabels.metrics import average_precision
from weaklabels.models import Network
from weaklabels.seeding import numpy_rng, torch_rng
from weaklabels.train import OptimiserSpec, fit

N, D, C = 90, 12, 6
METHODS = {
    "AN": {},
    "IU": {},
    "WAN": {},
    "LSAN": {},
    "EPR": {},
    "ROLE": {},
    "ASL": {},
    "Focal": {},
    "EM": {"alpha": 0.2},
    "EntMin": {"alpha": 0.1},
    "EM+APL": {"alpha": 0.2, "beta": 0.4, "warm_up": 1, "epochs": 4},
    "L1R": {"weight": 1e-3},
    "L2R": {"weight": 1e-3},
    "LL-R": {"rate": 0.02},
    "LL-Ct": {"rate": 0.02},
    "LL-Cp": {"rate": 0.02},
}


def data():
    rng = numpy_rng(0, "test of heads")
    x = torch.from_numpy(rng.standard_normal((N, D)))
    truth = (x[:, :C] + 0.3 * x[:, C:] > 0.5).to(torch.int8)
    truth[:, 0] |= (truth.sum(1) == 0).to(torch.int8)
    return x, truth


def head(name, seed, truth):
    model = models.build("linear", C, seed=seed, inputs=D).double()
    method = methods.create(name, **METHODS[name])
    observed = weaken.single_positive(truth.numpy(), numpy_rng(seed, "labels"))
    started(method, torch.from_numpy(observed), expected_positives=1.5)
    return Head(model.head, method)


@pytest.mark.parametrize("optimiser", [OptimiserSpec("adam", lr=1e-2), OptimiserSpec("sgd", lr=1)])
def test_heads_together_are_the_heads_alone(optimiser):
    """In float64, so that no tie or threshold falls differently: equal to 1e-9."""
    x, truth = data()
    together = {(m, s): head(m, s, truth) for s in (0, 1) for m in METHODS}
    groups = [Group([together[m, s] for m in METHODS], torch_rng(s, "order")) for s in (0, 1)]
    fit_together(groups, x, epochs=4, batch_size=16, optimiser=optimiser)
    for (name, seed), joint in together.items():
        alone = head(name, seed, truth)
        fit(
            alone.network,
            x,
            alone.method,
            epochs=4,
            batch_size=16,
            optimiser=optimiser.build(alone.network, alone.method),
            order=torch_rng(seed, "order"),
        )
        for ours, theirs in zip(
            joint.network.parameters(), alone.network.parameters(), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9, msg=f"{name}, seed {seed}")
        assert torch.equal(joint.method.observed, alone.method.observed)


def test_every_method_has_learnt_something_of_its_own():
    x, truth = data()
    heads = [head(name, 0, truth) for name in METHODS]
    before = [h.linear.weight.detach().clone() for h in heads]
    group = Group(heads, torch_rng(0, "order"))
    fit_together([group], x, epochs=4, batch_size=16, optimiser=OptimiserSpec(lr=1e-2))
    weights = [h.linear.weight.detach() for h in heads]
    assert all(not torch.equal(a, b) for a, b in zip(before, weights, strict=True))
    assert len({w.numpy().tobytes() for w in weights}) == len(METHODS)


def test_methods_with_rates_of_their_own_are_not_mixed():
    x, truth = data()
    heads = [head("ROLE", s, truth) for s in (0, 1)]
    heads[1].method.learning_rate_factor = 3.0
    with pytest.raises(ValueError, match=r"different learning-rate factors: \[3.0, 10.0\]"):
        fit_together(
            [Group(heads, torch_rng(0, "order"))],
            x,
            epochs=1,
            batch_size=16,
            optimiser=OptimiserSpec(),
        )


def test_average_precision_of_many_heads_is_the_one_of_each():
    rng = numpy_rng(1, "scores")
    truth = torch.from_numpy((rng.random((40, 5)) < 0.3).astype(np.int8))
    truth[:, 3] = 0
    smooth = torch.from_numpy(rng.standard_normal((3, 40, 5)))
    tied = torch.from_numpy(rng.integers(0, 4, (3, 40, 5)).astype(np.float32))
    for scores in (smooth, tied, torch.zeros(1, 40, 5)):
        many = average_precision_together(scores, truth).numpy()
        for ours, one in zip(many, scores, strict=True):
            np.testing.assert_allclose(ours, average_precision(one, truth), rtol=0, atol=1e-9)


def test_the_table_of_a_chapter_is_that_of_its_single_runs(features):
    def variation(method, *, annotation="single positive", **own):
        return base(features, method=method, method_options=options(**own), annotation=annotation)

    rows = [
        variation("IU", annotation="single positive, all negatives"),
        variation("ROLE"),
        variation("EM+APL", alpha=0.2, beta=0.02, share=0.9, warm_up=1, epochs=3),
        variation("L2R", weight=1e-5),
        variation("IU", epsilon=0.0, annotation="full"),
        *(variation(name, rate=0.01) for name in ("LL-R", "LL-Ct", "LL-Cp")),
    ]
    runs = tuple(replace(row, seed=seed) for row in rows for seed in (0, 1))
    found = run_together(Together(runs))
    assert found["val_ap"].shape == found["test_ap"].shape == (len(runs), 3, 20)
    for i, spec in enumerate(runs):
        alone = multilabel.run(spec)
        # float32: the sums of the two matrix products differ in the last digit
        np.testing.assert_allclose(found["val_ap"][i], alone["val_ap"], atol=0.5)
        np.testing.assert_allclose(
            found["test_ap"][i].mean(1), alone["test_ap"].mean(1), rtol=0, atol=0.05
        )


def test_same_bits_again_and_a_record_of_their_own(features, tmp_path):
    spec = Together(tuple(base(features, seed=s) for s in (0, 1)))
    record = sweep.run(run_together, [spec], Store(tmp_path))[0]
    again = {name: np.asarray(value) for name, value in run_together(spec).items()}
    assert digest(record.values) == digest(again)
    assert (record["best_epoch"] == record["val_ap"].mean(2).argmax(1) + 1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 5}, "differs in more than method"),
        ({"linear_init": True}, "wants what linear heads do not have"),
        ({"network": "mlp"}, "expected 'linear'"),
        ({"data_options": ()}, "a seed that fixes the data"),
    ],
)
def test_runs_that_do_not_go_together_are_refused(features, changes, message):
    first = base(features)
    other = replace(first, **changes)
    runs = (other, first) if "expected" in message or "seed" in message else (first, other)
    with pytest.raises(ValueError, match=message):
        Together(runs)


def test_real_features_give_a_plausible_table():
    """Full labels beat one positive a picture, which beats chance by far."""
    root = tiny_datasets.shared("voc2012-subset-features").parent
    real = base("", data_options=options(seed=1200, balanced=True), data_root=str(root))
    real = replace(
        real, network_options=options(inputs=1024), epochs=3, optimiser=OptimiserSpec(lr=1e-3)
    )
    runs = (
        replace(real, method="IU", annotation="full"),
        real,
        replace(real, method="LL-R", method_options=options(rate=0.02)),
    )
    full, naive, _ = run_together(Together(runs))["test_ap"][:, -1].mean(1)
    assert 100 > full > naive > 30


def test_a_network_is_made_of_the_head_itself():
    joint = head("AN", 0, data()[1])
    assert isinstance(joint.network, Network)
    assert joint.network.head is joint.linear

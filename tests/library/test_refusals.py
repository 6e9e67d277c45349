"""Refused: labels in another code, shapes that would be spread, settings that mean nothing.

Most of these calls once gave a number, the others an error that said nothing of what was expected.
"""

import numpy as np
import pytest
import torch
from torch import nn

from weaklabels import cam, checks, crowds, dropout, ema, methods, models, state
from weaklabels.data import augment
from weaklabels.methods import (
    acknowledging_the_unknown,
    all_e,
    baselines,
    bldr,
    cap,
    cdcr,
    class_activation_value,
    distillation,
    isgd_pinn,
    l2d,
    label_noise,
    large_loss_matters,
    lfosa,
    mogd,
    partial_label,
    pseudo_labels,
    pu_mlc,
    self_crowd,
    stability_attacks,
)
from weaklabels.methods.base import Context
from weaklabels.networks.two_heads import add_heads
from weaklabels.train import OptimiserSpec, fit

RNG = np.random.default_rng(0)
Z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
P = Z.softmax(1)
Y = torch.tensor([0, 1, 2, 3, 0, 1])
O = torch.tensor([[1, 0, -1, 0]] * 6)  # noqa: E741
SETS = O != -1
NONE = torch.zeros(6, 4, dtype=torch.bool)
ONES = torch.ones(6)
ANSWERS = np.array([[0, 1, -1], [1, -1, 2]])
Q = np.full((2, 3, 4), 0.25)
WORKERS = crowds.draw_workers(3, 4, np.random.default_rng(0))
TRUTH, ASKED = np.array([0, 3]), np.ones((2, 3), bool)
IMAGES = torch.rand(2, 3, 4, 4)
VECTOR = torch.zeros(2, dtype=torch.float64)


def network(classes: int = 4) -> models.Network:
    return models.build("mlp", classes, inputs=8, hidden=(5,))


def gap() -> models.Network:
    return models.build("gap_cnn", 4)


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def start(name: str, observed: torch.Tensor, **settings) -> methods.Method:
    method = methods.create(name, **settings)
    method.start(Context(observed))
    return method


def train(method: methods.Method, x: torch.Tensor) -> None:
    model = network()
    optimiser = OptimiserSpec().build(model, method)
    fit(model, x, method, epochs=1, batch_size=2, optimiser=optimiser, order=draws())


def lbfgs_from_elsewhere() -> torch.Tensor:
    objective = isgd_pinn.Objective(lambda t: ((t - 3) ** 2).sum())
    optimiser = isgd_pinn.LBFGS(iterations=2, rate=0.1)
    optimiser.step(objective, VECTOR)
    return optimiser.step(objective, VECTOR + 100)


def role_from(probabilities: torch.Tensor) -> None:
    method = methods.create("ROLE")
    method.start(Context(O, expected_positives=1.0))
    method.start_from(probabilities)


def jet(order: int = 2, lower=(), upper=()) -> isgd_pinn.Jet:
    net = isgd_pinn.Network((2, 3, 1), lower, upper)
    return net.jet(net.initial(draws()), torch.rand(5, 2, dtype=torch.float64), order)


def answer(**changed) -> np.ndarray:
    given = {"truth": TRUTH, "confusion": WORKERS, "asked": ASKED, "rng": RNG} | changed
    return crowds.answer(**given)


def positive_loss(given=Y, weights=ONES, share=0.2) -> torch.Tensor:
    zeros = torch.zeros(6, 4)
    return bldr.positive_loss(Z, given, zeros, zeros, weights, share)


def climb(x: torch.Tensor, eps: float) -> torch.Tensor:
    return stability_attacks.pgd(nn.Flatten(), x, torch.zeros(2, dtype=torch.int64), eps, steps=1)


LOSSES = {
    "iu: column": (lambda: baselines.ignore_unobserved(Z, O[:, :1]), r"\(6, 4\) and observed"),
    "iu: bool": (lambda: baselines.ignore_unobserved(Z, SETS), "observed is of type torch.bool"),
    "iu: bytes": (lambda: baselines.ignore_unobserved(Z, O.byte()), "observed holds 255"),
    "an: row": (lambda: baselines.assume_negative(Z, O[0]), "expected the same shape"),
    "an: not a number": (lambda: baselines.assume_negative(Z, O / 0), "observed holds (nan|inf)"),
    "wan: 2": (lambda: baselines.weighted_assume_negative(Z, 2 * O), "observed holds 2"),
    "wan: weight": (lambda: baselines.weighted_assume_negative(Z, O, -1.0), "weight is -1.0"),
    "ls: half": (lambda: baselines.label_smoothing(Z, O / 2), "observed holds 0.5"),
    "ls: percent": (lambda: baselines.label_smoothing(Z, O, 10.0), "smoothing is 10.0"),
    "durand": (lambda: baselines.durand_cross_entropy(Z, O[:, :1]), "observed"),
    "partial bce": (lambda: baselines.partial_cross_entropy(Z, O[:, :1]), "observed"),
    "epr": (lambda: baselines.expected_positive_regularisation(Z, O[:, :1], 2.0), "observed"),
    "asl": (lambda: baselines.asymmetric(Z, O[:, :1]), "observed"),
    "role": (lambda: baselines.role(Z, Z[:, :1], O, 2.0), r"estimator_logits \(6, 1\)"),
    "role, half": (lambda: baselines.role_half(Z, O, P[:1], 2.0), r"target \(1, 4\)"),
    "role, start": (lambda: role_from(P[:1]), r"probabilities \(1, 4\)"),
    "initial estimates": (lambda: baselines.initial_estimates(2 * O), "observed holds 2"),
    "em": (lambda: acknowledging_the_unknown.entropy_maximisation(Z, O[:1], 0.1), "observed"),
    "em, targets": (
        lambda: acknowledging_the_unknown.em_apl(Z, O, NONE, P[:, :1], 0.1, 0.5),
        r"targets \(6, 1\)",
    ),
    "pass": (lambda: acknowledging_the_unknown.labels_per_pass(O, 90, 1), "share is 90"),
    "lowest": (
        lambda: acknowledging_the_unknown.lowest_scored(Z, SETS[:, :1], torch.ones(4).long()),
        r"candidates \(6, 1\)",
    ),
    "nnpu": (lambda: pu_mlc.non_negative_pu(Z, O[:, :1], 0.3), "observed"),
    "nnpu, percent": (lambda: pu_mlc.non_negative_pu(Z, O, 30), "prior is 30"),
    "nnpu, column": (lambda: pu_mlc.unbiased_pu(Z, O, P[0][:, None]), r"prior has shape \(4, 1\)"),
    "vpu": (lambda: pu_mlc.variational_loss(Z, 2 * O, gamma=0.5, alpha=1.0), "observed holds 2"),
    "soft": (lambda: pu_mlc.soft_labels(Z, O[:, :1]), "observed"),
    "mixed": (lambda: pu_mlc.consistency(Z, P[:, :1]), r"mixed_labels \(6, 1\)"),
    "weights": (lambda: pseudo_labels.weighted_loss(Z, O, P[:, :1]), r"weights \(6, 1\)"),
    "tally": (lambda: pseudo_labels.tally(O, P, O[:, :1]), r"truth \(6, 1\)"),
    "large, rate": (
        lambda: large_loss_matters.modified_count(8, 20, 5, float("nan"), growing=True),
        "rate is nan",
    ),
    "large, entries": (lambda: large_loss_matters.large_loss_entries(Z, O[:, :1], 2), "observed"),
    "large, numbers": (
        lambda: large_loss_matters.large_loss(Z, O, NONE.long(), "reject"),
        "modified is of type torch.int64: expected bool",
    ),
    "large, column": (
        lambda: large_loss_matters.large_loss(Z, O, NONE[:, :1], "reject"),
        r"modified \(6, 1\)",
    ),
    "proportions": (lambda: cap.class_proportions(2 * O), "observed holds 2"),
    "cdcr, signs": (lambda: cdcr.select(P, O), "candidates is of type torch.int64"),
    "cdcr, logits": (lambda: cdcr.select(10 * Z, SETS), "confidences holds"),
    "cdcr, classes": (lambda: cdcr.class_confidences(P, O), "candidates is of type torch.int64"),
    "cdcr, weights": (lambda: cdcr.curriculum_weights(SETS, O), "selected is of type torch.int64"),
}
SINGLE = {
    "average: signs": (lambda: partial_label.average_loss(Z, O), "candidates is of type torch.int"),
    "cc: column": (lambda: partial_label.cc_loss(Z, SETS[:, :1]), r"candidates \(6, 1\)"),
    "cc: empty": (lambda: partial_label.cc_loss(Z, NONE), "row 0 of candidates holds none"),
    "posterior": (lambda: partial_label.candidate_posterior(Z, NONE), "holds none"),
    "best": (lambda: partial_label.best_candidate(Z, NONE), "holds none"),
    "uniform: signs": (lambda: partial_label.uniform_weights(O), "candidates holds -1"),
    "uniform: empty": (lambda: partial_label.uniform_weights(NONE.float()), "holds none"),
    "weighted": (lambda: partial_label.weighted_cross_entropy(Z, P[:, :1]), r"weights \(6, 1\)"),
    "lws": (lambda: partial_label.lw_sigmoid(Z, SETS, P[0]), r"weights \(4,\)"),
    "lwc": (lambda: partial_label.lw_cross_entropy(Z, SETS, P[:, :1]), r"weights \(6, 1\)"),
    "lw weights": (lambda: partial_label.lw_weights(Z, SETS[:, :1]), r"candidates \(6, 1\)"),
    "cav": (
        lambda: class_activation_value.select(Z, O, official_masking=True),
        "candidates is of type",
    ),
    "mogd": (lambda: mogd.label_weights(Z, O), "candidates is of type torch.int64"),
    "memory": (lambda: mogd.remembered(P, P[:, :1]), r"new \(6, 1\)"),
    "gce": (lambda: label_noise.generalised_cross_entropy(Z, Y[:3]), r"labels \(3,\)"),
    "gce, q": (lambda: label_noise.generalised_cross_entropy(Z, Y, 0), "q is 0: expected a number"),
    "nl, keep": (
        lambda: label_noise.negative_learning(Z, Y, torch.ones(6, 1)),
        r"keep \(6, 1\)",
    ),
    "nl, unknown": (lambda: label_noise.complementary_label(Y - 1, 4), "given holds -1"),
    "exchange": (lambda: label_noise.small_loss_exchange(Z, Z, Y - 100, 0.3), "given holds -100"),
    "exchange, percent": (
        lambda: label_noise.small_loss_exchange(Z, Z, Y, 20),
        "forget is 20",
    ),
    "bldr, rejected": (
        lambda: bldr.negative_loss(Z, torch.ones(6, 4), ONES),
        "rejected is of type torch.float32",
    ),
    "bldr, column": (lambda: bldr.negative_loss(Z, SETS, ONES[:, None]), r"weights \(6, 1\)"),
    "bldr, weights": (lambda: positive_loss(weights=ONES[:, None]), r"weights \(6, 1\)"),
    "bldr, share": (lambda: positive_loss(share=20), "noise_share is 20"),
    "bldr, agreement": (lambda: bldr.agreement_loss(Z, Z[:, :1]), r"negative \(6, 1\)"),
    "bldr, views": (lambda: bldr.consistency_term(Z, Z[:1]), r"strong \(1, 4\)"),
    "bldr, heads": (lambda: bldr.distillation_loss(Z, Z, Z[:1]), r"negative \(1, 4\)"),
    "bldr, found": (lambda: bldr.noise_share(100 * P[0]), "found holds"),
    "bldr, stretched": (lambda: bldr.sample_weights(100 * P[0]), "found holds"),
    "taps": (lambda: add_heads(network(), (1, 0)), r"taps is \(1, 0\): expected ascending"),
}
TEACHERS = {
    "hard, signs": (lambda: l2d.hard_label_loss(Z, O), "labels holds -1: expected numbers in"),
    "hard, column": (lambda: l2d.hard_label_loss(Z, P[:, :1]), r"labels \(6, 1\)"),
    "mld": (lambda: l2d.multi_label_distillation(Z, Z[:, :1]), r"teacher \(6, 1\)"),
    "soft bce": (lambda: l2d.soft_label_bce(Z, Z[:3]), r"teacher \(3, 4\)"),
    "led": (
        lambda: l2d.label_wise_embedding(torch.rand(6, 4, 3), torch.rand(6, 4, 2), O),
        "labels holds -1",
    ),
    "structure": (
        lambda: l2d.structure_losses(torch.rand(6, 4, 3), torch.rand(1, 4, 3), SETS),
        r"teacher \(1, 4\)",
    ),
    "kd": (lambda: distillation.softmax_distillation(Z, Z[:1]), r"teacher \(1, 4\)"),
    "kd, cold": (lambda: distillation.softmax_distillation(Z, Z, 0), "temperature is 0"),
    "mse": (lambda: distillation.probability_mse(Z, Z[:, :1]), r"teacher \(6, 1\)"),
    "ps": (lambda: distillation.partial_softmax(Z, Z, O), "labels holds -1"),
    "rkd, distances": (lambda: distillation.relational_distance(Z, Z[:1]), "expected as many rows"),
    "rkd, angles": (lambda: distillation.relational_angle(Z, Z[:1]), "expected as many rows"),
    "pkt": (lambda: distillation.probabilistic_transfer(Z, Z[:1]), "expected as many rows"),
    "review": (
        lambda: distillation.hierarchical_context([IMAGES], [IMAGES[:, :1]]),
        r"teacher \(2, 1, 4, 4\)",
    ),
}
START = {
    "ce: ignored": (lambda: start("CE", Y - 100), "weak labels hold -100: expected class numbers"),
    "nl: unknown": (lambda: start("NL", Y - 1), "weak labels hold -1: expected class numbers"),
    "answers": (lambda: start("DL-CL", O - 5, classes=4, workers=4), "-1 where there is no answer"),
    "soft: counts": (lambda: start("soft labels", 10 * P), "weak labels holds"),
    "soft: several": (lambda: start("soft labels", 1 - P), "sums of weak labels holds 3"),
    "fit: rows": (lambda: train(start("AN", O), torch.rand(5, 8)), "expected as many rows"),
    "fit: columns": (lambda: train(start("AN", O[:, :1]), torch.rand(6, 8)), "observed"),
    "head": (
        lambda: OptimiserSpec(head_lr=0.0).build(network(), start("AN", O)),
        "head_lr is 0.0: expected a number above 0",
    ),
    "epr, count": (lambda: methods.create("EPR", count=0), "count is 0"),
    "role, count": (lambda: methods.create("ROLE", count=0), "count is 0"),
    "wan, option": (lambda: methods.create("WAN", weight=-1), "weight is -1"),
    "lsan, option": (lambda: methods.create("LSAN", smoothing=10), "smoothing is 10"),
    "em, option": (lambda: methods.create("EM", alpha=float("nan")), "alpha is nan"),
    "top": (lambda: methods.create("Top-k", k=0, warm_up=1), "k is 0"),
    "iat": (lambda: methods.create("IAT", probability=50), "probability is 50"),
    "cdcr, option": (lambda: methods.create("CDCR", threshold=60), "threshold is 60"),
    "gce, option": (lambda: methods.create("GCE", q=0), "q is 0"),
    "nlnl": (lambda: methods.create("NLNL", negative=5, selective=3), "selective is 3"),
    "co, share": (lambda: methods.create("Co-teaching", forget=20), "forget is 20"),
    "co, ramp": (lambda: methods.create("Co-teaching", forget=0.2, ramp=0), "ramp is 0"),
    "kd, option": (lambda: methods.create("Softmax KD", temperature=0), "temperature is 0"),
    "pgd, option": (lambda: methods.create("PGD-AT", eps=-1), "eps is -1"),
    "lfosa, option": (
        lambda: methods.create("LfOSA", unknown_temperature=0),
        "unknown_temperature is 0",
    ),
}
CROWDS = {
    "draw": (lambda: crowds.draw_workers(2, 3, RNG, right=(30, 80)), "right hold 30"),
    "draw, one": (lambda: crowds.draw_workers(2, 1, RNG), "classes is 1: expected at least 2"),
    "truth": (lambda: answer(truth=TRUTH - 1), "truth holds -1"),
    "confusion": (lambda: answer(confusion=10 * WORKERS), "rows of confusion holds"),
    "confusion, columns": (
        lambda: answer(confusion=WORKERS.transpose(0, 2, 1)),
        "rows of confusion add up to",
    ),
    "asked": (
        lambda: answer(asked=ASKED[:, :1]),
        r"asked has shape \(2, 1\): expected \(n, R\) = \(any, 3\)",
    ),
    "asked, numbers": (lambda: answer(asked=ASKED.astype(int)), "asked is of type int64"),
    "possible": (lambda: crowds.few_workers(2 * ASKED, 2.0, RNG), "possible is of type int64"),
    "counts": (lambda: crowds.class_counts(ANSWERS, 2), "answers hold 2"),
    "counts, bytes": (
        lambda: crowds.class_counts(ANSWERS.astype("uint8"), 4),
        "of type torch.uint8",
    ),
    "reliability": (lambda: crowds.reliability(ANSWERS + 0.5, Q[:, 0]), "of type torch.float64"),
    "reliability, high": (lambda: crowds.reliability(9 + ANSWERS, Q[:, 0]), "answers hold 9"),
    "reliability, logits": (lambda: crowds.reliability(ANSWERS, -Q[:, 0]), "predictions holds"),
    "posterior": (
        lambda: crowds.network_posterior(ANSWERS[:1], Q[:, 0], np.ones((4, 4, 3))),
        "expected as many rows",
    ),
    "layer": (lambda: self_crowd.crowd_layer(P, torch.ones(3, 1), "none"), "form is 'none'"),
    "layer, logits": (lambda: self_crowd.crowd_layer(Z, torch.ones(4, 3), "VW"), "p holds"),
    "pseudo": (lambda: self_crowd.pseudo_annotations(Q, ANSWERS.T, 3), r"answers \(3, 2\)"),
    "pseudo, budget": (lambda: self_crowd.pseudo_annotations(Q, ANSWERS, -1), "budget is -1"),
    "quota": (lambda: self_crowd.quotas(np.array([1, 2]), -5), "budget is -5"),
}
QUERIES = {
    "detector": (lambda: lfosa.detector_loss(Z, Y - 100), "labels holds -100"),
    "cold": (lambda: lfosa.detector_loss(Z, Y, temperature=0), "temperature is 0"),
    "posterior": (lambda: lfosa.known_posterior(np.ones(3), np.ones(4), 2), r"predicted \(4,\)"),
    "largest": (lambda: lfosa.largest(np.ones(3, "uint8"), 2), "scores is of type uint8"),
    "largest, budget": (lambda: lfosa.largest(np.ones(3), -1), "budget is -1"),
    "balanced": (
        lambda: lfosa.balanced(np.ones(2, "uint8"), np.zeros(2, int), 2, 1),
        "scores is of type uint8",
    ),
    "centres": (lambda: lfosa.k_centre_greedy(Z / 0 * 0, Z, 1), "candidates holds nan"),
    "tail": (lambda: lfosa.WeibullTail.fit(np.ones(3), tail=0), "tail is 0"),
    "openmax": (
        lambda: lfosa.openmax_unknown(np.eye(3), np.eye(3), np.array([1, 2, 3])),
        "labels holds 3",
    ),
    "openmax, a class without examples": (
        lambda: lfosa.openmax_unknown(np.eye(3), np.eye(3), np.array([0, 2, 2])),
        "no example of class 1",
    ),
    "passes": (lambda: dropout.dropout_passes(network(), torch.rand(2, 8), 3, 0), "add_dropout"),
    "dropout": (lambda: dropout.add_dropout(network(), float("nan")), "share is nan"),
}
OTHERS = {
    "attack": (lambda: climb(255 * IMAGES, 8.0), "x holds"),
    "attack, eps": (lambda: climb(IMAGES, -0.1), "eps is -0.1"),
    "random start": (
        lambda: stability_attacks.random_start(255 * IMAGES, 0.1, IMAGES),
        "x holds",
    ),
    "random sign": (lambda: stability_attacks.random_sign(2 + IMAGES, 0.1, draws()), "x holds"),
    "bytes": (lambda: stability_attacks.as_bytes(2 + IMAGES), "x holds"),
    "next class": (lambda: stability_attacks.adversarial_target(Y - 1, 4), "y holds -1"),
    "error": (lambda: isgd_pinn.relative_error(Y[:, None] + 1.0, Y + 1.0), r"truth \(6,\)"),
    "decay": (
        lambda: isgd_pinn.frozen_decay(torch.eye(4), torch.ones(4, 1), 0.1, 2),
        r"residual \(4, 1\)",
    ),
    "order": (lambda: jet(order=3), "order is 3"),
    "box": (lambda: jet(lower=(0.0,), upper=(1.0,)), "the box from"),
    "box, turned": (lambda: jet(lower=(0.0, 1.0), upper=(1.0, 0.0)), "a higher end"),
    "l-bfgs": (lbfgs_from_elsewhere, "is not what the last step returned"),
    "votes": (lambda: all_e.mean_score(10 * torch.ones(2, 10)), "votes holds 10"),
    "distance": (lambda: all_e.earth_mover(P / 2, P / 2), "p add up to 0.5"),
    "variation": (lambda: all_e.expected_variation([1.0] * 27), "probabilities add up to 27"),
    "step": (lambda: all_e.step(255 * IMAGES, torch.ones(2, 3, 4, 4)), "x holds"),
    "action": (lambda: all_e.step(IMAGES, torch.full((2, 3, 4, 4), 30)), "action holds 30"),
    "average": (
        lambda: ema.WeightAverage(network(4), 0.5).update(network(1)),
        "expected networks of the same shapes",
    ),
    "average of fewer": (
        lambda: ema.WeightAverage(network(4), 0.5).update(network(4).features),
        "has the shapes None and",
    ),
    "state": (
        lambda: state.unpack(torch.ones(1), nn.Parameter(torch.ones(3)), "it"),
        r"saved \(1,\)",
    ),
    "grad-cam": (lambda: cam.grad_cam(gap(), torch.rand(2, 1, 8, 8), Y[:1]), "as many rows"),
    "flip": (lambda: augment.flip(torch.rand(2, 3), draws()), r"images \(2, 3\)"),
    "crop": (lambda: augment.pad_crop(torch.rand(2, 3, 4), draws()), r"images \(2, 3, 4\)"),
    "cutout": (lambda: augment.cutout(IMAGES, draws(), 2, -3.0), "fill is -3.0"),
    "noise": (lambda: augment.noise(IMAGES.byte(), draws(), 0.1), "batch is of type torch.uint8"),
    "mean": (lambda: augment.to_float(IMAGES[:, :1], [0, 0, 0], [1, 1, 1]), "mean has shape"),
}
TABLES = {
    "losses": LOSSES,
    "single": SINGLE,
    "teachers": TEACHERS,
    "start": START,
    "crowds": CROWDS,
    "queries": QUERIES,
    "others": OTHERS,
}
REFUSED = {f"{t}, {n}": row for t, rows in TABLES.items() for n, row in rows.items()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_something_else_is_refused(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_losses_work_where_there_are_no_values_to_look_at():
    """Under vmap shapes alone are checked."""
    z, o = torch.stack([Z, -Z]), torch.stack([O, O])
    found = torch.func.vmap(baselines.ignore_unobserved)(z, o)
    alone = [baselines.ignore_unobserved(each, O) for each in z]
    torch.testing.assert_close(found, torch.stack(alone))
    sets = torch.stack([SETS, SETS])
    assert torch.func.vmap(partial_label.cc_loss)(z, sets).shape == (2,)
    with pytest.raises(ValueError, match="expected the same shape"):
        torch.func.vmap(baselines.ignore_unobserved)(z, o[:, :, :1])


def test_a_gpu_is_not_made_to_wait():
    """A tensor without storage stands for one on a GPU: looking at it would raise."""
    far = torch.zeros(6, 4, dtype=torch.int64, device="meta")
    checks.observed(far, far)
    checks.candidates(far.bool(), far)
    checks.within(far, 0, 1, "it")
    checks.binary(far, "it", wait=False)
    checks.class_numbers(far[0], 3, wait=False)
    checks.continues(far, far)

"""Evaluation: average precision, accuracy, the pointing game, distances of score distributions.

A score that is not finite, and a truth that is neither 0 nor 1, is refused with a ``ValueError``:
nothing that is not a number ever becomes a result. An array for a tensor is a ``TypeError``.

Sums are in double precision. Apple's MPS lacks it: bring tensors from there to the CPU first.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import wasserstein_distance
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional as F

from weaklabels import checks


def average_precision(scores: Tensor, truth: Tensor) -> np.ndarray:
    """Average precision of each class, in percent (step-wise sum, as in scikit-learn).

    A class without positives counts 0 and stays in a mean over classes, as in the code of Cole et
    al. (CVPR 2021), which the papers on missing labels share.

    Args:
        scores: ``(N, C)`` real scores; only their order within a class matters.
        truth: ``(N, C)`` in {0, 1}.

    Returns:
        ``(C,)`` float64.

    Raises:
        ValueError: if the shapes differ, there are no rows, or a value is refused (see above).
    """
    checks.instances(Tensor, scores=scores, truth=truth)
    checks.same_shape("N, C", scores=scores, truth=truth)
    checks.finite(scores)
    checks.binary(truth, "truth")
    # Not torchmetrics: it takes three times as long, and to import it is to import torchvision, two
    # seconds for every kernel. The tests hold this against it and against scikit-learn.
    values, order = scores.double().sort(dim=0, descending=True)
    positive = (truth == 1).double().gather(0, order)
    rank = torch.arange(1, len(values) + 1, device=scores.device)[:, None]
    precision = positive.cumsum(0) / rank
    # Equal scores are passed together: each takes the precision at the last row of its tie.
    ends = torch.cat([values[1:] != values[:-1], torch.ones_like(values[:1], dtype=torch.bool)])
    last = torch.where(ends, rank, len(values)).flip(0).cummin(0).values.flip(0) - 1
    total = (precision.gather(0, last) * positive).sum(0) / positive.sum(0).clamp(min=1)
    return 100 * total.cpu().numpy()


def mean_average_precision(scores: Tensor, truth: Tensor) -> float:
    """Mean over classes of ``average_precision``, in percent."""
    return float(average_precision(scores, truth).mean())


def annotated_average_precision(scores: Tensor, observed: Tensor) -> np.ndarray:
    """Average precision of each class over the rows that are annotated for it, in percent.

    The protocol of OpenImages, whose test labels are partial: a class without annotations is NaN
    (left out of the mean), one without annotated positives counts 0.

    Args:
        scores: ``(N, C)``.
        observed: ``(N, C)``, +1 positive, -1 negative, 0 not annotated.

    Returns:
        ``(C,)`` float64.

    Raises:
        ValueError: if the shapes differ, there are no rows, or a value is refused (see above).
    """
    checks.instances(Tensor, scores=scores, observed=observed)
    checks.same_shape("N, C", scores=scores, observed=observed)
    checks.observed(scores, observed)
    checks.finite(scores)  # also where nothing is annotated
    values = np.full(scores.shape[1], np.nan)
    for c in range(scores.shape[1]):
        rows = observed[:, c] != 0
        if rows.any():
            truth = (observed[rows, c : c + 1] == 1).long()
            values[c] = average_precision(scores[rows, c : c + 1], truth)[0]
    return values


def precision_recall_f1(scores: Tensor, truth: Tensor, threshold: float) -> dict[str, float]:
    """Overall and per-class precision, recall and F1 of the labels scored at least ``threshold``.

    OP, OR and OF1 count all labels together; CP and CR are means over classes and CF1 is their
    harmonic mean. A class without predictions has precision 0, one without positives recall 0.

    Args:
        scores: ``(N, C)``.
        truth: ``(N, C)`` in {0, 1}.
        threshold: on the scale of the scores.

    Returns:
        Shares in [0, 1] under the names OP, OR, OF1, CP, CR, CF1.

    Raises:
        ValueError: if the shapes differ, there are no rows, or a value is refused (see above).
    """
    checks.instances(Tensor, scores=scores, truth=truth)
    checks.number(threshold, "threshold")
    checks.same_shape("N, C", scores=scores, truth=truth)
    checks.finite(scores)
    checks.binary(truth, "truth")
    predicted, positive = scores >= threshold, truth == 1
    made, wanted, right = (
        entries.sum(0).cpu().double() for entries in (predicted, positive, predicted & positive)
    )
    result: dict[str, float] = {}
    for kind, precision, recall in (
        ("O", right.sum() / made.sum().clamp(min=1), right.sum() / wanted.sum().clamp(min=1)),
        ("C", (right / made.clamp(min=1)).mean(), (right / wanted.clamp(min=1)).mean()),
    ):
        p, r = float(precision), float(recall)
        f1 = 2 * p * r / (p + r) if p + r else 0.0
        result |= {f"{kind}P": p, f"{kind}R": r, f"{kind}F1": f1}
    return result


def known_count_f1(scores: Tensor, truth: Tensor) -> tuple[float, float]:
    """Micro and macro F1 when each row's number of positives is known, in percent.

    A row with k positives is predicted to have its k labels of highest score (those strictly above
    the next one, so that ties are left out). This is the evaluation of the L2D code; without that
    knowledge one predicts what passes a threshold, see ``precision_recall_f1``. A class neither
    predicted nor present has F1 0.

    Args:
        scores: ``(N, C)``, floating-point.
        truth: ``(N, C)`` in {0, 1}.

    Raises:
        ValueError: if the shapes differ, there are no rows, or a value is refused (see above).
    """
    checks.instances(Tensor, scores=scores, truth=truth)
    checks.floating(scores, "scores")
    checks.same_shape("N, C", scores=scores, truth=truth)
    checks.finite(scores)
    checks.binary(truth, "truth")
    positive = truth == 1
    below = torch.full_like(scores[:, :1], -torch.inf)
    ordered = torch.cat([scores.sort(1, descending=True).values, below], 1)
    predicted = scores > ordered.gather(1, positive.sum(1, keepdim=True))
    right, sizes = ((predicted & positive).sum(0).double(), (predicted.sum(0) + positive.sum(0)))
    micro = 2 * right.sum() / sizes.sum().clamp(min=1)
    macro = (2 * right / sizes.clamp(min=1)).mean()
    return 100 * float(micro), 100 * float(macro)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest logit is at the label, in percent (first index on ties).

    Args:
        logits: ``(N, K)``.
        labels: ``(N,)`` class numbers in 0..K-1.

    Raises:
        ValueError: if the shapes do not fit, there are no rows, or a value is refused.
    """
    checks.instances(Tensor, logits=logits, labels=labels)
    checks.one_a_row(logits, labels)
    checks.class_numbers(labels, logits.shape[1])
    checks.finite(logits)
    return 100 * float((logits.argmax(1) == labels.long()).double().mean())


def separation_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve with which a score tells ``positive`` entries from the others.

    NaN if one of the two kinds is missing.

    Args:
        scores: ``(N,)`` real numbers.
        positive: ``(N,)`` bool, or in {0, 1}.

    Raises:
        ValueError: if the shapes differ, or a value is refused.
    """
    checks.instances(np.ndarray, scores=scores, positive=positive)
    checks.same_shape("N", least=0, scores=scores, positive=positive)
    checks.binary(positive, "positive")
    checks.finite(scores)
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, scores))


def class_wasserstein(probabilities: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Wasserstein-1 distance, per class, between the scores of true positives and true negatives.

    Args:
        probabilities: ``(N, C)`` in [0, 1].
        truth: ``(N, C)`` in {0, 1}.
        mask: ``(N, C)`` bool, the entries that count (say, the unannotated ones).

    Returns:
        ``(C,)`` float64, NaN for a class that lacks one of the two kinds.

    Raises:
        ValueError: if the shapes differ, there are no rows, or a value is refused.
    """
    checks.instances(np.ndarray, probabilities=probabilities, truth=truth, mask=mask)
    checks.same_shape("N, C", probabilities=probabilities, truth=truth, mask=mask)
    checks.boolean(mask, "mask")
    checks.finite(probabilities)
    checks.within(probabilities, 0, 1, "probabilities")
    checks.binary(truth, "truth")
    distances = np.full(truth.shape[1], np.nan)
    for c in range(truth.shape[1]):
        positives = probabilities[mask[:, c] & (truth[:, c] == 1), c]
        negatives = probabilities[mask[:, c] & (truth[:, c] == 0), c]
        if len(positives) and len(negatives):
            distances[c] = wasserstein_distance(positives, negatives)
    return distances


def pointing_game(
    maps: Tensor, truth: Tensor, boxes: Tensor, size: tuple[int, int], tolerance: float = 0
) -> np.ndarray:
    """Hits of the pointing game: does the peak of a class map lie in a box of that class?

    For every image and every class that is truly present, the map is resized bilinearly to the
    image (corners not aligned) and its largest value is taken (first index on ties). A present
    class without any box in the image is left out: nobody said where it is.

    Args:
        maps: ``(N, C, h, w)`` class activation maps.
        truth: ``(N, C)`` in {0, 1}.
        boxes: ``(M, 6)`` rows ``(image, class, top, left, bottom, right)``, half-open, in pixels.
        size: image height and width in pixels.
        tolerance: a point this many pixels (Euclidean) outside a box still hits; 15 at full
            resolution in the original pointing game (Zhang et al., ECCV 2016).

    Returns:
        ``(P, 3)`` int64: one row ``(image, class, hit)`` per present pair that has a box.

    Raises:
        ValueError: if the shapes do not fit, a box is of no image or class, or a value is refused.
    """
    checks.instances(Tensor, maps=maps, truth=truth, boxes=boxes)
    checks.shaped(boxes, (None, 6), "M, 6", "boxes")
    checks.at_least(tolerance, 0, "tolerance")
    checks.same_shape("N, C", maps=maps.flatten(2).mean(2), truth=truth)
    checks.class_numbers(boxes[:, 0], len(truth), "images of boxes")
    checks.class_numbers(boxes[:, 1], truth.shape[1], "classes of boxes")
    checks.finite(maps)
    checks.binary(truth, "truth")
    boxed = torch.zeros(truth.shape, dtype=torch.bool)
    boxed[boxes[:, 0].long(), boxes[:, 1].long()] = True  # bytes would be taken for a mask
    pairs = ((truth.cpu() == 1) & boxed).nonzero()
    shown = maps[pairs[:, 0], pairs[:, 1]][:, None]
    shown = shown if shown.dtype == torch.float64 else shown.float()
    large = F.interpolate(shown, size, mode="bilinear", align_corners=False)
    peak = large.flatten(1).argmax(1)
    row, column = peak // size[1], peak % size[1]
    hit = torch.zeros(len(pairs), dtype=torch.bool)
    number = {(int(i), int(c)): k for k, (i, c) in enumerate(pairs.tolist())}
    for image, label, top, left, bottom, right in boxes.tolist():
        k = number.get((image, label))
        if k is not None:
            dy = max(top - int(row[k]), 0, int(row[k]) - (bottom - 1))
            dx = max(left - int(column[k]), 0, int(column[k]) - (right - 1))
            hit[k] |= dy * dy + dx * dx <= tolerance * tolerance
    return torch.cat([pairs, hit[:, None].long()], 1).numpy()

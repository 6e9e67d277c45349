"""Real-world partial-label sets and the partial multi-label MirFlickr, as Matlab files.

Layout: ``<root>/pll-realworld/<name>.mat`` and ``<root>/partial-multilabel/mirflickr.mat``. Keys:
``data`` ``(n, d)``, and ``target`` and ``partial_target`` (``partial_labels``) stored transposed,
``(C, n)``, sparse or dense. The true label is always among the candidates; this is checked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse
import torch

from weaklabels.data import Split, Splits
from weaklabels.data.files import find, finite, random_parts, standardise

FILES = {
    "lost": "lost.mat",
    "msrcv2": "MSRCv2.mat",
    "birdsong": "BirdSong.mat",
    "soccer_player": "Soccer Player.mat",
    "yahoo_news": "Yahoo! News.mat",
}


def load(
    root: str | Path | None = None,
    *,
    which: str = "lost",
    test: float = 0.2,
    validation: float = 0.0,
    seed: int = 0,
    standard: bool = True,
) -> Splits:
    """One partial-label set, split at random (no official split exists).

    Args:
        root: folder that holds ``pll-realworld``.
        which: ``"lost"``, ``"msrcv2"``, ``"birdsong"``, ``"soccer_player"`` or ``"yahoo_news"``.
        test: share of the examples that tests.
        validation: share that validates; 0 for none.
        seed: of the split.
        standard: standardise with the statistics of the training part.

    Returns:
        ``x`` float32 ``(N, d)``, ``y`` ``(N,)`` int64, ``extra["candidates"]`` ``(N, C)`` bool.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if the name is unknown or the file is not as described above.
    """
    if which not in FILES:
        raise ValueError(f"unknown partial-label set {which!r}: expected one of {', '.join(FILES)}")
    file = FILES[which]
    path = find(root, (f"pll-realworld/{file}", file), "make data-pll")
    x, truth, candidates = read_mat(path, "partial_target")
    if (truth.sum(1) != 1).any():
        row = int(np.flatnonzero(truth.sum(1) != 1)[0])
        raise ValueError(f"{path}: example {row} has {truth[row].sum()} true labels, expected one")
    return _splits(x, truth.argmax(1), candidates, test, validation, seed, standard)


def mirflickr(
    root: str | Path | None = None,
    *,
    test: float = 0.2,
    validation: float = 0.0,
    seed: int = 0,
    standard: bool = True,
) -> Splits:
    """Partial multi-label MirFlickr (options as for ``load``).

    Returns:
        ``x`` float32 ``(N, d)``, ``y`` ``(N, C)`` int8, ``extra["candidates"]`` ``(N, C)`` bool.
    """
    options = ("partial-multilabel/mirflickr.mat", "mirflickr.mat")
    x, truth, candidates = read_mat(find(root, options, "make data-pll"), "partial_labels")
    return _splits(x, truth.astype(np.int8), candidates, test, validation, seed, standard)


def _splits(
    x: np.ndarray,
    y: np.ndarray,
    candidates: np.ndarray,
    test: float,
    validation: float,
    seed: int,
    standard: bool,
) -> Splits:
    train, val, held_out = random_parts(len(x), test, seed, validation)
    parts = [train, held_out] if val is None else [train, held_out, val]
    features = [x[part] for part in parts]
    if standard:
        features = standardise(*features)
    made = [
        Split(
            torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)),
            torch.from_numpy(y[part]),
            extra={"candidates": candidates[part], "index": part},
        )
        for values, part in zip(features, parts, strict=True)
    ]
    classes = tuple(f"class {i}" for i in range(candidates.shape[1]))
    return Splits(classes, made[0], made[2] if len(made) == 3 else None, made[1])


def read_mat(path: Path, candidates_key: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read one file: features ``(n, d)`` float64, truth and candidates ``(n, C)`` bool.

    Raises:
        ValueError: if it is not a Matlab file, a key is missing, the shapes disagree, a label is
            not 0 or 1, a true label is not among the candidates, or a feature is not finite.
    """
    try:
        content = scipy.io.loadmat(path)
    except Exception as error:  # a damaged file raises almost anything
        raise ValueError(f"{path}: not a readable Matlab file ({error})") from None
    keys = ("data", "target", candidates_key)
    if missing := [key for key in keys if key not in content]:
        raise ValueError(f"{path}: no {', '.join(missing)} in it, expected {', '.join(keys)}")
    x, truth, candidates = (_dense(content[key]) for key in keys)
    if x.ndim != 2 or truth.shape != candidates.shape or truth.shape[1:] != (len(x),):
        raise ValueError(
            f"{path}: data {x.shape}, target {truth.shape}, {candidates_key} {candidates.shape}, "
            "expected (n, d), (classes, n), (classes, n)"
        )
    if not (np.isin(truth, (0, 1)).all() and np.isin(candidates, (0, 1)).all()):
        raise ValueError(f"{path}: labels other than 0 and 1")
    truth, candidates = truth.T.astype(bool), candidates.T.astype(bool)
    if outside := np.flatnonzero((truth & ~candidates).any(1)).tolist():
        raise ValueError(
            f"{path}: the true label of example {outside[0]} is not among its candidates "
            f"({len(outside)} such examples)"
        )
    return finite(path, "data", np.asarray(x, dtype=np.float64)), truth, candidates


def _dense(matrix: np.ndarray | scipy.sparse.spmatrix) -> np.ndarray:
    return np.asarray(matrix) if isinstance(matrix, np.ndarray) else matrix.toarray()

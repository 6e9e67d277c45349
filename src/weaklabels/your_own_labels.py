"""Train with any loss of the book on labels of your own.

A table names the images and what is known of their labels; ``read`` turns both into tensors,
``train`` makes a :class:`Classifier`, which predicts, shows where it looks, and is saved to and
loaded from one file. Arrays of features work as well: skip ``read``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import precision_recall_curve
from torch import Tensor

from weaklabels import methods, metrics, models
from weaklabels.cam import class_activation_maps
from weaklabels.data import shards
from weaklabels.data.augment import to_float
from weaklabels.seeding import seed_torch, torch_rng
from weaklabels.train import OptimiserSpec, fit, predict

FORMAT = "weaklabels classifier 1"
FEWEST = 5
"""Annotated positives and negatives that a class needs for a threshold of its own."""


@dataclass(frozen=True)
class Labelled:
    """Images with what is known about their labels.

    Attributes:
        x: ``(N, 3, side, side)`` uint8, in a memory map.
        observed: ``(N, C)`` int8: +1 present, -1 absent, 0 unknown.
        classes: C names.
        files: N names, as in the table.
    """

    x: Tensor
    observed: Tensor
    classes: tuple[str, ...]
    files: tuple[str, ...]


def read(table: str | Path, folder: str | Path, side: int = 64, cache: str | Path = "") -> Labelled:
    """Read a CSV table of labels and the images that it names.

    Args:
        table: one row an image. The first column is the image's file, each further column a class:
            ``1`` present, ``0`` absent, empty unknown.
        folder: where the files are.
        side: images are resized to squares of this many pixels.
        cache: folder for the decoded images; default: ``.weaklabels`` in ``folder``.

    Raises:
        FileNotFoundError: if the table or an image is missing.
        ValueError: if the table has no rows or no classes, names a file twice, or holds another
            value; the message names the place.
    """
    frame = pd.read_csv(table, dtype=str, keep_default_na=False)
    if not len(frame) or frame.shape[1] < 2:
        raise ValueError(f"{table}: expected a row for each image and a column for each class")
    files, cells = frame.iloc[:, 0], frame.iloc[:, 1:].apply(lambda column: column.str.strip())
    if files.duplicated().any():
        raise ValueError(f"{table}: {files[files.duplicated()].iloc[0]} has more than one row")
    strange = ~cells.isin(["1", "0", ""])
    if strange.to_numpy().any():
        row, column = np.argwhere(strange.to_numpy())[0]
        raise ValueError(
            f"{table}, row of {files[row]}, class {cells.columns[column]}: "
            f"{cells.iloc[row, column]!r}, expected 1, 0 or nothing"
        )
    observed = cells.replace({"1": 1, "0": -1, "": 0}).astype(np.int8).to_numpy()
    paths = [Path(folder) / name for name in files]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"{missing[0]}: named in {table}, but there is no such file")
    x = shards.build(paths, side, cache or Path(folder) / ".weaklabels", "own")
    return Labelled(x, torch.from_numpy(observed.copy()), tuple(cells.columns), tuple(files))


@dataclass
class Classifier:
    """A trained network with all that is needed to use it.

    Attributes:
        model: the network, on the device that trained it.
        classes: C names.
        network: how it was built: name and options (``models.build``).
        thresholds: ``(C,)`` probabilities from which a label counts as present; one half until
            :meth:`choose_thresholds` has been called.
    """

    model: models.Network
    classes: tuple[str, ...]
    network: dict[str, Any]
    thresholds: np.ndarray

    def probabilities(self, x: Tensor) -> np.ndarray:
        """``(N, C)`` float64, the sigmoid of the network's scores."""
        return predict(self.model, x).double().sigmoid().cpu().numpy()

    def predict(self, x: Tensor) -> np.ndarray:
        """``(N, C)`` bool: which labels reach their threshold."""
        return self.probabilities(x) >= self.thresholds

    def choose_thresholds(self, x: Tensor, observed: Tensor) -> None:
        """Set each class's threshold to the one with the best F1 on annotated validation labels.

        A class with fewer than five annotated positives or negatives takes the best common one.

        Args:
            x: validation inputs.
            observed: ``(N, C)``, +1 present, -1 absent, 0 unknown (left out).

        Raises:
            ValueError: if no positive or no negative is annotated at all.
        """
        p, known = self.probabilities(x), observed.cpu().numpy()
        if not ((known == 1).any() and (known == -1).any()):
            raise ValueError(
                "thresholds need annotated positives and negatives: one kind is absent"
            )
        self.thresholds = np.full(
            len(self.classes), _best_threshold(p[known != 0], known[known != 0])
        )
        for c in range(len(self.classes)):
            rows = known[:, c] != 0
            positives = (known[:, c] == 1).sum()
            if min(positives, rows.sum() - positives) >= FEWEST:
                self.thresholds[c] = _best_threshold(p[rows, c], known[rows, c])

    def evaluate(self, x: Tensor, truth: Tensor) -> pd.DataFrame:
        """Average precision and F1 (%) of each class and their mean, against complete labels.

        Args:
            x: test inputs.
            truth: ``(N, C)`` in {0, 1}.
        """
        logits = predict(self.model, x).cpu()
        chosen = torch.from_numpy(self.predict(x))
        right = (chosen & (truth.cpu() == 1)).sum(0)
        made = (chosen.sum(0) + (truth.cpu() == 1).sum(0)).clamp(min=1)
        frame = pd.DataFrame(
            {
                "positives": (truth == 1).sum(0).cpu().numpy(),
                "AP": metrics.average_precision(logits, truth.cpu()),
                "F1": (200 * right.double() / made).numpy(),
                "threshold": self.thresholds,
            },
            index=pd.Index(self.classes, name="class"),
        )
        frame.loc["mean"] = frame.mean()
        return frame

    def maps(self, x: Tensor) -> Tensor:
        """Class activation maps ``(N, C, h, w)``; see ``cam.class_activation_maps``."""
        device = next(self.model.parameters()).device
        x = x.to(device)
        self.model.eval()
        return class_activation_maps(self.model, to_float(x) if x.dtype == torch.uint8 else x).cpu()

    def save(self, path: str | Path) -> None:
        """Write everything to one file, which holds tensors and plain values only."""
        content = {
            "format": FORMAT,
            "classes": list(self.classes),
            "network": self.network,
            "thresholds": self.thresholds.tolist(),
            "weights": {name: value.cpu() for name, value in self.model.state_dict().items()},
        }
        temporary = Path(path).with_name(f".{Path(path).name}.tmp")
        torch.save(content, temporary)
        temporary.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Classifier:
        """Read a file written by :meth:`save`; nothing in it is executed (``weights_only``).

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not such a file.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file (expected one of Classifier.save)")
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(f"{path}: not a file written by Classifier.save") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"{path}: not a file written by Classifier.save")
        classes, network = tuple(content["classes"]), content["network"]
        # The weights come from the file: there is no need to fetch others first.
        start = {"pretrained": False} if "pretrained" in network["options"] else {}
        model = models.build(network["name"], len(classes), **network["options"] | start)
        model.load_state_dict(content["weights"])
        return cls(model.eval(), classes, network, np.array(content["thresholds"]))


def train(
    x: Tensor,
    observed: Tensor,
    classes: Sequence[str],
    method: str = "EM",
    *,
    epochs: int = 20,
    batch_size: int = 32,
    lr: float = 1e-3,
    network: str | None = None,
    network_options: dict[str, Any] | None = None,
    expected_positives: float | None = None,
    device: str = "cpu",
    seed: int = 0,
    **method_options: Any,
) -> Classifier:
    """Train a network on incomplete multi-labels.

    Args:
        x: ``(N, c, h, w)`` images, uint8 or float32 in [0, 1], or ``(N, d)`` float32 features.
        observed: ``(N, C)``: +1 present, -1 absent, 0 unknown.
        classes: C names.
        method: a name of the book's tables (``methods.names()``), with ``method_options``.
        epochs, batch_size, lr: length of training, images a step, learning rate of Adam.
        network: a name of ``models.BUILDERS``; default: ``"patch_net"`` for images and ``"mlp"``
            for features. ``network_options`` go to its builder.
        expected_positives: mean number of positives of an image, if the method asks for it.
        device: ``"cpu"`` or ``"cuda"``.
        seed: of the initial weights and the order of the batches.

    Raises:
        ValueError: if the labels do not fit the inputs or the classes, hold another value, or
            annotate no positive at all, if method or network are unknown, or if the method needs
            to be told more.
    """
    _check(x, observed, classes)
    if network is None:
        network = "patch_net" if x.ndim == 4 else "mlp"
        shape = {"channels": x.shape[1]} if x.ndim == 4 else {"inputs": x.shape[1]}
        network_options = shape | (network_options or {})
    options = network_options or {}
    learner = methods.create(method, **method_options)
    model = models.build(network, len(classes), seed=seed, **options).to(device)
    weak = observed.to(device, torch.int8)
    learner.start(methods.Context(weak, expected_positives=expected_positives))
    learner.prepare(model)
    seed_torch(seed, "training")
    optimiser = OptimiserSpec("adam", lr=lr).build(model, learner)
    order = torch_rng(seed, "order")
    fit(model, x, learner, epochs=epochs, batch_size=batch_size, optimiser=optimiser, order=order)
    recipe = {"name": network, "options": options}
    return Classifier(model.eval(), tuple(classes), recipe, np.full(len(classes), 0.5))


def _check(x: Tensor, observed: Tensor, classes: Sequence[str]) -> None:
    if x.ndim not in (2, 4):
        raise ValueError(
            f"inputs {tuple(x.shape)}: expected (N, c, h, w) images or (N, d) features"
        )
    if observed.shape != (len(x), len(classes)):
        raise ValueError(
            f"labels {tuple(observed.shape)} for {len(x)} inputs and {len(classes)} classes: "
            f"expected {(len(x), len(classes))}"
        )
    other = set(observed.unique().tolist()) - {-1, 0, 1}
    if other:
        raise ValueError(f"labels hold {min(other)}: expected +1 present, -1 absent, 0 unknown")
    if not (observed == 1).any():
        raise ValueError("no label is annotated as present: there is nothing to learn from")


def _best_threshold(p: np.ndarray, known: np.ndarray) -> float:
    precision, recall, thresholds = precision_recall_curve(known == 1, p)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1[:-1].argmax())
    # Half-way to the next lower score, so that the label does not hang on one example.
    return float((thresholds[best] + thresholds[max(best - 1, 0)]) / 2)

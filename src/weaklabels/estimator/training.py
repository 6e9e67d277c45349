"""One training: with a progress bar, a score on validation labels, and a file to resume from."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from tqdm import tqdm

from weaklabels import kept
from weaklabels.methods import Method
from weaklabels.models import Network
from weaklabels.state import device_of, global_generators, set_global_generators
from weaklabels.train import fit

FILE = "training.pt"
FORMAT = "weaklabels training 4"
READ = (FORMAT, "weaklabels training 3")
"""Formats that are read."""

WEIGHTS = "initial weights"
"""Of a module of one's own. Built without a seed it has others in every process, so that these
alone do not keep a training from going on."""

ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")
"""Where an object lies, in its ``repr``: elsewhere in every process."""


@dataclass
class Course:
    """How a training went.

    Attributes:
        history: per epoch its mean loss and, if there is validation, its score.
        best: the epoch with the best score, from 1; 0 if nothing was validated.
        weights: the state of the network in that epoch, on the CPU.
        resumed: epochs that an earlier, interrupted training had done.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)
    resumed: int = 0

    def note(self, entry: dict[str, float], model: Network) -> None:
        """Take in an epoch; its weights are kept if its score is the best so far."""
        if "validation" in entry:
            best = max((e["validation"] for e in self.history), default=float("-inf"))
            if entry["validation"] > best:
                self.best = int(entry["epoch"])
                self.weights = {k: v.cpu().clone() for k, v in model.state_dict().items()}
        self.history.append(entry)


def even_batches(rows: int, size: int) -> Callable[[torch.Generator], Iterable[Tensor]]:
    """Batches of an epoch that differ by at most one row, so that none is left with a single one.

    Batch normalisation cannot train on a single row: an odd number of rows in batches of two has
    one batch of three.
    """
    count = max(1, min(-(-rows // size), rows // 2))

    def batches(order: torch.Generator) -> Iterable[Tensor]:
        return torch.tensor_split(torch.randperm(rows, generator=order), count)

    return batches


@torch.enable_grad()
def train(
    model: Network,
    x: Tensor,
    method: Method,
    optimiser: torch.optim.Optimizer,
    *,
    epochs: int,
    batch_size: int,
    order: torch.Generator,
    augment: Callable[[Tensor], Tensor] | None = None,
    generators: Sequence[torch.Generator] = (),
    score: Callable[[], float] | None = None,
    folder: Path | None = None,
    identity: Mapping[str, str] | None = None,
    progress: bool = False,
) -> Course:
    """Train in place; with a score the weights of the best epoch are put back at the end.

    Args:
        model, x, method, optimiser, epochs, batch_size, order, augment: see ``train.fit``.
        generators: what ``augment`` draws from; kept with the state.
        score: of the current network on validation data; higher is better.
        folder: where the state after each epoch is kept; an interrupted training goes on from it.
        identity: of data and settings (``identity_of``); another training's state is refused.
        progress: show a bar.

    Raises:
        OSError: if the state cannot be kept in the folder.
        ValueError: if the folder holds the state of another training, or another goes on there.
    """
    course = Course()
    parts = {"model": model, "optimiser": optimiser, "method": method}
    drawn, known = [order, *generators], dict(identity or {})
    losses: list[Tensor] = []

    def after_step(index: Tensor, logits: Tensor, loss: Tensor) -> None:
        losses.append(loss)
        bar.update(min(len(index) / len(x), bar.total - bar.n))  # sums of shares can exceed it

    def after_epoch(epoch: int) -> None:
        entry = {"epoch": epoch, "loss": float(torch.stack(losses).mean())}
        losses.clear()
        if score is not None:
            entry["validation"] = score()
        course.note(entry, model)
        bar.set_postfix({k: f"{v:.4g}" for k, v in entry.items()})
        if folder is not None:
            _save(folder, known, parts, drawn, course)

    with _held(folder):
        course.resumed = _restore(folder, known, parts, drawn, course)
        with tqdm(total=epochs, initial=course.resumed, unit="epoch", disable=not progress) as bar:
            fit(
                model, x, method, epochs=epochs, batch_size=batch_size, optimiser=optimiser,
                order=order, augment=augment, batches=even_batches(len(x), batch_size),
                after_step=after_step, after_epoch=after_epoch, done=course.resumed,
            )  # fmt: skip
    if course.weights:
        model.load_state_dict(course.weights)
    return course


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Give an estimator back the attributes that it had if its training fails or is interrupted."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise


def identity_of(told: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each thing that a training depends on, by its name.

    Numbers of NumPy are those of Python, networks are their layers and weights (those of the
    ``network`` itself go by a name of their own), and functions go by their names. Neither
    ``device`` nor ``progress`` counts.
    """
    counted = {name: value for name, value in told.items() if name not in ("device", "progress")}
    if isinstance(own := counted.get("network"), nn.Module):
        counted |= {"network": repr(own), WEIGHTS: own.state_dict()}
    found = {}
    for name, value in counted.items():
        digest = hashlib.sha256()
        for piece in _pieces(value):
            digest.update(piece)
        found[name] = digest.hexdigest()
    return found


def _pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        for block in torch.atleast_1d(value.detach()).split(1024):
            row_major = block.cpu().clone(memory_format=torch.contiguous_format)
            yield row_major.view(torch.uint8).numpy().tobytes()
    elif isinstance(value, nn.Module):
        yield from _pieces([ADDRESS.sub("", repr(value)), value.state_dict()])
    elif isinstance(value, Mapping):
        yield from _pieces(sorted(value.items(), key=lambda item: str(item[0])))
    elif isinstance(value, list | tuple):
        yield f"{len(value)} of them".encode()
        for each in value:
            yield from _pieces(each)
    else:
        yield f"{ADDRESS.sub('', repr(value))};".encode()


@contextmanager
def _held(folder: Path | None) -> Iterator[None]:
    """Hold a folder for one training, which learns beforehand whether it can keep its state there.

    Raises:
        OSError: if nothing can be written there.
        ValueError: if another training holds it.
    """
    if folder is None:
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / ".lock").acquire(blocking=False)
    except Timeout:
        raise ValueError(
            f"another training keeps its state in {folder}: name another folder, or wait for it"
        ) from None
    except OSError as error:
        raise OSError(f"folder {folder} cannot be used: {error.strerror or error}") from error
    with held:
        for left in folder.glob(f".{FILE}.*"):  # by a training that was killed while it wrote
            left.unlink()
        yield


def _save(
    folder: Path,
    identity: dict[str, str],
    parts: dict[str, Any],
    drawn: list[torch.Generator],
    course: Course,
) -> None:
    content = {
        "format": FORMAT,
        "identity": identity,
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "drawn": [generator.get_state() for generator in drawn],
        "generators": global_generators(device_of(parts["model"])),
        "history": course.history,
        "best": course.best,
        "weights": course.weights,
    }
    kept.write(content, folder / FILE)


def _restore(
    folder: Path | None,
    identity: dict[str, str],
    parts: dict[str, Any],
    drawn: list[torch.Generator],
    course: Course,
) -> int:
    """Go back to the state in the folder, if there is one; returns the epochs that were done."""
    if folder is None or not (path := folder / FILE).exists():
        return 0
    content = kept.read(path, f"{path} is damaged: remove it to start anew")
    if not isinstance(content, dict) or content.get("format") not in READ:
        raise ValueError(f"{path} is no state of a training of this version: name another folder")
    other = {name for name, _ in content["identity"].items() ^ identity.items()}
    if other - {WEIGHTS}:
        raise ValueError(
            f"{path} is the state of a training on other data or with other settings "
            f"({', '.join(sorted(other))}): name another folder, or remove it"
        )
    if other:
        warnings.warn(
            f"{path} is the state of a training that began with other weights of the network, and "
            "it goes on from there: remove it to start anew",
            stacklevel=4,
        )
    try:
        for name, part in parts.items():
            part.load_state_dict(content["parts"][name])
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"{path} does not fit the network and the method: remove it to start anew"
        ) from error
    for generator, state in zip(drawn, content["drawn"], strict=True):
        generator.set_state(state)
    set_global_generators(content, device_of(parts["model"]))
    course.history, course.best = content["history"], content["best"]
    course.weights = content["weights"]
    return len(course.history)

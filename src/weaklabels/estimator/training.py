"""One training: with a progress bar, a score on validation labels, and a file to resume from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from weaklabels.methods import Method
from weaklabels.models import Network
from weaklabels.train import fit

FILE = "training.pt"
FORMAT = "weaklabels training 2"


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

    Batch normalisation cannot train on a single row.
    """
    count = -(-rows // size)

    def batches(order: torch.Generator) -> Iterable[Tensor]:
        return torch.tensor_split(torch.randperm(rows, generator=order), count)

    return batches


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
    identity: str = "",
    progress: bool = False,
) -> Course:
    """Train in place; with a score the weights of the best epoch are put back at the end.

    Args:
        model, x, method, optimiser, epochs, batch_size, order, augment: see ``train.fit``.
        generators: what ``augment`` draws from; kept with the state.
        score: of the current network on validation data; higher is better.
        folder: where the state after each epoch is kept; an interrupted training goes on from it.
        identity: of data and settings; the state of another training is refused.
        progress: show a bar.

    Raises:
        ValueError: if the folder holds the state of another training.
    """
    course = Course()
    parts = {"model": model, "optimiser": optimiser, "method": method}
    drawn = [order, *generators]
    if folder is not None:
        course.resumed = _restore(folder, identity, parts, drawn, course)
    losses: list[Tensor] = []
    bar = tqdm(total=epochs, initial=course.resumed, unit="epoch", disable=not progress)

    def after_step(index: Tensor, logits: Tensor, loss: Tensor) -> None:
        losses.append(loss)
        bar.update(len(index) / len(x))

    def after_epoch(epoch: int) -> None:
        entry = {"epoch": epoch, "loss": float(torch.stack(losses).mean())}
        losses.clear()
        if score is not None:
            entry["validation"] = score()
        course.note(entry, model)
        bar.set_postfix({k: f"{v:.4g}" for k, v in entry.items()})
        if folder is not None:
            _save(folder, identity, parts, drawn, course)

    with bar:
        fit(
            model, x, method, epochs=epochs, batch_size=batch_size, optimiser=optimiser,
            order=order, augment=augment, batches=even_batches(len(x), batch_size),
            after_step=after_step, after_epoch=after_epoch, done=course.resumed,
        )  # fmt: skip
    if course.weights:
        model.load_state_dict(course.weights)
    return course


def identity_of(settings: Any, *data: Tensor) -> str:
    """A digest of settings (by their ``repr``) and tensors."""
    digest = hashlib.sha256(repr(settings).encode())
    for values in data:
        digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
        for block in values.split(1024):
            digest.update(block.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _save(
    folder: Path, identity: str, parts: dict[str, Any], drawn: list[torch.Generator], course: Course
) -> None:
    content = {
        "format": FORMAT,
        "identity": identity,
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "drawn": [generator.get_state() for generator in drawn],
        "generator": torch.get_rng_state(),
        "gpu generators": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps generator": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "history": course.history,
        "best": course.best,
        "weights": course.weights,
    }
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{FILE}.tmp"
    torch.save(content, temporary)
    temporary.replace(folder / FILE)


def _restore(
    folder: Path, identity: str, parts: dict[str, Any], drawn: list[torch.Generator], course: Course
) -> int:
    """Go back to the state in the folder; returns the epochs that were done."""
    path = folder / FILE
    if not path.exists():
        return 0
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises almost anything
        raise ValueError(f"{path} is damaged: remove it to start anew") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is no state of a training: name another folder")
    if content["identity"] != identity:
        raise ValueError(
            f"{path} is the state of a training on other data or with other settings: name "
            "another folder, or remove it"
        )
    for name, part in parts.items():
        part.load_state_dict(content["parts"][name])
    for generator, state in zip(drawn, content["drawn"], strict=True):
        generator.set_state(state)
    torch.set_rng_state(content["generator"])
    if content["gpu generators"]:
        torch.cuda.set_rng_state_all(content["gpu generators"])
    if content["mps generator"] is not None:
        torch.mps.set_rng_state(content["mps generator"])
    course.history, course.best = content["history"], content["best"]
    course.weights = content["weights"]
    return len(course.history)

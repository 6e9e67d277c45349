"""The cost of MoGD's meta step, counted in operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch.utils.flop_counter import FlopCounterMode

from chapters.mogd.runs import Spec, divide
from weaklabels.lab import candidate_sets
from weaklabels.methods.mogd import meta_gradient, virtual_step_gradient
from weaklabels.methods.partial_label import average_loss


def operations(spec: Spec, batch: int | None = None) -> dict[str, int]:
    """Floating-point operations of a step's matrix products, by part; counted on the CPU.

    Returns:
        ``plain``, forward and backward pass over a batch; ``closed form`` and ``double backward``,
        the meta-gradient each way.
    """
    splits, clean, candidates = divide(spec)
    x, sets = splits.train.x[: batch or spec.batch_size], candidates[: batch or spec.batch_size]
    held = clean.x, clean.y
    model = candidate_sets.build_network(replace(spec, device="cpu"), splits).eval()

    def plain() -> None:
        average_loss(model(x), sets).backward()

    parts = {
        "plain": plain,
        "closed form": lambda: meta_gradient(model, x, held),
        "double backward": lambda: virtual_step_gradient(model, x, held),
    }
    return {name: _count(work) for name, work in parts.items()}


def _count(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()

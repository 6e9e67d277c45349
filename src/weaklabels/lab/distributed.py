"""One run on several GPUs (or processes), every one of which works on a part of each batch.

``sweep.run(..., gpus=4)`` starts every run with torchrun. All processes hold the whole network and
the whole method. Each forwards its part of a batch; the logits are gathered, and every process
computes the loss of the whole batch, so that methods that look at a batch (the largest losses, the
number of positives) see the same as on one GPU and their state stays the same everywhere.
``DistributedDataParallel`` adds up the gradients.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from weaklabels.models import Network


def share(model: Network) -> Network:
    """The network whose batches are shared out among the processes; itself if there is only one.

    Batch normalisation uses the statistics of the whole batch on GPUs, those of a part on CPUs.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return model
    if next(model.parameters()).is_cuda:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return _Shared(model)


def leads() -> bool:
    """Whether this process writes files: the first one, or the only one."""
    return not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0


class _Shared(Network):
    """The same modules under the same names; ``forward`` takes the whole batch everywhere."""

    def __init__(self, network: Network) -> None:
        super().__init__(network.features, network.pool, network.head)
        self.autocast = network.autocast
        # In a list, so that the weights are not registered twice.
        self.workers = [DistributedDataParallel(network)]

    def __deepcopy__(self, memo: dict) -> Network:
        """An ordinary network, say for a moving average of the weights."""
        copy = Network(*deepcopy((self.features, self.pool, self.head), memo))
        copy.autocast = self.autocast
        return copy

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not self.training:
            return super().forward(x)  # a gradient that trains nothing, such as that of an attack
        rank, size = dist.get_rank(), dist.get_world_size()
        # Every part has the same length: the first rows come again at the end, and are cut off.
        rows = torch.arange(-(-len(x) // size) * size, device=x.device) % len(x)
        part = x[rows.chunk(size)[rank]]
        learning = self.training and torch.is_grad_enabled()
        logits = self.workers[0](part) if learning else super().forward(part)
        parts = [torch.empty_like(logits) for _ in range(size)]
        dist.all_gather(parts, logits.detach().contiguous())
        if learning:
            # All processes have the same loss, each lets its own part learn, and the gradients are
            # averaged afterwards: times the number of processes that is their sum.
            logits.register_hook(lambda gradient: gradient * size)
            parts[rank] = logits
        return torch.cat(parts)[: len(x)]


def launch(work: Callable[[], Any], processes: int, *, on_gpu: bool) -> None:
    """Do some work with so many processes of this machine together.

    Args:
        work: called in each of them, in a process group; can be pickled.
        processes: one for each GPU, or for each part of a batch on the CPU.
        on_gpu: whether each process has a GPU of its own.

    Raises:
        ChildProcessError: if it fails; its own messages are on the error stream.
    """
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job"
        job.write_bytes(pickle.dumps((work, on_gpu)))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(processes), "-m", __name__, str(job)]
        if subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode:
            raise ChildProcessError(f"the run on {processes} processes failed: see above")


def main(arguments: Sequence[str]) -> None:
    """One of the processes that torchrun starts."""
    work, on_gpu = pickle.loads(Path(arguments[0]).read_bytes())
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        work()
        dist.barrier()
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1:])

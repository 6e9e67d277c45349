"""How many runs of a table a card computes best at a time, measured by ``make paper-check``.

A few networks stand for the runs of a profile. The numbers lie beside the speeds of the networks,
where ``press.machine`` finds them for what is not told its ``WORKERS``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from weaklabels.lab import candidate_sets, missing_labels, multilabel, sharing
from weaklabels.lab.spec import options
from weaklabels.press import machine
from weaklabels.press.paper.follow import Case, run_case
from weaklabels.press.paper.shorten import lighter, shortened
from weaklabels.press.paper.slices import size_for
from weaklabels.press.paper.throughput import LENET, measure_stacked
from weaklabels.press.runner.files import write_atomically


def kinds(data_root: str, device: str) -> dict[str, dict[str, Case]]:
    """Short runs of a few networks, by the profile for which they stand; those of photographs and
    of CIFAR-10 are on slices, at the batch of the papers."""
    digits = candidate_sets.Spec("PRODEN", candidates="flip", q=0.1, epochs=5, device=device)
    scenes = multilabel.Spec("AN", options(epsilon=0.0), epochs=2, batch_size=16, device=device)
    cifar = replace(digits, dataset="cifar10", data_root=data_root, network="lenet", epochs=2)
    voc = lighter(
        shortened(missing_labels.photographs(data_root, device), size_for(device)), device
    )
    found = {
        "quick": {"an MLP on digits": digits, "a CNN on scenes": scenes},
        "paper": {
            "LeNet on CIFAR-10": replace(cifar, inputs=LENET, batch_size=256),
            f"{voc.network} on photographs": voc,
        },
    }
    return {
        profile: {name: _case(spec, device) for name, spec in specs.items()}
        for profile, specs in found.items()
    }


def _case(spec: candidate_sets.Spec | multilabel.Spec, device: str) -> Case:
    return Case(f"{type(spec).__module__}:run", spec, device)


def time_sharing(device: str, data_root: str, folder: Path) -> None:
    """Measure what ``folder`` does not hold, and say how many processes share the card best."""
    if device == "cpu":
        print("not shared: the processes of a CPU are as many as its cores")
        return
    for profile, cases in kinds(data_root, device).items():
        path = machine.sharing_file(folder, device, profile)
        found = sharing.read(path)
        for name, case in cases.items():
            if name not in found:
                found[name] = sharing.measure(run_case, case, device)
                write_atomically(path, sharing.written(found))
            print(told(name, found[name]), flush=True)
    count = sharing.COUNTS[-1]
    gain = measure_stacked(count, device)
    print(f"{count} MLPs on digits stacked in one computation: at most {gain:.1f} times one alone")


def told(name: str, shared: sharing.Shared) -> str:
    """What was measured of a network, in one line."""
    rates = ", ".join(f"{count}: {rate:.1f}" for count, rate in shared.rates.items())
    return (
        f"{name}: runs a minute by number of processes {rates}; best {shared.best}, "
        f"{shared.peak / 1e9:.1f} GB each"
    )

"""Small runs on images in the official format of VOC 2012, and how they are interrupted."""

from weaklabels.lab import multilabel_watch
from weaklabels.lab.multilabel import Spec
from weaklabels.lab.spec import options
from weaklabels.train import OptimiserSpec


def small(root, method="LL-Cp", **changes) -> Spec:
    """A run whose network has dropout, with everything that keeps a state between epochs."""
    own = {
        "LL-Cp": {"rate": 0.02},
        "ROLE": {},
        "EM+APL": {"alpha": 0.2, "beta": 0.4, "warm_up": 1, "epochs": 4},
    }[method]
    settings = {
        "dataset": "voc2012",
        "data_root": str(root),
        "data_options": options(resolution=24, seed=1200),
        "network": "label_decoder",
        "network_options": options(
            backbone_options=options(channels=3, width=8), width=16, heads=2, hidden=16
        ),
        "epochs": 4,
        "batch_size": 8,
        "optimiser": OptimiserSpec("adam", lr=1e-2, warm_up=0.3),
        "augment": (("flip",), ("pad_crop", 2)),
        "average": 0.9,
        "track": ("weights", "entry_logits", "readings", "annotated_loss"),
        "checkpoint": True,
    }
    return Spec(method, options(**own), **(settings | changes))


def interrupt_third_epoch(stop):
    """Make the next run call ``stop`` when it evaluates its third epoch."""
    calls, evaluate = [], multilabel_watch.average_precision

    def counted(*arguments):
        calls.append(None)
        if len(calls) == 5:
            stop()
        return evaluate(*arguments)

    multilabel_watch.average_precision = counted

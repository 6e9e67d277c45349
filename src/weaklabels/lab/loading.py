"""The data of a run, remembered: drawing scenes anew takes a tenth of a short run."""

from __future__ import annotations

from functools import lru_cache
from inspect import Parameter, signature

from weaklabels import data
from weaklabels.data import Splits
from weaklabels.lab.spec import Data, Options, options


def load_splits(spec: Data) -> Splits:
    """The data of a run; what is drawn at random is drawn with the run's seed.

    A seed among the data's options comes before that of the run.
    """
    chosen = dict(spec.data_options)
    if "seed" not in chosen and _takes_seed(spec.dataset):
        chosen["seed"] = spec.seed
    return _load(spec.dataset, spec.data_root, options(**chosen))


@lru_cache(maxsize=8)  # all seeds of a table
def _load(dataset: str, root: str | None, chosen: Options) -> Splits:
    return data.load(dataset, root, **dict(chosen))


def _takes_seed(dataset: str) -> bool:
    parameters = signature(data.loader(dataset)).parameters.values()
    return any(p.name == "seed" or p.kind is Parameter.VAR_KEYWORD for p in parameters)

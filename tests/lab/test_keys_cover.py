"""A run's key covers what the interpreter executes of this project when the run is computed."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.executed_code import outside_of_key
from tests.lab.test_on_a_gpu import DIGITS, PROTOCOLS, STAGES
from tests.run_functions import name_of, run_functions
from weaklabels import lab
from weaklabels.lab import candidate_sets, loading, multilabel, trunk, two_stage
from weaklabels.lab.spec import options

SMALL = multilabel.Spec(
    "ROLE",
    data_options=options(train=12, val=6, test=6, pretrain=8),
    network_options=options(width=4, batch_norm=False),
    epochs=1,
    batch_size=4,
    pretraining=multilabel.Pretraining(epochs=1),
)
FROZEN = replace(SMALL, pretraining=None, frozen_layers=1)
RUNS = PROTOCOLS | {
    "a first stage of another method": (
        two_stage.run,
        replace(STAGES, method="LL-R", method_options=options(rate=0.02)),
    ),
    "a first stage": (two_stage.warm_up, two_stage.first_stage(STAGES)),
    "pre-training": (multilabel.pretrain, multilabel.backbone_spec(SMALL)),
    "a linear phase": (multilabel.linear_phase, SMALL),
    "a run from a linear phase": (multilabel.run, replace(SMALL, linear_init=True)),
    "features": (multilabel.frozen_features, multilabel.backbone_spec(SMALL)),
    "a run on features": (multilabel.run, replace(SMALL, frozen=True)),
    "maps": (trunk.maps, trunk.maps_spec(FROZEN)),
    "a run on maps": (multilabel.run, FROZEN),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_a_run_executes_is_part_of_its_key(name: str) -> None:
    assert outside_of_key(*RUNS[name]) == set()


def test_every_function_that_makes_runs_is_watched() -> None:
    made = run_functions(Path(lab.__file__).parent)
    missing = sorted(map(name_of, made - {function for function, _ in RUNS.values()}))
    assert not missing, f"{', '.join(missing)}: expected a small run of each in RUNS"


@dataclass(frozen=True)
class Silent(candidate_sets.Spec):
    """It names neither its method nor its loader."""

    def code(self) -> list[Any]:
        return []


def test_code_that_a_spec_does_not_name_is_found() -> None:
    fields = {name: getattr(DIGITS, name) for name in DIGITS.__dataclass_fields__}
    spec = Silent(**fields | {"epochs": 1, "data_options": options(test=1700)})
    loading._load.cache_clear()  # data that another test has loaded are not loaded again
    missing = outside_of_key(candidate_sets.run, spec)
    assert ("weaklabels.data.digits", "load") in missing

"""A trained classifier in one file of tensors and plain values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from weaklabels import kept, methods
from weaklabels.estimator import networks
from weaklabels.estimator.inputs import Form
from weaklabels.models import Network
from weaklabels.state import pack

if TYPE_CHECKING:
    from weaklabels.estimator.classifier import Classifier

    C = TypeVar("C", bound=Classifier)

FORMAT = "weaklabels classifier 2"
OWN = "a module of the user's own"


def save(classifier: Classifier, path: Path) -> None:
    """Write a trained classifier; a reader sees the new file or the one before it.

    Raises:
        OSError: if the file cannot be written.
        TypeError: if an option cannot be written as a plain value.
    """
    own = isinstance(classifier.plan_, nn.Module)
    content = {
        "format": FORMAT,
        "parameters": _parameters(classifier),
        "network": OWN if own else classifier.plan_,
        "shape": list(classifier.form_.shape),
        "reach": classifier.form_.reach,
        "columns": classifier.form_.names,
        "free": classifier.form_.free,
        "zeros": classifier.zeros_,
        "classes": classifier.classes_.tolist(),
        "several": classifier.several_,
        "by name": classifier.by_name_,
        "thresholds": classifier.thresholds_.tolist(),
        "prepared": classifier.method_options_ if classifier.prepared_ else None,
        "history": [{"epoch": e} | row for e, row in classifier.history_.to_dict("index").items()],
        "best": classifier.best_epoch_,
        "report": classifier.report_,
    }
    packed = {name: pack(value, name) for name, value in _plain(content).items()}
    packed["weights"] = {n: value.cpu() for n, value in classifier.model_.state_dict().items()}
    kept.write(packed, path)


def check(classifier: Classifier, classes: np.ndarray) -> None:
    """Refuse, before a training, what could not be saved after it.

    Raises:
        ValueError: naming the setting, or the class.
    """
    for name in classes:
        if not isinstance(name, str | int | float | np.number | np.bool_):
            kind = type(name).__name__
            raise ValueError(f"class {name!r} is of type {kind}: expected text or a number")
    try:
        pack(_plain(_parameters(classifier)), "parameters")
    except TypeError as error:
        raise ValueError(str(error)) from error


def _parameters(classifier: Classifier) -> dict[str, Any]:
    """Arguments of the constructor, as they are written."""
    found = classifier.get_params()
    found["augment"] = tuple(tuple(step) for step in found["augment"])
    return found | ({"network": OWN} if isinstance(found["network"], nn.Module) else {})


def _plain(value: Any) -> Any:
    """A device by its name, and NumPy's numbers, which a search hands out, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (list, tuple) else value


def load(kind: type[C], path: Path, network: nn.Module | None, device: str) -> C:
    """Read a file of ``save`` (see ``Classifier.load``)."""
    content = _read(path)
    own = content["network"] == OWN
    if own != (network is not None):
        raise ValueError(
            f"{path}: it was trained with {OWN}: give it to load by network="
            if own
            else f"{path}: it holds its network: there is no use for network="
        )
    if own and not isinstance(network, nn.Module):
        raise ValueError(f"network is {network!r}: expected a module, as it was given to train")
    parameters = content["parameters"] | {"device": device}
    classifier = kind(**(parameters | ({"network": network} if own else {})))
    reach = content["reach"]  # once only of images that need not be in [0, 1]
    free = content.get("free", reach is not None)
    form = Form(tuple(content["shape"]), reach, content.get("columns"), free)
    classes = np.array(content["classes"])
    plan: dict[str, Any] | nn.Module = content["network"]
    if network is not None:
        plan = network
    elif isinstance(plan, dict):
        plan = {"name": plan["name"], "options": _without_weights(plan["options"])}
    model = networks.build(plan, form, len(classes))
    if content["prepared"] is not None:
        _prepare(model, classifier.method, content["prepared"], len(classes))
    try:
        model.load_state_dict(content["weights"])
    except RuntimeError as error:
        raise ValueError(f"{path}: its weights are those of another network") from error
    classifier.model_ = model.to(networks.device_of(device)).eval().requires_grad_(False)
    classifier.form_, classifier.plan_ = form, content["network"] if network is None else network
    classifier.classes_, classifier.several_ = classes, content["several"]
    classifier.by_name_, classifier.zeros_ = content["by name"], content.get("zeros")
    classifier.thresholds_ = np.array(content["thresholds"])
    classifier.prepared_ = content["prepared"] is not None
    classifier.method_options_ = content["prepared"] or {}
    classifier.history_ = pd.DataFrame(content["history"]).set_index("epoch")
    classifier.best_epoch_, classifier.report_ = content["best"], content["report"]
    return classifier


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file (expected one of Classifier.save)")
    other = f"{path}: not a file written by Classifier.save, or damaged since"
    content = kept.read(path, other)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(other)
    return content


def _without_weights(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a network that need not fetch weights: they come from the file."""
    plain = {k: False if k == "pretrained" else v for k, v in options.items() if k != "weights"}
    if "backbone_options" in options:
        inner = _without_weights(dict(options["backbone_options"]))
        plain["backbone_options"] = tuple(sorted(inner.items()))
    return plain


def _prepare(model: Network, name: str, options: dict[str, Any], classes: int) -> None:
    """Let the method change the network as it did before training; what it makes is overwritten."""
    learner = methods.create(name, **options)
    several = methods.get(name).label_form == "partial"
    one = torch.zeros(1, classes, dtype=torch.int8) if several else torch.zeros(1).long()
    learner.start(methods.Context(one))
    learner.prepare(model)

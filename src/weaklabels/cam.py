"""Where a network looks: class activation maps (Zhou et al., CVPR 2016) and Grad-CAM."""

from __future__ import annotations

import torch
from torch import Tensor

from weaklabels import checks
from weaklabels.models import Network


def class_activation_maps(model: Network, x: Tensor) -> Tensor:
    r"""Class activation maps :math:`M_c(u,v)=\sum_d W_{cd}F_d(u,v)`.

    No bias, no ReLU, no normalisation. With global average pooling the mean of a map plus the
    head's bias is the logit. The network stays in its mode: in training mode batch norm uses, and
    updates, the batch's statistics, which the method "CAM selection" wants.

    Args:
        model: a network whose features are maps, pooled to the vector that its head takes.
        x: ``(B, ...)`` inputs.

    Returns:
        ``(B, C, h, w)``.

    Raises:
        TypeError: if the head is not linear.
        ValueError: if it does not act on the pooled maps themselves.
    """
    with torch.no_grad():
        maps, head = model.features(x), model.linear_head()
        if maps.ndim != 4 or maps.shape[1] != head.in_features:
            raise ValueError(
                f"features of shape {tuple(maps.shape)} under a head of {head.in_features} "
                "inputs: class activation maps need a linear head on pooled maps"
            )
        return torch.einsum("cd,bdhw->bchw", head.weight, maps)


def grad_cam(model: Network, x: Tensor, classes: Tensor) -> Tensor:
    r"""Grad-CAM (Selvaraju et al., ICCV 2017) at the last feature maps.

    :math:`G=\mathrm{ReLU}\big(\sum_d \alpha_d F_d\big)`, :math:`\alpha_d` the spatial mean of the
    gradient of the class's logit with respect to :math:`F_d`.

    Args:
        model: a network whose features are maps.
        x: ``(B, ...)`` inputs.
        classes: ``(B,)`` int64, the class asked about in each image.

    Returns:
        ``(B, h, w)``, not negative.

    Raises:
        ValueError: if there is not one class for each input.
    """
    checks.same_length(inputs=x, classes=classes)
    maps = model.features(x).detach().requires_grad_()
    logits = model.head(model.pool(maps))
    chosen = logits.gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(chosen, maps)
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * maps.detach()).sum(1).relu()

"""A pretended GPU: a test notices there that code mixes devices, on a machine that has none.

Inside ``pretended_gpu()`` a tensor that is made on or moved to ``cuda:0`` says that it lies there,
is computed on the CPU, and cannot be used beside tensors of the CPU, where a GPU refuses that too.

What it cannot do: ``torch.func`` and compilation do not take its tensors, in-place changes of a
shape are not seen, there is one GPU (ask for ``"cuda:0"``, not ``"cuda"``), whose generator is
never drawn from, and no kernels, so that nothing is learnt of GPUs' types, rounding, memory or
speed. Some mixtures that a GPU refuses pass: those with a single number on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

GPU = torch.device("cuda:0")
STATE = torch.zeros(16, dtype=torch.uint8)
"""What stands for the state of the GPU's generator."""

aten = torch.ops.aten
COPIES = {aten.copy_.default, aten._to_copy.default, aten.set_.source_Tensor}
"""What takes tensors of two devices."""

INDEXED = {
    aten.index.Tensor,
    aten._unsafe_index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
"""What takes rows on the CPU for a tensor on a GPU, though not the other way round."""


class Mixed(RuntimeError):
    """Tensors of two devices that were used together."""


class OnGpu(Tensor):
    """A tensor on the pretended GPU.

    Attributes:
        held: its values, an ordinary tensor.
    """

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: GPU)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)
    is_meta = property(lambda self: False)

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGpu:
        # For PyTorch it lies on "meta", where there are no values, as there may be no CUDA.
        made = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device="meta",
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copy = OnGpu(self.held.detach().clone()).requires_grad_(self.requires_grad)
        copy._is_param = getattr(self, "_is_param", False)  # by which PyTorch knows parameters
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)  # files are read back to the CPU

    def __repr__(self, **_: Any) -> str:
        return f"OnGpu({self.held})"

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")

    __array__ = numpy

    def tolist(self) -> Any:
        return self.held.tolist()

    def new_tensor(self, data: Any) -> Tensor:
        return torch.tensor(data, dtype=self.dtype, device=GPU)

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Itself if nothing changes, which PyTorch cannot know of a tensor on "meta"."""
        where = kwargs.get("device", args[0] if args else None)
        if not isinstance(where, str | torch.device) or torch.device(where).type != "cuda":
            return super().to(*args, **kwargs)
        types = [each for each in args if isinstance(each, torch.dtype)]
        changes = {k: v for k, v in kwargs.items() if k not in ("device", "non_blocking")}
        return super().to(*types, **changes) if types or changes else self


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of an operation, on the device where it arises.

    Raises:
        Mixed: if a GPU would refuse it.
    """
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    asked = kwargs.get("device")
    if asked is None:
        on_gpu = any(isinstance(each, OnGpu) for each in tensors)
    else:  # "meta", where something is made as a tensor of the pretended GPU is
        on_gpu = torch.device(asked).type != "cpu"
        kwargs = kwargs | {"device": torch.device("cpu")}
    if func not in COPIES:
        _refuse_mixed(func, args, tensors)
    if on_gpu and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise Mixed(f"{func}: the generator is on the CPU, and what is drawn on a GPU")
    made = {id(each.held): each for each in tensors if isinstance(each, OnGpu)}
    known = {id(each): each for each in tensors} | made

    def placed(value: Any) -> Any:
        if isinstance(value, Tensor) and id(value) not in known:
            return OnGpu(value) if on_gpu else value
        return known.get(id(value), value)

    return tree_map(placed, func(*tree_map(_held, args), **tree_map(_held, kwargs)))


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnGpu) else value


def _refuse_mixed(func: Any, args: Any, tensors: Sequence[Tensor]) -> None:
    if func in INDEXED:
        # Rows may be anywhere for a tensor on a GPU, and a single value as well.
        ours = isinstance(args[0], OnGpu)
        rows = [] if ours else [each for each in args[1] if each is not None]
        others = [each for each in args[2:3] if each.dim() > 0]
        tensors = [args[0], *rows, *others]
    else:
        ours = any(isinstance(each, OnGpu) for each in tensors)
        tensors = [each for each in tensors if isinstance(each, OnGpu) or each.dim() > 0]
    if any(isinstance(each, OnGpu) != ours for each in tensors):
        shapes = ", ".join(f"{each.device} {tuple(each.shape)}" for each in tensors)
        raise Mixed(f"{func}: expected all tensors on the same device, found {shapes}")


class _Mode(TorchDispatchMode):
    """Sees what is made on the pretended GPU or moved there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        asked = kwargs.get("device")
        there = asked is not None and torch.device(asked).type in ("cuda", "meta")
        if there or any(isinstance(each, OnGpu) for each in tree_leaves((args, kwargs))):
            return _computed(func, args, kwargs)
        return func(*args, **kwargs)


@contextmanager
def pretended_gpu() -> Iterator[str]:
    """Pretend; gives the name of the device."""
    replaced = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: "a pretended GPU",
        "get_rng_state": lambda *_: STATE.clone(),
        "set_rng_state": lambda *_: None,
    }
    overwriting = torch.__future__.get_overwrite_module_params_on_conversion()
    lifting = torch._C._only_lift_cpu_tensors()
    with ExitStack() as stack:
        for name, function in replaced.items():
            stack.enter_context(patch.object(torch.cuda, name, function))
        stack.enter_context(patch.object(Tensor, "pin_memory", lambda self, *_: self))
        for check in (name for name in vars(torch.optim.Optimizer) if "capture_health" in name):
            stack.enter_context(patch.object(torch.optim.Optimizer, check, lambda self: None))
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwriting)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch._C._set_only_lift_cpu_tensors, lifting)
        torch._C._set_only_lift_cpu_tensors(True)
        stack.enter_context(_Mode())
        yield str(GPU)

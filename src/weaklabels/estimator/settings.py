"""What a training may be told: its settings, the options of its method, and pairs of things."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter, signature
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from torch import nn

from weaklabels import methods

WORDS: dict[Any, tuple[str, str]] = {
    bool: ("True or False", "truth values"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a word", "words"),
    NoneType: ("None", "None"),
}
"""A value of a type, and several of them."""


def check_settings(named: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse settings of a classifier that no method takes, and options that its method does not.

    Args:
        named: arguments of the constructor, by their names.
        options: of the method.

    Raises:
        ValueError: if one is of another kind, or out of its range.
    """
    if not isinstance(named["method"], str):
        raise ValueError(f"method is {named['method']!r}: expected the name of one")
    _refuse_unknown(named["method"])
    epochs, batch_size, side, lr = (named[k] for k in ("epochs", "batch_size", "side", "lr"))
    for name in ("epochs", "batch_size", "seed", "side"):
        if not (_fits(named[name], int) or (name == "side" and side is None)):
            raise ValueError(f"{name} is {named[name]!r}: expected a whole number")
    if epochs < 1 or batch_size < 2:
        raise ValueError(
            f"{epochs} epochs of batches of {batch_size}: expected one epoch and batches of two, "
            "or more"
        )
    if side is not None and side < 1:
        raise ValueError(f"side is {side}: expected the pixels of the images' sides")
    if lr is not None and not (_fits(lr, float) and 0 < float(lr) < math.inf):
        raise ValueError(f"lr is {lr!r}: expected a positive number")
    for name in ("pretrained", "bounded", "progress"):
        if not _fits(named[name], bool):
            raise ValueError(f"{name} is {named[name]!r}: expected True or False")
    if not isinstance(named["network"], str | nn.Module):
        raise ValueError(f"network is {named['network']!r}: expected a name, or a module")
    if not isinstance(named["network_options"], dict | NoneType):
        raise ValueError(
            f"network_options are {named['network_options']!r}: expected a dictionary, or None"
        )
    check_options(named["method"], options)


def _refuse_unknown(method: str) -> None:
    """Refuse a name that no method has, and say which is like it: some names hold commas."""
    names = methods.names()
    if method not in names:
        small = {name.lower(): name for name in names}
        like = [small[name] for name in get_close_matches(method.lower(), small, n=1)]
        raise ValueError(
            f"unknown method {method!r}: expected "
            + "".join(f"{name!r}, or another " for name in like)
            + f"one of {', '.join(map(repr, names))}"
        )


def check_options(method: str, named: Mapping[str, Any]) -> None:
    """Refuse options that a method does not have, and values that are of no type it takes.

    Raises:
        ValueError: naming the first of them, its value and what is expected.
    """
    takes = options_of(method)
    for name, value in named.items():
        if name not in takes:
            raise ValueError(
                f"method {method!r} has no option {name!r}: expected {', '.join(takes) or 'none'}"
            )
        if not _fits(value, takes[name]):
            raise ValueError(
                f"option {name} of method {method!r} is {value!r}: expected {_words(takes[name])}"
            )


def options_of(method: str) -> dict[str, Any]:
    """Options of a method and their types, those that its constructor hands on included."""
    found: dict[str, Any] = {}
    for cls in methods.get(method).__mro__:
        if cls is object or "__init__" not in vars(cls):
            continue
        types = get_type_hints(cls.__init__)  # type: ignore[misc]
        _, *own = signature(cls.__init__).parameters.values()  # type: ignore[misc]
        rest = [each.name for each in own if each.kind is Parameter.VAR_KEYWORD]
        for each in own:
            if each.name not in rest:
                found.setdefault(each.name, types.get(each.name, Any))
        if not rest:
            break
        listed = get_args(types.get(rest[0], Any))
        if listed:  # Unpack of a typed dictionary, which has all of them
            return found | {k: v for k, v in get_type_hints(listed[0]).items() if k not in found}
    return found


def pair(value: Any, name: str, of: str) -> tuple[Any, Any]:
    """An argument that holds two things.

    Raises:
        ValueError: if it does not.
    """
    several = isinstance(value, tuple | list)
    if not several or len(value) != 2:
        kind = type(value).__name__
        found = f"a {kind} of {len(value)}" if several else f"of type {kind}"
        raise ValueError(f"{name} is {found}: expected a pair, {of}")
    return value[0], value[1]


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type; numbers of NumPy are, truth values are no numbers, nor NaN."""
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(kind))
    if get_origin(kind) is Sequence:
        some = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
        return some and all(_fits(each, get_args(kind)[0]) for each in value)
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, Real) and not isinstance(value, bool) and value == value
    return kind not in (str, NoneType) or isinstance(value, kind)


def _words(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(map(_words, get_args(kind)))
    if get_origin(kind) is Sequence:
        return f"a list of {WORDS[get_args(kind)[0]][1]}"
    return WORDS[kind][0]

"""What a result depends on: code, found by reading it, and hashed.

A run's key covers the definitions that its function reaches, one by one: functions, classes and
constants of this project that it names, those that these name, and so on. So an edit recomputes
the runs that execute the edited code. What cannot be seen by reading (a method or a loader found
by its name) the spec names itself, in ``code()``. Of a dictionary of functions by name (networks,
annotation models, augmentations, ...) those entries count whose names stand in the spec, or in the
code that is reached.

Whole modules, closed under imports, are what an executed notebook depends on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from types import ModuleType
from typing import Any

from weaklabels.lab.definitions import ROOTS, Module, Reference, digest_of, file_of, read_module

MECHANICS = frozenset(
    f"weaklabels.lab.{name}" for name in ("sweep", "store", "keys", "definitions", "checkpoint")
)
"""How runs are kept, resumed and found again: tests see to it that this changes no result."""


def run_key(function: Callable[..., Any], spec: Any) -> str:
    """Key of a run: what it computes, with which code and libraries."""
    parts = _code(starts(function, spec))
    parts.append(f"{function.__module__}.{function.__qualname__}")
    parts.append(type(spec).__name__ + spec_json(spec))
    parts.append(f"torch {version('torch')} numpy {version('numpy')}")
    return digest_of("\n".join(parts))


def code_key(references: Iterable[Reference]) -> str:
    """Hash of all code that some definitions reach, whatever it is called with."""
    return digest_of("\n".join(_code(references)))


def executes(function: Callable[..., Any], spec: Any) -> bool:
    """Whether a run trains by ``lab.execute``, which shares its batches among several GPUs."""
    return ("weaklabels.lab.execute", "execute") in reached(starts(function, spec))


def starts(function: Callable[..., Any], spec: Any) -> set[Reference]:
    """Where the code of a run starts: its function, its spec's class, and what the spec names, by
    itself or as an entry of a dictionary that the run reaches."""
    named = [function, type(spec), *(spec.code() if hasattr(spec, "code") else ())]
    found = {reference for each in named for reference in _references(each)}
    found = {reference for reference in found if file_of(reference[0]) is not None}
    words = frozenset(_words(dataclasses.asdict(spec)))
    _, entries = _walk(found, words)
    return found | {entry for word in words for entry in entries.get(word, ())}


def _words(value: Any) -> Iterator[str]:
    """Texts among the values of a spec."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _words([*value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _words(each)


def _code(references: Iterable[Reference]) -> list[str]:
    definitions = reached(references)
    return [f"{module}.{name}={digest}" for (module, name), digest in definitions.items()]


def spec_json(spec: Any) -> str:
    """Canonical text of a spec.

    Raises:
        TypeError: if a field is not made of numbers, strings, lists and dicts.
    """
    return json.dumps(dataclasses.asdict(spec), sort_keys=True)


def reached(references: Iterable[Reference]) -> dict[Reference, str]:
    """Definitions reached from some, these included, each with the hash of its code."""
    return dict(sorted(_walk(references, frozenset())[0].items()))


def _walk(
    references: Iterable[Reference], words: frozenset[str]
) -> tuple[dict[Reference, str], dict[str, set[Reference]]]:
    """Definitions reached, each with its hash, if some words are said beside the code's own; and
    the entries of all dictionaries among them, by name."""
    waiting, said = list(references), set(words)
    seen: dict[Reference, str] = {}
    entries: dict[str, set[Reference]] = {}
    modules: dict[str, Module | None] = {}
    while waiting:
        reference = waiting.pop()
        name = reference[0]
        if reference in seen or name in MECHANICS:
            continue
        if name not in modules:
            modules[name] = read_module(name)
        module = modules[name]
        if module is None:
            continue
        unit = module.unit(reference[1])
        seen[reference] = unit.digest
        waiting += [*unit.references, (name, Module.EFFECTS)]
        for word in unit.words - said:
            waiting.extend(entries.get(word, ()))
        said |= unit.words
        for word, entry in unit.entries.items():
            entries.setdefault(word, set()).add(entry)
            if word in said:
                waiting.append(entry)
    return seen, entries


def modules_of(spec: Any) -> set[str]:
    """Modules of the code that a spec names."""
    named = spec.code() if hasattr(spec, "code") else ()
    found = {module for each in (type(spec), *named) for module, _ in _references(each)}
    return {module for module in found if file_of(module) is not None}


def closure(modules: Iterable[str]) -> dict[str, str]:
    """Modules reached by imports from ``modules`` (these included), each with its code's hash.

    Raises:
        ModuleNotFoundError: if one of ``modules`` is not a module of the project.
    """
    waiting, seen = list(modules), {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        module = read_module(name)
        if module is None:
            raise ModuleNotFoundError(f"{name!r} is not a module of {' or '.join(ROOTS)}")
        seen[name] = module.digest
        waiting.extend(module.imported)
    return dict(sorted(seen.items()))


def _references(thing: Any) -> Iterator[Reference]:
    """Where a function, a class or a module is defined, if it belongs to the project."""
    if isinstance(thing, ModuleType):
        yield thing.__name__, ""
    elif isinstance(thing, type):
        for base in thing.__mro__:
            yield base.__module__, base.__qualname__.partition(".")[0]
    else:
        yield thing.__module__, thing.__qualname__.partition(".")[0]

"""The page of all methods, made from their registry."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping

from weaklabels.press.html.markup import plain, span, table
from weaklabels.press.html.pages import WIDE
from weaklabels.press.html.papers import Paper

HEAD = """\
(all-methods)=
# All methods

Every method that the library knows by a name, as `weaklabels.methods` has it: what it does, for
which kinds of labels `Classifier` takes it, its options with their defaults, and the chapter that
explains it. `Classifier("EM")` trains one. What it gives an option *without a default*, and what a
method must be told beside its labels, is in the description of {class}`weaklabels.Classifier`.
{ref}`field_guide` says which labels call for which chapter.
"""
BESIDE = """\
## Beside `Classifier`

What does not learn a classifier from weak labels has functions of its own. The first lines of each
chapter call them.
"""
SHARED = {
    "baselines": "large_loss_matters",
    "distillation": "l2d",
    "label_noise": "bldr",
    "partial_label": "class_activation_value",
    "pseudo_labels": "cap",
}
"""Modules of methods that several papers compare with -> the chapter that explains them."""

_MARKUP = re.compile(r"``|:\w+:")
_OWN = re.compile(r"from (weaklabels\.methods\.\w+) import (.+)")


def method_list(chapters: Collection[str], papers: Mapping[str, Paper]) -> str:
    """The page, in Markdown.

    Args:
        chapters: slugs of the chapters that can be linked.
        papers: what their heads say, by slug.
    """
    from weaklabels import methods  # here: it takes PyTorch, which a builder need not load
    from weaklabels.estimator.choices import KINDS, kinds_of

    rows = []
    for name in methods.names():
        kind = methods.get(name)
        module = kind.__module__.rpartition(".")[2]
        slug = SHARED.get(module, module)
        said = _MARKUP.sub("", (inspect.getdoc(kind) or "").partition("\n")[0])
        rows.append(
            [
                f"`{name}`",
                plain(said),
                ", ".join(each for each in KINDS if each in kinds_of(name)),
                _options(kind) or "–",
                f"{{doc}}`{slug}`" if slug in chapters else "–",
            ]
        )
    header = ["Name", "What it does", "Labels", "Options", "Chapter"]
    kinds = "\n".join(f"- *{kind}*: {plain(meaning)}" for kind, meaning in KINDS.items())
    body = table(header, rows, classes="methods", widths=(14, 34, 14, 24, 14))
    beside = _beside({slug: paper for slug, paper in papers.items() if slug in chapters})
    return f"{WIDE}{HEAD}\nThe kinds of labels:\n\n{kinds}\n\n{body}{beside}"


def _beside(papers: Mapping[str, Paper]) -> str:
    """The functions that chapters name at their head in place of a ``Classifier``."""
    own = {slug: _OWN.findall(paper.library) for slug, paper in papers.items()}
    rows = [
        [
            papers[slug].name,
            plain(papers[slug].idea),
            ", ".join(
                f"{{py:obj}}`~{module}.{name}`"
                for module, names in found
                for name in names.split(", ")
            ),
            f"{{doc}}`{slug}`",
        ]
        for slug, found in own.items()
        if found
    ]
    if not rows:
        return ""
    header = ["Name", "Idea", "Functions and classes", "Chapter"]
    return f"\n\n{BESIDE}\n{table(header, rows, classes='beside', widths=(16, 42, 26, 16))}"


def _options(kind: type) -> str:
    """Options of a constructor with their defaults, those of the classes below it included."""
    found: dict[str, inspect.Parameter] = {}
    for cls in kind.__mro__:
        if "__init__" not in vars(cls) or cls is object:
            continue
        own = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
        found |= {name: each for name, each in own.items() if name not in found}
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in own.values()):
            break
    named = [
        each
        for each in found.values()
        if each.name != "self"
        and each.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    return ", ".join(_option(each) for each in named)


def _option(each: inspect.Parameter) -> str:
    if each.default is inspect.Parameter.empty:
        return f"`{each.name}` {span('no default', 'small')}"
    return f"`{each.name}={each.default!r}`"

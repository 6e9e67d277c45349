"""Why rows of the chapter on implicit SGD come out as they do, where that takes some lines."""

from __future__ import annotations

from collections.abc import Mapping

WHY_BEHIND: Mapping[str, str] = {
    "Reaction": "In the median both optimisers miss by tens of per cent, and plain L-BFGS by less "
    "(tab-pinn-problems). The equation has steady states that satisfy it and are not the solution; "
    "whether runs are drawn to one, no row tests.",
    "Burgers": "Plain L-BFGS is ahead of both in the median (tab-pinn-problems): perhaps "
    "forgetting curvature in every step is a handicap here as well (compare row 7b).",
}
"""Problem -> why ISGD is not ahead of Adam there."""

LEVEL = (
    "Where its rates suit it Adam is about as accurate: median errors differ by less than a factor "
    "of two, those of single seeds by more (tab-pinn-full)."
)

SHORTER = (
    "The yardstick is the first residual. At the largest rate the predicted one has fallen to "
    "about a tenth of it (tab-pinn-wide), and single patterns scatter more about the formula than "
    "at the smaller rates (fig-pinn-wide, right)."
)

"""Figures of the chapter on implicit SGD for physics-informed networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weaklabels.press import style

STYLES = {
    "SGD": (style.PALETTE[4], "-.", "s"),
    "Adam": (style.PALETTE[1], "--", "o"),
    "ISGD (L-BFGS)": (style.PALETTE[0], "-", "D"),
    "ISGD (Adam)": (style.PALETTE[5], "-", "v"),
    "ISGD (Adam, restarted)": (style.PALETTE[5], ":", "^"),
    "Adam, then L-BFGS": (style.PALETTE[6], "--", "P"),
    "L-BFGS": (style.PALETTE[2], ":", "^"),
    "L-BFGS, fixed step": (style.PALETTE[3], ":", "X"),
}
"""Colour, line and mark of each method."""


def draw_regions() -> Figure:
    """What one step leaves of a residual component, against alpha times its eigenvalue."""
    z = np.geomspace(1e-3, 1e4, 400)
    fig, ax = style.panels(1, height=3.3)
    for values, name, method in (
        (np.abs(1 - z), "explicit, |1 − αλ|", "SGD"),
        (1 / (1 + z), "implicit, 1/(1 + αλ)", "ISGD (L-BFGS)"),
        (np.exp(-z), "gradient flow, exp(−αλ)", "L-BFGS"),
    ):
        colour, line, _ = STYLES[method]
        ax.loglog(z, values, line, color=colour, label=name)
    ax.axvline(2, color="0.4", lw=0.8, ls=":")
    ax.text(2.3, 3e-4, "αλ = 2", fontsize=9)
    ax.axhspan(1, 1e4, color="0.5", alpha=0.12, lw=0)
    ax.text(1.3e-3, 1.6, "grows", fontsize=9)
    ax.set(xlabel="αλ", ylabel="factor of one step", ylim=(1e-4, 1e3), xlim=(1e-3, 1e4))
    ax.legend(loc="lower left")
    return fig


def draw_wide(
    steps: Mapping[float, np.ndarray],
    predicted: Mapping[float, np.ndarray],
    factors: Mapping[float, tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Residuals under implicit steps, and the prediction of a frozen kernel.

    Args:
        steps, predicted: alpha lambda_max -> ``(seeds, steps + 1)`` length of the residual, as a
            part of the first.
        factors: alpha lambda_max -> alpha lambda_i and the observed factor of the first step, for
            modes that are not lost in rounding.
    """
    fig, (left, right) = style.panels(2, height=3.8)
    colours = style.PALETTE[:3]
    for colour, (stiffness, found) in zip(colours, steps.items(), strict=False):
        x = np.arange(found.shape[1])
        left.semilogy(x, found.T, "o", color=colour, ms=5, alpha=0.8)
        left.semilogy(x, predicted[stiffness].T, "-", color=colour, lw=1.2)
        where, factor = factors[stiffness]
        right.loglog(where, factor, "o", color=colour, ms=4, alpha=0.7)
        left.plot([], [], "o-", color=colour, label=f"{stiffness:g}")
    z = np.geomspace(1e-4, 1e3, 200)
    right.loglog(z, 1 / (1 + z), color="black", lw=1.2, label="1/(1 + αλ)")
    right.loglog(z, np.abs(1 - z), color="0.5", lw=1.2, ls="--", label="|1 − αλ|")
    right.set(xlabel="αλ of the mode", ylabel="factor of the first step")
    right.set(xlim=(1e-4, 2e3), ylim=(5e-4, 50))
    right.legend(loc="lower left")
    left.set(xlabel="implicit steps", ylabel="|s| / |s₀|")
    left.legend(title=r"$\alpha\lambda_{\max}$", title_fontsize=9)
    return fig


def draw_relu(lengths: Mapping[float, np.ndarray], bounds: Mapping[float, np.ndarray]) -> Figure:
    """Squared residual of a wide ReLU network under implicit steps, against the rate of theory.

    Args:
        lengths: alpha lambda_0 -> ``(seeds, steps + 1)`` squared length, as a part of the first.
        bounds: alpha lambda_0 -> ``(seeds, steps + 1)``.
    """
    fig, ax = style.panels(1, height=3.4)
    for colour, (stiffness, found) in zip(style.PALETTE, lengths.items(), strict=False):
        x = np.arange(found.shape[1])
        ax.semilogy(x, found.T, "o-", color=colour, ms=4, lw=1)
        ax.semilogy(x, bounds[stiffness].T, "--", color=colour, lw=1.2)
        ax.plot([], [], "o-", color=colour, label=rf"$\alpha\lambda_0$ = {stiffness:g}")
    ax.plot([], [], "--", color="0.4", label=r"$(1 + \alpha\lambda_0)^{-n}$")
    ax.set(xlabel="implicit steps n", ylabel="|s|² / |s₀|²", ylim=(1e-17, 3))
    ax.legend()
    return fig


def draw_spectra(spectra: Mapping[str, np.ndarray]) -> Figure:
    """Eigenvalues of the tangent kernel, largest first, with 2 / lambda_max in the legend.

    Args:
        spectra: name -> ``(n,)``.
    """
    fig, ax = style.panels(1, height=3.8)
    marks = "oDs^v"
    for number, (name, values) in enumerate(spectra.items()):
        shown = values[values > values[0] * 1e-15]
        ax.semilogy(
            np.arange(1, len(shown) + 1),
            shown,
            marks[number % len(marks)] + "-",
            ms=3.5,
            lw=1,
            color=style.PALETTE[number],
            label=rf"{name}: $2/\lambda_{{\max}}$ = {2 / values[0]:.1e}",
        )
    ax.set(xlabel="number of the eigenvalue", ylabel="eigenvalue of K", xlim=(0, 100))
    ax.legend()
    return fig


def draw_stiffness(
    tops: Mapping[str, tuple[np.ndarray, np.ndarray]],
    spectra: Mapping[str, np.ndarray],
    limit: float,
) -> Figure:
    """The tangent kernel during training.

    Args:
        tops: method -> evaluations ``(T,)`` and largest eigenvalue ``(seeds, T)``.
        spectra: when -> ``(n,)`` eigenvalues.
        limit: 2 / lambda_max at the start, as a grey line at lambda_max.
    """
    fig, (left, right) = style.panels(2, height=3.8)
    for name, (x, values) in tops.items():
        colour, line, _ = STYLES[name.split(",")[0]]
        places = np.maximum(x, 0.7)
        left.loglog(places, np.median(values, 0), line, color=colour, label=name)
        left.fill_between(places, values.min(0), values.max(0), color=colour, alpha=0.2, lw=0)
    left.axhline(2 / limit, color="0.4", lw=0.8, ls=":")
    left.set(xlabel="evaluations (start at the left edge)", ylabel=r"$\lambda_{\max}$ of K")
    left.legend()
    for number, (name, values) in enumerate(spectra.items()):
        shown = values[values > values[0] * 1e-15]
        right.semilogy(
            np.arange(1, len(shown) + 1),
            shown,
            color=style.PALETTE[(6, 1, 0, 2)[number]],
            ls=("-", "--", "-", ":")[number],
            label=name,
        )
    right.set(xlabel="number of the eigenvalue", ylabel="eigenvalue of K")
    right.legend()
    return fig


def draw_curves(
    curves: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], top: float
) -> Figure:
    """Training loss against evaluations, one panel a method with a scale of its own, one colour a
    learning rate.

    Args:
        curves: method -> rate -> evaluations ``(T,)`` and losses ``(seeds, T)``, NaN after
            divergence.
        top: of the loss axis.
    """
    fig, axes = style.panels(2, -(-len(curves) // 2), height=3.4, sharex=True)
    for ax, (method, rates) in zip(axes.flat, curves.items(), strict=False):
        for number, (rate, (x, losses)) in enumerate(rates.items()):
            colour = colormaps["viridis"](0.9 * number / max(len(rates) - 1, 1))
            ax.loglog(x, losses.T, color=colour, lw=1.1)
            for run in losses:
                lost = np.flatnonzero(np.isnan(run))
                if len(lost):
                    ax.plot(x[max(lost[0] - 1, 0)], top / 1.5, "x", color=colour, ms=6)
            ax.plot([], [], color=colour, label=rate)
        ax.set_title(method)
        unit = r"$\alpha\,/\,(2/\lambda_{\max})$" if method == "SGD" else "α"
        ax.legend(title=unit, title_fontsize=9, loc="lower left", ncols=2, handlelength=1.2)
        lowest = min(np.nanmin(losses) for _, losses in rates.values())
        ax.set_ylim(lowest / (top / lowest) ** 0.4, top)  # room for the legend
    for ax in axes[-1]:
        ax.set_xlabel("evaluations")
    for ax in axes[:, 0]:
        ax.set_ylabel("training loss")
    return fig


def draw_rates(panels: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]) -> Figure:
    """Relative error against learning rate.

    Args:
        panels: title -> method -> rates ``(A,)`` and errors ``(seeds, A)``, infinite where a run
            diverged. A single rate of 0 is drawn as a level line.
    """
    fig, axes = style.panels(len(panels), height=4.2, sharey=True, squeeze=False)
    top = 3.0
    handles = {}
    for ax, (title, methods) in zip(axes[0], panels.items(), strict=True):
        for method, (rates, errors) in methods.items():
            colour, line, mark = STYLES[method]
            if len(rates) == 1 and rates[0] == 0:
                drawn = ax.axhline(np.median(errors), color=colour, ls=line, lw=1.5, label=method)
            else:
                lost = np.isinf(errors)
                middle = np.median(errors, 0)
                shown = np.where(np.isinf(middle), np.nan, np.minimum(middle, top))
                (drawn,) = ax.loglog(rates, shown, line, marker=mark, color=colour, label=method)
                across = np.broadcast_to(rates, errors.shape)
                ax.plot(across[~lost], np.minimum(errors[~lost], top), ".", color=colour, ms=4)
                ax.plot(across[lost], np.full(lost.sum(), top), "x", color=colour, ms=7)
            handles.setdefault(method, drawn)
        ax.set(title=title, xlabel="learning rate α", xscale="log")
    axes[0, 0].set(ylabel="relative L² error")
    axes[0, 0].set_ylim(top=top * 1.5)
    fig.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    return fig


def draw_solution(x: np.ndarray, truth: np.ndarray, found: Mapping[str, np.ndarray]) -> Figure:
    """A solution in one dimension and by how much it is missed.

    Args:
        x, truth: ``(n,)``.
        found: method -> prediction ``(n,)``.
    """
    fig, (left, right) = style.panels(2, height=3.8)
    left.plot(x, truth, color="0.75", lw=4, label="exact")
    for name, values in found.items():
        colour, line, _ = STYLES[name]
        left.plot(x, values, line, color=colour, lw=1.3, label=name)
        right.semilogy(x, np.abs(values - truth), line, color=colour, lw=1.1)
    left.set(xlabel="x", ylabel="u")
    right.set(xlabel="x", ylabel=r"$|u_\theta - u|$", ylim=(1e-6, 3))
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return fig


def draw_maps(
    rows: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray], Sequence[float], Sequence[str]]],
) -> Figure:
    """Solutions in two dimensions: exact, and what each method misses.

    Args:
        rows: problem -> exact ``(n, n)`` (first input slowest), method -> prediction ``(n, n)``,
            extent of the axes, names of the axes.
    """
    columns = 1 + max(len(found) for _, found, _, _ in rows.values())
    fig, axes = style.panels(columns, len(rows), height=2.0, squeeze=False)
    for line, (name, (truth, found, extent, labels)) in zip(axes, rows.items(), strict=True):
        _map(line[0], truth, extent, "RdBu_r", np.abs(truth).max())
        line[0].set(title=f"{name}: u", xlabel=labels[0], ylabel=labels[1])
        for ax, (method, values) in zip(line[1:], found.items(), strict=True):
            drawn = _map(ax, values - truth, extent, "PuOr_r", 0.5 * np.abs(truth).max())
            ax.set(title=method, xlabel=labels[0], yticklabels=[])
        fig.colorbar(drawn, ax=line.tolist(), shrink=0.8, label=r"$u_\theta - u$")
    for ax in axes.flat:
        ax.title.set_fontsize(9)
    return fig


def _map(ax: Axes, values: np.ndarray, extent: Sequence[float], colours: str, top: float):
    ax.grid(False)
    return ax.imshow(
        values.T, origin="lower", extent=extent, aspect="auto", cmap=colours, vmin=-top, vmax=top
    )


def draw_frequency(errors: Mapping[str, np.ndarray], frequencies: Sequence[int]) -> Figure:
    """Error against the frequency of the small component.

    Args:
        errors: method -> ``(seeds, frequencies)``.
        frequencies: k.
    """
    fig, ax = style.panels(1, height=3.3)
    for method, values in errors.items():
        colour, line, mark = STYLES[method]
        ax.loglog(frequencies, np.median(values, 0), line, marker=mark, color=colour, label=method)
        for run in values:
            ax.plot(frequencies, run, ".", color=colour, ms=4)
    ax.set(xlabel="frequency k of the small component", ylabel="relative L² error")
    ax.set_xticks(list(frequencies), [str(k) for k in frequencies], minor=False)
    ax.minorticks_off()
    ax.legend()
    return fig


def draw_inner(
    curves: Mapping[tuple[str, float], tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """How well the implicit equation is solved, against the gradients of the inner optimiser.

    Args:
        curves: (method, alpha) -> evaluations ``(T,)`` and relative defects ``(seeds, T)``. Every
            alpha has a panel and a scale of its own.
    """
    rates = sorted({alpha for _, alpha in curves})
    fig, axes = style.panels(len(rates), height=3.3, squeeze=False)
    for ax, rate in zip(axes[0], rates, strict=True):
        for (method, alpha), (x, defects) in curves.items():
            if alpha == rate:
                colour, line, mark = STYLES[method]
                middle = np.median(defects, 0)
                ax.loglog(x, middle, line, marker=mark, ms=4, color=colour, label=method)
                low, high = defects.min(0), defects.max(0)
                ax.fill_between(x, low, high, color=colour, alpha=0.12, lw=0)
        ax.axhline(1, color="0.4", lw=0.8, ls=":")
        ax.set(title=f"α = {rate:g}", xlabel="evaluations in the step")
    axes[0, 0].set_ylabel("defect / |α ∇L(θ₀)|, largest entries")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return fig


def draw_cost(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], milliseconds: Mapping[str, float]
) -> Figure:
    """Error against evaluations and against the time that they take.

    Args:
        curves: method -> evaluations ``(T,)`` and errors ``(seeds, T)``.
        milliseconds: method -> recorded time of an evaluation.
    """
    fig, (left, right) = style.panels(2, height=3.8, sharey=True)
    for method, (x, errors) in curves.items():
        colour, line, _ = STYLES[method]
        for ax, factor in ((left, 1.0), (right, milliseconds[method] / 1e3)):
            ax.loglog(x * factor, np.median(errors, 0), line, color=colour, label=method)
            ax.fill_between(
                x * factor, errors.min(0), errors.max(0), color=colour, alpha=0.15, lw=0
            )
    left.set(xlabel="evaluations", ylabel="relative L² error")
    right.set(xlabel="processor time (s), from the recorded cost")
    fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return fig

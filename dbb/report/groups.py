"""Accuracy group by group: curves over the epochs, and bars beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dbb.report.style import INK, fold, group_colour, group_dashes, panel_width

UPRIGHT = 6  # groups whose bars stand; those of more lie, so that their names have room
NAME_WIDTH = 1.7  # inches, of a name beside lying bars


def group_table(measured: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracies in %, float64 (M, G), and the groups that have any, int64.

    Args:
        measured: the fields of `GroupMetrics`, M times; None and NaN stand for a group without images.
    """
    table = 100 * np.array([metrics["group_accuracy"] for metrics in measured], dtype=float)
    return table, np.flatnonzero(np.isfinite(table).any(axis=0))


def draw_group_curves(
    axes: Axes, epochs: Sequence[int], measured: Sequence[Mapping[str, Any]], group_names: Sequence[str]
) -> None:
    """Draw the accuracy of every group that has images over the epochs, a line each.

    Args:
        measured: the fields of `GroupMetrics`, one for each of ``epochs``.
    """
    table, present = group_table(measured)
    for group in present:
        axes.plot(
            epochs,
            table[:, group],
            color=group_colour(group),
            linestyle=group_dashes(group),
            marker="o",
            markersize=3,
            label=group_names[group],
        )
    axes.set(ylabel="accuracy on validation (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_loss(axes: Axes, epochs: Sequence[int], losses: Sequence[float], label: str) -> None:
    """Draw the mean loss of every epoch."""
    axes.plot(epochs, losses, color=INK, marker="o", markersize=3)
    axes.set(xlabel="epoch", ylabel=label, ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_group_bars(
    axes: Axes, measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str], lying: bool | None = None
) -> None:
    """Draw the accuracy of every group that has images, a bar per model beside each other: pale for the first, full
    for the last.

    Args:
        measured: model name -> the fields of `GroupMetrics`.
        lying: draw the bars from left to right; None: for more than `UPRIGHT` groups.
    """
    import seaborn as sns

    table, present = group_table(list(measured.values()))
    lying = len(present) > UPRIGHT if lying is None else lying
    bars = pd.DataFrame(
        [
            {"model": model, "place": str(place), "accuracy": table[m, group]}
            for m, model in enumerate(measured)
            for place, group in enumerate(present)
        ]
    )
    value, place = ("x", "y") if lying else ("y", "x")
    sns.barplot(
        bars.fillna({"accuracy": 0.0}),
        **{value: "accuracy", place: "place"},
        hue="model",
        ax=axes,
        errorbar=None,
        gap=0.06,
        legend=False,
    )
    containers: list[Any] = axes.containers
    for strength, model, drawn in zip(strengths(len(measured)), range(len(measured)), containers, strict=True):
        for group, bar in zip(present, drawn, strict=True):
            bar.set_facecolor(to_rgba(group_colour(group), strength))
        axes.bar_label(
            drawn, [f"{v:.0f}" if np.isfinite(v) else "" for v in table[model, present]], fontsize=7, padding=1
        )
    name_groups(axes, [group_names[group] for group in present], lying)


def name_groups(axes: Axes, names: Sequence[str], lying: bool) -> None:
    """Write the groups' names where the bars stand, or lie, and scale the other axis from 0 to 100 %."""
    room = NAME_WIDTH if lying else 0.85 * panel_width(axes) / max(1, len(names))
    labels = [fold(name, room, lines=2 if lying else 4, size=8) for name in names]
    if lying:
        axes.set_yticks(range(len(names)), labels)
        axes.set(xlabel="accuracy (%)", ylabel="", xlim=(0, 108))
        axes.grid(False, axis="y")
    else:
        axes.set_xticks(range(len(names)), labels)
        axes.set(ylabel="accuracy (%)", xlabel="", ylim=(0, 106))
        axes.grid(False, axis="x")


def strengths(n_models: int) -> np.ndarray:
    """Return how full each model's bars are coloured, 0..1, pale for the first and full for the last."""
    return np.linspace(0.4, 1.0, n_models) if n_models > 1 else np.ones(1)


def pale_to_full_legend(axes: Axes, models: Sequence[str]) -> None:
    """Say above the bars which model is how full."""
    handles = [
        Patch(color=INK, alpha=strength, label=fold(model, 2.0, lines=2, size=8))
        for model, strength in zip(models, strengths(len(models)), strict=True)
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=min(4, len(models)), borderaxespad=0.2)

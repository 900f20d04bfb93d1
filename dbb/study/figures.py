"""The study's figures."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dbb.figures import INK, MUTED, RIGHT_COLOUR, WIDTH, WRONG_COLOUR, Figure
from dbb.study.summary import interval, per_seed

BASE_COLOUR, METHOD_COLOUR = "#8a8a8a", "#0072B2"


def arms_figure(arms: pd.DataFrame, titles: Mapping[str, str], reference: str, method: str,
                measure: str = "worst_group") -> Figure:
    """Return a row per arm of ``titles`` (arm -> title): every seed a dot, the mean and its 95 % interval.

    arms: rows of arms.csv. The means of ``reference`` and ``method`` are drawn as lines through all rows.
    """
    figure = Figure((WIDTH, 0.8 + 0.32 * len(titles)))
    axes = figure.subplots()
    places = np.arange(len(titles))[::-1]
    for arm, colour in ((reference, BASE_COLOUR), (method, METHOD_COLOUR)):
        axes.axvline(per_seed(arms, arm, measure).mean(), color=colour, linestyle="--", linewidth=1, zorder=1)
    for place, arm in zip(places, titles, strict=True):
        values = per_seed(arms, arm, measure).to_numpy()
        mean = interval(values)
        colour = {reference: BASE_COLOUR, method: METHOD_COLOUR}.get(arm, INK)
        axes.scatter(values, np.full(len(values), place), s=16, color=colour, alpha=0.45, linewidths=0)
        if np.isfinite(mean.low):
            axes.plot((mean.low, mean.high), (place, place), color=colour, linewidth=2)
        axes.plot(mean.mean, place, marker="D", color=colour, markersize=5)
        axes.annotate(f"{mean.mean:.1f}", (1.005, place), xycoords=("axes fraction", "data"), va="center", color=colour)
    seeds = {arm: (arms["arm"] == arm).sum() for arm in titles}
    few = {arm: f" ({n} seeds)" if n < max(seeds.values()) else "" for arm, n in seeds.items()}
    axes.set_yticks(places, [title + few[arm] for arm, title in titles.items()])
    axes.set(xlabel=f"{measure.replace('_', ' ')} accuracy on test (%)", xlim=(None, 100.5))
    axes.grid(False, axis="y")
    figure.tight_layout()
    return figure


def threshold_figure(panels: Sequence[tuple[str, str, np.ndarray, np.ndarray, np.ndarray]], columns: int) -> Figure:
    """Return precision and recall over every threshold, a panel each.

    panels: (title, axis label, thresholds (T,), precision (T,), recall (T,)).
    """
    rows = -(-len(panels) // columns)
    figure = Figure((WIDTH, 2.3 * rows + 0.3))
    for axes, (title, label, bounds, precision, recall) in zip(figure.subplots(rows, columns, sharey=True).flat, panels,
                                                               strict=False):
        axes.plot(bounds, 100 * precision, color=RIGHT_COLOUR, label="precision: right among the kept")
        axes.plot(bounds, 100 * recall, color=WRONG_COLOUR, label="recall: kept among the right")
        axes.set(title=title, xlabel=label, ylim=(-3, 103))
    for axes in figure.axes[::columns]:
        axes.set_ylabel("%")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, -0.04), ncols=2)
    figure.tight_layout()
    return figure


def completeness_figure(panels: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Return rho over the whole change of the score, a panel each: (title, change (N,), rho (N,))."""
    figure = Figure((WIDTH, 2.4))
    for axes, (title, change, rho) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        ends = [min(change.min(), rho.min()), max(change.max(), rho.max())]
        axes.plot(ends, ends, color=MUTED, linewidth=1)
        axes.scatter(change, rho, s=8, color=RIGHT_COLOUR, alpha=0.6, linewidths=0)
        axes.set(title=title, xlabel="f(x') − f(x)")
    figure.axes[0].set_ylabel("ρ, summed inside the mask")
    figure.tight_layout()
    return figure


def convergence_figure(table: pd.DataFrame) -> Figure:
    """Return the error of the integral over the number of IG steps: columns on, steps, mean, max."""
    figure = Figure((0.62 * WIDTH, 2.6))
    axes = figure.subplots()
    for colour, (on, rows) in zip((RIGHT_COLOUR, WRONG_COLOUR), table.groupby("on", sort=False), strict=True):
        axes.plot(rows["steps"], rows["mean"], color=colour, marker="o", markersize=3, label=f"{on}, mean")
        axes.plot(rows["steps"], rows["max"], color=colour, marker="o", markersize=3, linestyle=":",
                  label=f"{on}, largest")
    axes.set(xscale="log", yscale="log", xlabel="steps of the integral", ylabel="|sum of IG − change of score|")
    axes.set_xticks(sorted(table["steps"].unique()), sorted(table["steps"].unique()))
    axes.minorticks_off()
    axes.legend()
    return figure


def selection_figure(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """Return the minority's share of the K lowest losses, by own and by batch loss, a panel per class.

    table: rows of low-loss.csv. A line through the seeds' mean; the shade spans the seeds.
    """
    figure = Figure((WIDTH, 2.5))
    styles = {"own loss": RIGHT_COLOUR, "batch loss": WRONG_COLOUR}
    for axes, (label, name) in zip(figure.subplots(1, len(classes)), enumerate(classes), strict=True):
        for ranking, colour in styles.items():
            rows = table[(table["label"] == label) & (table["ranking"] == ranking)]
            by_k = (100 * rows["minority"] / rows["k"]).groupby(rows["k"])
            axes.plot(by_k.mean().index, by_k.mean(), color=colour, marker="o", markersize=3, label=f"by {ranking}")
            axes.fill_between(by_k.mean().index, by_k.min(), by_k.max(), color=colour, alpha=0.15, linewidth=0)
        axes.set(title=name, xlabel="K, images of lowest loss", ylabel="minority among them (%)")
    figure.axes[0].legend()
    figure.tight_layout()
    return figure


def choices_figure(table: pd.DataFrame) -> Figure:
    """Return the loss on unseen images over the steps of inversion, a row of panels per class: on the left a line per
    learning rate, at one vector; on the right one per number of vectors, at the rate of those that have several.

    table: columns class, learning_rate, vectors, step, unseen_loss. A setting has one colour in all panels.
    """
    rate = table.loc[table["vectors"] > 1, "learning_rate"].iloc[0]
    colours = {setting: f"C{i}" for i, setting in enumerate(table.groupby(["vectors", "learning_rate"]).groups)}
    columns = {"one vector": (table["vectors"] == 1, "rate {1:g}"),
               f"rate {rate:g}": (table["learning_rate"] == rate, "vectors: {0}")}
    names = list(dict.fromkeys(table["class"]))
    figure = Figure((WIDTH, 2.2 * len(names) + 0.2))
    panels = figure.subplots(len(names), len(columns), sharex=True, sharey="row", squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for axes, (title, (chosen, label)) in zip(row, columns.items(), strict=True):
            for setting, rows in table[chosen & (table["class"] == name)].groupby(["vectors", "learning_rate"]):
                axes.plot(rows["step"], rows["unseen_loss"], color=colours[setting], marker="o", markersize=3,
                          label=label.format(*setting))
            axes.set_title(f"{name}, {title}")
        row[0].set_ylabel("loss on unseen images")
    for axes in panels[-1]:
        axes.set_xlabel("step")
    for axes in panels[0]:
        axes.legend()
    figure.tight_layout()
    return figure

"""Chapter 11: how well the two conditions choose, at the study's thresholds and at every other, and what equation 5
measures.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from dbb.report.pruning import draw_agreement
from dbb.report.style import (
    RIGHT_COLOUR,
    WIDTH,
    WRONG_COLOUR,
    Figure,
    is_leftmost,
    legend_below,
    panel_figure,
    set_texts,
)
from dbb.statistics import PERCENT, POINTS, interval, precision_recall, precision_recall_curve

PRECISION, RECALL = "precision: right among the kept", "recall: kept among the right"


def condition_shares(scores: pd.DataFrame, quantile: float) -> pd.DataFrame:
    """Return, for each way of pruning, what it keeps: shares "kept", "precision" and "recall" over all seeds.

    Args:
        scores: columns seed, target_class, psi, Psi, rho, right.
        quantile: P is this quantile of the rho of one seed and target class, of those pictures that are still there,
            as `dbb.stages.pruning.threshold` chooses it.
    """
    right, rows = scores["right"].to_numpy(bool), {}
    for name, keep in _ways(scores, quantile).items():
        precision, recall = precision_recall(keep, right)
        rows[name] = {"kept": keep.mean(), "precision": precision, "recall": recall}
    return pd.DataFrame(rows).T


def seeds_table(scores: pd.DataFrame, quantile: float, bound: float) -> pd.DataFrame:
    """Return, for each way of pruning and for equation 3 with ``bound`` in place of Psi, precision and recall in % as
    "mean [low, high]" over the seeds, and how far the precision stands above that of no pruning, paired by seed.

    Args:
        scores, quantile: as for `condition_shares`.
    """
    ways = _ways(scores, quantile) | {f"eq. 3, {bound:g} for Ψ": (scores["psi"] < bound).to_numpy(bool)}
    right, of_seed = scores["right"].to_numpy(bool), scores.groupby("seed").indices.values()
    shares = {
        name: 100 * np.array([precision_recall(keep[here], right[here]) for here in of_seed]).T
        for name, keep in ways.items()
    }
    everything = shares["no pruning"][0]
    return pd.DataFrame(
        {
            name: {
                "precision (%)": str(interval(precision, PERCENT)),
                "recall (%)": str(interval(recall, PERCENT)),
                "precision above no pruning's": "–"
                if name == "no pruning"
                else str(interval(precision - everything, POINTS)),
            }
            for name, (precision, recall) in shares.items()
        }
    ).T


def _ways(scores: pd.DataFrame, quantile: float) -> dict[str, np.ndarray]:
    """Way of pruning -> which pictures it keeps, bool (N,)."""
    passed, everything = (scores["psi"] < scores["Psi"]).to_numpy(bool), np.ones(len(scores), dtype=bool)
    return {
        "no pruning": everything,
        "eq. 3": passed,
        "eq. 5": above_quantile(scores, everything, quantile),
        "both": above_quantile(scores, passed, quantile),
    }


def above_quantile(scores: pd.DataFrame, among: np.ndarray, quantile: float) -> np.ndarray:
    """Return which of ``among``, bool (N,), have a rho above P, as `condition_shares` chooses it: bool (N,)."""
    from dbb.stages.pruning import threshold  # loads torch, which the chapter needs for nothing else

    rho = scores["rho"].where(among)
    by_class = rho.dropna().groupby([scores["seed"], scores["target_class"]])
    bounds = by_class.transform(lambda part: threshold(part.to_numpy(), quantile)).reindex(rho.index)
    return (rho > bounds).to_numpy(bool)


def condition_curves(scores: pd.DataFrame, condition: str, bounds: np.ndarray) -> pd.DataFrame:
    """Return precision and recall of a condition in every seed at each of ``bounds``, (T,): columns seed, bound,
    precision, recall.

    Args:
        scores: columns seed, psi, Psi, rho, right.
        condition: "psi", keep psi < bound; "rho", keep rho > bound; "both", keep psi < Psi and rho > bound.
    """
    curves = []
    for seed, part in scores.groupby("seed"):
        among = (part["psi"] < part["Psi"]).to_numpy(bool) if condition == "both" else None
        keeps: Literal["below", "above"] = "below" if condition == "psi" else "above"
        column = "psi" if condition == "psi" else "rho"
        precision, recall = precision_recall_curve(
            part[column].to_numpy(), part["right"].to_numpy(bool), bounds, keeps, among
        )
        curves.append(pd.DataFrame({"seed": seed, "bound": bounds, "precision": precision, "recall": recall}))
    return pd.concat(curves, ignore_index=True)


def threshold_figure(panels: Sequence[tuple[str, str, pd.DataFrame]], columns: int) -> Figure:
    """Return precision and recall over every threshold, a panel each: lines through the seeds' mean, shades that span
    the seeds.

    Args:
        panels: (title, axis label, curves as `condition_curves` gives them).
    """
    import seaborn as sns

    figure, axes_of = panel_figure(len(panels), 2.3, columns, sharey=True)
    for axes, (title, label, curves) in zip(axes_of, panels, strict=True):
        for name, colour, text in (("precision", RIGHT_COLOUR, PRECISION), ("recall", WRONG_COLOUR, RECALL)):
            sns.lineplot(
                x=curves["bound"],
                y=100 * curves[name],
                errorbar=("pi", 100),
                color=colour,
                label=text,
                legend=False,
                err_kws={"linewidth": 0},
                ax=axes,
            )
        axes.set(ylabel="%" if is_leftmost(axes) else "", ylim=(-3, 103))
        set_texts(axes, title, label)
    figure.tight_layout()
    legend_below(figure, *axes_of[0].get_legend_handles_labels())
    return figure


def completeness_figure(panels: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Return rho over the whole change of the score, a panel each: (title, change (N,), rho (N,))."""
    figure, axes_of = panel_figure(len(panels), 2.4, columns=len(panels))
    for axes, (title, change, rho) in zip(axes_of, panels, strict=True):
        draw_agreement(axes, change, rho)
        set_texts(axes, title, "f(x') − f(x)")
    axes_of[0].set_ylabel("ρ, summed inside the mask")
    figure.tight_layout()
    return figure


def convergence_figure(table: pd.DataFrame) -> Figure:
    """Return the error of the integral over the number of IG steps: columns on, steps, mean, max."""
    figure = Figure((0.62 * WIDTH, 2.6))
    axes = figure.subplots()
    for colour, (on, rows) in zip((RIGHT_COLOUR, WRONG_COLOUR), table.groupby("on", sort=False), strict=False):
        for column, kind, dashes in (("mean", "mean", "-"), ("max", "largest", ":")):
            axes.plot(
                rows["steps"],
                rows[column],
                color=colour,
                linestyle=dashes,
                marker="o",
                markersize=3,
                label=f"{on}, {kind}",
            )
    axes.set(xscale="log", yscale="log", xlabel="steps of the integral", ylabel="|sum of IG − change of score|")
    axes.set_xticks(sorted(table["steps"].unique()), sorted(table["steps"].unique()))
    axes.minorticks_off()
    axes.legend()
    return figure

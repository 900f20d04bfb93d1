"""Chapter 06: what each pruning condition dropped and how well it chose, and eq. 3 to 5 drawn."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from dbb.report.directions import by_source, with_sum
from dbb.report.pictures import Pictures, image_grid, with_mask
from dbb.report.style import (
    INK,
    MUTED,
    RIGHT_COLOUR,
    WIDTH,
    WRONG_COLOUR,
    Figure,
    fold,
    legend_below,
    panel_figure,
    set_texts,
)
from dbb.statistics import precision_recall, share

NO_PRUNING, SOFTMAX, ATTRIBUTION, BOTH = "none", "softmax (eq. 3)", "attribution (eq. 4, 5)", "both"
RIGHT, WRONG, UNKNOWN = "shows the new class", "does not", "generated"


# ------------------------------------------------------------------------------------------------ tables


def pruning_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the paper's Table 2: per row of `by_source`, how many were generated, and pruned for which reason.

    Args:
        manifest: after `dbb.stages.pruning.decide`.
    """
    made = manifest[manifest["status"] == "generated"]
    rows = {
        name: _reasons(manifest.loc[here & (manifest["status"] == "generated"), "reason"])
        for name, here in by_source(manifest, classes).items()
    }
    return with_sum(rows, _reasons(made["reason"]), "source class")


def _reasons(reason: pd.Series) -> dict[str, int]:
    from dbb.stages.pruning import KEPT, LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION  # loads torch, which chapter 11 needs not

    counts = {text: int((reason == text).sum()) for text in (LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION, KEPT)}
    return {"generated": len(reason), **counts, "pruned": len(reason) - counts[KEPT]}


def condition_table(manifest: pd.DataFrame, right: np.ndarray) -> pd.DataFrame:
    """Return how well each pruning condition tells right images from wrong ones.

    One row per condition, over the images it was asked about: all of them for eq. 3, those with a rho for
    eq. 4 and 5. precision: the share of what it keeps that is right; recall: the share of what is right that it
    keeps; "wrong pruned": the share of what is wrong that it prunes. A share of nothing is NaN.

    Args:
        manifest: after `dbb.stages.pruning.decide`.
        right: bool (B,), for its generated rows in their order.
    """
    made = manifest.loc[manifest["status"] == "generated"]
    right = np.asarray(right, dtype=bool)
    everything = np.ones(len(made), dtype=bool)
    scored = made["rho"].notna().to_numpy()
    conditions = {
        NO_PRUNING: (everything, everything),
        SOFTMAX: (everything, (made["psi"] < made["Psi"]).to_numpy(bool)),
        ATTRIBUTION: (scored, (made["rho"] > made["P"]).to_numpy(bool)),
        BOTH: (everything, made["kept"].fillna(False).to_numpy(bool)),
    }
    rows = {}
    for name, (asked, keeps) in conditions.items():
        precision, recall = precision_recall(keeps[asked], right[asked])
        rows[name] = {
            "images": int(asked.sum()),
            "kept": int((asked & keeps).sum()),
            "precision": precision,
            "recall": recall,
            "wrong pruned": share(~keeps[asked & ~right]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("condition")


# ------------------------------------------------------------------------------------------------ scores


def score_histograms(
    panels: Sequence[tuple[str, np.ndarray, float, np.ndarray | None]],
    score: str,
    bound: str,
    keeps: Literal["below", "above"],
) -> Figure:
    """Return a histogram per panel, with the bound that decides and, where known, right and wrong apart.

    Args:
        panels: (title, scores (B,), bound, right bool (B,) or None where no truth is known).
        score, bound: names on the axis and at the line.
        keeps: "below" or "above" the bound is kept.
    """
    import seaborn as sns

    figure, axes_of = panel_figure(len(panels), 2.8)
    colours = {WRONG: WRONG_COLOUR, RIGHT: RIGHT_COLOUR, UNKNOWN: RIGHT_COLOUR}
    handles: dict[str, Patch] = {}
    for axes, (title, scores, limit, right) in zip(axes_of, panels, strict=True):
        verdicts = np.full(len(scores), UNKNOWN) if right is None else np.where(right, RIGHT, WRONG)
        shown = [UNKNOWN] if right is None else [WRONG, RIGHT]
        if len(scores):
            sns.histplot(
                x=scores,
                hue=verdicts,
                hue_order=shown,
                palette=colours,
                multiple="stack",
                legend=False,
                bins=np.histogram_bin_edges(scores, bins=30),
                alpha=1,
                edgecolor="none",
                ax=axes,
            )
        handles |= {verdict: Patch(color=colours[verdict]) for verdict in reversed(shown)}
        axes.set(ylabel="images")
        set_texts(axes, title, score, pad=16)
        if np.isfinite(limit):
            axes.axvline(limit, color=INK, linestyle="--")
            text, side = (f"← kept  {bound}", "right") if keeps == "below" else (f"{bound}  kept →", "left")
            axes.annotate(
                text,
                (limit, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                ha=side,
                va="bottom",
                fontsize=8,
            )
    figure.tight_layout()
    legend_below(figure, list(handles.values()), list(handles))
    return figure


def scatter_figure(x: np.ndarray, y: np.ndarray, x_label: str, y_label: str) -> Figure:
    """Return y over x, two arrays (N,) that ought to agree, with the line on which they do."""
    figure = Figure((3.6, 3.4))
    axes = figure.subplots()
    draw_agreement(axes, x, y)
    axes.set(xlabel=x_label, ylabel=y_label, aspect="equal")
    axes.legend(loc="upper left")
    return figure


def draw_agreement(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw points (N,) and the line on which both coordinates are the same."""
    ends = [float(min(np.min(x), np.min(y))), float(max(np.max(x), np.max(y)))] if len(x) else [0, 1]
    axes.plot(ends, ends, color=MUTED, linewidth=1, label="equal")
    axes.scatter(x, y, s=9, color=RIGHT_COLOUR, alpha=0.6, linewidths=0)


def describe_bound(rho: np.ndarray, change: np.ndarray, on: Literal["probability", "logit"], steps: int) -> str:
    """Return a sentence on how far ``rho`` is from the ``change`` of the score, both (N,), and on how often it leaves
    the -1..1 in which a difference of probabilities lies.
    """
    if len(rho) == 0:
        return "No pair was scored."
    gap = np.abs(rho - change)
    text = (
        f"Over {len(rho):,} pairs ρ, by an integral of {steps} points, differs from the change by {gap.mean():.4f} on "
        f"average, and by {gap.max():.4f} at most."
    )
    if on == "logit":
        return text
    beyond = np.abs(rho) > 1 + 1e-6  # float32's rounding is no error of the integral
    if not beyond.any():
        return f"{text} No ρ lies beyond ±1, the bound of a difference of two probabilities."
    return (
        f"{text} By its error, {beyond.mean():.1%} of the pairs have a ρ beyond ±1, the bound of a difference of two "
        f"probabilities, the farthest {np.abs(rho).max():.3f}."
    )


# ------------------------------------------------------------------------------------------------ attributions


def path_figure(
    pictures: Pictures, alphas: np.ndarray, curve_alphas: np.ndarray, scores: np.ndarray, score: str
) -> Figure:
    """Return the way of eq. 4: pictures x + alpha (x' - x) above the score of the new class along it.

    Args:
        pictures: uint8 (T, 3, S, S), at ``alphas`` (T,).
        scores: (N,), at ``curve_alphas``.
        score: what the axis of ``scores`` is called.
    """
    figure = image_grid([list(pictures)], column_labels=[rf"$\alpha$ = {a:.2f}" for a in alphas])
    width, height = figure.get_size_inches()
    below = 1.9
    figure.set_size_inches(width, height + below)
    for axes in figure.axes:
        box = axes.get_position(original=True)
        axes.set_position(
            (box.x0, (box.y0 * height + below) / (height + below), box.width, box.height * height / (height + below))
        )
    axes = figure.add_axes((0.07, 0.36 / (height + below), 0.92, 1.4 / (height + below)))
    axes.plot(curve_alphas, scores, color=RIGHT_COLOUR)
    axes.fill_between(curve_alphas, scores, scores[0], color=RIGHT_COLOUR, alpha=0.12)
    axes.set(xlabel=r"$\alpha$", ylabel=fold(score, 1.5, lines=2), xlim=(0, 1))
    if scores.min() >= 0 and scores.max() <= 1:
        axes.set_ylim(-0.03, 1.03)
    return figure


def attribution_figure(rows: Sequence[tuple[str, Pictures, Pictures, Pictures, Pictures]]) -> Figure:
    """Return original, mask, generated image and attributions, a row per pair.

    The attributions are summed over the channels; blue speaks for the new class, red against it, each row on a scale of
    its own.

    Args:
        rows: (label, original uint8 (3, S, S), generated likewise, mask bool (S, S), attributions float (3, S, S)).
    """
    figure = image_grid(
        [[original, with_mask(original, mask), generated, None] for _, original, generated, mask, _ in rows],
        row_labels=[label for label, *_ in rows],
        column_labels=["original $x$", "mask $M$", "generated $x'$", "attributions"],
        width=0.75 * WIDTH,
    )
    for axes, (*_, attributions) in zip(figure.axes[3::4], rows, strict=True):
        values = np.asarray(attributions).sum(axis=0)
        # A few pixels carry most of it: without the cut at a high quantile the rest would look blank.
        limit = np.quantile(np.abs(values), 0.998) or 1.0
        axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, interpolation="nearest")
        box = axes.get_position(original=True)
        place = (box.x1 + 0.015, box.y0 + 0.1 * box.height, 0.016, 0.8 * box.height)
        bar = figure.colorbar(axes.images[0], cax=figure.add_axes(place), ticks=[-limit, 0, limit], format="%.1g")
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=2)
        bar.ax.grid(False)
    return figure

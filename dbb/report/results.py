"""Chapter 08: accuracies before and after, the first page's picture, where pictures were lost, how long it took."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dbb.metrics import FULL, MEASURES
from dbb.report.groups import NAME_WIDTH, UPRIGHT, draw_group_bars, group_table, pale_to_full_legend
from dbb.report.pictures import Pictures, picture_axes, show_picture, with_mask
from dbb.report.style import PALE, RIGHT_COLOUR, WIDTH, WRONG_COLOUR, Figure, fold, panel_figure, set_texts, text_width
from dbb.statistics import share

UNPAINTED = ("planned", "mask found")
MOST_PAIRS = 4  # rows of the first page's picture


# ------------------------------------------------------------------------------------------------ accuracies


def accuracy_table(measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str]) -> pd.DataFrame:
    """Return accuracies, a row per group that has images and per measure, a column per model, and the change in points;
    the full split's weighted average only where there is one.

    Args:
        measured: model name -> the fields of `GroupMetrics`, the base model first. "change" is the last model's less
            the first's, in percentage points.
    """
    columns = {}
    for model, metrics in measured.items():
        shares = [*metrics["group_accuracy"], *(metrics[key] for key in MEASURES)]
        columns[model] = [float("nan") if value is None else value for value in shares]
    table = pd.DataFrame(columns, index=[*group_names, *MEASURES.values()], dtype="float64")
    n = len(group_names)  # rows are told by their places: a group may have a measure's name
    always = np.array([False] * n + [name != FULL for name in MEASURES])
    table = table[table.notna().any(axis=1) | always]
    if len(measured) > 1:
        table["change"] = 100 * (table.iloc[:, -1] - table.iloc[:, 0])
    return table


def describe_change(before: Mapping[str, Any], after: Mapping[str, Any], group_names: Sequence[str]) -> str:
    """Return a sentence or two, in Markdown, on what retraining did to the worst group and to the average.

    Args:
        before, after: the fields of `GroupMetrics`, of the same split.
    """
    worst = [group_names[_lowest(metrics["group_accuracy"])] for metrics in (before, after)]
    same = "still" if worst[0] == worst[1] else "now"
    gain, average = (100 * (after[key] - before[key]) for key in ("worst_group", "average"))
    return (
        f"The worst group **{_moved(gain)}**: it was *{worst[0]}* at {before['worst_group']:.1%}, "
        f"and is {same} *{worst[1]}* at {after['worst_group']:.1%}. "
        f"The average over all images {_moved(average)}, from {before['average']:.1%} to {after['average']:.1%}."
    )


def _lowest(accuracies: Sequence[float | None]) -> int:
    """The group of the lowest accuracy; groups without images (NaN, null in a file) do not count."""
    return int(np.nanargmin([np.nan if value is None else value for value in accuracies]))


def _moved(points: float) -> str:
    if abs(points) < 0.05:
        return "did not move"
    return f"{'rose' if points > 0 else 'fell'} by {abs(points):.1f} points"


def headline_figure(
    pairs: Sequence[tuple[str, Pictures, Pictures, Pictures]],
    measured: Mapping[str, Mapping[str, Any]],
    group_names: Sequence[str],
) -> Figure:
    """Return the book's first picture: what is repainted, and what retraining on it does to every group.

    Args:
        pairs: (label, original, its mask, generated image), a row per direction, of which the first `MOST_PAIRS` are
            shown.
        measured: model name -> the fields of `GroupMetrics`, before and after.
    """
    pairs = pairs[:MOST_PAIRS]
    labels = [fold(label, 1.1, lines=1) for label, *_ in pairs]
    lines = max((1 + label.count("\n") for label in labels), default=1)
    side, gap, left, top = 1.28, 0.06, 0.12 + 0.15 * lines, 0.24
    width, height = WIDTH + 0.6, top + max(2, len(pairs)) * (side + gap)
    figure = Figure((width, height))
    for r, (_, original, mask, generated) in enumerate(pairs):
        for c, image in enumerate((original, with_mask(original, mask), generated)):
            axes = picture_axes(figure, left + c * (side + gap), height - top - (r + 1) * (side + gap) + gap, side)
            show_picture(axes, image)
            if r == 0:
                axes.set_title(("a common picture", "its mask", "repainted")[c], pad=4)
            if c == 0:
                axes.text(
                    -0.07,
                    0.5,
                    labels[r],
                    transform=axes.transAxes,
                    rotation=90,
                    ha="right",
                    va="center",
                    multialignment="center",
                )
    _headline_bars(figure, left + 3 * (side + gap), measured, group_names)
    return figure


def _headline_bars(
    figure: Figure, left: float, measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str]
) -> None:
    """The groups' bars from ``left``, in inches, to the figure's right edge."""
    width, height = figure.get_size_inches()
    lying = len(group_table(list(measured.values()))[1]) > UPRIGHT - 2
    longest = max(text_width(fold(name, NAME_WIDTH, lines=2, size=8), 8) for name in group_names)
    start = left + (0.25 + longest if lying else 0.62)
    axes = figure.add_axes((start / width, 0.36 / height, (width - start) / width, (height - 0.68) / height))
    draw_group_bars(axes, measured, group_names, lying)
    pale_to_full_legend(axes, list(measured))


# ------------------------------------------------------------------------------------------------ the way there


def funnel(manifest: pd.DataFrame, right: np.ndarray | None = None) -> pd.DataFrame:
    """Return what is left of the planned images after each step, a row per step and target class.

    Columns: step, target_class, images, right (the share that shows the target class; NaN where not known, and
    before anything is painted).

    Args:
        manifest: after `dbb.stages.pruning.decide`.
        right: bool (B,), for its generated rows in their order; None where no truth is known.
    """
    made = (manifest["status"] == "generated").to_numpy()
    passed = made & (manifest["psi"] < manifest["Psi"]).to_numpy(bool)
    steps = {
        "planned": np.ones(len(manifest), dtype=bool),
        "mask found": manifest["mask_found"].to_numpy(bool),
        "generated": made,
        "passed eq. 3": passed,
        "kept": manifest["kept"].fillna(False).to_numpy(bool),
    }
    truth = np.full(len(manifest), np.nan)
    if right is not None:
        truth[made] = right
    targets = manifest["target_class"].to_numpy()
    rows = [
        {
            "step": step,
            "target_class": int(target),
            "images": int((left & (targets == target)).sum()),
            "right": float("nan") if step in UNPAINTED else share(truth[left & (targets == target)]),
        }
        for step, left in steps.items()
        for target in np.unique(targets)
    ]
    return pd.DataFrame(rows, columns=["step", "target_class", "images", "right"])


def funnel_figure(steps: Sequence[str], images: np.ndarray, right: np.ndarray, titles: Sequence[str]) -> Figure:
    """Return how many images are left after each step, a panel per target class, from top to bottom.

    Args:
        images: (D, T), how many.
        right: (D, T), the share that shows the new class, NaN where not known.
        titles: (D,).
    """
    figure, panels = panel_figure(len(titles), 0.7 + 0.32 * len(steps), sharey=True)
    places = np.arange(len(steps))[::-1]
    for axes, counts, shares, title in zip(panels, images, right, titles, strict=True):
        known = np.isfinite(shares)
        good = np.where(known, counts * np.nan_to_num(shares), counts)
        axes.barh(places, good, color=[RIGHT_COLOUR if k else PALE for k in known])
        axes.barh(places, counts - good, left=good, color=WRONG_COLOUR)
        for place, count, value in zip(places, counts, shares, strict=True):
            text = f"{count:,.0f}" + (f"  ({value:.0%} right)" if np.isfinite(value) else "")
            axes.text(count, place, "  " + text, va="center", fontsize=8)
        inches = WIDTH * axes.get_position().width
        axes.set(xlim=(0, max(1, counts.max()) / (1 - 1.25 / inches)))
        set_texts(axes, title, "images")
        axes.set_yticks(places, steps)
        axes.grid(False, axis="y")
    figure.tight_layout()
    return figure


def describe_pruning(steps: pd.DataFrame) -> str:
    """Return a sentence, in Markdown, on what pruning did to the share of right images.

    Args:
        steps: as `funnel` gives it.
    """
    made, kept = (steps[steps["step"] == step] for step in ("generated", "kept"))
    n_made, n_kept = int(made["images"].sum()), int(kept["images"].sum())
    text = f"Of {n_made:,} generated images, {n_kept:,} were kept"
    if n_kept == 0:
        return f"{text}: retraining saw the original images alone."
    shares = [
        float(np.average(part["right"], weights=part["images"])) if part["right"].notna().all() else np.nan
        for part in (rows[rows["images"] > 0] for rows in (made, kept))
    ]
    if np.isnan(shares).any():
        return f"{text}; how many of them show the right class is not known here."
    return f"{text}. By the oracle, {shares[0]:.1%} showed the right class before pruning, and {shares[1]:.1%} after."


def duration_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return, per stage of the given run.json records, its seconds and its share of their sum."""
    seconds = [float(record["wall_s"]) for record in records]
    table = pd.DataFrame({"seconds": seconds}, index=[record["stage"] for record in records], dtype="float64")
    table.loc["together"] = table["seconds"].sum()
    return table.assign(share=table["seconds"] / max(table["seconds"].iloc[-1], 1e-9))

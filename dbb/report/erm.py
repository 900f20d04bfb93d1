"""Chapter 02: how the base classifier was trained, what it takes each group for, and how it ranks by loss."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from dbb.report.groups import draw_group_curves, draw_loss
from dbb.report.style import (
    INK,
    WIDTH,
    Figure,
    class_colour,
    fold,
    group_colour,
    ink_on,
    is_leftmost,
    legend_below,
    panel_figure,
    set_texts,
    text_width,
)


def training_curves(history: Sequence[Mapping[str, Any]], group_names: Sequence[str]) -> Figure:
    """Return the training loss over the epochs, and the validation accuracy of every group beside it.

    Args:
        history: as `dbb.training.Training` has it, with validation.
    """
    figure = Figure((WIDTH, 2.8))
    loss, accuracy = figure.subplots(1, 2, width_ratios=(1, 2.2))
    epochs = [entry["epoch"] for entry in history]
    draw_loss(loss, epochs, [entry["loss"] for entry in history], "training loss")
    draw_group_curves(accuracy, epochs, history, group_names)
    accuracy.set(xlabel="epoch", ylim=(-2, 102))
    figure.tight_layout()
    legend_below(figure, *accuracy.get_legend_handles_labels())
    return figure


def confusion_figure(counts: np.ndarray, classes: Sequence[str], group_names: Sequence[str]) -> Figure:
    """Return a bar per group that has images, divided into the shares given to each class, in the colours of the
    classes: first its own class, full, then the others, pale.

    Args:
        counts: integers (G, C), how many images of each group g = A * y + a were given to each class.
    """
    n_groups, n_classes = counts.shape
    present = np.flatnonzero(counts.sum(axis=1)).tolist()
    figure = Figure((WIDTH, 0.6 + 0.42 * len(present)))
    axes = figure.subplots()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.set_yticks(range(len(present)), [fold(group_names[group], 2.0, lines=2, size=8) for group in present])
    axes.set(xlim=(0, 100), ylim=(len(present) - 0.5, -0.5), xlabel="predicted class (% of the group)")
    figure.tight_layout()
    percent = WIDTH * axes.get_position().width / 100  # of the bars' length, inches
    for place, group in enumerate(present):
        own, begin = group * n_classes // n_groups, 0.0
        for label in (own, *(c for c in range(n_classes) if c != own)):
            share = shares[group, label]
            axes.barh(
                place,
                share,
                left=begin,
                height=0.72,
                color=class_colour(label),
                edgecolor="white",
                alpha=0.9 if label == own else 0.3,
            )
            texts = (f"{classes[label]} {share:.1f} %", f"{share:.1f} %")
            text = next((text for text in texts if text_width(text, 8) < share * percent - 0.1), "")
            axes.text(
                begin + share / 2,
                place,
                text,
                ha="center",
                va="center",
                fontsize=8,
                color=ink_on(class_colour(label)) if label == own else INK,
            )
            begin += share
    axes.grid(False)
    if n_classes > 2:
        legend_below(figure, [Patch(color=class_colour(label), alpha=0.9) for label in range(n_classes)], classes)
    return figure


def ranking_table(minority: Mapping[str, np.ndarray], k: int) -> pd.DataFrame:
    """Return how many of the ``k`` first images of a class are of its minority, a row per ranking and one for a choice
    at random: columns K, minority, "minority share".

    Args:
        minority: ranking -> minority images among the first 1, 2, ..., float (images of the class,).
    """
    n = len(next(iter(minority.values())))
    taken = {ranking: counts[k - 1] for ranking, counts in minority.items()}
    taken["at random, on average"] = k * next(iter(minority.values()))[-1] / n
    table = pd.DataFrame({"K": k, "minority": pd.Series(taken, dtype="float64")})
    return table.assign(**{"minority share": table["minority"] / k})


def describe_rankings(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return a sentence for each class on which way of choosing took fewest minority images, and which most.

    Args:
        tables: class -> as `ranking_table` gives it.
    """
    sentences = []
    for name, table in tables.items():
        ordered = table["minority"].sort_values(kind="stable")
        if np.isclose(ordered.iloc[0], ordered.iloc[-1]):
            sentences.append(
                f"Of the {table['K'].iloc[0]:,} of class *{name}* every way takes {ordered.iloc[0]:,.1f} "
                "minority images."
            )
            continue
        told = [f"{count:,.1f} ({ranking})" for ranking, count in ordered.items()]
        sentences.append(
            f"Of the {table['K'].iloc[0]:,} of class *{name}*, from fewest to most, "
            f"{', '.join(told[:-1])} and {told[-1]} are minority images."
        )
    return " ".join(sentences)


def describe_losses(losses: np.ndarray, labels: np.ndarray, minority: np.ndarray, classes: Sequence[str]) -> str:
    """Return a sentence for each class that has both, in Markdown, on how surely the loss tells its minority images
    from the others: the share of pairs, one of each, in which the minority image has the higher loss (the area under
    the ROC curve). It is counted on these very images, so it is exact for them.

    Args:
        losses: float (N,).
        labels: int (N,).
        minority: bool (N,).
    """
    sentences = []
    for label, name in enumerate(classes):
        few, many = losses[(labels == label) & minority], np.sort(losses[(labels == label) & ~minority])
        if len(few) and len(many):
            below, ties = np.searchsorted(many, few, "left"), np.searchsorted(many, few, "right")
            sentences.append(
                f"Of a minority and a majority image of class *{name}*, the minority image has the higher "
                f"loss in **{(below + ties).mean() / 2 / len(many):.1%}** of all pairs."
            )
    return " ".join(sentences) or "No class has a minority here."


def ranking_figure(
    losses: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    taken: Sequence[int],
    classes: Sequence[str],
    group_names: Sequence[str],
) -> Figure:
    """Return, per class, each image's loss by its rank, minority groups on top, and a line where the K lowest end.

    Args:
        losses: float (N,).
        labels, groups: int (N,).
        taken: K per class.
    """
    figure, panels = panel_figure(len(classes), 2.7, sharey=True)
    handles = {}
    for label, axes in enumerate(panels):
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(losses[members], kind="stable")]
        ranks = np.arange(1, len(members) + 1)
        present, sizes = np.unique(groups[members], return_counts=True)
        for group in present[np.argsort(-sizes)]:
            here = groups[members] == group
            handles[group] = axes.scatter(
                ranks[here],
                losses[members][here].clip(1e-7),
                linewidths=0,
                s=9 if here.mean() > 0.5 else 20,
                color=group_colour(group),
            )
        axes.axvline(taken[label] + 0.5, color=INK, linestyle="--", linewidth=1)
        axes.annotate(
            f"← K = {taken[label]:,}",
            (taken[label] + 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            ha="left" if taken[label] < len(members) / 2 else "right",
            textcoords="offset points",
            fontsize=8,
        )
        axes.set(yscale="log")
        set_texts(axes, classes[label], "rank by loss, lowest first", pad=16)
    for axes in panels:
        if is_leftmost(axes):
            axes.set_ylabel("cross-entropy")
    figure.tight_layout()
    legend_below(figure, [handles[group] for group in sorted(handles)], [group_names[g] for g in sorted(handles)])
    return figure

"""The book's figures: one calm style, pictures in rows, and a colour that stays with its group.

Every function returns a `Figure` of its own, made without pyplot's global state, so that a cell shows it once by
naming it last.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import figure as mpl_figure
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

WIDTH = 8.0  # inches, a page of the book
DPI = 100
INK, MUTED = "#333333", "#8a8a8a"

# Okabe and Ito's colours, told apart by colour-blind readers; one for each group g = A * y + a.
GROUP_COLOURS = ("#009E73", "#56B4E9", "#E69F00", "#0072B2", "#CC79A7", "#D55E00", "#999933", "#882255", "#332288",
                 "#999999")
MASK_COLOUR = (0.90, 0.10, 0.55)

Pictures = torch.Tensor | np.ndarray


class Figure(mpl_figure.Figure):
    """A matplotlib figure that a notebook shows as a PNG. size: inches, (width, height)."""

    def __init__(self, size: tuple[float, float] = (WIDTH, 3.0), **options: Any) -> None:
        super().__init__(figsize=size, **options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})
        return buffer.getvalue()


def use_style() -> None:
    """Set the book's style for every figure made after it."""
    mpl.rcParams.update({
        "figure.dpi": DPI, "savefig.dpi": DPI, "savefig.bbox": "tight", "savefig.pad_inches": 0.05,
        "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "legend.fontsize": 8,
        "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.frameon": False,
        "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": MUTED,
        "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.grid": True, "grid.color": "#e6e6e6", "grid.linewidth": 0.8, "axes.axisbelow": True,
        "lines.linewidth": 1.6, "image.interpolation": "nearest",
        "axes.prop_cycle": mpl.cycler(color=GROUP_COLOURS),
    })


def group_colour(group: int) -> str:
    """Return the colour of a group, the same in every figure."""
    return GROUP_COLOURS[group % len(GROUP_COLOURS)]


def to_picture(image: Pictures) -> np.ndarray:
    """Return one image as matplotlib takes it: (H, W, 3) or (H, W).

    image: (3, H, W), (H, W, 3) or (H, W); uint8, float or bool.
    """
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim == 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    return array.astype(np.uint8) * 255 if array.dtype == bool else array


def show_picture(axes: Axes, image: Pictures | None, cmap: str = "gray", vmin: float | None = None,
                 vmax: float | None = None) -> None:
    """Draw one image without ticks; None leaves the place blank. cmap, vmin, vmax: for (H, W) images."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if image is not None:
        axes.imshow(to_picture(image), cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")


def image_grid(rows: Sequence[Sequence[Pictures | None]], row_labels: Sequence[str] | None = None,
               column_labels: Sequence[str] | None = None, captions: Sequence[Sequence[str]] | None = None,
               row_colours: Sequence[str] | None = None, width: float = WIDTH, cmap: str = "gray",
               vmin: float | None = None, vmax: float | None = None) -> Figure:
    """Return a figure of pictures in rows.

    rows: images as `to_picture` takes them, None for a blank; rows may differ in length.
    row_labels: left of the rows, in ``row_colours`` where given; column_labels: above the first row;
    captions: a short text under each picture.
    width: inches, of the whole figure; cmap, vmin, vmax: for (H, W) images.
    """
    n_rows, n_columns = len(rows), max((len(row) for row in rows), default=0)
    figure = Figure()
    if n_columns == 0:
        figure.set_size_inches(width, 0.5)
        figure.text(0.5, 0.5, "no picture to show", ha="center", va="center", color=MUTED)
        return figure
    left = 0.1 + 0.075 * max(len(line) for label in row_labels for line in label.split("\n")) if row_labels else 0.02
    below = [0.16 * max((1 + text.count("\n") for text in row if text), default=0) for row in captions or [()] * n_rows]
    top = 0.22 * (1 + max(label.count("\n") for label in column_labels)) if column_labels else 0.02
    gap = 0.06
    side = (width - left) / n_columns - gap
    height = top + n_rows * (side + gap) + sum(below)
    figure.set_size_inches(width, height)
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            x, y = left + c * (side + gap), height - top - r * (side + gap) - sum(below[:r]) - side
            axes = figure.add_axes((x / width, y / height, side / width, side / height))
            show_picture(axes, image, cmap, vmin, vmax)
            if column_labels and r == 0:
                axes.set_title(column_labels[c], pad=4)
            if row_labels and c == 0:
                axes.text(-0.08 / side, 0.5, row_labels[r], transform=axes.transAxes, ha="right", va="center",
                          color=row_colours[r] if row_colours else INK)
            if captions and captions[r][c]:
                axes.text(0.5, -0.03 / side, captions[r][c], transform=axes.transAxes, ha="center", va="top",
                          fontsize=8)
    return figure


def with_mask(image: Pictures, mask: Pictures, colour: tuple[float, float, float] = MASK_COLOUR,
              strength: float = 0.45) -> np.ndarray:
    """Return the image, uint8 (H, W, 3), tinted where ``mask``, bool (H, W), is True, its rim drawn full."""
    picture, inside = to_picture(image).astype(float), np.asarray(mask, dtype=bool)
    tint = 255 * np.asarray(colour)
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & inside
    picture[inside] = (1 - strength) * picture[inside] + strength * tint
    picture[inside & ~core] = tint
    return picture.round().astype(np.uint8)


# ------------------------------------------------------------------------------------------------ generated images

RIGHT_COLOUR, WRONG_COLOUR = "#5b6770", "#D55E00"


def frame_pictures(figure: Figure, right: Sequence[Sequence[bool | None]]) -> Figure:
    """Draw a frame around the pictures of an `image_grid`, and return it: one colour for right, another for wrong.

    right: a row per row of the grid; None leaves the picture without a frame.
    """
    for axes, verdict in zip(figure.axes, chain.from_iterable(right), strict=False):
        if verdict is not None:
            for spine in axes.spines.values():
                spine.set(visible=True, linewidth=2.0, edgecolor=RIGHT_COLOUR if verdict else WRONG_COLOUR)
    return figure


def noising_figure(images: Pictures, timesteps: Sequence[int]) -> Figure:
    """Return what eq. 2 makes of one image: a picture per timestep, uint8 (T, 3, S, S)."""
    return image_grid([list(images)], column_labels=[f"$t$ = {int(t)}" for t in timesteps])


# ------------------------------------------------------------------------------------------------ pruning

def score_histograms(panels: Sequence[tuple[str, np.ndarray, float, np.ndarray | None]], score: str, bound: str,
                     keeps: str) -> Figure:
    """Return a histogram per panel, with the bound that decides and, where known, right and wrong apart.

    panels: (title, scores (B,), bound, right bool (B,) or None where no truth is known).
    score, bound: names on the axis and at the line; keeps: "below" or "above" the bound is kept.
    """
    figure = Figure((WIDTH, 2.7))
    for axes, (title, scores, limit, right) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels,
                                                   strict=True):
        known = right is not None
        parts = [(scores[right], RIGHT_COLOUR, "shows the new class"),
                 (scores[~right], WRONG_COLOUR, "does not")] if known else [(scores, RIGHT_COLOUR, "generated")]
        edges = np.histogram_bin_edges(scores, bins=30) if len(scores) else 10
        axes.hist([part[0] for part in parts], bins=edges, stacked=True, color=[part[1] for part in parts],
                  label=[part[2] for part in parts])
        axes.set(xlabel=score, ylabel="images")
        axes.set_title(title, pad=16)
        if np.isfinite(limit):
            axes.axvline(limit, color=INK, linestyle="--")
            text, side = (f"← kept  {bound}", "right") if keeps == "below" else (f"{bound}  kept →", "left")
            axes.annotate(text, (limit, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
                          textcoords="offset points", ha=side, va="bottom", fontsize=8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, -0.07), ncols=len(labels))
    figure.tight_layout()
    return figure


def path_figure(pictures: Pictures, alphas: np.ndarray, curve_alphas: np.ndarray, scores: np.ndarray,
                score: str) -> Figure:
    """Return the way of eq. 4: pictures x + alpha (x' - x) above the score of the new class along it.

    pictures: uint8 (T, 3, S, S), at ``alphas`` (T,); scores: (N,), at ``curve_alphas``.
    """
    figure = image_grid([list(pictures)], column_labels=[rf"$\alpha$ = {a:.2f}" for a in alphas])
    width, height = figure.get_size_inches()
    below = 1.9
    figure.set_size_inches(width, height + below)
    for axes in figure.axes:
        box = axes.get_position(original=True)
        axes.set_position((box.x0, (box.y0 * height + below) / (height + below), box.width,
                           box.height * height / (height + below)))
    axes = figure.add_axes((0.07, 0.36 / (height + below), 0.92, 1.4 / (height + below)))
    axes.plot(curve_alphas, scores, color=RIGHT_COLOUR)
    axes.fill_between(curve_alphas, scores, scores[0], color=RIGHT_COLOUR, alpha=0.12)
    axes.set(xlabel=r"$\alpha$", ylabel=score, xlim=(0, 1))
    if scores.min() >= 0 and scores.max() <= 1:
        axes.set_ylim(-0.03, 1.03)
    return figure


def attribution_figure(rows: Sequence[tuple[str, Pictures, Pictures, Pictures, Pictures]]) -> Figure:
    """Return original, mask, generated image and attributions, a row per pair.

    rows: (label, original uint8 (3, S, S), generated likewise, mask bool (S, S), attributions float (3, S, S)).
    The attributions are summed over the channels; blue speaks for the new class, red against it, each row on a scale
    of its own.
    """
    figure = image_grid(
        [[original, with_mask(original, mask), generated, None] for _, original, generated, mask, _ in rows],
        row_labels=[label for label, *_ in rows],
        column_labels=["original $x$", "mask $M$", "generated $x'$", "attributions"], width=0.75 * WIDTH)
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


def scatter_figure(x: np.ndarray, y: np.ndarray, x_label: str, y_label: str) -> Figure:
    """Return y over x, two arrays (N,) that ought to agree, with the line on which they do."""
    figure = Figure((3.6, 3.4))
    axes = figure.subplots()
    ends = [float(min(np.min(x), np.min(y))), float(max(np.max(x), np.max(y)))] if len(x) else [0, 1]
    axes.plot(ends, ends, color=MUTED, linewidth=1, label="equal")
    axes.scatter(x, y, s=9, color=RIGHT_COLOUR, alpha=0.6, linewidths=0)
    axes.set(xlabel=x_label, ylabel=y_label, aspect="equal")
    axes.legend(loc="upper left")
    return figure


# ------------------------------------------------------------------------------------------------ retraining

def retraining_curves(history: Sequence[Mapping[str, Any]], best_epoch: int, before: Mapping[str, Any],
                      group_names: Sequence[str]) -> Figure:
    """Return the validation accuracy of every group over the epochs, and the loss beside it.

    history: as `dbb.training.Training` has it; before: the `GroupMetrics` fields of the model at the start, drawn
    as epoch 0. best_epoch is marked.
    """
    figure = Figure((WIDTH, 2.8))
    accuracy, loss = figure.subplots(1, 2, width_ratios=(2.2, 1))
    epochs = [0, *(entry["epoch"] for entry in history)]
    table = 100 * np.array([m["group_accuracy"] for m in (before, *history)], dtype=float)
    present = np.flatnonzero(np.isfinite(table).any(axis=0))
    for group in present:
        accuracy.plot(epochs, table[:, group], color=group_colour(group), marker="o", markersize=3,
                      label=group_names[group])
    accuracy.axvline(best_epoch, color=INK, linestyle="--", linewidth=1)
    accuracy.annotate("kept", (best_epoch, 0), xycoords=("data", "axes fraction"), xytext=(-3, 3), ha="right",
                      textcoords="offset points", fontsize=8)
    accuracy.set(xlabel="epoch (0: before)", ylabel="accuracy on validation (%)")
    figure.legend(*accuracy.get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, -0.07),
                  ncols=len(present))
    loss.plot(epochs[1:], [entry["loss"] for entry in history], color=INK, marker="o", markersize=3)
    loss.set(xlabel="epoch", ylabel="loss of eq. 8", ylim=(0, None))
    for axes in (accuracy, loss):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.tight_layout()
    return figure


def draw_group_bars(axes: Axes, measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str],
                    baseline: float = 0.0) -> None:
    """Draw the accuracy of every group, a bar per model beside each other, pale for the first, full for the last.

    measured: model name -> the fields of `GroupMetrics`; baseline: %, where the axis begins.
    """
    width = 0.8 / len(measured)
    strengths = np.linspace(0.4, 1.0, len(measured)) if len(measured) > 1 else [1.0]
    table = 100 * np.array([metrics["group_accuracy"] for metrics in measured.values()], dtype=float)
    present = np.flatnonzero(np.isfinite(table).any(axis=0))
    for m, model in enumerate(measured):
        values = table[m, present]
        places = np.arange(len(values)) + (m - (len(measured) - 1) / 2) * width
        bars = axes.bar(places, values, width * 0.94, alpha=strengths[m], label=model,
                        color=[group_colour(g) for g in present])
        axes.bar_label(bars, [f"{v:.0f}" if np.isfinite(v) else "" for v in values], fontsize=7, padding=1)
    axes.set_xticks(range(len(present)), [group_names[g].replace(" on ", "\non ") for g in present])
    axes.set(ylabel="accuracy (%)", ylim=(baseline, 106))
    axes.grid(False, axis="x")


def group_bars(measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str]) -> Figure:
    """Return `draw_group_bars` as a figure of its own, with a legend of the models."""
    figure = Figure((WIDTH, 2.8))
    axes = figure.subplots()
    draw_group_bars(axes, measured, group_names)
    _pale_to_full_legend(axes, list(measured))
    return figure


def _pale_to_full_legend(axes: Axes, models: Sequence[str]) -> None:
    strengths = np.linspace(0.4, 1.0, len(models)) if len(models) > 1 else [1.0]
    handles = [Patch(color=INK, alpha=strength, label=model)
               for model, strength in zip(models, strengths, strict=True)]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(models), borderaxespad=0.2)


# ------------------------------------------------------------------------------------------------ results

def funnel_figure(steps: Sequence[str], images: np.ndarray, right: np.ndarray, titles: Sequence[str]) -> Figure:
    """Return how many images are left after each step, a panel per direction, from top to bottom.

    images: (D, T); right: (D, T), the share that shows the new class, NaN where not known; titles: (D,).
    """
    figure = Figure((WIDTH, 0.7 + 0.32 * len(steps)))
    panels = np.atleast_1d(figure.subplots(1, max(1, len(titles)), sharey=True))
    places = np.arange(len(steps))[::-1]
    for axes, counts, shares, title in zip(panels, images, right, titles, strict=False):
        known = np.isfinite(shares)
        good = np.where(known, counts * np.nan_to_num(shares), counts)
        axes.barh(places, good, color=[RIGHT_COLOUR if k else "#c3c9ce" for k in known])
        axes.barh(places, counts - good, left=good, color=WRONG_COLOUR)
        for place, count, share in zip(places, counts, shares, strict=True):
            text = f"{count:,.0f}" + (f"  ({share:.0%} right)" if np.isfinite(share) else "")
            axes.text(count, place, "  " + text, va="center", fontsize=8)
        axes.set(title=title, xlim=(0, 1.45 * max(1, counts.max())), xlabel="images")
        axes.set_yticks(places, steps)
        axes.grid(False, axis="y")
    figure.tight_layout()
    return figure


def headline_figure(pairs: Sequence[tuple[str, Pictures, Pictures, Pictures]],
                    measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str]) -> Figure:
    """Return the book's first picture: what is repainted, and what retraining on it does to every group.

    pairs: (label, original, its mask, generated image), a row per direction; measured: model name -> the fields
    of `GroupMetrics`, before and after.
    """
    side, gap, left, top = 1.28, 0.06, 0.42, 0.24
    rows = max(2, len(pairs))
    width, height = WIDTH + 0.6, top + rows * (side + gap)
    figure = Figure((width, height))
    columns = ("a common picture", "the bird, masked", "repainted")
    for r, (label, original, mask, generated) in enumerate(pairs):
        for c, image in enumerate((original, with_mask(original, mask), generated)):
            x, y = left + c * (side + gap), height - top - (r + 1) * (side + gap) + gap
            axes = figure.add_axes((x / width, y / height, side / width, side / height))
            show_picture(axes, image)
            if r == 0:
                axes.set_title(columns[c], pad=4)
            if c == 0:
                axes.text(-0.07, 0.5, label, transform=axes.transAxes, rotation=90, ha="right", va="center",
                          multialignment="center")
    start = left + 3 * (side + gap) + 0.62
    bars = figure.add_axes((start / width, 0.36 / height, (width - start) / width, (height - top - 0.44) / height))
    draw_group_bars(bars, measured, group_names)
    _pale_to_full_legend(bars, list(measured))
    return figure


# ------------------------------------------------------------------------------------------------ the base classifier

def training_curves(history: Sequence[Mapping[str, Any]], group_names: Sequence[str]) -> Figure:
    """Return the training loss over the epochs, and the validation accuracy of every group beside it.

    history: as `dbb.training.Training` has it, with validation.
    """
    figure = Figure((WIDTH, 2.8))
    loss, accuracy = figure.subplots(1, 2, width_ratios=(1, 2.2))
    epochs = [entry["epoch"] for entry in history]
    loss.plot(epochs, [entry["loss"] for entry in history], color=INK, marker="o", markersize=3)
    loss.set(xlabel="epoch", ylabel="training loss", ylim=(0, None))
    table = 100 * np.array([entry["group_accuracy"] for entry in history], dtype=float)
    present = np.flatnonzero(np.isfinite(table).any(axis=0))
    for group in present:
        accuracy.plot(epochs, table[:, group], color=group_colour(group), marker="o", markersize=3,
                      label=group_names[group])
    accuracy.set(xlabel="epoch", ylabel="accuracy on validation (%)", ylim=(-2, 102))
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*accuracy.get_legend_handles_labels(), loc="lower center", bbox_to_anchor=(0.5, -0.07),
                  ncols=len(present))
    figure.tight_layout()
    return figure


def confusion_figure(counts: np.ndarray, classes: Sequence[str], group_names: Sequence[str]) -> Figure:
    """Return a bar per group: the share that is given to its own class, full, and to the others, pale.

    counts: integers (G, C), how many images of each group were given to each class.
    """
    n_groups, n_classes = counts.shape
    present = np.flatnonzero(counts.sum(axis=1))
    figure = Figure((WIDTH, 0.6 + 0.42 * len(present)))
    axes = figure.subplots()
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for place, group in enumerate(present):
        own = group * n_classes // n_groups
        begin = 0.0
        for label in (own, *(c for c in range(n_classes) if c != own)):
            share = shares[group, label]
            axes.barh(place, share, left=begin, height=0.72, color=group_colour(group), edgecolor="white",
                      alpha=0.9 if label == own else 0.28)
            if share >= 14:
                axes.text(begin + share / 2, place, f"{classes[label]} {share:.1f} %", ha="center", va="center",
                          fontsize=8, color="white" if label == own else INK)
            begin += share
    axes.set_yticks(range(len(present)), [group_names[group] for group in present])
    axes.set(xlim=(0, 100), xlabel="predicted class (% of the group)")
    axes.invert_yaxis()
    axes.grid(False)
    return figure


def ranking_figure(losses: np.ndarray, labels: np.ndarray, groups: np.ndarray, taken: Sequence[int],
                   classes: Sequence[str], group_names: Sequence[str]) -> Figure:
    """Return, per class, each image's loss by its rank, minority groups on top, and a line where the K lowest end.

    losses: float (N,); labels, groups: int (N,); taken: K per class.
    """
    figure = Figure((WIDTH, 2.9))
    for label, axes in enumerate(figure.subplots(1, len(classes), sharey=True, squeeze=False)[0]):
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(losses[members], kind="stable")]
        ranks = np.arange(1, len(members) + 1)
        present, sizes = np.unique(groups[members], return_counts=True)
        for group in present[np.argsort(-sizes)]:
            here = groups[members] == group
            axes.scatter(ranks[here], losses[members][here].clip(1e-7), s=9 if here.mean() > 0.5 else 20,
                         color=group_colour(group), label=group_names[group], linewidths=0)
        axes.axvline(taken[label] + 0.5, color=INK, linestyle="--", linewidth=1)
        axes.annotate("K", (taken[label] + 0.5, 1), xycoords=("data", "axes fraction"), xytext=(-3, -10),
                      ha="right", textcoords="offset points", fontsize=8)
        axes.set(yscale="log", xlabel=f"{classes[label]}s by loss, lowest first")
        axes.legend(loc="upper left")
        axes.label_outer()
    figure.axes[0].set_ylabel("cross-entropy")
    figure.tight_layout()
    return figure


# ------------------------------------------------------------------------------------------------ tokens

def inversion_curves(losses: Mapping[str, np.ndarray], window: int = 25) -> Figure:
    """Return each token's loss over the steps: every step, pale, and the running mean over ``window`` steps.

    losses: token -> float (steps,).
    """
    figure = Figure((WIDTH, 2.6))
    for index, (axes, (token, values)) in enumerate(
            zip(figure.subplots(1, len(losses), sharey=True, squeeze=False)[0], losses.items(), strict=True)):
        colour = group_colour(0 if index == 0 else 3)
        span = max(1, min(window, len(values)))
        smooth = np.convolve(values, np.ones(span) / span, mode="valid")
        axes.plot(np.arange(1, len(values) + 1), values, color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(np.arange(span, len(values) + 1), smooth, color=colour, linewidth=2)
        axes.set(title=token, xlabel="step")
        axes.label_outer()
    figure.axes[0].set(ylabel="loss of eq. 1", ylim=(0, None))
    figure.tight_layout()
    return figure


# ------------------------------------------------------------------------------------------------ masks

def overlap_histogram(overlaps: Mapping[str, np.ndarray]) -> Figure:
    """Return how the overlap with the true mask is spread, one step line per class.

    overlaps: class -> float (N,), 0..1.
    """
    figure = Figure((WIDTH, 2.4))
    axes = figure.subplots()
    for index, (name, values) in enumerate(overlaps.items()):
        axes.hist(values[np.isfinite(values)], bins=np.linspace(0, 1, 41), histtype="step", linewidth=1.8,
                  color=group_colour(0 if index == 0 else 3), label=f"{name} ({len(values):,})")
    axes.set(xlim=(0, 1), xlabel="intersection over union with the true mask", ylabel="images")
    axes.legend(loc="upper left")
    return figure

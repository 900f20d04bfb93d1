"""Pictures in rows, with masks tinted and verdicts framed."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Union

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dbb.report.style import INK, RIGHT_COLOUR, WIDTH, WRONG_COLOUR, Figure, fold, panel_figure, text_width

if TYPE_CHECKING:
    import torch

MASK_COLOUR = (0.90, 0.10, 0.55)
GAP = 0.06  # inches between pictures
LABEL_SHARE = 0.3  # of the width, that the rows' labels may take

Pictures = Union[np.ndarray, "torch.Tensor"]
"""One picture or several: arrays of numpy, or tensors of torch on any device."""


def to_picture(image: Pictures) -> np.ndarray:
    """Return one image as matplotlib takes it: (H, W, 3) or (H, W).

    Args:
        image: (3, H, W), (H, W, 3) or (H, W); uint8, float or bool.
    """
    array = image if isinstance(image, np.ndarray) else image.detach().cpu().numpy()
    if array.ndim == 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    return array.astype(np.uint8) * 255 if array.dtype == bool else array


def show_picture(
    axes: Axes, image: "Pictures | None", cmap: str = "gray", vmin: float | None = None, vmax: float | None = None
) -> None:
    """Draw one image without ticks; None leaves the place blank.

    Args:
        cmap, vmin, vmax: for (H, W) images.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if image is not None:
        axes.imshow(to_picture(image), cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")


def picture_axes(figure: Figure, left: float, bottom: float, side: float) -> Axes:
    """Return square axes at a place of the figure, all in inches from its lower left corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, side / width, side / height))


def image_grid(
    rows: Sequence[Sequence["Pictures | None"]],
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    captions: Sequence[Sequence[str]] | None = None,
    row_colours: Sequence[str] | None = None,
    width: float = WIDTH,
    cmap: str = "gray",
    vmin: float | None = None,
    vmax: float | None = None,
    columns: int = 1,
) -> Figure:
    """Return a figure of pictures in rows.

    Args:
        rows: images as `to_picture` takes them, None for a blank; rows may differ in length.
        row_labels: left of the rows, in ``row_colours`` where given.
        column_labels: above the first row.
        captions: a short text under each picture. Text that is wider than its place is folded, and cut after a few
            lines.
        width: inches, of the whole figure.
        cmap, vmin, vmax: for (H, W) images.
        columns: places that a row has at least, so that few pictures do not fill the page.
    """
    n_rows, longest = len(rows), max((len(row) for row in rows), default=0)
    if longest == 0:
        return panel_figure(0, 1)[0]
    n_columns = max(longest, columns)
    at_left = [fold(label, LABEL_SHARE * width) for label in row_labels or []]
    left = 0.12 + max(map(text_width, at_left)) if at_left else 0.02
    side = (width - left) / n_columns - GAP
    above = [fold(label, side + GAP) for label in column_labels or []]
    under = [[fold(text, side, lines=4, size=8) for text in row] for row in captions or [[]] * n_rows]
    top = 0.22 * _tallest(above) if above else 0.02
    below = [0.16 * _tallest(row) for row in under]
    height = top + n_rows * (side + GAP) + sum(below)
    figure = Figure((width, height))
    if longest < n_columns:
        figure.add_artist(Rectangle((0, 0), 1, 1, fill=False, linewidth=0))  # else empty places are cut off
    for r, row in enumerate(rows):
        y = height - top - r * (side + GAP) - sum(below[:r]) - side
        if at_left and not row:
            figure.text((left - 0.08) / width, (y + side / 2) / height, at_left[r], ha="right", va="center")
        for c, image in enumerate(row):
            axes = picture_axes(figure, left + c * (side + GAP), y, side)
            show_picture(axes, image, cmap, vmin, vmax)
            if above and r == 0:
                axes.set_title(above[c], pad=4)
            if at_left and c == 0:
                axes.text(
                    -0.08 / side,
                    0.5,
                    at_left[r],
                    transform=axes.transAxes,
                    ha="right",
                    va="center",
                    color=row_colours[r] if row_colours else INK,
                )
            if under[r] and under[r][c]:
                axes.text(0.5, -0.03 / side, under[r][c], transform=axes.transAxes, ha="center", va="top", fontsize=8)
    return figure


def _tallest(texts: Sequence[str]) -> int:
    """The number of lines of the longest text; 0 where all are empty."""
    return max((1 + text.count("\n") for text in texts if text), default=0)


def frame_pictures(figure: Figure, right: Sequence[Sequence[bool | None]]) -> Figure:
    """Draw a frame around the pictures of an `image_grid`, and return it: one colour for right, another for wrong.

    Args:
        right: a row per row of the grid; None leaves the picture without a frame.
    """
    for axes, verdict in zip(figure.axes, chain.from_iterable(right), strict=False):
        if verdict is not None:
            frame(axes, RIGHT_COLOUR if verdict else WRONG_COLOUR)
    return figure


def frame(axes: Axes, colour: str) -> None:
    """Draw a frame around a picture."""
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=2.0, edgecolor=colour)


def with_mask(
    image: Pictures, mask: Pictures, colour: tuple[float, float, float] = MASK_COLOUR, strength: float = 0.45
) -> np.ndarray:
    """Return the image, uint8 (H, W, 3), tinted where ``mask``, bool (H, W), is True, its rim drawn full."""
    picture, inside = to_picture(image).astype(float), np.asarray(mask, dtype=bool)
    tint = 255 * np.asarray(colour)
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & inside
    picture[inside] = (1 - strength) * picture[inside] + strength * tint
    picture[inside & ~core] = tint
    return picture.round().astype(np.uint8)

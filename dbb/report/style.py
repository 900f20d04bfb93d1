"""The book's one calm style: colours that stay with their group and class, text that fits, panels, legends.

Figures are made without pyplot's global state, so that a cell shows one once by naming it last.
"""

import io
import textwrap
from collections.abc import Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib import figure as mpl_figure
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextPath

WIDTH = 8.0  # inches, a page of the book
DPI = 100
INK, MUTED, PALE = "#333333", "#8a8a8a", "#c3c9ce"
RIGHT_COLOUR, WRONG_COLOUR = "#5b6770", "#D55E00"
BASE_COLOUR, METHOD_COLOUR = "#8a8a8a", "#0072B2"

# Okabe and Ito's colours, told apart by colour-blind readers, and a few of Paul Tol's where theirs end.
GROUP_COLOURS = (
    "#009E73",
    "#56B4E9",
    "#E69F00",
    "#0072B2",
    "#CC79A7",
    "#D55E00",
    "#999933",
    "#882255",
    "#332288",
    "#999999",
)
CLASS_COLOURS = (
    "#009E73",
    "#0072B2",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
    "#999933",
    "#882255",
    "#332288",
    "#D55E00",
    "#999999",
)
DASHES = ("-", "--", ":", "-.")

MOST_COLUMNS = 3  # panels beside each other


class Figure(mpl_figure.Figure):
    """A matplotlib figure that a notebook shows as a PNG.

    Args:
        size: inches, (width, height).
    """

    def __init__(self, size: tuple[float, float] = (WIDTH, 3.0), **options: Any) -> None:
        super().__init__(figsize=size, **options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})
        return buffer.getvalue()


def use_style() -> None:
    """Set the book's style for every figure made after it."""
    mpl.rcParams.update(
        {
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "savefig.bbox": "tight",
            "savefig.pad_inches": 0.05,
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "legend.fontsize": 8,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": MUTED,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.grid": True,
            "grid.color": "#e6e6e6",
            "grid.linewidth": 0.8,
            "axes.axisbelow": True,
            "lines.linewidth": 1.6,
            "image.interpolation": "nearest",
            "axes.prop_cycle": cycler(color=GROUP_COLOURS),
        }
    )


# ------------------------------------------------------------------------------------------------ colours


def group_colour(group: int) -> str:
    """Return the colour of a group, the same in every figure; they begin again after the tenth."""
    return GROUP_COLOURS[group % len(GROUP_COLOURS)]


def group_dashes(group: int) -> str:
    """Return the line style of a group, which tells it from the group that has its colour ten before."""
    return DASHES[group // len(GROUP_COLOURS) % len(DASHES)]


def class_colour(label: int) -> str:
    """Return the colour of a class, the same in every figure; they begin again after the tenth."""
    return CLASS_COLOURS[label % len(CLASS_COLOURS)]


def ink_on(colour: str) -> str:
    """Return the colour of letters that can be read on ``colour``: white, or on a light one dark."""
    return INK if np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) > 0.55 else "white"


# ------------------------------------------------------------------------------------------------ text


@cache
def text_width(text: str, size: float = 9) -> float:
    """Return the width of the widest line of ``text``, in inches.

    Args:
        size: of the letters, points.
    """
    return max((_line_width(line, size) for line in text.split("\n") if line.strip()), default=0.0)


def _line_width(line: str, size: float) -> float:
    if "$" in line:  # a formula
        return TextPath((0, 0), line, size=size).get_extents().width / 72
    font = get_font(findfont(FontProperties()))
    font.set_size(size, 72)
    font.set_text(line)
    return font.get_width_height()[0] / 64 / 72


def fold(text: str, inches: float, lines: int = 3, size: float = 9) -> str:
    """Return ``text`` broken into lines that are at most ``inches`` wide and of about the same length.

    Where more than ``lines`` would be needed, the middle is left out: names often differ at their end. A break in the
    text stays a break; formulas between dollar signs are left alone.

    Args:
        size: of the letters, points.
    """
    return "\n".join(part if "$" in part else _fitted(part, inches, lines, size) for part in text.split("\n"))


def _fitted(text: str, inches: float, lines: int, size: float) -> str:
    """One line of `fold`."""
    if (wide := text_width(text, size)) <= inches:
        return text
    width = max(4, int(inches / wide * len(text)) + 2)  # characters; letters differ: try, and try narrower
    while text_width("\n".join((broken := _wrapped(text, width, lines))[1]), size) > inches and width > 4:
        width -= 1
    shown, folded = broken
    even = (
        textwrap.wrap(shown, narrow, break_long_words=False)
        for narrow in range(max(4, len(shown) // len(folded)), width)
    )
    return "\n".join(
        next(
            (found for found in even if len(found) == len(folded) and text_width("\n".join(found), size) <= inches),
            folded,
        )
    )


def _wrapped(text: str, width: int, lines: int) -> tuple[str, list[str]]:
    """The text, less of its middle if it must, and its at most ``lines`` lines of at most ``width`` characters."""
    shown = shorten(text, width * lines)
    while len(broken := textwrap.wrap(shown, width)) > lines:
        shown = shorten(shown, len(shown) - 1)
    return shown, broken


def shorten(text: str, length: int) -> str:
    """Return ``text``, its middle cut out for a "…" where it has more than ``length`` characters, 3 or more."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 3
    return text[: length - 1 - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()


# ------------------------------------------------------------------------------------------------ panels and legends


def panel_figure(count: int, height: float, columns: int | None = None, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``count`` panels in rows, each ``height`` inches high, and their axes by row.

    Of no panels, the figure says so.

    Args:
        columns: panels in a row; None: as many as fit, four as two rows of two.
        **options: of matplotlib's ``subplots``.
    """
    if count == 0:
        figure = Figure((WIDTH, 0.5))
        figure.text(0.5, 0.5, "nothing to show", ha="center", va="center", color=MUTED)
        return figure, []
    columns = columns or (2 if count == 4 else min(count, MOST_COLUMNS))
    rows = -(-count // columns)
    figure = Figure((WIDTH, height * rows))
    panels = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for unused in panels[count:]:
        unused.remove()
    for axes in panels[max(0, count - columns) : count]:
        axes.tick_params(labelbottom=True)  # also where a shared axis would number the missing panel below
    return figure, panels[:count]


def panel_width(axes: Axes) -> float:
    """Return how wide a panel is, in inches."""
    figure = axes.figure
    return float(figure.bbox.width / figure.dpi * axes.get_position().width)


def is_leftmost(axes: Axes) -> bool:
    """Whether a panel stands in the first column of its figure."""
    place = axes.get_subplotspec()
    return place is not None and place.is_first_col()


def set_texts(axes: Axes, title: str = "", xlabel: str = "", pad: float | None = None) -> None:
    """Give a panel a title, ``pad`` points above it, and name its x axis, neither much wider than the panel."""
    inches = 1.15 * panel_width(axes)
    axes.set_title(fold(title, inches), pad=pad)
    axes.set_xlabel(fold(xlabel, inches))


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put one legend below the whole figure, in as many columns as its labels leave room for."""
    texts = [fold(label, 3.2, lines=2, size=8) for label in labels]
    widest = max((text_width(text, 8) for text in texts), default=1.0)
    below = 0.05 / figure.get_size_inches()[1]
    columns = int(np.clip(WIDTH / (0.6 + widest), 1, max(1, len(texts))))
    figure.legend(handles, texts, loc="upper center", bbox_to_anchor=(0.5, below), borderaxespad=0, ncols=columns)

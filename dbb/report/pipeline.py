"""The pipeline as one drawing, made of a run's own pictures (the paper's figure 2)."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from dbb.report.pictures import Pictures, frame, picture_axes, show_picture, to_picture, with_mask
from dbb.report.style import INK, MUTED, RIGHT_COLOUR, WIDTH, WRONG_COLOUR, Figure, fold, shorten

SIDE, SMALL = 1.2, 0.62  # inches
STEPS = (0.1, 2.0, 3.9, 5.8)  # left edges of the large pictures
BASE = 1.15  # lower edge of the large pictures


def pipeline_figure(
    original: Pictures,
    mask: Pictures,
    generated: Pictures,
    learned_from: Sequence[Pictures],
    kept: Sequence[Pictures],
    pruned: Sequence[Pictures],
    token: str,
    class_word: str,
    origin: str = "minority images of validation",
) -> Figure:
    """Return the method from left to right, in one direction.

    Args:
        original: uint8 (3, S, S), an image of low loss.
        mask: bool (S, S).
        generated: uint8 (3, S, S).
        learned_from: up to 3 images that the placeholder ``token`` was learned from, and ``origin``, which they are.
        kept, pruned: up to 2 each.
    """
    width, height = WIDTH + 1.35, 3.7
    figure = Figure((width, height))
    sheet = figure.add_axes((0, 0, 1, 1))
    sheet.set(xlim=(0, width), ylim=(0, height))
    sheet.axis("off")
    hidden = to_picture(original).copy()
    hidden[to_picture(mask) > 0] = 235
    pictures = (original, with_mask(original, mask), hidden, generated)
    token = shorten(token, 14)
    titles = ("lowest loss", f"segment “{shorten(class_word, 15)}”", "hide it", f"paint {token}")
    sections = ("4.1: choose", "4.1: mask", "eq. 2: noise", "4.1: inpaint")
    for left, picture, title, section in zip(STEPS, pictures, titles, sections, strict=True):
        _picture(figure, picture, left, BASE, SIDE)
        sheet.text(left + SIDE / 2, BASE + SIDE + 0.07, title, ha="center", va="bottom", fontsize=9)
        sheet.text(left + SIDE / 2, BASE - 0.07, section, ha="center", va="top", fontsize=8, color=MUTED)
    for left, right in pairwise(STEPS):
        _arrow(sheet, (left + SIDE + 0.06, BASE + SIDE / 2), (right - 0.06, BASE + SIDE / 2))
    _inversion(figure, sheet, learned_from, origin, token)
    _pruning(figure, sheet, kept, pruned)
    return figure


def _inversion(figure: Figure, sheet: Axes, learned_from: Sequence[Pictures], origin: str, token: str) -> None:
    """A few images become the token, above the step that paints with it."""
    top = BASE + SIDE + 0.55
    for n, picture in enumerate(learned_from[:3]):
        _picture(figure, picture, STEPS[1] + n * (SMALL + 0.05), top, SMALL)
    sheet.text(STEPS[1] - 0.1, top + SMALL / 2, fold(origin, 1.3, lines=2, size=8), ha="right", va="center", fontsize=8)
    begin = STEPS[1] + 3 * (SMALL + 0.05)
    centre = STEPS[3] + SIDE / 2
    _arrow(sheet, (begin + 0.05, top + SMALL / 2), (centre - 0.7, top + SMALL / 2))
    sheet.text(
        (begin + centre - 0.65) / 2,
        top + SMALL / 2 + 0.06,
        "eq. 1: textual inversion",
        ha="center",
        va="bottom",
        fontsize=8,
        color=MUTED,
    )
    _box(sheet, centre, top + SMALL / 2, token)
    _arrow(sheet, (centre, top + SMALL / 2 - 0.2), (centre, BASE + SIDE + 0.26))


def _pruning(figure: Figure, sheet: Axes, kept: Sequence[Pictures], pruned: Sequence[Pictures]) -> None:
    """What is kept goes on to retraining, what is pruned is crossed out."""
    left = 7.6
    for pictures, bottom, colour, name in (
        (kept, BASE + SIDE - SMALL + 0.12, RIGHT_COLOUR, "kept"),
        (pruned, BASE - 0.12, WRONG_COLOUR, "pruned"),
    ):
        for n, picture in enumerate(pictures[:2]):
            axes = _picture(figure, picture, left + n * (SMALL + 0.05), bottom, SMALL)
            frame(axes, colour)
            if pictures is pruned:
                axes.plot((0.1, 0.9), (0.1, 0.9), transform=axes.transAxes, color=colour, linewidth=2)
        sheet.text(left + SMALL + 0.02, bottom - 0.05, name, ha="center", va="top", fontsize=8, color=colour)
    centre = left + SMALL + 0.02
    _arrow(sheet, (STEPS[3] + SIDE + 0.06, BASE + SIDE / 2), (left - 0.08, BASE + SIDE / 2))
    sheet.text(
        centre, BASE + SIDE + 0.25, "prune: eq. 3, ψ < Ψ\nand eq. 5, ρ > P", ha="center", va="bottom", fontsize=9
    )
    _box(sheet, centre, 0.3, "retrain, eq. 8")
    _arrow(sheet, (left + 2 * SMALL + 0.12, BASE + SIDE - 0.2), (centre + 0.74, 0.3), "arc3,rad=-0.3")
    sheet.text(STEPS[0], 0.3, "training images", ha="left", va="center", fontsize=9, color=INK)
    _arrow(sheet, (STEPS[0] + 1.1, 0.3), (centre - 0.76, 0.3))


def _picture(figure: Figure, image: Pictures, left: float, bottom: float, side: float) -> Axes:
    axes = picture_axes(figure, left, bottom, side)
    show_picture(axes, image)
    return axes


def _arrow(sheet: Axes, start: tuple[float, float], end: tuple[float, float], bend: str = "arc3") -> None:
    sheet.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=11,
            color=INK,
            linewidth=1.2,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=bend,
        )
    )


def _box(sheet: Axes, x: float, y: float, text: str) -> None:
    half = 0.09 * max(6, len(text)) / 2 + 0.05
    sheet.add_patch(
        FancyBboxPatch(
            (x - half, y - 0.15),
            2 * half,
            0.3,
            boxstyle="round,pad=0.02",
            facecolor="#eef3f7",
            edgecolor=INK,
            linewidth=1,
        )
    )
    sheet.text(x, y, text, ha="center", va="center", fontsize=9)

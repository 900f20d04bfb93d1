"""Chapter 03: the loss of textual inversion."""

from collections.abc import Mapping

import numpy as np

from dbb.report.style import Figure, class_colour, is_leftmost, panel_figure, set_texts


def inversion_curves(losses: Mapping[str, np.ndarray], window: int = 25) -> Figure:
    """Return each token's loss over the steps: every step, pale, and the running mean over ``window`` steps, or over
    half of them where they are few.

    Args:
        losses: token -> float (steps,), in the order of the classes.
    """
    figure, panels = panel_figure(len(losses), 2.4, sharey=True)
    for label, (axes, (token, values)) in enumerate(zip(panels, losses.items(), strict=True)):
        span = max(1, min(window, len(values) // 2))
        smooth = np.convolve(values, np.ones(span) / span, mode="valid")
        axes.plot(np.arange(1, len(values) + 1), values, color=class_colour(label), alpha=0.25, linewidth=0.8)
        axes.plot(np.arange(span, len(values) + 1), smooth, color=class_colour(label), linewidth=2)
        set_texts(axes, token, "step")
        if is_leftmost(axes):
            axes.set_ylabel("loss of eq. 1")
    for axes in panels[:1]:
        axes.set_ylim(0, None)  # of all, which share it: set before the others are drawn, it would cut them off
    figure.tight_layout()
    return figure

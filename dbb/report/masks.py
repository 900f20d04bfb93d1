"""Chapter 04: how well the masks found match the true ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from dbb.report.style import WIDTH, Figure, class_colour, fold


def overlap_histogram(overlaps: Mapping[str, np.ndarray]) -> Figure:
    """Return how the overlap with the true mask is spread, one step line per class.

    Args:
        overlaps: class -> float (N,), 0..1, NaN where no truth is known, in the order of the classes.
    """
    import seaborn as sns

    figure = Figure((WIDTH, 2.4))
    axes, handles = figure.subplots(), []
    for label, (name, values) in enumerate(overlaps.items()):
        line: dict[str, Any] = {"color": class_colour(label), "linewidth": 1.8}
        sns.histplot(
            x=values[np.isfinite(values)], bins=np.linspace(0, 1, 41), element="step", fill=False, ax=axes, **line
        )
        handles.append(Line2D([], [], label=f"{fold(name, 2.4, lines=2, size=8)} ({len(values):,})", **line))
    axes.set(xlim=(0, 1), xlabel="intersection over union with the true mask", ylabel="images")
    axes.legend(handles=handles, loc="upper left")
    return figure

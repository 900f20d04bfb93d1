"""Chapter 04: how well the masks found match the true ones."""

from collections.abc import Mapping

import numpy as np

from dbb.report.style import WIDTH, Figure, class_colour, fold


def overlap_histogram(overlaps: Mapping[str, np.ndarray]) -> Figure:
    """Return how the overlap with the true mask is spread, one step line per class.

    overlaps: class -> float (N,), 0..1, NaN where no truth is known, in the order of the classes.
    """
    import seaborn as sns

    figure = Figure((WIDTH, 2.4))
    axes = figure.subplots()
    for label, (name, values) in enumerate(overlaps.items()):
        known = values[np.isfinite(values)]
        sns.histplot(x=known, bins=np.linspace(0, 1, 41), element="step", fill=False, linewidth=1.8, ax=axes,
                     color=class_colour(label), label=f"{fold(name, 2.4, lines=2, size=8)} ({len(values):,})")
    axes.set(xlim=(0, 1), xlabel="intersection over union with the true mask", ylabel="images")
    axes.legend(loc="upper left")
    return figure

"""The histogram of overlaps."""

import numpy as np

from dbb.report.masks import overlap_histogram


def test_the_overlap_histogram_counts_what_is_known():
    figure = overlap_histogram({"a": np.array([0.2, 0.21, 0.9, np.nan]), "b": np.zeros(0), "c": np.array([1.0])})
    [axes] = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a (4)", "b (0)", "c (1)"]
    assert axes.lines[0].get_ydata().max() == 2 and figure._repr_png_().startswith(b"\x89PNG")

"""The curves of textual inversion."""

import numpy as np
import pytest

from dbb.report.style import class_colour
from dbb.report.tokens import inversion_curves


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_every_token_has_a_panel_in_its_class_s_colour_on_one_scale(n_classes):
    losses = {f"<{n}>": np.linspace(5 - n, 3, 60) for n in range(n_classes)}
    figure = inversion_curves(losses)
    assert [axes.get_title() for axes in figure.axes] == list(losses)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1 and figure.axes[0].get_ylim()[0] == 0
    for label, axes in enumerate(figure.axes):
        assert {line.get_color() for line in axes.lines} == {class_colour(label)}


def test_the_smooth_line_is_the_running_mean():
    every, smooth = inversion_curves({"<a>": np.arange(1.0, 7.0)}, window=3).axes[0].lines
    assert every.get_xydata().tolist() == [[n, n] for n in range(1, 7)]
    assert smooth.get_xydata() == pytest.approx(np.array([[3, 2], [4, 3], [5, 4], [6, 5]]))


def test_few_steps_are_their_own_mean():
    assert inversion_curves({"<a>": np.array([1.0])}).axes[0].lines[1].get_ydata().tolist() == [1.0]


def test_no_token_s_curve_is_cut_off():
    low, high = inversion_curves({"<a>": np.full(8, 0.1), "<b>": np.full(8, 3.0)}).axes
    assert low.get_ylim()[1] == high.get_ylim()[1] > 3

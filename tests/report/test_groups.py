"""Every group that has images is drawn, in its colour and under its name."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dbb.report import groups
from dbb.report.style import Figure, group_colour

NAMES = ("a on x", "a on y", "b on x", "b on y")
BEFORE, AFTER = ({"group_accuracy": shares} for shares in ((0.9, 0.5, None, 0.8), (0.7, 0.6, None, 1.0)))


def axes():
    return Figure((6, 3)).subplots()


def test_groups_without_images_are_not_present():
    table, present = groups.group_table([BEFORE, {"group_accuracy": (0.9, 0.5, float("nan"), 0.8)}])
    assert present.tolist() == [0, 1, 3] and table[0, 1] == 50 and np.isnan(table[:, 2]).all()


def test_a_curve_is_drawn_for_every_group_that_has_images():
    drawn = axes()
    groups.draw_group_curves(drawn, [1, 2], [BEFORE, AFTER], NAMES)
    assert {line.get_label(): line.get_ydata().tolist() for line in drawn.lines} == {
        "a on x": [90, 70],
        "a on y": [50, 60],
        "b on y": [80, 100],
    }
    assert [line.get_color() for line in drawn.lines] == [group_colour(g) for g in (0, 1, 3)]


@pytest.mark.parametrize("lying", [False, True])
def test_bars_have_the_group_s_colour_and_the_model_s_strength(lying):
    drawn = axes()
    groups.draw_group_bars(drawn, {"ERM": BEFORE, "DBB": AFTER}, NAMES, lying)
    lengths = [[bar.get_width() if lying else bar.get_height() for bar in bars] for bars in drawn.containers]
    assert lengths == [[90, 50, 80], [70, 60, 100]]
    colours = [[bar.get_facecolor() for bar in bars] for bars in drawn.containers]
    assert [to_hex(c) for c in colours[1]] == [group_colour(g).lower() for g in (0, 1, 3)]
    assert {c[3] for c in colours[0]} == {0.4} and {c[3] for c in colours[1]} == {1.0}
    assert [text.get_text() for text in drawn.texts] == ["90", "50", "80", "70", "60", "100"]
    ticks = drawn.get_yticklabels() if lying else drawn.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["a on x", "a on y", "b on y"]


def test_a_group_that_one_model_was_not_measured_on_has_no_number():
    drawn = axes()
    groups.draw_group_bars(drawn, {"ERM": BEFORE, "DBB": {"group_accuracy": (0.7, None, None, 1.0)}}, NAMES)
    assert [text.get_text() for text in drawn.texts] == ["90", "50", "80", "70", "", "100"]


def test_the_legend_names_the_models():
    drawn = axes()
    groups.pale_to_full_legend(drawn, ["ERM", "half way", "DBB"])
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["ERM", "half way", "DBB"]
    assert [handle.get_alpha() for handle in drawn.get_legend().legend_handles] == [0.4, 0.7, 1.0]

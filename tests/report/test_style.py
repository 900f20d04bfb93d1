"""Colours stay with their group, text fits its place, and nothing loads what it does not need."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbb.report import style

WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="$"), max_size=140)


def test_a_figure_shows_itself_as_a_picture():
    figure = style.Figure((2, 1))
    assert figure._repr_png_().startswith(b"\x89PNG") and figure.get_size_inches().tolist() == [2, 1]


def test_ten_groups_and_classes_have_colours_of_their_own():
    for colours in (style.group_colour, style.class_colour):
        assert len({colours(n) for n in range(10)}) == 10 and colours(13) == colours(3)
    assert style.group_dashes(3) != style.group_dashes(13)


def test_letters_can_be_read_on_every_class():
    assert style.ink_on("#0072B2") == "white" and style.ink_on("#E69F00") == style.INK


@given(WORDS, st.floats(0.8, 3), st.integers(1, 3))
def test_folded_text_fits(text, inches, lines):
    folded = style.fold(text, inches, lines)
    assert style.text_width(folded) <= inches and folded.count("\n") < lines


def test_folding_balances_lines_and_leaves_breaks_and_formulas():
    assert style.fold("waterbird on water", 1.0) == "waterbird\non water"
    assert style.fold("short\nwaterbird on water", 1.0) == "short\nwaterbird\non water"
    assert style.fold("short", 1.0) == "short" and style.fold("", 1.0) == ""
    formula = r"$\alpha$ = 0.17 and much more than would fit"
    assert style.fold(formula, 1.0) == formula


def test_long_names_that_differ_at_their_end_still_do():
    names = ["long " * 26 + end for end in ("on land", "on water")]
    folded = [style.fold(name, 2.0, lines=2) for name in names]
    assert folded[0] != folded[1] and all("…" in text for text in folded) and folded[0].endswith("on land")


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (7, 3)])
def test_panels_wrap_into_rows(count, rows):
    figure, panels = style.panel_figure(count, 2.0)
    assert len(panels) == len(figure.axes) == count
    assert figure.get_size_inches().tolist() == [style.WIDTH, 2.0 * rows]
    assert len({round(axes.get_position().y0, 6) for axes in panels}) == rows


def test_no_panel_says_so():
    figure, panels = style.panel_figure(0, 2.0)
    assert panels == [] and figure.texts[0].get_text() == "nothing to show"


def test_a_legend_has_as_many_columns_as_its_labels_leave_room_for():
    figure, [axes] = style.panel_figure(1, 2.0)
    [line] = axes.plot([0, 1])
    for labels, columns in (
        (["a", "b", "c"], 3),
        (["a", "a long label of about forty letters, or so"], 2),
        (["x" * 200] * 3, 2),
    ):
        style.legend_below(figure, [line] * len(labels), labels)
        assert figure.legends[-1]._ncols == columns


def test_only_what_draws_statistics_loads_seaborn():
    chapters = (
        "data",
        "erm",
        "tokens",
        "masks",
        "generation",
        "pruning",
        "retraining",
        "results",
        "pipeline",
        "effect",
        "pruning_understood",
        "tokens_and_selection",
        "pictures",
        "tables",
    )
    loads = (
        f"import sys; from dbb.report import {', '.join(chapters)}; "
        "print([name for name in ('seaborn', 'matplotlib.pyplot', 'captum') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", loads], text=True).strip() == "[]"


def test_a_word_is_broken_only_where_it_is_wider_than_its_place():
    assert style.fold("swimmer at bamboo forest", 0.6, lines=4, size=8).split() == ["swimmer", "at", "bamboo", "forest"]
    broken = style.fold("swimmer", 0.4, size=8)
    assert "\n" in broken and broken.replace("\n", "") == "swimmer"

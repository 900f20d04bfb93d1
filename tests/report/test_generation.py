"""Generated images are counted by source and judged by target."""

import numpy as np
import pytest
import torch

from dbb.report.generation import direction_table, generation_table, noising_figure

TWO, THREE = ("landbird", "waterbird"), ("a", "b", "c")


def test_two_classes_are_counted_by_source(two):
    table = generation_table(two, TWO)
    assert table.index.tolist() == ["landbird", "waterbird", "together"]
    assert table.loc["waterbird"].to_dict() == {"planned": 4, "no mask": 1, "generated": 3}
    assert table.loc["together"].tolist() == [8, 1, 7]


def test_three_classes_are_counted_by_pair_and_no_image_twice(three):
    table = generation_table(three, THREE)
    assert table.loc["a → b"].tolist() == [2, 1, 1] and table.loc["a → any"].tolist() == [4, 1, 3]
    assert table.loc["together"].tolist() == [9, 1, 8]


def test_directions_are_those_of_the_target(two):
    table = direction_table(two, np.array([True, True, False, True, True, False, True]), TWO)
    assert table.loc["into waterbird"].to_dict() == {"generated": 4, "right class": 0.75}
    assert table.loc["into landbird", "right class"] == pytest.approx(2 / 3)
    assert table.loc["together"].tolist() == [7, 5 / 7]


def test_three_classes_are_judged_by_pair_and_target(three):
    table = direction_table(three, np.array([True, True, False, True, True, False, False, True]), THREE)
    assert table.loc["c → a"].tolist() == [2, 0.5] and table.loc["into a"].tolist() == [4, 0.75]
    assert table.loc["a → b"].tolist() == [1, 1.0] and table.loc["into c"].tolist() == [3, pytest.approx(1 / 3)]


def test_nothing_generated_gives_zeros_and_no_error(two):
    none = two.assign(status="no mask")
    assert generation_table(none, TWO)["generated"].tolist() == [0, 0, 0]
    table = direction_table(none, np.zeros(0, bool), TWO)
    assert table["generated"].tolist() == [0, 0, 0] and table["right class"].isna().all()


def test_noising_has_a_picture_per_time():
    figure = noising_figure(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), [0, 500, 999])
    assert [axes.get_title() for axes in figure.axes] == ["$t$ = 0", "$t$ = 500", "$t$ = 999"]

"""The choices of textual inversion, and the makeup of the lowest losses."""

import pandas as pd
import pytest

from dbb.report.tokens_and_selection import choices_figure, describe_right, selection_figure, selection_table
from dbb.statistics import interval, result_rows


@pytest.mark.parametrize("n_classes", [2, 3])
def test_selection_has_a_panel_per_class_with_the_seeds_mean_and_range(n_classes):
    table = pd.DataFrame(
        [
            {"label": label, "ranking": ranking, "k": k, "minority": label + seed, "seed": seed}
            for label in range(n_classes)
            for ranking in ("own loss", "batch loss")
            for k in (10, 20)
            for seed in (1, 3)
        ]
    )
    figure = selection_figure(table, list("abc")[:n_classes])
    assert [axes.get_title() for axes in figure.axes] == list("abc")[:n_classes]
    for label, axes in enumerate(figure.axes):
        own, batch, random = axes.lines
        assert random.get_ydata()[0] == pytest.approx(100 * (label + 1) / 20)  # of the first seed
        assert own.get_xdata().tolist() == [10, 20] and own.get_color() != batch.get_color()
        assert own.get_ydata().tolist() == pytest.approx([10 * (label + 2), 5 * (label + 2)])
        heights = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((5 * (label + 1), 10 * (label + 3)))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["by own loss", "by batch loss", "at random"]


def test_the_figure_of_the_choices_parts_rates_and_vectors():
    table = pd.DataFrame(
        [
            {
                "class": name,
                "learning_rate": rate,
                "vectors": vectors,
                "step": step,
                "unseen_loss": rate + vectors + step,
            }
            for name in "ab"
            for rate, vectors in ((0.1, 1), (0.3, 1), (0.3, 2))
            for step in (0, 5)
        ]
    )
    figure = choices_figure(table)
    drawn = {
        axes.get_title(): {line.get_label(): (line.get_ydata().tolist(), line.get_color()) for line in axes.lines}
        for axes in figure.axes
    }
    assert list(drawn) == ["a, one vector", "a, rate 0.3", "b, one vector", "b, rate 0.3"]
    left, right = drawn["a, one vector"], drawn["a, rate 0.3"]
    assert {label: values for label, (values, _) in left.items()} == {"rate 0.1": [1.1, 6.1], "rate 0.3": [1.3, 6.3]}
    assert {label: values for label, (values, _) in right.items()} == {
        "vectors: 1": [1.3, 6.3],
        "vectors: 2": [2.3, 7.3],
    }
    assert left["rate 0.3"] == right["vectors: 1"] and right["vectors: 2"][1] not in [c for _, c in left.values()]


def test_the_table_of_the_rankings_pairs_the_seeds_with_a_choice_at_random():
    whole = {"own loss": 30, "batch loss": 30}
    rows = [
        {
            "label": 0,
            "ranking": ranking,
            "k": k,
            "seed": seed,
            "minority": whole[ranking] if k == 100 else {"own loss": 1, "batch loss": 4}[ranking] * k / 20 + seed,
        }
        for ranking in whole
        for k in (5, 20, 40, 60, 100)
        for seed in (0, 1)
    ]
    table = selection_table(pd.DataFrame(rows), ["bird"])
    assert table["K"].tolist() == [20, 60]
    assert table["own loss"].tolist() == pytest.approx([1.5, 3.5])
    assert table["batch loss less random"].tolist() == [str(interval([-2.0, -1.0])), str(interval([-6.0, -5.0]))]
    assert table["batch loss less own loss"].tolist() == [str(interval([3.0, 3.0])), str(interval([9.0, 9.0]))]


@pytest.mark.parametrize(
    ("shares", "side"),
    [
        ((0.9, 0.92, 0.94), "above chance"),
        ((0.1, 0.12, 0.11), "below chance"),
        ((0.4, 0.6, 0.7), "not to be told from chance"),
        ((0.9,), "not to be told from chance"),
    ],
)
def test_right_pictures_are_told_with_their_side_of_chance(shares, side):
    parts = [result_rows("b", "arm", seed, "train", {"right": share}) for seed, share in enumerate(shares)]
    text = describe_right(pd.concat(parts), {"arm": "token"}, 50.0)
    share = interval([100 * value for value in shares])
    assert text == f"With the token, {share} % of the pictures are right: **{side}**, which is 50 %."


def test_what_no_oracle_saw_is_said_to_be_unknown():
    nothing = pd.DataFrame({"arm": ["method"], "seed": [1], "split": ["test"], "measure": ["average"], "value": [0.5]})
    told = describe_right(nothing.assign(benchmark="b"), {"method": "learned token"}, 50)
    assert told == "How many of the pictures painted with the learned token are right is not known here."

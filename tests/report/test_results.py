"""The results' tables and sentences follow the numbers, its figures draw what they are given."""

import numpy as np
import pytest
import torch

from dbb.report import results
from dbb.report.style import WRONG_COLOUR
from dbb.report.tables import POINTS, SHARE, styled
from dbb.stages.pruning import decide

GROUPS = ("a", "b", "c", "d")
# of the seven generated rows:  kept  psi   rho    kept  kept  kept  rho
RIGHT = np.array([True, True, False, True, True, False, True])


def metrics(*accuracies: float | None) -> dict:
    known = [a for a in accuracies if a is not None]
    return {
        "group_accuracy": accuracies,
        "worst_group": min(known),
        "average": float(np.mean(known)),
        "weighted_average": 0.9,
        "full_weighted_average": None,
    }


# ------------------------------------------------------------------------------------------------ accuracies


def test_change_is_in_points_and_a_group_without_images_is_left_out():
    table = results.accuracy_table({"ERM": metrics(0.9, 0.5, None, 0.8), "DBB": metrics(0.9, 0.75, None, 0.7)}, GROUPS)
    assert table["change"].iloc[:3].round(6).tolist() == [0, 25, -10]
    assert table.index.tolist() == ["a", "b", "d", "worst group", "average", "weighted average"]
    assert table.loc["worst group", ["ERM", "DBB"]].tolist() == [0.5, 0.7]
    assert "nan" not in styled(table, {"ERM": SHARE, "DBB": SHARE, "change": POINTS}).to_html()


def test_a_class_may_be_called_like_a_measure():
    table = results.accuracy_table({"ERM": metrics(0.9, 0.5, None)}, ("average", "poor", "worst group"))
    assert table.index.tolist() == ["average", "poor", "worst group", "average", "weighted average"]
    assert table["ERM"].round(6).tolist() == [0.9, 0.5, 0.5, 0.7, 0.9]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ((0.9, 0.7, 0.9, 0.9), ("**rose by 20.0 points**", "still *b*", "rose by 5.0 points")),
        ((0.9, 0.9, 0.4, 0.9), ("**fell by 10.0 points**", "now *c*", "fell by 2.5 points")),
        ((0.9, 0.5, 0.9, 0.9), ("**did not move**", "still *b*", "all images did not move")),
    ],
)
def test_the_sentence_follows_the_numbers(after, words):
    sentence = results.describe_change(metrics(0.9, 0.5, 0.9, 0.9), metrics(*after), GROUPS)
    assert all(word in sentence for word in words), sentence


# ------------------------------------------------------------------------------------------------ the first picture


def pairs_of(n_classes: int):
    picture = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    return [
        (f"class {i} →\nclass {j}", picture, np.ones((8, 8), bool), picture)
        for i in range(n_classes)
        for j in range(n_classes)
        if i != j
    ]


@pytest.mark.parametrize(("n_classes", "shown"), [(2, 2), (3, 4), (8, 4)])
def test_at_most_four_pairs_are_shown_beside_the_bars(n_classes, shown):
    measured = {name: {"group_accuracy": [0.5] * 2 * n_classes} for name in ("ERM", "DBB")}
    figure = results.headline_figure(pairs_of(n_classes), measured, [f"group {g}" for g in range(2 * n_classes)])
    *pictures, bars = figure.axes
    assert len(pictures) == 3 * shown and len(bars.patches) == 4 * n_classes
    assert [axes.texts[0].get_text() for axes in pictures[::3]] == [pair[0] for pair in pairs_of(n_classes)[:shown]]
    assert max(axes.get_position().x1 for axes in pictures) < bars.get_position().x0


def test_without_pairs_the_bars_stand_alone():
    figure = results.headline_figure([], {"ERM": metrics(0.9, 0.5, None, 0.8)}, GROUPS)
    assert len(figure.axes) == 1 and figure._repr_png_().startswith(b"\x89PNG")


# ------------------------------------------------------------------------------------------------ the way there


def test_funnel_narrows_and_knows_what_is_right(two):
    steps = results.funnel(two, RIGHT)
    landbirds = steps[steps["target_class"] == 0].set_index("step")
    assert landbirds["images"].tolist() == [4, 3, 3, 3, 2]
    assert landbirds["right"].isna().tolist() == [True, True, False, False, False]
    assert landbirds.loc["kept", "right"] == 0.5
    assert results.funnel(two)["right"].isna().all()


def test_the_funnel_has_every_target_class(three):
    steps = results.funnel(three, np.array([True, True, False, True, True, False, False, True]))
    wide = steps.pivot(index="step", columns="target_class", values="images")
    assert wide.loc[["planned", "generated", "passed eq. 3", "kept"]].to_numpy().tolist() == [
        [4, 2, 3],
        [4, 1, 3],
        [3, 1, 3],
        [2, 1, 2],
    ]
    assert steps.set_index(["step", "target_class"]).loc[("kept", 2), "right"] == 0.5


@pytest.mark.parametrize("n_classes", [1, 2, 3, 5])
def test_the_funnel_s_bars_are_parted_by_what_is_right(n_classes):
    counts, right = np.array([[4.0, 2.0]] * n_classes), np.array([[np.nan, 0.5]] * n_classes)
    figure = results.funnel_figure(["planned", "kept"], counts, right, [f"into {n}" for n in range(n_classes)])
    assert [axes.get_title() for axes in figure.axes] == [f"into {n}" for n in range(n_classes)]
    for axes in figure.axes:
        assert [bar.get_width() for bar in axes.patches] == [4, 1, 0, 1]
        assert axes.patches[3].get_facecolor()[0] == int(WRONG_COLOUR[1:3], 16) / 255
        assert [text.get_text().strip() for text in axes.texts] == ["4", "2  (50% right)"]


def test_pruning_is_described_with_and_without_a_truth(two):
    text = results.describe_pruning(results.funnel(two, RIGHT))
    assert "7 generated images, 4 were kept" in text and "71.4%" in text and "75.0%" in text
    assert "not known" in results.describe_pruning(results.funnel(two))
    nothing = decide(two.assign(status="no mask", mask_found=False))
    assert "0 were kept" in results.describe_pruning(results.funnel(nothing, np.zeros(0, bool)))


def test_durations_add_up():
    table = results.duration_table([{"stage": "erm", "wall_s": 30.0}, {"stage": "masks", "wall_s": 10.0}])
    assert table["seconds"].tolist() == [30, 10, 40] and table["share"].tolist() == [0.75, 0.25, 1]

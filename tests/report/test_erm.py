"""The base classifier's figures draw every group, every class and every image."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dbb.report.erm import (
    confusion_figure,
    describe_losses,
    describe_rankings,
    ranking_figure,
    ranking_table,
    training_curves,
)
from dbb.report.style import class_colour

CLASSES, GROUPS = ("a", "b"), ("a on x", "a on y", "b on x", "b on y")


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_training_curves_draw_every_group_that_has_images():
    history = [{"epoch": e, "loss": 1 / e, "group_accuracy": (0.9, 0.5, None, 0.8)} for e in (1, 2)]
    figure = training_curves(history, GROUPS)
    assert [len(axes.lines) for axes in figure.axes] == [1, 3]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [1, 0.5]
    assert legend(figure) == [GROUPS[g] for g in (0, 1, 3)]


def test_confusion_bars_are_shares_of_their_group():
    figure = confusion_figure(np.array([[8, 2], [0, 0], [1, 3], [0, 5]]), CLASSES, GROUPS)
    [axes] = figure.axes
    bars = [(bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert np.allclose(bars, [(0, 0, 80), (0, 80, 20), (1, 0, 75), (1, 75, 25), (2, 0, 100), (2, 100, 0)])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [GROUPS[g] for g in (0, 2, 3)]
    assert [text.get_text() for text in axes.texts if text.get_text()] == [
        "a 80.0 %",
        "b 20.0 %",
        "b 75.0 %",
        "a 25.0 %",
        "b 100.0 %",
    ]


def test_three_classes_are_told_apart_by_colour_and_legend():
    counts = np.array([[6, 3, 1], [2, 8, 0], [0, 5, 5]])  # without attributes, the groups are the classes
    figure = confusion_figure(counts, ("cat", "dog", "cow"), ("cat", "dog", "cow"))
    bars, order = figure.axes[0].patches, (0, 1, 2, 1, 0, 2, 2, 0, 1)
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [class_colour(label).lower() for label in order]
    assert [bar.get_width() for bar in bars] == pytest.approx([60, 30, 10, 80, 20, 0, 50, 0, 50])
    assert [bar.get_alpha() for bar in bars] == [0.9, 0.3, 0.3] * 3 and legend(figure) == ["cat", "dog", "cow"]


def test_a_name_too_long_for_its_bar_is_left_to_the_legend():
    names = ("a" * 130, "b" * 130, "c")
    figure = confusion_figure(np.array([[5, 4, 1], [1, 9, 0], [0, 1, 9]]), names, names)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[:2] == ["50.0 %", "40.0 %"] and texts[-3] == "c 90.0 %"
    assert all("…" in text for text in legend(figure)[:2])


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_ranking_holds_every_image_of_its_class(n_classes):
    rng = np.random.default_rng(0)
    labels, attributes, losses = rng.integers(0, n_classes, 60), rng.integers(0, 2, 60), rng.random(60)
    losses[0] = 0.0
    names = [f"{c} {a}" for c in range(n_classes) for a in "xy"]
    figure = ranking_figure(losses, labels, 2 * labels + attributes, [3] * n_classes, list("abcde")[:n_classes], names)
    assert [axes.get_title() for axes in figure.axes] == list("abcde")[:n_classes] and legend(figure) == names
    for label, axes in enumerate(figure.axes):
        points = np.concatenate([dots.get_offsets() for dots in axes.collections])
        points = points[np.argsort(points[:, 0])]
        assert points[:, 0].tolist() == list(range(1, (labels == label).sum() + 1))
        assert points[:, 1].tolist() == sorted(losses[labels == label].clip(1e-7))


def test_the_ranking_says_where_the_lowest_end():
    losses, labels, groups = np.array([0.5, 0.1, 2.0, 0.1, 0.3]), np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 3, 3])
    figure = ranking_figure(losses, labels, groups, [2, 1], CLASSES, GROUPS)
    assert [axes.lines[0].get_xdata()[0] for axes in figure.axes] == [2.5, 1.5]
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["← K = 2", "← K = 1"]
    assert legend(figure) == [GROUPS[g] for g in (0, 1, 3)]


def test_rankings_are_told_from_fewest_to_most():
    tables = {"bird": ranking_table({"own": np.array([0.0, 1, 1, 5]), "batch": np.array([0.0, 2, 2.5, 5])}, 3)}
    assert describe_rankings(tables) == (
        "Of the 3 of class *bird*, from fewest to most, 1.0 (own), 2.5 (batch) and "
        "3.8 (at random, on average) are minority images."
    )
    whole = {"bird": ranking_table({"own": np.array([0.0, 1, 1, 5])}, 4)}
    assert "every way takes 5.0 minority images" in describe_rankings(whole)


def test_losses_are_told_by_the_pairs_that_they_order():
    losses = np.array([0.1, 0.2, 0.3, 0.2, 0.9, 0.5])
    labels, minority = np.array([0, 0, 0, 0, 0, 1]), np.array([False, False, False, True, True, False])
    text = describe_losses(losses, labels, minority, CLASSES)  # of the six pairs 4 are in order, and one is a tie
    assert text == (
        "Of a minority and a majority image of class *a*, the minority image has the higher loss in "
        "**75.0%** of all pairs."
    )
    assert describe_losses(losses, labels, np.zeros(6, bool), CLASSES) == "No class has a minority here."

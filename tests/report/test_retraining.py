"""Retraining's figures begin at the base model and end at what was kept."""

import pytest

from dbb.report.retraining import group_bars, retraining_curves

GROUPS = ("a on x", "a on y", "b on x", "b on y")
METRICS = {"group_accuracy": (0.9, 0.5, None, 0.8)}


def test_curves_start_at_the_base_model():
    history = [{"epoch": e, "loss": 1 / e, **METRICS} for e in (1, 2)]
    accuracy, loss = retraining_curves(history, 2, METRICS, GROUPS).axes
    assert accuracy.lines[0].get_xdata().tolist() == [0, 1, 2] and loss.lines[0].get_xdata().tolist() == [1, 2]
    assert accuracy.lines[-1].get_xdata()[0] == 2 and accuracy.texts[0].get_text() == "kept"


@pytest.mark.parametrize(("n_classes", "n_attributes"), [(2, 2), (3, 3), (5, 1)])
def test_every_group_has_a_bar_per_model(n_classes, n_attributes):
    n_groups = n_classes * n_attributes
    measured = {model: {"group_accuracy": [0.5] * n_groups} for model in ("ERM", "DBB")}
    figure = group_bars(measured, [f"group {g}" for g in range(n_groups)])
    lying = n_groups > 6
    ticks = figure.axes[0].get_yticklabels() if lying else figure.axes[0].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == [f"group {g}" for g in range(n_groups)]
    assert len(figure.axes[0].patches) == 2 * n_groups


def test_a_group_without_images_has_no_bar():
    figure = group_bars({"ERM": METRICS, "DBB": METRICS}, GROUPS)
    assert len(figure.axes[0].patches) == 6
    assert [text.get_text() for text in figure.axes[0].texts][:3] == ["90", "50", "80"]

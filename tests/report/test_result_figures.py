"""The figures of chapters 05 to 08 draw what they are given, and nothing when there is nothing."""

import numpy as np
import torch

from dbb.report import figures
from dbb.report.pipeline import pipeline_figure

GROUPS = ("a on x", "a on y", "b on x", "b on y")
METRICS = {"group_accuracy": (0.9, 0.5, None, 0.8)}


def picture() -> torch.Tensor:
    return torch.full((3, 8, 8), 100, dtype=torch.uint8)


def is_png(figure: figures.Figure) -> bool:
    return figure._repr_png_().startswith(b"\x89PNG")


def test_frames_follow_the_verdicts():
    figure = figures.image_grid([[picture()] * 2, [picture()]])
    figures.frame_pictures(figure, [[True, None], [False]])
    right, none, wrong = (axes.spines["left"] for axes in figure.axes)
    assert [right.get_visible(), none.get_visible(), wrong.get_visible()] == [True, False, True]
    assert right.get_edgecolor() != wrong.get_edgecolor()


def test_histograms_count_every_score_and_take_nothing():
    right = np.array([True, False, True])
    panels = [("one", np.array([0.1, 0.5, 0.9]), 0.8, right), ("none", np.zeros(0), np.nan, np.zeros(0, bool))]
    figure = figures.score_histograms(panels, "score", "P", keeps="above")
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == 3
    assert is_png(figure)


def test_attributions_have_a_scale_per_row():
    rows = [("strong", picture(), picture(), np.ones((8, 8), bool), torch.randn(3, 8, 8)),
            ("none", picture(), picture(), np.ones((8, 8), bool), torch.zeros(3, 8, 8))]
    assert is_png(figures.attribution_figure(rows)) and is_png(figures.attribution_figure([]))


def test_path_keeps_pictures_above_the_curve():
    figure = figures.path_figure(torch.stack([picture()] * 3), np.linspace(0, 1, 3), np.linspace(0, 1, 5),
                                 np.linspace(0, 1, 5), "score")
    *pictures, curve = (axes.get_position() for axes in figure.axes)
    assert all(box.y0 > curve.y1 for box in pictures)


def test_a_group_without_images_has_no_bar():
    figure = figures.group_bars({"ERM": METRICS, "DBB": METRICS}, GROUPS)
    assert len(figure.axes[0].patches) == 6
    assert [text.get_text() for text in figure.axes[0].texts][:3] == ["90", "50", "80"]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["a\non x", "a\non y", "b\non y"]


def test_curves_start_at_the_base_model():
    history = [{"epoch": e, "loss": 1 / e, **METRICS} for e in (1, 2)]
    figure = figures.retraining_curves(history, 2, METRICS, GROUPS)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [0, 1, 2]


def test_headline_and_funnel_draw_with_and_without_pairs():
    measured = {"ERM": METRICS, "DBB": METRICS}
    pair = ("a → b", picture(), np.ones((8, 8), bool), picture())
    assert len(figures.headline_figure([pair, pair], measured, GROUPS).axes) == 7
    assert is_png(figures.headline_figure([], measured, GROUPS))
    counts = np.array([[4.0, 2.0]])
    assert is_png(figures.funnel_figure(["planned", "kept"], counts, np.array([[np.nan, 0.5]]), ["into a"]))
    assert is_png(figures.scatter_figure(np.zeros(0), np.zeros(0), "x", "y"))


def test_the_pipeline_is_drawn_from_whatever_pictures_there_are():
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[2:5, 2:5] = True
    for few in ([], [picture()], [picture()] * 5):
        figure = pipeline_figure(picture(), mask, picture(), few, few, few, "<token>", "thing")
        pictures = [axes for axes in figure.axes if axes.images]
        assert len(pictures) == 4 + min(3, len(few)) + 2 * min(2, len(few)) and is_png(figure)

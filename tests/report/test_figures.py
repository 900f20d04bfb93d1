"""The figures: pictures where they belong, every number drawn, and nothing drawn from nothing."""

import numpy as np
import torch

from dbb.report import figures

CLASSES, GROUPS = ("a", "b"), ("a on x", "a on y", "b on x", "b on y")


def is_png(figure: figures.Figure) -> bool:
    return figure._repr_png_().startswith(b"\x89PNG")


def test_a_grid_has_a_square_per_picture_in_rows_of_their_own_height():
    picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
    figure = figures.image_grid([[picture] * 3, [picture, None]], ["one", "two"], ["x", "y", "z"],
                                captions=[["", "", ""], ["two\nlines", ""]])
    assert len(figure.axes) == 5 and is_png(figure)
    width, height = figure.get_size_inches()
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(abs(box.width * width - box.height * height) < 1e-6 for box in boxes)
    assert boxes[3].y1 < boxes[0].y0 and boxes[3].y0 > 0 and boxes[0].x0 < boxes[1].x0
    assert len(figure.axes[4].images) == 0


def test_a_grid_without_pictures_says_so():
    assert figures.image_grid([]).texts[0].get_text() == "no picture to show"
    assert is_png(figures.image_grid([[], []]))


def test_pictures_are_accepted_in_every_layout():
    array = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(figures.to_picture(array), array)
    assert np.array_equal(figures.to_picture(torch.from_numpy(array).permute(2, 0, 1)), array)
    assert figures.to_picture(np.eye(4, dtype=bool)).max() == 255


def test_a_mask_tints_its_inside_and_nothing_else():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    tinted = figures.with_mask(np.zeros((9, 9, 3), np.uint8), mask, (1.0, 0, 0), strength=0.5)
    assert not tinted[~mask].any()
    assert tinted[2, 2].tolist() == [255, 0, 0] and tinted[4, 4, 0] in (127, 128)


def test_training_curves_draw_every_group_that_has_images():
    history = [{"epoch": e, "loss": 1 / e, "group_accuracy": (0.9, 0.5, None, 0.8)} for e in (1, 2)]
    figure = figures.training_curves(history, GROUPS)
    assert [len(axes.lines) for axes in figure.axes] == [1, 3] and is_png(figure)
    assert [line.get_label() for line in figure.axes[1].lines] == [GROUPS[g] for g in (0, 1, 3)]


def test_confusion_bars_are_shares_of_their_group():
    figure = figures.confusion_figure(np.array([[8, 2], [0, 0], [1, 3], [0, 5]]), CLASSES, GROUPS)
    bars = [(bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert np.allclose(bars, [(0, 0, 80), (0, 80, 20), (1, 0, 75), (1, 75, 25), (2, 0, 100), (2, 100, 0)])
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == [GROUPS[g] for g in (0, 2, 3)]
    assert is_png(figure)


def test_the_ranking_holds_every_image_of_its_class():
    losses = np.array([0.5, 0.0, 2.0, 0.1, 0.3])
    labels, groups = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 3, 3])
    figure = figures.ranking_figure(losses, labels, groups, [2, 1], CLASSES, GROUPS)
    points = [np.concatenate([dots.get_offsets() for dots in axes.collections]) for axes in figure.axes]
    assert sorted(points[0][:, 1]) == [1e-7, 0.5, 2.0] and sorted(points[1][:, 0]) == [1, 2]
    assert is_png(figure)


def test_inversion_curves_fit_on_one_scale():
    figure = figures.inversion_curves({"<a>": np.array([1.0, 2.0]), "<b>": np.linspace(5, 3, 60)})
    assert figure.axes[0].get_ylim()[0] == 0 and figure.axes[0].get_ylim()[1] >= 5 and is_png(figure)


def test_the_overlap_histogram_counts_what_is_known():
    figure = figures.overlap_histogram({"a": np.array([0.2, 0.9, np.nan]), "b": np.zeros(0)})
    assert is_png(figure) and figure.axes[0].get_legend().get_texts()[0].get_text() == "a (3)"

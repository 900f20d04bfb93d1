"""What pruning dropped is counted, and how well it chose; its scores, its path and its attributions are drawn."""

import numpy as np
import pytest
import torch

from dbb.report import pruning
from dbb.report.style import RIGHT_COLOUR, WRONG_COLOUR
from dbb.stages.pruning import KEPT, LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION

TWO, THREE = ("landbird", "waterbird"), ("a", "b", "c")
RIGHT = np.array([True, True, False, True, True, False, True])


def picture() -> torch.Tensor:
    return torch.full((3, 8, 8), 100, dtype=torch.uint8)


def test_two_classes_are_counted_by_source(two):
    table = pruning.pruning_table(two, TWO)
    assert table.columns.tolist() == ["generated", LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION, KEPT, "pruned"]
    assert table.loc["landbird"].tolist() == [4, 1, 1, 2, 2]
    assert table.loc["waterbird"].tolist() == [3, 0, 1, 2, 1] and table.loc["together", "pruned"] == 3


def test_three_classes_are_counted_by_pair_and_no_image_twice(three):
    table = pruning.pruning_table(three, THREE)
    assert table.index.tolist() == ["a → b", "a → c", "a → any", "b → a", "b → c", "b → any", "c → a", "together"]
    assert table.loc["b → a"].tolist() == [2, 1, 0, 1, 1] and table.loc["a → any"].tolist() == [3, 0, 1, 2, 1]
    assert table.loc["together"].tolist() == [8, 1, 2, 5, 3]


def test_conditions_are_counted_over_the_images_they_were_asked_about(two):
    table = pruning.condition_table(two, RIGHT)
    assert table.loc[pruning.NO_PRUNING].tolist() == [7, 7, 5 / 7, 1.0, 0.0]
    assert table.loc[pruning.SOFTMAX, ["images", "kept"]].tolist() == [7, 6]
    assert table.loc[pruning.SOFTMAX, "recall"] == 4 / 5
    assert table.loc[pruning.ATTRIBUTION].tolist() == [6, 4, 3 / 4, 3 / 4, 1 / 2]
    assert table.loc[pruning.BOTH, ["precision", "recall", "wrong pruned"]].tolist() == [3 / 4, 3 / 5, 1 / 2]


def test_nothing_generated_gives_zeros_and_no_error(two):
    none = two.assign(status="no mask", mask_found=False, kept=False)
    assert pruning.pruning_table(none, TWO)["generated"].tolist() == [0, 0, 0]
    assert pruning.condition_table(none, np.zeros(0, bool))["images"].tolist() == [0, 0, 0, 0]


# ------------------------------------------------------------------------------------------------ scores


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_histograms_count_every_score_right_below_wrong(n_classes):
    scores, right = np.array([0.1, 0.11, 0.5, 0.9]), np.array([True, False, True, True])
    panels = [(f"into {n}", scores, 0.8, right) for n in range(n_classes)]
    figure = pruning.score_histograms(panels, "score", "P", keeps="above")
    assert [axes.get_title() for axes in figure.axes] == [f"into {n}" for n in range(n_classes)]
    for axes in figure.axes:
        bars = [(bar.get_facecolor()[:3], bar.get_y(), bar.get_height()) for bar in axes.patches]
        assert sum(height for *_, height in bars) == 4
        wrong = [(y, height) for colour, y, height in bars if colour == pytest.approx(rgb(WRONG_COLOUR)) and height]
        assert wrong == [(1, 1)]  # stands on the right image of its bin
        assert axes.lines[0].get_xdata()[0] == 0.8
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [pruning.RIGHT, pruning.WRONG]


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def test_histograms_take_an_unknown_truth_and_no_score_at_all():
    panels = [("unknown", np.array([0.2, 0.4]), np.nan, None), ("none", np.zeros(0), np.nan, None)]
    figure = pruning.score_histograms(panels, "score", "Ψ", keeps="below")
    bars = figure.axes[0].patches
    assert sum(bar.get_height() for bar in bars) == 2 and not figure.axes[0].lines and not figure.axes[1].patches
    assert bars[0].get_facecolor()[:3] == pytest.approx(rgb(RIGHT_COLOUR))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [pruning.UNKNOWN]


def test_points_that_agree_lie_on_the_line():
    for x in (np.array([0.0, 2.0]), np.zeros(0)):
        [axes] = pruning.scatter_figure(x, x, "x", "y").axes
        assert axes.lines[0].get_xdata().tolist() == ([0, 2] if len(x) else [0, 1])
        assert axes.collections[0].get_offsets().tolist() == [[value, value] for value in x]


# ------------------------------------------------------------------------------------------------ attributions


def test_attributions_have_a_scale_per_row():
    rows = [
        ("strong", picture(), picture(), np.ones((8, 8), bool), torch.randn(3, 8, 8)),
        ("none", picture(), picture(), np.ones((8, 8), bool), torch.zeros(3, 8, 8)),
    ]
    figure = pruning.attribution_figure(rows)
    assert len(figure.axes) == 10  # eight pictures and two scales
    strong, none = (figure.axes[n].images[0].get_clim() for n in (3, 7))
    assert strong[1] == -strong[0] and strong != none == (-1.0, 1.0)
    assert pruning.attribution_figure([])._repr_png_().startswith(b"\x89PNG")


def test_path_keeps_pictures_above_the_curve():
    ways = np.linspace(0, 1, 5)
    figure = pruning.path_figure(torch.stack([picture()] * 3), np.linspace(0, 1, 3), ways, ways**2, "score " * 30)
    *pictures, curve = (axes.get_position() for axes in figure.axes)
    assert all(box.y0 > curve.y1 for box in pictures)
    assert figure.axes[-1].lines[0].get_ydata().tolist() == (ways**2).tolist()
    assert figure.axes[-1].get_ylabel().count("\n") == 1


def test_attributions_beyond_the_bound_of_a_difference_are_told():
    told = pruning.describe_bound(np.array([0.5, 1.2, -0.1, 0.9]), np.array([0.5, 0.9, 0.0, 0.9]), "probability", 32)
    assert "differs from the change by 0.1000 on average, and by 0.3000 at most" in told
    assert "25.0% of the pairs" in told and "1.200" in told
    assert "No ρ lies beyond" in pruning.describe_bound(np.array([0.5]), np.array([0.5]), "probability", 32)
    assert "No ρ lies beyond" in pruning.describe_bound(np.array([1 + 1e-7]), np.array([1.0]), "probability", 32)
    assert "bound" not in pruning.describe_bound(np.array([1.5]), np.array([1.4]), "logit", 32)
    assert pruning.describe_bound(np.zeros(0), np.zeros(0), "logit", 32) == "No pair was scored."

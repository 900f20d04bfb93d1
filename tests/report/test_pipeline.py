"""The drawing of the method."""

import pytest
import torch

from dbb.report.pipeline import pipeline_figure

PICTURE = torch.full((3, 8, 8), 100, dtype=torch.uint8)
MASK = torch.zeros(8, 8, dtype=torch.bool)
MASK[2:5, 2:5] = True


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_pipeline_is_drawn_from_whatever_pictures_there_are(count):
    few = [PICTURE] * count
    figure = pipeline_figure(PICTURE, MASK, PICTURE, few, few, few, "<token>", "thing")
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 4 + min(3, count) + 2 * min(2, count)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_long_names_are_shortened_and_the_images_origin_is_said():
    figure = pipeline_figure(PICTURE, MASK, PICTURE, [], [], [], f"<{'x' * 130}>", "y" * 130, "images of high loss")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert max(len(line) for text in texts for line in text.split("\n")) < 30
    assert "images of high loss" in texts and any(text.startswith("<xxxx") and text.endswith("x>") for text in texts)

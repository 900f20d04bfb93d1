"""Pictures stand where they belong, in rows of their own height, whatever the length of their labels."""

import numpy as np
import torch

from dbb.report import pictures
from dbb.report.style import text_width

PICTURE = torch.zeros(3, 8, 8, dtype=torch.uint8)
LONG = "a very long label that somebody gave to a class because it came with the data " * 2


def boxes(figure):
    width, height = figure.get_size_inches()
    scale = np.array([width, height, width, height])
    return [scale * axes.get_position().bounds for axes in figure.axes]


def test_a_grid_has_a_square_per_picture_in_rows_of_their_own_height():
    figure = pictures.image_grid(
        [[PICTURE] * 3, [PICTURE, None]], ["one", "two"], ["x", "y", "z"], captions=[["", "", ""], ["two\nlines", ""]]
    )
    assert len(figure.axes) == 5 and len(figure.axes[4].images) == 0
    places = boxes(figure)
    assert all(abs(w - h) < 1e-6 for _, _, w, h in places)
    assert places[3][1] + places[3][3] < places[0][1] and places[3][1] > 0 and places[0][0] < places[1][0]


def test_long_labels_are_folded_and_leave_room_for_the_pictures():
    figure = pictures.image_grid([[PICTURE] * 7] * 2, [LONG, "short"], [LONG] * 7, captions=[[LONG] * 7] * 2)
    places = boxes(figure)
    side = places[0][2]
    assert side > 0.7 and all(0 <= x and x + w <= 8.0 + 1e-6 and 0 <= y for x, y, w, _ in places)
    captions = [text.get_text() for axes in figure.axes for text in axes.texts if text.get_fontsize() == 8]
    assert len(captions) == 14 and all(text_width(text, 8) <= side for text in captions)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_grid_without_pictures_says_so():
    for rows in ([], [[], []]):
        assert pictures.image_grid(rows).texts[0].get_text() == "nothing to show"


def test_pictures_are_accepted_in_every_layout():
    array = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(pictures.to_picture(array), array)
    assert np.array_equal(pictures.to_picture(torch.from_numpy(array).permute(2, 0, 1)), array)
    assert pictures.to_picture(np.eye(4, dtype=bool)).max() == 255


def test_a_mask_tints_its_inside_and_nothing_else():
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    tinted = pictures.with_mask(np.zeros((9, 9, 3), np.uint8), mask, (1.0, 0, 0), strength=0.5)
    assert not tinted[~mask].any()
    assert tinted[2, 2].tolist() == [255, 0, 0] and tinted[4, 4, 0] in (127, 128)


def test_frames_follow_the_verdicts():
    figure = pictures.image_grid([[PICTURE] * 2, [PICTURE]])
    pictures.frame_pictures(figure, [[True, None], [False]])
    right, none, wrong = (axes.spines["left"] for axes in figure.axes)
    assert [right.get_visible(), none.get_visible(), wrong.get_visible()] == [True, False, True]
    assert right.get_edgecolor() != wrong.get_edgecolor()


def test_few_pictures_leave_the_places_of_a_row_empty():
    few, many = pictures.image_grid([[PICTURE]], columns=4), pictures.image_grid([[PICTURE] * 4])
    assert boxes(few)[0][2] == boxes(many)[0][2] and len(few.axes) == 1
    assert len(pictures.image_grid([[PICTURE] * 4], columns=2).axes) == 4


def test_a_row_without_pictures_keeps_its_label():
    figure = pictures.image_grid([[PICTURE], []], ["some", "none"])
    assert [text.get_text() for text in figure.texts] == ["none"]

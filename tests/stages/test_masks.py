"""Language masks: choosing, growing, packing, and counting what was not found."""

import numpy as np
import pytest
import torch
from standins import SIZE

from dbb.benchmarks import MaskSettings
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.models.segmenters import Candidates
from dbb.stages.mask_table import load_masks, save_masks
from dbb.stages.masks import (
    box_mask,
    choose_mask,
    coverage,
    find_masks,
    inpainting_mask,
    masked_images,
    overlap,
    pad_mask,
)

SETTINGS = MaskSettings(threshold=0.5, pad=2, box=False, min_area=0.01)


class RedSegmenter:
    """Finds the pixels whose red is 255: an exact, known mask."""

    def segment(self, images: torch.Tensor, prompt: str) -> list[Candidates]:
        masks = images[:, 0] == 255
        return [Candidates(m[None], torch.tensor([0.9])) for m in masks]


def image_set(images: torch.Tensor) -> ImageSet:
    n = len(images)
    return ImageSet(ArrayPixels(images.permute(0, 2, 3, 1).numpy()), np.zeros(n, np.int64), np.zeros(n, np.int64),
                    2, np.arange(n))


def red_boxes() -> torch.Tensor:
    images = torch.zeros(4, 3, SIZE, SIZE, dtype=torch.uint8)
    for i in (0, 1, 3):
        images[i, 0, 8 + i:30, 20:40] = 255
    images[3, 0, 50, 60] = 255
    return images


def test_choose_mask_is_the_surest_that_is_large_enough() -> None:
    masks = torch.zeros(3, 10, 10, dtype=torch.bool)
    masks[0, 0, 0] = True
    masks[1, :5] = True
    masks[2, :3] = True
    candidates = Candidates(masks, torch.tensor([0.9, 0.4, 0.6]))
    mask, score = choose_mask(candidates, min_area=0.02)
    assert torch.equal(mask, masks[2]) and score == pytest.approx(0.6)
    assert choose_mask(candidates, min_area=0.6) is None
    assert choose_mask(Candidates(masks[:0], torch.zeros(0)), min_area=0.0) is None


def test_the_first_mask_is_the_first_that_is_large_enough() -> None:
    masks = torch.zeros(4, 10, 10, dtype=torch.bool)
    masks[1, :2], masks[2, :3], masks[3, :4] = True, True, True
    candidates = Candidates(masks, torch.tensor([0.2, 0.3, 0.9, 0.8]))
    mask, score = choose_mask(candidates, min_area=0.01, choice="first")
    assert torch.equal(mask, masks[1]) and score == pytest.approx(0.3)
    with pytest.raises(InputError, match="unknown choice of a mask 'last'"):
        choose_mask(candidates, 0.01, "last")


def test_padding_is_the_set_of_pixels_within_reach() -> None:
    mask = torch.rand(20, 20, generator=torch.Generator().manual_seed(0)) > 0.97
    rows, columns = np.nonzero(mask.numpy())
    expected = np.zeros((20, 20), bool)
    for r, c in zip(rows, columns, strict=True):
        expected[max(r - 3, 0):r + 4, max(c - 3, 0):c + 4] = True
    assert np.array_equal(pad_mask(mask, 3).numpy(), expected)
    assert torch.equal(pad_mask(mask, 0), mask)


def test_box_is_the_bounding_box() -> None:
    mask = torch.zeros(9, 9, dtype=torch.bool)
    assert not box_mask(mask).any()
    mask[2, 3] = mask[6, 5] = True
    assert box_mask(mask).nonzero().amin(0).tolist() == [2, 3]
    assert box_mask(mask).nonzero().amax(0).tolist() == [6, 5]
    assert int(box_mask(mask).sum()) == 5 * 3


def test_table_keeps_both_masks_and_counts_failures(tmp_path) -> None:
    images = red_boxes()
    table = find_masks(RedSegmenter(), image_set(images), np.array([3, 0, 2]), "bird", SETTINGS, SIZE, 2)
    assert table.ids.tolist() == [0, 2, 3]
    assert table.found.tolist() == [True, False, True] and table.n_failed == 1
    assert np.isnan(table.score[1]) and not table.padded(np.array([2])).any()
    assert torch.equal(table.raw(np.array([3, 0])), images[[3, 0], 0] == 255)
    assert torch.equal(table.padded(np.array([0]))[0], pad_mask(images[0, 0] == 255, 2))
    assert table.area[0] == pytest.approx(22 * 20 / SIZE**2)

    save_masks(tmp_path / "masks.npz", table)
    again = load_masks(tmp_path / "masks.npz")
    assert again.size == SIZE
    assert all(np.array_equal(v, getattr(again, k), equal_nan=k == "score") for k, v in vars(table).items())
    with pytest.raises(InputError, match="image 1 "):
        again.raw(np.array([0, 1]))


def test_boxed_table() -> None:
    images = red_boxes()
    boxed = MaskSettings(threshold=0.5, pad=1, box=True, min_area=0.01)
    table = find_masks(RedSegmenter(), image_set(images), np.array([3]), "bird", boxed, SIZE, 2)
    padded = table.padded(np.array([3]))[0]
    assert padded.nonzero().amin(0).tolist() == [10, 19] and padded.nonzero().amax(0).tolist() == [51, 61]
    assert padded.sum() == 42 * 43


def test_no_image_gives_an_empty_table() -> None:
    table = find_masks(RedSegmenter(), image_set(red_boxes()), np.array([]), "bird", SETTINGS, SIZE, 2)
    assert len(table.ids) == 0 and table.n_failed == 0
    assert table.raw(np.array([])).shape == (0, SIZE, SIZE)


def test_the_mask_to_inpaint_is_grown_before_it_is_boxed() -> None:
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[2, 3] = mask[5, 5] = True
    assert torch.equal(inpainting_mask(mask, 1, box=False), pad_mask(mask, 1))
    assert inpainting_mask(mask, 1, box=True).sum() == 6 * 5


def test_overlap_and_coverage_compare_pair_by_pair() -> None:
    found, true = torch.zeros(2, 3, 4, 4, dtype=torch.bool)
    found[0, :2], true[0, 1:3] = True, True  # 4 pixels in both, 12 in either
    found[1] = True
    assert overlap(found, true)[:2].tolist() == pytest.approx([1 / 3, 0]) and overlap(found, true)[2].isnan()
    assert coverage(found, true)[0] == 0.5 and coverage(found, true)[1:].isnan().all()


def test_masked_images_leaves_out_what_was_not_found() -> None:
    images = red_boxes()
    arguments = RedSegmenter(), image_set(images), np.array([3, 2, 0]), "bird", SETTINGS, SIZE
    positions, pixels, masks = masked_images(*arguments)
    assert positions.tolist() == [0, 3] and torch.equal(pixels, images[[0, 3]])
    assert torch.equal(masks[1], pad_mask(images[3, 0] == 255, SETTINGS.pad))

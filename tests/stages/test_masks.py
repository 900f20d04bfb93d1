"""Language masks: choosing, growing, packing, and counting what was not found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from standins import SIZE

from dbb.benchmarks import MaskSettings
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.models.segmenters import Candidates
from dbb.stages import masks as masks_module
from dbb.stages.mask_table import MASKS, SOURCES, load_masks, save_masks
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
from dbb.stages.outputs import load_outputs
from dbb.stages.run import model_identity
from dbb.stages.selection import lowest_loss, lowest_loss_by_batch

SETTINGS = MaskSettings(threshold=0.5, pad=2, box=False, min_area=0.01)


class RedSegmenter:
    """Finds the pixels whose red is 255: an exact, known mask."""

    def segment(self, images: torch.Tensor, prompt: str) -> list[Candidates]:
        masks = images[:, 0] == 255
        return [Candidates(m[None], torch.tensor([0.9])) for m in masks]


def image_set(images: torch.Tensor) -> ImageSet:
    n = len(images)
    return ImageSet(
        ArrayPixels(images.permute(0, 2, 3, 1).numpy()), np.zeros(n, np.int64), np.zeros(n, np.int64), 2, np.arange(n)
    )


def red_boxes() -> torch.Tensor:
    images = torch.zeros(4, 3, SIZE, SIZE, dtype=torch.uint8)
    for i in (0, 1, 3):
        images[i, 0, 8 + i : 30, 20:40] = 255
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
        expected[max(r - 3, 0) : r + 4, max(c - 3, 0) : c + 4] = True
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
    table = find_masks(RedSegmenter(), image_set(red_boxes()), np.array([], int), "bird", SETTINGS, SIZE, 2)
    assert len(table.ids) == 0 and table.n_failed == 0
    assert table.raw(np.array([], int)).shape == (0, SIZE, SIZE)


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


def test_a_mask_may_touch_the_edge_and_a_candidate_may_just_be_large_enough() -> None:
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[0, 0] = mask[5, 2] = True
    assert pad_mask(mask, 1).nonzero().tolist() == [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
        *([r, c] for r in (4, 5) for c in (1, 2, 3)),
    ]
    candidates = Candidates(mask[None], torch.tensor([0.3]))
    assert choose_mask(candidates, 2 / 36)[1] == pytest.approx(0.3)
    assert choose_mask(candidates, 2.1 / 36) is None
    negative = Candidates(torch.stack([mask, ~mask]), torch.tensor([-0.5, -0.9]))
    assert torch.equal(choose_mask(negative, 0.5)[0], ~mask), "of those that are large enough, whatever their scores"


def test_overlap_and_coverage_are_shares_of_all_pixels_of_both_sides() -> None:
    found, true = torch.zeros(2, 1, 3, 5, dtype=torch.bool)
    found[0, 0], true[0, :, 1] = True, True
    assert overlap(found, true).tolist() == [pytest.approx(1 / 7)]
    assert coverage(found, true).tolist() == [pytest.approx(1 / 3)]


class Noting:
    """Finds the dark pixels, and notes what it is asked; at a threshold of 1 it finds nothing."""

    def __init__(self) -> None:
        self.asked = []

    def segment(self, images: torch.Tensor, prompt: str) -> list[Candidates]:
        self.asked.append((len(images), images.shape[-1], prompt))
        return [
            Candidates((image.float().mean(0) < image.float().mean())[None], torch.tensor([0.75])) for image in images
        ]


def test_images_are_segmented_in_batches_by_id() -> None:
    segmenter, images = Noting(), replace(image_set(red_boxes()), ids=np.array([7, 3, 5, 1]))
    images = replace(images, source=ArrayPixels(np.zeros((8, SIZE, SIZE, 3), np.uint8)))
    for number, picture in zip((7, 3, 5, 1), red_boxes(), strict=True):
        images.source.images[number] = picture.permute(1, 2, 0)
    table = find_masks(segmenter, images, np.array([0, 3, 2]), "a bird", SETTINGS, SIZE, 2)
    assert segmenter.asked == [(2, SIZE, "a bird"), (1, SIZE, "a bird")]
    assert table.ids.tolist() == [1, 5, 7] and table.size == SIZE
    positions, pixels, masks = masked_images(RedSegmenter(), images, np.array([0, 3]), "a bird", SETTINGS, SIZE)
    assert positions.tolist() == [3, 0] and torch.equal(pixels, red_boxes()[[3, 0]])
    assert torch.equal(masks[0], pad_mask(red_boxes()[3, 0] == 255, 2))
    masked_images(segmenter, images, np.array([0, 3]), "a duck", SETTINGS, SIZE)
    assert segmenter.asked[2:] == [(2, SIZE, "a duck")]


def test_a_choice_is_the_settings() -> None:
    class Two:
        def segment(self, images: torch.Tensor, prompt: str) -> list[Candidates]:
            masks = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
            masks[0, :20], masks[1, :30] = True, True
            return [Candidates(masks, torch.tensor([0.2, 0.9])) for _ in images]

    for choice, score, rows in (("best", 0.9, 30), ("first", 0.2, 20)):
        settings = replace(SETTINGS, choice=choice)
        table = find_masks(Two(), image_set(red_boxes()), np.array([1]), "bird", settings, SIZE, 2)
        assert table.score.tolist() == [pytest.approx(score)] and int(table.raw(np.array([1])).sum()) == rows * SIZE


# ------------------------------------------------------------------------------------------------ the stage


@pytest.fixture
def segmenter(monkeypatch) -> Noting:
    """Takes the place of the benchmark's; notes by what it was loaded."""
    noting = Noting()

    def load(spec, threshold, device):
        noting.loaded = spec, threshold, str(device)
        return noting

    monkeypatch.setattr(masks_module, "load_segmenter", load)
    return noting


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"per_class": (1, 4)},
        {"settings": MaskSettings(0.25, 1, False, 0.4, "first")},
        {"ranking": "batch loss", "ranking_batch_size": 4},
        {"ranking": "batch loss"},
        {"batch_size": 2},
    ],
    ids=str,
)
def test_the_stage_masks_the_images_of_lowest_loss_of_each_class(tiny, anew, segmenter, how) -> None:
    run, made = anew(masks_module.masks, **how)
    train, said = run.split("train"), load_outputs(run.folder("erm") / "train.npz")
    settings, ks = how.get("settings", tiny.masks), how.get("per_class", (3, 2))
    rank = {
        "own loss": lambda label, k: lowest_loss(said.losses, said.labels, label, k),
        "batch loss": lambda label, k: lowest_loss_by_batch(
            said.losses, said.labels, label, k, how.get("ranking_batch_size", 16), 0
        ),
    }
    chosen = np.concatenate([rank[how.get("ranking", "own loss")](label, k) for label, k in enumerate(ks)])
    sources = pd.read_parquet(run.folder("masks") / SOURCES)
    assert sources.columns.tolist() == ["source_id", "source_class", "loss"]
    assert sources["source_id"].tolist() == train.ids[chosen].tolist()
    assert sources["source_class"].tolist() == train.labels[chosen].tolist()
    np.testing.assert_array_equal(sources["loss"], said.losses[chosen])

    assert segmenter.loaded == (tiny.segmenter, settings.threshold, "cpu")
    assert segmenter.asked == [(size, 64, tiny.mask_prompt) for size in ((2, 2, 1) if "batch_size" in how else (5,))]
    table = load_masks(run.folder("masks") / MASKS)
    expected = find_masks(Noting(), train, chosen, "any", settings, 64, 9)
    assert table.ids.tolist() == sorted(train.ids[chosen]) and table.found.tolist() == expected.found.tolist()
    assert torch.equal(table.raw(table.ids), expected.raw(table.ids))
    assert torch.equal(table.padded(table.ids), expected.padded(table.ids))
    assert made.counts == {"sources": 5, "failed": int((~table.found).sum())}
    assert made.metrics["segmenter"] == "Noting"


def test_only_classes_that_a_pair_starts_from_are_sources(tiny, runs, segmenter) -> None:
    one_way = replace(tiny, generation=replace(tiny.generation, pairs=((1, 0),)))
    run = masks_module.Run(one_way, 0, runs, "cpu")
    masks_module.masks(run)
    assert pd.read_parquet(run.folder("masks") / SOURCES)["source_class"].tolist() == [1, 1]


def test_the_stage_refuses_another_number_of_classes(anew) -> None:
    with pytest.raises(InputError, match=r"per_class \(K\) has 1 values for 2 classes"):
        anew(masks_module.masks, per_class=(3,))


def test_the_record_says_what_the_stage_was_made_from(tiny, anew) -> None:
    made_from = anew(masks_module.masks)[1].record["made_from"]
    assert made_from["settings"].items() >= {"per_class": [3, 2], "pad": tiny.masks.pad}.items()
    assert set(made_from["inputs"]) == {"data/train", "erm/train.npz"}
    assert made_from["models"] == {"segmenter": model_identity(tiny.segmenter)}

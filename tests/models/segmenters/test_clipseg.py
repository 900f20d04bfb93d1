"""CLIPSeg as a segmenter: masks, scores, and the heat that they are cut from."""

import pytest
import torch
from standins import SIZE, make_segmenter, pictures

from dbb.models.segmenters import load_segmenter


def test_clipseg_gives_the_same_masks_alone_and_in_a_batch(tmp_path) -> None:
    segmenter = load_segmenter(str(make_segmenter(tmp_path)), threshold=0.5)
    images = pictures(3)
    together = segmenter.segment(images, "a bird")
    for image, candidates in zip(images, together, strict=True):
        (alone,) = segmenter.segment(image[None], "a bird")
        assert candidates.masks.shape == alone.masks.shape
        assert (candidates.masks != alone.masks).float().sum() <= 2
        torch.testing.assert_close(candidates.scores, alone.scores, atol=1e-3, rtol=0)


def test_clipseg_score_is_the_mean_probability_inside(tmp_path) -> None:
    segmenter = load_segmenter(str(make_segmenter(tmp_path)), threshold=0.5)
    image = pictures(1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (segmenter.processor.image_mean, segmenter.processor.image_std))
    with torch.inference_mode():
        tokens = segmenter.tokenizer(["a bird"], return_tensors="pt")
        logits = segmenter.model(pixel_values=(image / 255 - mean) / std, **tokens).logits
    probability = logits.reshape(SIZE, SIZE).sigmoid()
    (candidates,) = segmenter.segment(image, "a bird")
    assert torch.equal(candidates.masks[0], probability > 0.5)
    assert float(candidates.scores[0]) == pytest.approx(float(probability[probability > 0.5].mean()), abs=1e-5)


def test_heat_is_what_the_mask_is_cut_from(tmp_path) -> None:
    segmenter = load_segmenter(str(make_segmenter(tmp_path)), threshold=0.5)
    images = pictures(2)
    heat = segmenter.heat(images, "a bird")
    assert heat.shape == (2, SIZE, SIZE) and 0 <= heat.min() and heat.max() <= 1
    for probability, candidates in zip(heat, segmenter.segment(images, "a bird"), strict=True):
        assert torch.equal(candidates.masks.any(0), probability > 0.5)

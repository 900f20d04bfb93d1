"""GroundingDINO and SAM as one segmenter: real tiny models, and scripted ones whose boxes and masks are known."""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from standins import SIZE, make_grounding_dino, make_sam, make_sam2, make_segmenter, pictures

from dbb.errors import InputError
from dbb.models.segmenters import CLIPSegSegmenter, GroundedSAMSegmenter, choice, load_segmenter
from dbb.stages.masks import choose_mask

MAKERS = {"sam": make_sam, "sam2": make_sam2}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"dino": make_grounding_dino(folder / "dino")} | {n: make(folder / n) for n, make in MAKERS.items()}


@pytest.fixture(params=MAKERS)
def segmenter(request, folders) -> GroundedSAMSegmenter:
    return load_segmenter(f"grounded-sam:{folders['dino']},{folders[request.param]}", threshold=0.5)


# ------------------------------------------------------------------------------------------------ real tiny models


def test_it_does_what_the_two_models_do_one_after_the_other(segmenter) -> None:
    images = pictures(3)
    for image, found in zip(images, segmenter.segment(images, " A Bird"), strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        with torch.inference_mode():
            seen = segmenter.detector(**segmenter.detector_processor(picture, "a bird.", return_tensors="pt"))
            scores = seen.logits[0].sigmoid().amax(-1)
            x, y, w, h = (seen.pred_boxes[0][scores > 0.5] * SIZE).unbind(-1)
            boxes = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
            inputs = segmenter.sam_processor(picture, input_boxes=[boxes.tolist()], return_tensors="pt")
            low = segmenter.sam(
                inputs["pixel_values"], input_boxes=inputs["input_boxes"].float(), multimask_output=False
            ).pred_masks[0]
        assert 0 < len(boxes) < 12
        torch.testing.assert_close(found.scores, scores[scores > 0.5], atol=1e-5, rtol=0)
        # A square picture fills the input, so the way back is a plain enlargement.
        expected = torch.nn.functional.interpolate(low, (2 * SIZE, 2 * SIZE), mode="bilinear")
        expected = torch.nn.functional.interpolate(expected, (SIZE, SIZE), mode="bilinear")[:, 0] > 0
        assert found.masks.dtype == torch.bool and found.masks.any() and not found.masks.all()
        assert (found.masks != expected).float().mean() < 0.02


def test_alone_in_a_batch_or_in_small_batches_the_same(segmenter) -> None:
    images = pictures(5)
    together, small = segmenter.segment(images, "bird"), replace(segmenter, batch_size=2).segment(images, "bird")
    for i, image in enumerate(images):
        (alone,) = segmenter.segment(image[None], "bird")
        for other in (together[i], small[i]):
            assert other.masks.shape == alone.masks.shape and (other.masks != alone.masks).sum() <= 4
            torch.testing.assert_close(other.scores, alone.scores, atol=1e-4, rtol=0)


def test_a_stricter_threshold_keeps_the_surer_boxes(segmenter) -> None:
    images = pictures(2)
    strict = replace(segmenter, threshold=0.95)
    for loose, few in zip(segmenter.segment(images, "bird"), strict.segment(images, "bird"), strict=True):
        kept = loose.scores > 0.95
        assert kept.any() and not kept.all()
        torch.testing.assert_close(few.scores, loose.scores[kept], atol=1e-5, rtol=0)
        assert torch.equal(few.masks, loose.masks[kept])


def test_half_precision_stops_before_the_boxes_are_encoded(segmenter) -> None:
    seen = {}
    for part in ("vision_encoder", "prompt_encoder", "mask_decoder"):
        module = getattr(segmenter.sam, part)
        module.register_forward_hook(lambda _, __, out, part=part: seen.__setitem__(part, _first_tensor(out).dtype))
    found = replace(segmenter, dtype=torch.bfloat16).segment(pictures(2), "bird")
    assert seen == {"vision_encoder": torch.bfloat16, "prompt_encoder": torch.float32, "mask_decoder": torch.float32}
    assert all(p.dtype == torch.float32 for m in (segmenter.detector, segmenter.sam) for p in m.parameters())
    assert all(f.scores.dtype == torch.float32 and len(f.scores) == len(f.masks) > 0 for f in found)


def _first_tensor(output) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else _first_tensor(output[0])


# ------------------------------------------------------------------------------------------------ scripted models
# Image i is plain grey of level 10 i: that is how the scripted models tell which one they see.

BOXES = {0: [(4, 8, 20, 40)], 1: [], 2: [(0, 0, 10, 6), (30, 20, 62, 50), (2, 30, 16, 60)]}
SCORES = {0: [0.8], 1: [0.2], 2: [0.9, 0.4, 0.7]}


def greys() -> torch.Tensor:
    return (10 * torch.arange(3, dtype=torch.uint8)).view(3, 1, 1, 1).expand(3, 3, SIZE, SIZE).contiguous()


def which(pixels: torch.Tensor, processor) -> list[int]:
    mean, std = (getattr(processor.image_processor, name)[0] for name in ("image_mean", "image_std"))
    level = pixels[:, 0, 5, 5] * std + mean
    return (level * 25.5).round().int().tolist()


class ScriptedDetector:
    """Boxes by `BOXES` (one of 0.2 in image 1), the rest of its four queries sure of nothing."""

    device = torch.device("cpu")

    def __init__(self, processor) -> None:
        self.processor, self.prompts = processor, []

    def __call__(self, pixel_values, input_ids, **_):
        self.prompts += self.processor.batch_decode(input_ids, skip_special_tokens=True)
        logits, boxes = torch.full((len(pixel_values), 4, 256), -torch.inf), torch.full((len(pixel_values), 4, 4), 0.5)
        for row, i in enumerate(which(pixel_values, self.processor)):
            for query, score in enumerate(SCORES[i]):
                x0, y0, x1, y1 = (BOXES[i] or [(8, 8, 16, 16)])[query]
                boxes[row, query] = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]) / SIZE
                logits[row, query, 1 + query] = torch.tensor(score).logit()
        return SimpleNamespace(logits=logits, pred_boxes=boxes)


class ScriptedSAM:
    """Fills each box that it is given, in masks of 32 px for its input of 128 px."""

    device = torch.device("cpu")

    def __init__(self, processor, levels: bool) -> None:
        self.processor, self.levels, self.encoded, self.decoded = processor, levels, [], []

    def get_image_embeddings(self, pixel_values):
        seen = which(pixel_values, self.processor)
        self.encoded += seen
        embedding = torch.tensor(seen).view(-1, 1, 1, 1).expand(-1, 4, 8, 8)
        return [embedding] if self.levels else embedding

    def __call__(self, image_embeddings, input_boxes, multimask_output):
        assert isinstance(image_embeddings, list) == self.levels and not multimask_output
        self.decoded.append(int((image_embeddings[0] if self.levels else image_embeddings).unique()))
        masks = torch.full((1, input_boxes.shape[1], 1, 32, 32), -1.0)
        for k, (x0, y0, x1, y1) in enumerate((input_boxes[0] / 4).round().int().tolist()):
            masks[0, k, 0, y0:y1, x0:x1] = 1
        return SimpleNamespace(pred_masks=masks)


@pytest.fixture
def scripted(segmenter) -> GroundedSAMSegmenter:
    sam = ScriptedSAM(segmenter.sam_processor, levels=type(segmenter.sam).__name__ == "Sam2Model")
    return replace(segmenter, detector=ScriptedDetector(segmenter.detector_processor), sam=sam, threshold=0.3)


def box(x0: int, y0: int, x1: int, y1: int) -> torch.Tensor:
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_boxes_become_masks_at_the_size_of_the_image(scripted) -> None:
    found = scripted.segment(greys(), "Bird")
    for i, candidates in enumerate(found):
        assert torch.equal(
            candidates.masks,
            torch.stack([box(*b) for b in BOXES[i]]) if BOXES[i] else torch.zeros(0, SIZE, SIZE, dtype=torch.bool),
        )
        assert candidates.scores.tolist() == pytest.approx(SCORES[i] if BOXES[i] else [])
    assert set(scripted.detector.prompts) == {"bird."} and scripted.sam.encoded == scripted.sam.decoded == [0, 2]


def test_the_best_mask_is_of_the_surest_box_that_is_large_enough(scripted) -> None:
    one, none, several = scripted.segment(greys(), "bird")
    assert choose_mask(none, 0.0) is None
    assert torch.equal(choose_mask(one, 0.01)[0], box(*BOXES[0][0]))
    assert torch.equal(choose_mask(several, 0.0)[0], box(*BOXES[2][0]))
    mask, score = choose_mask(several, 0.05)
    assert torch.equal(mask, box(*BOXES[2][2])) and score == pytest.approx(0.7)


def test_nothing_found_asks_sam_nothing(scripted) -> None:
    (none,) = scripted.segment(greys()[1:2], "bird")
    assert none.masks.shape == (0, SIZE, SIZE) and none.scores.shape == (0,) and scripted.sam.encoded == []
    (low,) = replace(scripted, threshold=0.1).segment(greys()[1:2], "bird")
    assert low.scores.tolist() == pytest.approx([0.2])


def test_heat_is_the_highest_score_over_a_pixel(scripted, monkeypatch) -> None:
    monkeypatch.setitem(BOXES, 2, [(0, 0, 30, 30), (20, 20, 50, 50), (10, 10, 40, 40)])
    heat = scripted.heat(greys(), "bird")
    assert heat.shape == (3, SIZE, SIZE) and heat.dtype == torch.float32 and not heat[1].any()
    assert [round(float(heat[2, i, i]), 3) for i in (5, 15, 35, 45, 55)] == [0.9, 0.9, 0.7, 0.4, 0]
    assert torch.equal(heat[0] > 0.3, box(*BOXES[0][0]))


# ------------------------------------------------------------------------------------------------ choosing and loading


def test_default_models_are_pinned_and_lang_sams_own(folders, monkeypatch, caplog) -> None:
    for spec, name in ((choice.GROUNDING_DINO, "grounding-dino-base"), (choice.SAM, "sam2.1-hiera-small")):
        repository, revision = spec.split("@")
        assert repository.endswith(name) and len(revision) == 40 and int(revision, 16)
    monkeypatch.setattr(choice, "GROUNDING_DINO", str(folders["dino"]))
    monkeypatch.setattr(choice, "SAM", str(folders["sam2"]))
    monkeypatch.setitem(sys.modules, "lang_sam", None)
    with caplog.at_level(logging.INFO, "dbb.models.segmenters"):
        for spec in ("grounded-sam", "lang-sam"):
            assert type(load_segmenter(spec, 0.3).sam).__name__ == "Sam2Model"
    (line,) = caplog.messages
    assert "not installed" in line and str(folders["sam2"]) in line


def test_clipseg_by_its_folder(tmp_path) -> None:
    assert isinstance(load_segmenter(str(make_segmenter(tmp_path)), 0.5), CLIPSegSegmenter)


@pytest.mark.parametrize("spec", ["nowhere", "grounded-sam:one", "grounded-sam:one,", "grounded-sam:a,b,c", "langsam"])
def test_another_spec_is_refused_with_the_choices(spec) -> None:
    with pytest.raises(InputError, match=r"lang-sam.*grounded-sam:DETECTOR,SAM.*CLIPSeg"):
        load_segmenter(spec, 0.3)


def test_a_model_in_the_wrong_place_is_named(folders, tmp_path) -> None:
    dino, sam = folders["dino"], folders["sam"]
    with pytest.raises(InputError, match="type 'sam', no GroundingDINO"):
        load_segmenter(f"grounded-sam:{sam},{sam}", 0.3)
    with pytest.raises(InputError, match=r"type 'grounding-dino', no SAM.*sam2"):
        load_segmenter(f"grounded-sam:{dino},{dino}", 0.3)
    with pytest.raises(InputError, match="type 'sam', no CLIPSeg"):
        load_segmenter(str(sam), 0.3)
    with pytest.raises(InputError, match=r"no SAM at .*missing"):
        load_segmenter(f"grounded-sam:{dino},{tmp_path / 'missing'}", 0.3)


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json", "processor_config.json"])
def test_damaged_files_are_named(damage, folders, tmp_path) -> None:
    sam = make_sam(tmp_path / "sam")
    (sam / damage).write_bytes(b"{ cut")
    with pytest.raises(InputError, match=f"cannot load the SAM {sam}.*make or copy it again"):
        load_segmenter(f"grounded-sam:{folders['dino']},{sam}", 0.3)
    (sam / damage).unlink()
    with pytest.raises(InputError, match=f"cannot load the SAM {sam}"):
        load_segmenter(f"grounded-sam:{folders['dino']},{sam}", 0.3)


def test_offline_the_remedy_is_a_download_elsewhere(monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="hf download someone/detector --revision abc --local-dir"):
        load_segmenter("grounded-sam:someone/detector@abc,someone/sam", 0.3)

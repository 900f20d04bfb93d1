"""The package lang_sam behind the segmenters' interface, tried on a made-up package of its form."""

import logging
import sys

import numpy as np
import pytest
import torch
from standins import SIZE, pictures

from dbb.errors import InputError
from dbb.models.segmenters import LangSAMSegmenter, load_segmenter

# The interface of luca-medeiros/lang-segment-anything at 918043e, with its habits: it prints, and its import switches a
# bfloat16 autocast and TF32 on for good. It finds the pixels whose red is 255 (0.8) and whose green is (0.6).
PACKAGE = """
import numpy as np
import torch

torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
torch.backends.cuda.matmul.allow_tf32 = True


class LangSAM:
    def __init__(self, sam_type="sam2.1_hiera_small", sam_ckpt_path=None, gdino_model_ckpt_path=None,
                 gdino_processor_ckpt_path=None, device=torch.device("cpu")):
        print("Loading")
        self.device, self.calls = device, []

    def predict(self, images_pil, texts_prompt, box_threshold=0.3, text_threshold=0.25):
        print(f"Predicting {len(images_pil)} masks")
        self.calls.append((len(images_pil), texts_prompt, box_threshold, {i.mode for i in images_pil}))
        return [self._one(np.asarray(image), box_threshold) for image in images_pil]

    def _one(self, image, box_threshold):
        found = [(image[..., c] == 255, s) for c, s in ((0, 0.8), (1, 0.6)) if s > box_threshold]
        found = [(mask, score) for mask, score in found if mask.any()]
        masks = np.stack([mask for mask, _ in found]).astype(np.float32) if found else []
        scores = np.array([score for _, score in found], np.float32)
        return {"scores": scores, "boxes": np.zeros((len(found), 4), np.float32), "labels": ["bird"] * len(found),
                "masks": masks, "mask_scores": np.squeeze(scores) if found else []}
"""


@pytest.fixture
def lang_sam(tmp_path, monkeypatch):
    """Installs the made-up package for one test; returns its file, to be changed before it is imported."""
    (tmp_path / "lang_sam").mkdir()
    file = tmp_path / "lang_sam" / "__init__.py"
    file.write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lang_sam", raising=False)
    yield file
    sys.modules.pop("lang_sam", None)


def spots() -> torch.Tensor:
    """Image 0: a red box; 1: nothing; 2: a red and a green box that overlap: uint8 (3, 3, 64, 64)."""
    images = torch.zeros(3, 3, SIZE, SIZE, dtype=torch.uint8)
    images[[0, 2], 0, 10:20, 30:50] = 255
    images[2, 1, 15:40, 40:60] = 255
    return images


def test_its_masks_and_box_scores_become_candidates(lang_sam, capsys, caplog) -> None:
    with caplog.at_level(logging.INFO, "dbb.models.segmenters"):
        segmenter = load_segmenter("lang-sam", threshold=0.3)
    assert isinstance(segmenter, LangSAMSegmenter) and "installed package" in caplog.text
    images = spots()
    one, none, two = segmenter.segment(images, "A Bird")
    assert torch.equal(one.masks, images[:1, 0] == 255) and one.scores.tolist() == pytest.approx([0.8])
    assert none.masks.shape == (0, SIZE, SIZE) and none.scores.shape == (0,)
    assert torch.equal(two.masks, images[2, :2] == 255) and two.scores.tolist() == pytest.approx([0.8, 0.6])
    assert two.masks.dtype == torch.bool and two.scores.dtype == torch.float32
    assert segmenter.model.calls == [(3, ["a bird."] * 3, 0.3, {"RGB"})]
    assert segmenter.model.device == torch.device("cpu") and capsys.readouterr().out == ""


def test_heat_threshold_and_small_batches(lang_sam) -> None:
    segmenter = load_segmenter("lang-sam", threshold=0.7)
    images = spots()
    heat = segmenter.heat(images, "bird")
    assert heat.shape == (3, SIZE, SIZE)
    np.testing.assert_allclose(heat, 0.8 * (images[:, 0] == 255), rtol=1e-6)  # green is below the threshold
    many = pictures(10)
    assert len(segmenter.segment(many, "bird")) == 10 and [c[0] for c in segmenter.model.calls] == [3, 8, 2]


def test_its_import_changes_no_setting_of_the_process(lang_sam) -> None:
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, False
    try:
        load_segmenter("lang-sam", threshold=0.3)
        assert "lang_sam" in sys.modules and not matmul.allow_tf32
    finally:
        matmul.allow_tf32 = before
    assert not torch.is_autocast_enabled("cpu") and (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_models_that_cannot_be_fetched_are_an_input_error(lang_sam) -> None:
    lang_sam.write_text(PACKAGE.replace('print("Loading")', 'raise OSError("no connection")'))
    with pytest.raises(InputError, match=r"no connection.*grounded-sam:FOLDER,FOLDER"):
        load_segmenter("lang-sam", threshold=0.3)

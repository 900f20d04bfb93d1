"""The paper's own segmenter: the package lang_sam (luca-medeiros/lang-segment-anything), where it is installed."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor

from dbb.errors import InputError
from dbb.models.segmenters.base import BATCH_SIZE, TEXT_THRESHOLD, Candidates, box_heat, grounding_prompt, nothing
from dbb.models.sources import quiet_loading


@dataclass(frozen=True)
class LangSAMSegmenter:
    """A `Segmenter` around ``lang_sam.LangSAM``, whose ``predict`` takes PIL images and a prompt for each.

    Attributes:
        threshold: score above which a box is kept. A candidate's score is its box's.
        device: where the model is. On a GPU it computes in bfloat16, as the package would have it.
        batch_size: images at a time, which bounds the memory.
    """

    model: Any
    threshold: float
    device: torch.device
    batch_size: int = BATCH_SIZE

    def segment(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> list[Candidates]:
        """See `Segmenter.segment`; candidates come in the package's order."""
        return [
            candidates
            for chunk in images.split(self.batch_size)
            for candidates in self._segment(chunk, grounding_prompt(prompt))
        ]

    def heat(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> Float32[Tensor, "B S S"]:
        """See `Segmenter.heat`: at each pixel the highest score of a candidate that covers it, else 0."""
        return box_heat(self.segment(images, prompt))

    def _segment(self, images: Tensor, text: str) -> list[Candidates]:
        pictures = [Image.fromarray(pixels) for pixels in images.permute(0, 2, 3, 1).cpu().numpy()]
        # It prints two lines per call, which would flood a page.
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"), redirect_stdout(io.StringIO()):
            results = self.model.predict(
                pictures, [text] * len(pictures), box_threshold=self.threshold, text_threshold=TEXT_THRESHOLD
            )
        return [_candidates(result, images.shape[-1]) for result in results]


def _candidates(result: dict[str, Any], size: int) -> Candidates:
    if len(result["masks"]) == 0:  # an empty list then, an array (K, S, S) of 0 and 1 otherwise
        return nothing(size)
    return Candidates(
        torch.from_numpy(np.asarray(result["masks"]) > 0),
        torch.from_numpy(np.asarray(result["scores"], dtype=np.float32)),
    )


def load_lang_sam(threshold: float, device: str | torch.device) -> LangSAMSegmenter:
    """Load the installed lang_sam with the models that it takes by default (GroundingDINO base and SAM 2.1 small).

    Raises:
        ImportError: when it, or a package that it needs, is not installed.
        InputError: when it cannot fetch its models.
    """
    with _tf32_kept():
        module = _import_apart("lang_sam")
    device = torch.device(device)
    try:
        with quiet_loading(), redirect_stdout(io.StringIO()):
            model = module.LangSAM(device=device)
    except (OSError, ValueError) as error:
        raise InputError(
            f"lang_sam cannot load its models ({error}): connect, or give the segmenter "
            "'grounded-sam:FOLDER,FOLDER' with a GroundingDINO and a SAM"
        ) from error
    return LangSAMSegmenter(model, threshold, device)


def _import_apart(name: str) -> ModuleType:
    """Import a module in a thread of its own.

    lang_sam, when imported on a machine with a GPU, enters a bfloat16 autocast that it never leaves; autocast belongs
    to a thread, so the stages that run after it keep their own precision.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(import_module, name).result()


@contextmanager
def _tf32_kept() -> Iterator[None]:
    """Undo that lang_sam's import switches TF32 on for the whole process."""
    owners: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [owner.allow_tf32 for owner in owners]
    try:
        yield
    finally:
        for owner, allowed in zip(owners, before, strict=True):
            owner.allow_tf32 = allowed

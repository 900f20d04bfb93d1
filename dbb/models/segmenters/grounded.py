"""LangSAM's recipe (section 4.1) from transformers' own classes: GroundingDINO finds boxes, SAM outlines each."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor
from transformers import (
    AutoModelForMaskGeneration,
    BatchEncoding,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Sam2Model,
    Sam2Processor,
    SamModel,
    SamProcessor,
)

from dbb.models.devices import default_dtype
from dbb.models.segmenters.base import (
    BATCH_SIZE,
    TEXT_THRESHOLD,
    Candidates,
    box_heat,
    grounding_prompt,
    loading,
    model_type,
    nothing,
)
from dbb.models.sources import Source

SAM_PROCESSORS = {"sam": SamProcessor, "sam2": Sam2Processor, "sam2_video": Sam2Processor}
"""The type in a config.json -> how such a model is prompted. The published SAM 2.1 are marked as models for videos,
whose image half transformers takes.
"""


@dataclass(frozen=True)
class GroundedSAMSegmenter:
    """A `Segmenter`: one candidate per detected box, its mask SAM's, its score the box's (0..1).

    SAM is asked for one mask per box, as lang_sam asks it (`multimask_output=False`), since a box is no ambiguous
    prompt; where that mask is unstable, SAM 2 itself takes that of its three others whose predicted IoU is highest.

    Attributes:
        threshold: score above which a box is kept; a box's score is its likeness to the word that fits it best.
        dtype: in which the detector and SAM's image encoder compute. Their weights are float32 throughout, as are SAM's
            prompt encoder and mask decoder: half precision would shift a box's corners by pixels.
        batch_size: images at a time, which bounds the memory.
    """

    detector: GroundingDinoForObjectDetection
    detector_processor: GroundingDinoProcessor
    sam: SamModel | Sam2Model
    sam_processor: SamProcessor | Sam2Processor
    threshold: float
    dtype: torch.dtype = torch.float32
    batch_size: int = BATCH_SIZE

    def segment(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> list[Candidates]:
        """See `Segmenter.segment`; candidates come in the detector's order."""
        return [
            candidates
            for chunk in images.split(self.batch_size)
            for candidates in self._segment(chunk.to(self.detector.device), grounding_prompt(prompt))
        ]

    def heat(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> Float32[Tensor, "B S S"]:
        """See `Segmenter.heat`: at each pixel the highest score of a candidate that covers it, else 0."""
        return box_heat(self.segment(images, prompt))

    @torch.inference_mode()
    def _segment(self, images: Tensor, text: str) -> list[Candidates]:
        found = self._boxes(images, text)
        hits = [i for i, (boxes, _) in enumerate(found) if len(boxes)]
        candidates = [nothing(images.shape[-1])] * len(images)
        if hits:  # SAM's image encoder is the dearest part, and only for these
            masks = self._masks(images[hits], [found[i][0] for i in hits])
            for i, mask in zip(hits, masks, strict=True):
                candidates[i] = Candidates(mask, found[i][1].float().cpu())
        return candidates

    def _boxes(self, images: Tensor, text: str) -> list[tuple[Tensor, Tensor]]:
        """Return each image's boxes, (K, 4) as x0, y0, x1, y1 in px, and their scores, (K,)."""
        inputs = self.detector_processor(images=list(images), text=[text] * len(images), return_tensors="pt")
        inputs = inputs.to(images.device)
        with self._lower_precision():
            outputs = self.detector(**inputs)
        found = self.detector_processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=self.threshold,
            text_threshold=TEXT_THRESHOLD,
            target_sizes=[tuple(images.shape[-2:])] * len(images),
        )
        return [(f["boxes"], f["scores"]) for f in found]

    def _masks(self, images: Tensor, boxes: list[Tensor]) -> list[Tensor]:
        """Return the mask of every box, bool (K, S, S) per image; each image is encoded once."""
        inputs = [
            self.sam_processor(images=image, input_boxes=[corners.float().tolist()], return_tensors="pt")
            for image, corners in zip(images, boxes, strict=True)
        ]
        pixels = torch.cat([i["pixel_values"] for i in inputs]).to(images.device)
        with self._lower_precision():
            embeddings = self.sam.get_image_embeddings(pixels)
        return [self._decode(_of_image(embeddings, i), one) for i, one in enumerate(inputs)]

    def _decode(self, embedding: Tensor | list[Tensor], inputs: BatchEncoding) -> Tensor:
        boxes = inputs["input_boxes"].to(self.sam.device, torch.float32)
        outputs = self.sam(image_embeddings=embedding, input_boxes=boxes, multimask_output=False)
        # SAM pads its input and must know how much; SAM 2 stretches it.
        sizes = [inputs[key] for key in ("original_sizes", "reshaped_input_sizes") if key in inputs]
        (masks,) = self.sam_processor.post_process_masks(outputs.pred_masks, *sizes)
        return masks[:, 0].cpu()

    def _lower_precision(self) -> torch.autocast:
        return torch.autocast(self.detector.device.type, self.dtype, enabled=self.dtype != torch.float32)


def _of_image(embeddings: Tensor | list[Tensor], i: int) -> Tensor | list[Tensor]:
    """Return image ``i``'s part in float32: SAM gives one tensor, SAM 2 a list of levels."""
    if isinstance(embeddings, Tensor):
        return embeddings[i : i + 1].float()
    return [level[i : i + 1].float() for level in embeddings]


def load_grounded_sam(
    detector: Source, sam: Source, threshold: float, device: str | torch.device
) -> GroundedSAMSegmenter:
    """Load a GroundingDINO and a SAM, SAM 2 or SAM 2.1, each with its processor; which SAM, its config.json says.

    Raises:
        InputError: when a file is missing, a model is another one, or the Hub cannot be reached.
    """
    with loading(detector, "GroundingDINO"):
        model_type(detector, ("grounding-dino",), "GroundingDINO")
        boxes, boxes_processor = _read(GroundingDinoForObjectDetection, GroundingDinoProcessor, detector)
    with loading(sam, "SAM"):
        processor = SAM_PROCESSORS[model_type(sam, tuple(SAM_PROCESSORS), "SAM")]
        masks, masks_processor = _read(AutoModelForMaskGeneration, processor, sam)
    return GroundedSAMSegmenter(
        boxes.to(device).eval(),
        boxes_processor,
        masks.to(device).eval(),
        masks_processor,
        threshold,
        default_dtype(device),
    )


def _read(model_class: Any, processor_class: Any, source: Source) -> tuple[Any, Any]:
    revision = source.revision or "main"
    model = model_class.from_pretrained(source.name, revision=revision, dtype=torch.float32, use_safetensors=True)
    return model, processor_class.from_pretrained(source.name, revision=revision)

"""CLIPSeg: one heat map per prompt, the segmenter of the embedded benchmark."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPSegForImageSegmentation, CLIPTokenizer

from dbb.models.devices import default_dtype
from dbb.models.segmenters.base import Candidates, loading, model_type
from dbb.models.sources import Source


@dataclass(frozen=True)
class CLIPSegSegmenter:
    """A `Segmenter` around CLIPSeg, whose one heat map per prompt gives at most one candidate per image.

    Attributes:
        threshold: probability (0..1) above which a pixel belongs to the mask. The candidate's score is the mean
            probability inside the mask.
    """

    model: CLIPSegForImageSegmentation
    tokenizer: CLIPTokenizer
    processor: CLIPImageProcessor
    threshold: float

    def segment(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> list[Candidates]:
        """See `Segmenter.segment`; the prompt is encoded once for the whole batch."""
        return [self._candidates(probability) for probability in self.heat(images, prompt)]

    @torch.inference_mode()
    def heat(self, images: UInt8[Tensor, "B 3 S S"], prompt: str) -> Float32[Tensor, "B S S"]:
        """Return each pixel's probability of belonging to ``prompt``."""
        tokens = self.tokenizer(prompt, truncation=True, return_tensors="pt").to(self.model.device)
        text = self.model.get_conditional_embeddings(batch_size=1, **tokens)
        logits = self.model(
            pixel_values=self._prepare(images), conditional_embeddings=text.expand(len(images), -1)
        ).logits
        # The decoder drops the batch axis of a single image in some versions, never the last two.
        heat = logits.reshape(len(images), 1, *logits.shape[-2:]).float()
        heat = F.interpolate(heat, images.shape[-2:], mode="bilinear", align_corners=False)
        return heat[:, 0].sigmoid().cpu()

    def _prepare(self, images: Tensor) -> Tensor:
        size = self.processor.size
        height, width = (size["height"], size["width"]) if "height" in size else [size["shortest_edge"]] * 2
        pixels = images.to(self.model.device).float() / 255
        if tuple(pixels.shape[-2:]) != (height, width):
            pixels = F.interpolate(pixels, (height, width), mode="bilinear", antialias=True)
        mean, std = (
            torch.tensor(v, device=pixels.device).view(3, 1, 1)
            for v in (self.processor.image_mean, self.processor.image_std)
        )
        return ((pixels - mean) / std).to(self.model.dtype)

    def _candidates(self, probability: Float32[Tensor, "S S"]) -> Candidates:
        mask = probability > self.threshold
        if not mask.any():
            return Candidates(mask[None][:0], torch.zeros(0))
        return Candidates(mask[None], probability[mask].mean()[None])


def load_clipseg(source: Source, threshold: float, device: str | torch.device) -> CLIPSegSegmenter:
    """Load a CLIPSegForImageSegmentation with its tokenizer and image processor.

    Raises:
        InputError: when a file is missing or the model is another one.
    """
    with loading(source, "segmenter"):
        model_type(source, ("clipseg",), "CLIPSeg")
        model = CLIPSegForImageSegmentation.from_pretrained(source.name, dtype=default_dtype(device))
        model = model.to(device).eval()
        tokenizer = CLIPTokenizer.from_pretrained(source.name)
        processor = CLIPImageProcessor.from_pretrained(source.name)
    return CLIPSegSegmenter(model, tokenizer, processor, threshold)

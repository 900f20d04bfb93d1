"""From uint8 pixels to the classifier's input, on whole batches."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Num, Shaped, UInt8
from torch import Tensor

from dbb.errors import InputError
from dbb.input_format import InputFormat

AREAS = (0.7, 1.0)
RATIOS = (3 / 4, 4 / 3)
"""A random crop's share of the picture's area and its width over height, least and most (ArianYp/DDB, data/)."""

TRIES = 10


def centre(batch: Shaped[Tensor, "*B S S"], size: int) -> Shaped[Tensor, "*B {size} {size}"]:
    """Return the middle ``size`` x ``size`` px of ``batch``."""
    start = (batch.shape[-1] - size) // 2
    return batch[..., start : start + size, start : start + size]


def normalise(
    images: Num[Tensor, "B 3 H W"], mean: Sequence[float], std: Sequence[float]
) -> Float32[Tensor, "B 3 H W"]:
    """Return ``images`` (0..255) as shares of 255, less ``mean``, over ``std`` (both per channel, for RGB in 0..1)."""
    # One multiplication and one addition per pixel, instead of two divisions and a subtraction.
    like: dict[str, Any] = {"dtype": torch.float32, "device": images.device}
    scale = torch.tensor([1 / (255 * s) for s in std], **like).view(1, 3, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], **like).view(1, 3, 1, 1)
    return torch.addcmul(shift, images.float(), scale)


def evaluation_input(pixels: UInt8[Tensor, "B 3 R R"], input_format: InputFormat) -> Float32[Tensor, "B 3 S S"]:
    """Return the classifier's input: the normalised centre of ``pixels``, which are of the format's read size."""
    return normalise(centre(pixels, input_format.size), input_format.mean, input_format.std)


def training_input(
    pixels: UInt8[Tensor, "B 3 R R"], input_format: InputFormat, augmentation: str, generator: torch.Generator
) -> Float32[Tensor, "B 3 S S"]:
    """Return what training sees of ``pixels``, normalised, drawn on the CPU from ``generator``.

    Args:
        augmentation: "none", the centre; "flip", the centre, mirrored half of the time; "crop", a random part of each
            picture (`random_boxes`), resized, mirrored half of the time.

    Raises:
        InputError: for another augmentation.
    """
    size = input_format.size
    match augmentation:
        case "none":
            parts = centre(pixels, size)
        case "flip":
            parts = random_flip(centre(pixels, size), generator)
        case "crop":
            boxes = random_boxes(len(pixels), pixels.shape[-1], generator)
            mirrored = torch.rand(len(pixels), generator=generator) < 0.5
            parts = resized_crops(pixels, boxes, size, mirrored.to(pixels.device))
        case other:
            raise InputError(f"unknown augmentation {other!r}: choose 'none', 'flip' or 'crop'")
    return normalise(parts, input_format.mean, input_format.std)


def random_flip(batch: Shaped[Tensor, "B C H W"], generator: torch.Generator) -> Shaped[Tensor, "B C H W"]:
    """Return ``batch``, each image mirrored left to right with probability 1/2, drawn on the
    CPU from ``generator``.
    """
    flip = torch.rand(len(batch), generator=generator) < 0.5
    return torch.where(flip.to(batch.device).view(-1, 1, 1, 1), batch.flip(-1), batch)


def random_boxes(n: int, size: int, generator: torch.Generator) -> Float32[Tensor, "{n} 4"]:
    """Return boxes in pictures of ``size`` px: left, top, width, height in px.

    Drawn as torchvision's RandomResizedCrop draws them: the area uniformly from `AREAS`, width over height
    log-uniformly from `RATIOS`, up to `TRIES` times until the box fits, else the whole picture.
    """
    area = torch.empty(n, TRIES).uniform_(*AREAS, generator=generator) * size * size
    ratio = torch.empty(n, TRIES).uniform_(*torch.tensor(RATIOS).log().tolist(), generator=generator).exp()
    width, height = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (width <= size) & (height <= size)
    first = fits.int().argmax(dim=1, keepdim=True)  # the first that fits; 0 where none does
    some = fits.any(dim=1)
    sides = torch.stack([width.gather(1, first)[:, 0], height.gather(1, first)[:, 0]], dim=1)
    sides = torch.where(some[:, None], sides, float(size))
    corner = (torch.rand(n, 2, generator=generator) * (size - sides + 1)).floor()
    return torch.cat([corner, sides], dim=1)


def resized_crops(
    pixels: UInt8[Tensor, "B 3 S S"], boxes: Float32[Tensor, "B 4"], size: int, mirrored: Bool[Tensor, " B"]
) -> Float32[Tensor, "B 3 {size} {size}"]:
    """Return the ``boxes`` (as `random_boxes`) of ``pixels``, resized bilinearly with antialiasing and turned left
    to right where ``mirrored``: 0..255.
    """
    crops = torch.cat(
        [
            F.interpolate(
                picture[None, :, top : top + height, left : left + width].float(),
                (size, size),
                mode="bilinear",
                antialias=True,
            )
            for picture, (left, top, width, height) in zip(pixels, boxes.int().tolist(), strict=True)
        ]
    )
    return torch.where(mirrored.view(-1, 1, 1, 1), crops.flip(-1), crops)

"""From uint8 pixels to the classifier's input, on whole batches."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from dbb.errors import InputError
from dbb.input_format import InputFormat

AREAS = (0.7, 1.0)
RATIOS = (3 / 4, 4 / 3)
"""A random crop's share of the picture's area and its width over height, least and most (ArianYp/DDB, data/)."""

TRIES = 10


def centre(batch: torch.Tensor, size: int) -> torch.Tensor:
    """Return the middle ``size`` x ``size`` px of ``batch`` (..., S, S)."""
    start = (batch.shape[-1] - size) // 2
    return batch[..., start:start + size, start:start + size]


def normalise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Return float32 (B, 3, S, S): ``images`` (uint8 or float, same shape, 0..255) as shares of 255, less ``mean``,
    over ``std`` (both per channel, for RGB in 0..1).
    """
    # One multiplication and one addition per pixel, instead of two divisions and a subtraction.
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(1, 3, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return torch.addcmul(shift.view(1, 3, 1, 1), images.float(), scale)


def evaluation_input(pixels: torch.Tensor, input_format: InputFormat) -> torch.Tensor:
    """Return the classifier's input, float32 (B, 3, size, size): the normalised centre of ``pixels``, uint8
    (B, 3, read_size, read_size).
    """
    return normalise(centre(pixels, input_format.size), input_format.mean, input_format.std)


def training_input(pixels: torch.Tensor, input_format: InputFormat, augmentation: str,
                   generator: torch.Generator) -> torch.Tensor:
    """Return what training sees of ``pixels``, uint8 (B, 3, read_size, read_size): normalised float32
    (B, 3, size, size), drawn on the CPU from ``generator``.

    augmentation: "none", the centre; "flip", the centre, mirrored half of the time; "crop", a random part of each
        picture (`random_boxes`), resized, mirrored half of the time.

    Raises InputError for another augmentation.
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
            parts = resized_crops(pixels, boxes.to(pixels.device), size, mirrored.to(pixels.device))
        case other:
            raise InputError(f"unknown augmentation {other!r}: choose 'none', 'flip' or 'crop'")
    return normalise(parts, input_format.mean, input_format.std)


def random_flip(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return ``batch`` (B, C, H, W), each image mirrored left to right with probability 1/2, drawn on the
    CPU from ``generator``.
    """
    flip = torch.rand(len(batch), generator=generator) < 0.5
    return torch.where(flip.to(batch.device).view(-1, 1, 1, 1), batch.flip(-1), batch)


def random_boxes(n: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """Return boxes in pictures of ``size`` px, float32 (n, 4): left, top, width, height in px.

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


def resized_crops(pixels: torch.Tensor, boxes: torch.Tensor, size: int, mirrored: torch.Tensor) -> torch.Tensor:
    """Return the ``boxes`` (as `random_boxes`) of ``pixels`` (B, 3, S, S), resized bilinearly and, where ``mirrored``,
    bool (B,), turned left to right: float32 (B, 3, size, size), 0..255.
    """
    theta = torch.zeros(len(pixels), 2, 3, device=pixels.device)
    sides, side = boxes[:, 2:], pixels.shape[-1]
    theta[:, [0, 1], [0, 1]] = sides / side
    theta[:, 0, 0] *= torch.where(mirrored, -1.0, 1.0)
    theta[:, :, 2] = (2 * boxes[:, :2] + sides) / side - 1
    grid = F.affine_grid(theta, [len(pixels), 3, size, size], align_corners=False)
    return F.grid_sample(pixels.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)

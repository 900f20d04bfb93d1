"""From uint8 pixels to the classifier's input, on whole batches."""

from collections.abc import Sequence

import torch


def normalise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Return float32 (B, 3, S, S): ``images`` (uint8, same shape, 0..255) as shares of 255, less ``mean``,
    over ``std`` (both per channel, for RGB in 0..1).
    """
    # One multiplication and one addition per pixel, instead of two divisions and a subtraction.
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(1, 3, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return torch.addcmul(shift.view(1, 3, 1, 1), images.float(), scale)


def random_flip(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return ``batch`` (B, C, H, W), each image mirrored left to right with probability 1/2, drawn on the
    CPU from ``generator``.
    """
    flip = torch.rand(len(batch), generator=generator) < 0.5
    return torch.where(flip.to(batch.device).view(-1, 1, 1, 1), batch.flip(-1), batch)

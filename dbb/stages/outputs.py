"""What a classifier says of every image of a split: the file that all later stages read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.store import atomic_path, require_file


def per_sample_losses(logits: torch.Tensor, labels: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of each sample, float64 (N,).

    logits: float (N, C); labels: int64 (N,).
    """
    losses = nn.functional.cross_entropy(logits.double().cpu(), torch.from_numpy(labels), reduction="none")
    return losses.numpy()


@dataclass(frozen=True)
class Outputs:
    """What the trained classifier says of every training image, in the split's order: all that later stages need.

    ids, labels: int64 (N,). logits, probabilities: float32 (N, C). losses: float64 (N,).
    """

    ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray


def outputs_of(logits: torch.Tensor, images: ImageSet) -> Outputs:
    """Return the outputs for ``images`` with their ``logits``, float (N, C)."""
    logits = logits.float().cpu()
    return Outputs(images.ids, images.labels, logits.numpy(), logits.softmax(1).numpy(),
                        per_sample_losses(logits, images.labels))


def save_outputs(path: str | Path, outputs: Outputs) -> None:
    """Write the outputs as an .npz, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(outputs))


def load_outputs(path: str | Path) -> Outputs:
    """Read what `save_outputs` wrote.

    Raises InputError when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        with np.load(path) as arrays:
            return Outputs(**{name: arrays[name] for name in arrays.files})
    except Exception as error:  # a damaged archive fails in many ways: zip, zlib, numpy, a missing array
        raise InputError(f"{path} is corrupt ({error}): delete it and run notebook 02-erm again") from error

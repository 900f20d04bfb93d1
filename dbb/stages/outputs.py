"""What a classifier says of every image of a split: the file that all later stages read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor, nn

from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.store import atomic_path, require_file


def per_sample_losses(logits: Float[Tensor, "N C"], labels: Int64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """Return the cross-entropy of each sample."""
    losses = nn.functional.cross_entropy(logits.double().cpu(), torch.from_numpy(labels), reduction="none")
    return losses.numpy()


def probabilities_of(logits: Float[Tensor, "N C"]) -> Float64[np.ndarray, "N C"]:
    """Return the softmax of ``logits`` as float64: in float32 a probability above 1 - 3e-8 would be 1,
    and eq. 3 compares such.
    """
    return logits.double().softmax(1).cpu().numpy()


@dataclass(frozen=True)
class Outputs:
    """What the trained classifier says of every training image, in the split's order: all that later stages need."""

    ids: Int64[np.ndarray, " N"]
    labels: Int64[np.ndarray, " N"]
    logits: Float32[np.ndarray, "N C"]
    probabilities: Float64[np.ndarray, "N C"]
    losses: Float64[np.ndarray, " N"]


def outputs_of(logits: Float[Tensor, "N C"], images: ImageSet) -> Outputs:
    """Return the outputs for ``images`` with their ``logits``."""
    logits = logits.float().cpu()
    return Outputs(
        images.ids, images.labels, logits.numpy(), probabilities_of(logits), per_sample_losses(logits, images.labels)
    )


def save_outputs(path: str | Path, outputs: Outputs) -> None:
    """Write the outputs as an .npz, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(outputs))


def load_outputs(path: str | Path) -> Outputs:
    """Read what `save_outputs` wrote.

    Raises:
        InputError: when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        with np.load(path) as arrays:
            return Outputs(**{name: arrays[name] for name in arrays.files})
    except Exception as error:  # a damaged archive fails in many ways: zip, zlib, numpy, a missing array
        raise InputError(f"{path} is corrupt ({error}): delete it and run notebook 02-erm again") from error

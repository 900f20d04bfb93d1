"""What is trained on: image sets read as one, and the batches that a loss sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64, UInt8
from torch import Tensor

from dbb.data.images import ImageSet
from dbb.errors import InputError

IN_MEMORY_BYTES = 2 * 1024**3
"""Up to this many bytes of a set's pixels are read once and kept; larger sets are read batch by batch."""


@dataclass(frozen=True)
class Batch:
    """What a loss sees, on the model's device.

    Attributes:
        images: normalised and augmented: a mask that is looked up by ``indices`` fits them only under the augmentation
            "none".
        part: each image's part of eq. 8: 0 the training split, 1 + i generated INTO class i.
        indices: positions in the `Examples`, so that the caller can look up weights, groups or partners.
    """

    images: Float32[Tensor, "B 3 S S"]
    labels: Int64[Tensor, " B"]
    part: Int64[Tensor, " B"]
    indices: Int64[Tensor, " B"]


class Examples:
    """Several image sets read as one, each with its part of eq. 8.

    Args:
        parts: per set, int64 (N_i,).

    Raises:
        InputError: when there is no image.
    """

    def __init__(self, sets: Sequence[ImageSet], parts: Sequence[np.ndarray], size: int) -> None:
        self._sets = [images for images in sets if len(images)]
        if not self._sets:
            raise InputError("no images to train on: the training split is empty")
        self._starts = np.cumsum([0, *(len(images) for images in self._sets)])
        self._size = size
        self.labels = torch.from_numpy(np.concatenate([images.labels for images in self._sets]))
        self.part = torch.from_numpy(np.concatenate(parts).astype(np.int64))
        self._kept = [
            images.pixels(range(len(images)), size) if len(images) * 3 * size * size <= IN_MEMORY_BYTES else None
            for images in self._sets
        ]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def pixels(self, positions: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 S S"]:
        """Return the images at ``positions``, which may come more than once."""
        batch = torch.empty(len(positions), 3, self._size, self._size, dtype=torch.uint8)
        owner = np.searchsorted(self._starts, positions, side="right") - 1
        for index, (images, kept) in enumerate(zip(self._sets, self._kept, strict=True)):
            here = np.flatnonzero(owner == index)
            if len(here):
                own = positions[here] - self._starts[index]
                batch[torch.from_numpy(here)] = (
                    images.pixels(own, self._size) if kept is None else kept[torch.from_numpy(own)]
                )
        return batch

"""What is trained on: image sets read as one, and the batches that a loss sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dbb.data.images import ImageSet
from dbb.errors import InputError

IN_MEMORY_BYTES = 2 * 1024**3
"""Up to this many bytes of a set's pixels are read once and kept; larger sets are read batch by batch."""


@dataclass(frozen=True)
class Batch:
    """What a loss sees, on the model's device.

    images: normalised float32 (B, 3, S, S), augmented: a mask that is looked up by ``indices`` fits them only under
        the augmentation "none". labels: int64 (B,).
    part: int64 (B,), each image's part of eq. 8: 0 the training split, 1 + i generated INTO class i.
    indices: int64 (B,), positions in the `Examples`, so that the caller can look up weights, groups or partners.
    """

    images: torch.Tensor
    labels: torch.Tensor
    part: torch.Tensor
    indices: torch.Tensor


class Examples:
    """Several image sets read as one, each with its part of eq. 8.

    parts: per set, int64 (N_i,).

    Raises InputError when there is no image.
    """

    def __init__(self, sets: Sequence[ImageSet], parts: Sequence[np.ndarray], size: int) -> None:
        self._sets = [images for images in sets if len(images)]
        if not self._sets:
            raise InputError("no images to train on: the training split is empty")
        self._starts = np.cumsum([0, *(len(images) for images in self._sets)])
        self._size = size
        self.labels = torch.from_numpy(np.concatenate([images.labels for images in self._sets]))
        self.part = torch.from_numpy(np.concatenate(parts).astype(np.int64))
        self._kept = [images.pixels(range(len(images)), size) if len(images) * 3 * size * size <= IN_MEMORY_BYTES
                      else None for images in self._sets]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def pixels(self, positions: np.ndarray) -> torch.Tensor:
        """Return uint8 (B, 3, S, S) of the images at ``positions``, which may come more than once."""
        batch = torch.empty(len(positions), 3, self._size, self._size, dtype=torch.uint8)
        owner = np.searchsorted(self._starts, positions, side="right") - 1
        for index, (images, kept) in enumerate(zip(self._sets, self._kept, strict=True)):
            here = np.flatnonzero(owner == index)
            if len(here):
                own = positions[here] - self._starts[index]
                batch[torch.from_numpy(here)] = (images.pixels(own, self._size) if kept is None
                                                 else kept[torch.from_numpy(own)])
        return batch

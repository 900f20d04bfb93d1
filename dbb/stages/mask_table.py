"""The masks of a set of images: the file between the stage that finds them and those that paint and prune."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dbb.errors import InputError
from dbb.store import atomic_path, require_file
from dbb.transforms import InputFormat, centre

MASKS, SOURCES = "masks.npz", "sources.parquet"

CHUNK = 256
"""Masks held unpacked at a time."""


MaskLookup = Callable[[np.ndarray], torch.Tensor]
"""Gives the masks to inpaint, bool (B, S, S), of the originals with the ids int64 (B,)."""


def resize_masks(masks: torch.Tensor, size: int) -> torch.Tensor:
    """Return masks, bool (B, S, S), at ``size`` px: bool (B, size, size).

    A pixel is inside when any pixel inside had a share in it: shrunk with its image (`dbb.data.images.resized`), a mask
    still covers all that changed.
    """
    if masks.shape[-1] == size or len(masks) == 0:
        return masks.reshape(len(masks), size, size)
    return F.interpolate(masks[:, None].float(), (size, size), mode="bilinear", antialias=True)[:, 0] > 0


def input_masks(masks: MaskLookup, ids: np.ndarray, input_format: InputFormat) -> np.ndarray:
    """Return the masks of the originals ``ids`` as the classifier sees its pictures: bool (B, size, size).

    masks: gives them at the size at which the images were generated.
    """
    parts = [centre(resize_masks(masks(part), input_format.read_size), input_format.size).numpy()
             for part in np.array_split(ids, -(-len(ids) // CHUNK) or 1)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class MaskTable:
    """The masks of a set of images.

    ids: int64 (N,), which images, ascending (`ImageSet.ids`).
    found: bool (N,), whether the segmenter found the thing; an image without it has empty masks.
    score: float32 (N,), 0..1, NaN where not found.
    area: float32 (N,), share of the image that the segmentation covers, 0 where not found.
    packed_raw, packed_padded: uint8 (N, ceil(size * size / 8)), bit-packed masks.
    size: px, of the masks' sides.
    """

    ids: np.ndarray
    found: np.ndarray
    score: np.ndarray
    area: np.ndarray
    packed_raw: np.ndarray
    packed_padded: np.ndarray
    size: int

    @property
    def n_failed(self) -> int:
        """Images in which nothing was found."""
        return int((~self.found).sum())

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """Return the rows, 0..N-1, of the images ``ids``.

        Raises InputError for an image that is not in the table.
        """
        ids = np.asarray(ids, dtype=np.int64)
        rows = np.searchsorted(self.ids, ids)
        missing = ids[self.ids[np.minimum(rows, len(self.ids) - 1)] != ids] if len(self.ids) else ids
        if len(missing):
            raise InputError(f"image {missing[0]} has no row in the mask table: run notebook 04-masks with "
                             "the same parameters")
        return rows

    def raw(self, ids: np.ndarray) -> torch.Tensor:
        """Return the segmentations of the images ``ids``: bool (B, size, size)."""
        return self._unpack(self.packed_raw, ids)

    def padded(self, ids: np.ndarray) -> torch.Tensor:
        """Return the masks to inpaint, padded or boxed: bool (B, size, size)."""
        return self._unpack(self.packed_padded, ids)

    def painted_area(self, ids: np.ndarray) -> np.ndarray:
        """Return the share of each of the images ``ids`` that its mask to inpaint covers, float32 (B,)."""
        return covered(self.packed_padded[self.rows(ids)], self.size)

    def _unpack(self, packed: np.ndarray, ids: np.ndarray) -> torch.Tensor:
        bits = np.unpackbits(packed[self.rows(ids)], axis=1, count=self.size * self.size)
        return torch.from_numpy(bits.reshape(-1, self.size, self.size).astype(bool))


def covered(packed: np.ndarray, size: int) -> np.ndarray:
    """Return the share of set bits of masks of ``size`` px, float32 (B,)."""
    return np.bitwise_count(packed).sum(axis=1, dtype=np.float32) / np.float32(size * size)


def save_masks(path: str | Path, table: MaskTable) -> None:
    """Write a mask table as a compressed .npz, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(table))


def load_masks(path: str | Path) -> MaskTable:
    """Read a mask table.

    Raises InputError when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        with np.load(path) as arrays:
            return MaskTable(**{k: (int(arrays[k]) if k == "size" else arrays[k]) for k in arrays.files})
    except Exception as error:  # a damaged archive fails in many ways: zip, zlib, numpy, a missing array
        raise InputError(f"{path} is corrupt ({error}): delete it and run notebook 04-masks again") from error

"""The masks of a set of images: the file between the stage that finds them and those that paint and prune."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int, Int64, UInt8
from torch import Tensor

from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.store import atomic_path, require_file
from dbb.transforms import centre

MASKS, SOURCES = "masks.npz", "sources.parquet"

CHUNK = 256
"""Masks held unpacked at a time."""


MaskLookup = Callable[[np.ndarray], Tensor]
"""Gives the masks to inpaint, bool (B, S, S), of the originals with the ids int64 (B,)."""


def resize_masks(masks: Bool[Tensor, "B S S"], size: int) -> Bool[Tensor, "B {size} {size}"]:
    """Return masks at ``size`` px.

    A pixel is inside when any pixel inside had a share in it: shrunk with its image (`dbb.data.images.resized`), a mask
    still covers all that changed.
    """
    if masks.shape[-1] == size or len(masks) == 0:
        return masks.reshape(len(masks), size, size)
    return F.interpolate(masks[:, None].float(), (size, size), mode="bilinear", antialias=True)[:, 0] > 0


def input_masks(masks: MaskLookup, ids: Int[np.ndarray, " B"], input_format: InputFormat) -> Bool[np.ndarray, "B S S"]:
    """Return the masks of the originals ``ids`` as the classifier sees its pictures.

    Args:
        masks: gives them at the size at which the images were generated.
    """
    parts = [
        centre(resize_masks(masks(part), input_format.read_size), input_format.size).numpy()
        for part in np.array_split(ids, -(-len(ids) // CHUNK) or 1)
    ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class MaskTable:
    """The masks of a set of images.

    Attributes:
        ids: which images, ascending (`ImageSet.ids`).
        found: whether the segmenter found the thing; an image without it has empty masks.
        score: 0..1, NaN where not found.
        area: share of the image that the segmentation covers, 0 where not found.
        packed_raw, packed_padded: bit-packed masks, ceil(size * size / 8) bytes each.
        size: px, of the masks' sides.
    """

    ids: Int64[np.ndarray, " N"]
    found: Bool[np.ndarray, " N"]
    score: Float32[np.ndarray, " N"]
    area: Float32[np.ndarray, " N"]
    packed_raw: UInt8[np.ndarray, "N bytes"]
    packed_padded: UInt8[np.ndarray, "N bytes"]
    size: int

    @property
    def n_failed(self) -> int:
        """Images in which nothing was found."""
        return int((~self.found).sum())

    def rows(self, ids: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """Return the rows, 0..N-1, of the images ``ids``.

        Raises:
            InputError: for an image that is not in the table.
        """
        ids = np.asarray(ids, dtype=np.int64)
        rows = np.searchsorted(self.ids, ids)
        missing = ids[self.ids[np.minimum(rows, len(self.ids) - 1)] != ids] if len(self.ids) else ids
        if len(missing):
            raise InputError(
                f"image {missing[0]} has no row in the mask table: run notebook 04-masks with the same parameters"
            )
        return rows

    def raw(self, ids: Int[np.ndarray, " B"]) -> Bool[Tensor, "B {self.size} {self.size}"]:
        """Return the segmentations of the images ``ids``."""
        return self._unpack(self.packed_raw, ids)

    def padded(self, ids: Int[np.ndarray, " B"]) -> Bool[Tensor, "B {self.size} {self.size}"]:
        """Return the masks to inpaint, padded or boxed."""
        return self._unpack(self.packed_padded, ids)

    def painted_area(self, ids: Int[np.ndarray, " B"]) -> Float32[np.ndarray, " B"]:
        """Return the share of each of the images ``ids`` that its mask to inpaint covers."""
        return covered(self.packed_padded[self.rows(ids)], self.size)

    def _unpack(self, packed: np.ndarray, ids: np.ndarray) -> Tensor:
        bits = np.unpackbits(packed[self.rows(ids)], axis=1, count=self.size * self.size)
        return torch.from_numpy(bits.reshape(-1, self.size, self.size).astype(bool))


def covered(packed: UInt8[np.ndarray, "B bytes"], size: int) -> Float32[np.ndarray, " B"]:
    """Return the share of set bits of masks of ``size`` px."""
    return np.bitwise_count(packed).sum(axis=1, dtype=np.float32) / np.float32(size * size)


def save_masks(path: str | Path, table: MaskTable) -> None:
    """Write a mask table as a compressed .npz, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(table))


def load_masks(path: str | Path) -> MaskTable:
    """Read a mask table.

    Raises:
        InputError: when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        with np.load(path) as arrays:
            masks = {name: arrays[name] for name in arrays.files if name != "size"}
            return MaskTable(**masks, size=int(arrays["size"]))
    except Exception as error:  # a damaged archive fails in many ways: zip, zlib, numpy, a missing array
        raise InputError(f"{path} is corrupt ({error}): delete it and run notebook 04-masks again") from error

"""Language masks (section 4.1): where the thing is, and where the inpainting may paint."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dbb.benchmarks import MaskSettings
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.progress import track
from dbb.segmenters import Candidates, Segmenter
from dbb.store import atomic_path, require_file
from dbb.transforms import InputFormat, centre

CHUNK = 256
"""Masks held unpacked at a time."""

MaskLookup = Callable[[np.ndarray], torch.Tensor]
"""Gives the masks to inpaint, bool (B, S, S), of the originals with the ids int64 (B,)."""


def choose_mask(candidates: Candidates, min_area: float, choice: str = "best") -> tuple[torch.Tensor, float] | None:
    """Return the mask, bool (S, S), and score of one of the candidates that cover ``min_area`` of the image; None when
    there is none.

    choice: "best", of the highest score, or "first", as the released code takes it.

    Raises InputError for another choice.
    """
    if choice not in ("best", "first"):
        raise InputError(f"unknown choice of a mask {choice!r}: choose 'best' or 'first'")
    large = candidates.masks.float().mean(dim=(1, 2)) >= min_area
    if not large.any():
        return None
    order = candidates.scores.where(large, -torch.inf) if choice == "best" else large.int()
    chosen = int(order.argmax())
    return candidates.masks[chosen], float(candidates.scores[chosen])


def pad_mask(mask: torch.Tensor, pixels: int) -> torch.Tensor:
    """Grow a mask, bool (S, S), by ``pixels`` to each side (a square): a tight mask would dictate the
    silhouette of what is painted into it.
    """
    return F.max_pool2d(mask[None].float(), 2 * pixels + 1, stride=1, padding=pixels)[0].bool()


def box_mask(mask: torch.Tensor) -> torch.Tensor:
    """Return the filled bounding box of a mask, bool (S, S); an empty mask stays empty."""
    box = torch.zeros_like(mask)
    if mask.any():
        (rows,), (columns,) = (mask.any(dim=d).nonzero(as_tuple=True) for d in (1, 0))
        box[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] = True
    return box


def inpainting_mask(mask: torch.Tensor, pad: int, box: bool) -> torch.Tensor:
    """Return where the inpainting may paint, bool (S, S): ``mask`` grown by ``pad`` px, then boxed if ``box``."""
    grown = pad_mask(mask, pad)
    return box_mask(grown) if box else grown


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
        return _covered(self.packed_padded[self.rows(ids)], self.size)

    def _unpack(self, packed: np.ndarray, ids: np.ndarray) -> torch.Tensor:
        bits = np.unpackbits(packed[self.rows(ids)], axis=1, count=self.size * self.size)
        return torch.from_numpy(bits.reshape(-1, self.size, self.size).astype(bool))


def find_masks(
    segmenter: Segmenter,
    images: ImageSet,
    positions: np.ndarray,
    prompt: str,
    settings: MaskSettings,
    size: int,
    batch_size: int,
) -> MaskTable:
    """Segment the images at ``positions`` of ``images`` by ``prompt``, at ``size`` px.

    Returns a table that keeps both the segmentation and the mask to inpaint. An image without a mask is a
    counted failure (`MaskTable.n_failed`), not an error.
    """
    positions = np.asarray(positions, dtype=np.int64)
    positions = positions[np.argsort(images.ids[positions], kind="stable")]
    found, scores, raw, padded = [], [], [], []
    for start in track(range(0, len(positions), batch_size), "masks"):
        pixels = images.pixels(positions[start:start + batch_size], size)
        for candidates in segmenter.segment(pixels, prompt):
            chosen = choose_mask(candidates, settings.min_area, settings.choice)
            mask, score = chosen or (torch.zeros(size, size, dtype=torch.bool), float("nan"))
            found.append(chosen is not None)
            scores.append(score)
            raw.append(np.packbits(mask.numpy()))
            padded.append(np.packbits(inpainting_mask(mask, settings.pad, settings.box).numpy()))
    packed_raw, packed_padded = (np.array(m, np.uint8).reshape(len(positions), -(-size * size // 8))
                                 for m in (raw, padded))
    return MaskTable(images.ids[positions], np.array(found, bool), np.array(scores, np.float32),
                     _covered(packed_raw, size), packed_raw, packed_padded, size)


def _covered(packed: np.ndarray, size: int) -> np.ndarray:
    """The share of set bits of masks of ``size`` px, float32 (B,)."""
    return np.bitwise_count(packed).sum(axis=1, dtype=np.float32) / np.float32(size * size)


def masked_images(
    segmenter: Segmenter,
    images: ImageSet,
    positions: np.ndarray,
    prompt: str,
    settings: MaskSettings,
    size: int,
    batch_size: int = 50,
) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Return those of ``positions`` in whose images ``prompt`` is found, by ascending id, int64 (B,), with their
    pixels, uint8 (B, 3, size, size), and masks to inpaint, bool (B, size, size).
    """
    positions = np.asarray(positions, dtype=np.int64)
    positions = positions[np.argsort(images.ids[positions], kind="stable")]
    table = find_masks(segmenter, images, positions, prompt, settings, size, batch_size)
    return positions[table.found], images.pixels(positions[table.found], size), table.padded(table.ids[table.found])


def overlap(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Return the intersection over union of masks, bool (B, S, S), pair by pair: float32 (B,); NaN where both
    are empty.
    """
    both, either = ((op(found, true)).sum(dim=(1, 2)) for op in (torch.logical_and, torch.logical_or))
    return both / either


def coverage(painted: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Return the share of each true mask that ``painted`` covers, both bool (B, S, S): float32 (B,); NaN where the
    true mask is empty.
    """
    return (painted & true).sum(dim=(1, 2)) / true.sum(dim=(1, 2))


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

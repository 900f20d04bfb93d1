"""A split of a benchmark: pixels on demand, labels, spurious attributes, and, where known, the truth."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from PIL import Image

from dbb.errors import InputError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

CHUNK = 256  # images in memory while all of them are gone through


class PixelSource(Protocol):
    """Where a split's pixels come from: an array in memory, or files on disk."""

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> torch.Tensor:
        """Return the images at ``indices`` as uint8 (B, 3, size, size), RGB, 0..255."""
        ...


class Digestible(PixelSource, Protocol):
    """A source that can tell its pictures from others without reading them."""

    def digest(self) -> str:
        """See `dbb.data.files.FilePixels.digest`."""
        ...


@dataclass(frozen=True)
class ArrayPixels:
    """Square images held in memory.

    Attributes:
        images: uint8 (N, S, S, 3), RGB.
    """

    images: np.ndarray

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> torch.Tensor:
        """See `PixelSource.read`; ``size`` must be the stored size, which is never resampled."""
        if size != self.images.shape[1]:
            raise InputError(f"these images are {self.images.shape[1]} px, not {size}: ask for the stored size")
        import torch

        return torch.from_numpy(self.images[np.asarray(indices)]).permute(0, 3, 1, 2).contiguous()


def resized(picture: np.ndarray, size: int) -> np.ndarray:
    """Return a picture, uint8 (S, S, 3), at ``size`` px: itself, or resampled bilinearly with antialiasing."""
    if len(picture) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR))


def read_pictures(read: Callable[[T], np.ndarray], items: Iterable[T], size: int) -> torch.Tensor:
    """Return what ``read`` makes of each of ``items``, uint8 (size, size, 3), as uint8 (B, 3, size, size); in threads,
    since PIL lets others run while it decodes and resamples.
    """
    import torch

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pictures = list(pool.map(read, items))
    stacked = np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class Resampled:
    """A source whose pictures are first read at ``size`` px and resampled from there to every other size, as
    pictures generated at that size are: original and generated pictures then differ where they were painted and nowhere
    else, and the classifier cannot tell one kind by its sharpness.
    """

    source: Digestible
    size: int

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> torch.Tensor:
        """See `PixelSource.read`."""
        pixels = self.source.read(indices, self.size)
        if size == self.size:
            return pixels
        return read_pictures(lambda picture: resized(picture, size), pixels.permute(0, 2, 3, 1).numpy(), size)

    def digest(self) -> str:
        """Return what tells these pictures from others (`dbb.data.files.FilePixels.digest`)."""
        return f"{self.source.digest()}-via-{self.size}"


@dataclass(frozen=True)
class ImageSet:
    """One split (train, val or test), or a part of it.

    Attributes:
        labels: int64 (N,), the class y, 0..C-1.
        attributes: int64 (N,), the spurious attribute a, 0..A-1.
        n_attributes: A, so that the group of an image is g = A * y + a (PAPER.md, notation).
        ids: int64 (N,), each image's index in the split it was first read from; stays with it through `subset`.
        truth: what is known beside the label, by name, each of first dimension N. The miniature knows everything
            ("mask" bool (N, S, S), "species", "colour", "place" str (N,)); the paper's data know nothing.
    """

    source: PixelSource
    labels: np.ndarray
    attributes: np.ndarray
    n_attributes: int
    ids: np.ndarray
    truth: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def groups(self) -> np.ndarray:
        """int64 (N,), g = A * y + a."""
        return self.n_attributes * self.labels + self.attributes

    def pixels(self, positions: Sequence[int] | np.ndarray, size: int) -> torch.Tensor:
        """Return uint8 (B, 3, size, size) of the images at ``positions`` (0..N-1) of this set."""
        return self.source.read(self.ids[np.asarray(positions, dtype=np.int64)], size)

    def subset(self, positions: Sequence[int] | np.ndarray) -> ImageSet:
        """Return the images at ``positions``, in that order; ``ids`` still name the original split."""
        positions = np.asarray(positions, dtype=np.int64)
        truth = {name: values[positions] for name, values in self.truth.items()}
        return replace(
            self,
            labels=self.labels[positions],
            attributes=self.attributes[positions],
            ids=self.ids[positions],
            truth=truth,
        )


def pixel_digest(images: ImageSet, size: int) -> str:
    """Return a hash of the pixels of ``images`` at ``size`` px, in their order, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for start in range(0, len(images), CHUNK):
        positions = range(start, min(start + CHUNK, len(images)))
        digest.update(images.pixels(positions, size).contiguous().numpy().data)
    return digest.hexdigest()

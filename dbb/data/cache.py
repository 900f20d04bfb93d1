"""Decoded once: what bounds training on photographs is decoding them, so a split is kept as a memory-mapped array."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dbb.data.images import Digestible
from dbb.errors import InputError
from dbb.progress import track
from dbb.store import atomic_path, locked, read_json, write_json

if TYPE_CHECKING:
    import torch

CHUNK = 256  # images in memory while the array is made: 50 MB at 256 px


@dataclass(frozen=True)
class CachedPixels:
    """Files, and at one size an array beside them, made when first asked for; other sizes are read from the files.

    Each of its methods raises InputError naming a file that is missing or cannot be decoded, or a disk without room for
    the array.

    Attributes:
        path: the array, uint8 (n, 3, size, size) as .npy; beside it a .json that tells from what it was made, and a
            .lock that lets one process make it while others wait.
        n: images in ``source``.
    """

    source: Digestible
    path: Path
    n: int
    size: int

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> torch.Tensor:
        """See `dbb.data.images.PixelSource.read`."""
        if size != self.size:
            return self.source.read(indices, size)
        import torch

        return torch.from_numpy(np.asarray(self._images[np.asarray(indices, dtype=np.int64)]))

    def make(self) -> None:
        """Make the array now, unless it is there."""
        self._images  # noqa: B018

    def content(self) -> str:
        """Return a hash of the pixels, in their order, whatever files they came from: `dbb.data.images.pixel_digest` of
        the whole source, told once, when the array was made.
        """
        self.make()
        return read_json(self._record)["content"]

    @cached_property
    def _images(self) -> np.ndarray:
        digest = self.source.digest()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_suffix(".lock")):
            if not self._holds(digest):
                self._make(digest)
            return np.load(self.path, mmap_mode="r")

    @property
    def _shape(self) -> tuple[int, int, int, int]:
        # Channels first, as it is read: turning the axes at every read costs five times the copy itself.
        return self.n, 3, self.size, self.size

    @property
    def _record(self) -> Path:
        return self.path.with_suffix(".json")

    def _holds(self, digest: str) -> bool:
        """Whether the array is there, whole, and made from exactly these files."""
        try:
            record = read_json(self._record)
            return (
                record["digest"] == digest
                and "content" in record
                and np.load(self.path, mmap_mode="r").shape == self._shape
            )
        except (InputError, OSError, ValueError, KeyError, TypeError):
            return False

    def _make(self, digest: str) -> None:
        """Write the array, then its record: a record never stands beside another array than its own."""
        for stale in (self._record, self.path):
            stale.unlink(missing_ok=True)
        self._check_room(int(np.prod(self._shape, dtype=np.int64)))
        content = hashlib.sha256()
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            # Written as a stream: pages of a writable map would fill the memory.
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": self._shape})
            for start in track(range(0, self.n, CHUNK), f"decoding {self.path.stem}"):
                pixels = self.source.read(range(start, min(start + CHUNK, self.n)), self.size)
                file.write(pixels.numpy().data)
                content.update(pixels.numpy().data)
        write_json(
            self._record, {"digest": digest, "content": content.hexdigest(), "images": self.n, "size": self.size}
        )

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < needed:
            raise InputError(
                f"{self.path.parent} has {free / 1e9:.1f} GB free, but the decoded pictures take "
                f"{needed / 1e9:.1f} GB: make room, or let runs be a folder on another disk"
            )

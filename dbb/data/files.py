"""Pictures that lie on disk: listed with their labels, and decoded to RGB squares when they are asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from dbb.data.images import ImageSet, read_pictures
from dbb.errors import InputError

if TYPE_CHECKING:
    import torch

Fit = Literal["stretch", "centre"]

READING = "2"
"""Counts the changes of what `decode` and `square` make of a file: pictures that were decoded before are decoded anew.
"""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by the orientation that its camera noted."""


@dataclass(frozen=True)
class FilePixels:
    """Pictures in files, in any format, mode and size that PIL reads.

    Attributes:
        fit: how a picture becomes a square. "stretch": the whole picture, as Resize((S, S)) does; "centre": its largest
            centred square, as CenterCrop does. Both are resampled bilinearly, with antialiasing.
    """

    paths: tuple[Path, ...]
    fit: Fit

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> torch.Tensor:
        """See `dbb.data.images.PixelSource.read`.

        Raises:
            InputError: naming the first file that is missing or cannot be decoded.
        """
        return read_pictures(lambda i: np.asarray(square(decode(self.paths[i]), size, self.fit)), indices, size)

    def digest(self) -> str:
        """Return what tells these pictures, in this order and fit, from others without reading them: a hash of the
        files' names, sizes and times of change.

        Raises:
            InputError: naming a file that is missing.
        """
        digest = hashlib.sha256(f"{READING} {self.fit}".encode())
        top = os.path.commonpath([path.parent for path in self.paths])
        for path in self.paths:
            try:
                found = path.stat()
            except OSError as error:
                raise InputError(unreadable(path, error)) from error
            digest.update(f"{os.path.relpath(path, top)}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Listing:
    """The pictures of a split and what is known of them.

    Attributes:
        labels, attributes: int64 (N,), y and a.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    attributes: np.ndarray

    def at(self, positions: Sequence[int] | np.ndarray) -> Listing:
        """Return the pictures at ``positions``, in that order."""
        return Listing(tuple(self.paths[i] for i in positions), self.labels[positions], self.attributes[positions])

    def image_set(self, n_attributes: int, fit: Fit) -> ImageSet:
        """Return these pictures as a split of their own, numbered 0..N-1."""
        return ImageSet(
            FilePixels(self.paths, fit), self.labels, self.attributes, n_attributes, ids=np.arange(len(self.paths))
        )


def visible_files(folder: Path) -> list[Path]:
    """Return the files of ``folder`` by name, but not what a system hides beside them (.DS_Store, ._name.jpg)."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def decode(path: Path) -> Image.Image:
    """Return the whole picture as RGB, upright; 16 bits are scaled to 8, and an alpha channel is dropped, as by the
    released code's convert("RGB").

    Raises:
        InputError: naming a file that is missing or cannot be decoded, or whose pixels have no known range.
    """
    try:
        with Image.open(path) as image:
            return _rgb(image)
    except Exception as error:  # each of PIL's decoders fails in its own way
        raise InputError(unreadable(path, error)) from error


def _rgb(image: Image.Image) -> Image.Image:
    image = _upright(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.mode in "IF":
        raise _UnknownRange(
            "has numbers of 32 bits for pixels, whose black and white are not known: save it with 8 or 16 bits"
        )
    # Without this step PIL warns of a palette that has transparent colours.
    return image.convert("RGBA").convert("RGB") if "transparency" in image.info else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # what a camera noted may be damaged in a picture that is whole
        return image
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


class _UnknownRange(Exception):
    """A picture that could be read as anything."""


def square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """Return ``image`` as ``size`` x ``size`` px."""
    if fit == "centre":
        side = min(image.size)
        # Rounded as torchvision's CenterCrop rounds. Cropped first, so that no pixel from outside is mixed in.
        left, top = (round((length - side) / 2) for length in image.size)
        image = image.crop((left, top, left + side, top + side))
    return image.resize((size, size), Image.Resampling.BILINEAR)


def unreadable(path: Path, error: Exception) -> str:
    """Return the sentence on a picture that cannot be read, with the fix."""
    return f"{path} {flaw(path, error)}: put the right file there, or get the dataset again (python -m dbb.data --help)"


def flaw(path: Path, error: BaseException) -> str:
    """Return in a few words what is wrong with a picture that failed with ``error``."""
    if not path.is_file():
        return "is missing"
    if isinstance(error, _UnknownRange):
        return str(error)
    if not path.stat().st_size:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "is not a picture"
    return f"is truncated or damaged ({error})"

"""The manifest: one Parquet row per candidate image, from the plan through generation to pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Int, UInt8
from PIL import Image

from dbb.data.images import ImageSet, read_pictures, resized
from dbb.errors import InputError
from dbb.store import atomic_path, require_file

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.parquet"

PSI, RHO = "psi", "rho"
CONDITIONS = (PSI, RHO)
"""The two conditions of pruning: eq. 3 looks at psi, eq. 5 at rho."""

COLUMNS = {
    "image": "int64",  # running number
    "source_id": "int64",  # the original's index in the training split
    "source_class": "int64",
    "target_class": "int64",
    "prompt": "str",
    "token_sha256": "str",  # of the target class's token file
    "seed": "int64",  # of this image's noise
    "mask_found": "bool",
    "mask_area": "float32",  # share of the image that the segmentation covers
    "mask_score": "float32",  # NaN where no mask was found
    "status": "str",  # "planned", "generated" or "no mask"
    "file": "str",  # relative to the manifest; "" where no mask was found
    "psi": "float64",  # softmax of the source class, eq. 3
    "Psi": "float64",
    "rho": "float64",  # attribution score, eq. 5
    "change": "float64",  # of the new class's score, from the source to this image
    "P": "float64",
    "kept": "boolean",  # <NA> until pruning decides
    "reason": "str",
}
"""Every column of a manifest and its type; pruning fills in the last seven."""


def write_manifest(path: str | Path, manifest: pd.DataFrame) -> None:
    """Write a manifest as Parquet, atomically.

    Raises:
        InputError: when a column is missing.
    """
    _require_columns(manifest, str(path))
    with atomic_path(path) as temporary:
        manifest.astype(COLUMNS).to_parquet(temporary, index=False)


def read_manifest(path: str | Path) -> pd.DataFrame:
    """Read a manifest.

    Raises:
        InputError: when the file is missing, corrupt, or lacks a column.
    """
    path = require_file(path)
    try:
        manifest = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is corrupt ({error}): delete it and run its notebook again") from error
    _require_columns(manifest, str(path))
    return manifest.astype(COLUMNS)


def _require_columns(manifest: pd.DataFrame, name: str) -> None:
    missing = [column for column in COLUMNS if column not in manifest.columns]
    if missing:
        raise InputError(f"{name} is no manifest, it lacks {', '.join(missing)}: run notebook 05-generate")


def read_png(path: Path, size: int) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Return one generated image, resampled where it was generated at another size.

    Raises:
        InputError: when the file is missing or corrupt.
    """
    try:
        with Image.open(path) as image:
            return resized(np.asarray(image.convert("RGB")), size)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: run notebook 05-generate again, it makes it anew") from None
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path} is corrupt ({error}): run notebook 05-generate again") from error


@dataclass(frozen=True)
class GeneratedPixels:
    """A `dbb.data.images.PixelSource` of generated images; an index is the manifest's ``image`` number."""

    directory: Path
    files: dict[int, str]

    def read(self, indices: Sequence[int] | np.ndarray, size: int) -> Tensor:
        """Return the images at ``indices`` as uint8 (B, 3, size, size)."""
        return read_pictures(lambda i: read_png(self.directory / self.files[int(i)], size), indices, size)


def load_generated(directory: str | Path, rows: pd.DataFrame, size: int) -> UInt8[Tensor, "B 3 {size} {size}"]:
    """Return the images of some manifest ``rows``, in their order.

    Args:
        directory: the folder that the manifest was written into.

    Raises:
        InputError: for a missing or corrupt file, or a row without an image.
    """
    numbers = rows["image"].to_numpy()
    return generated_set(directory, rows, np.zeros(len(rows), np.int64), 1).pixels(range(len(numbers)), size)


def generated_set(
    directory: str | Path, rows: pd.DataFrame, attributes: Int[np.ndarray, " B"], n_attributes: int
) -> ImageSet:
    """Return the images of some manifest ``rows`` as an `ImageSet` labelled with their target classes.

    Args:
        attributes: of each image's original, whose background it keeps; ids are the ``image`` numbers.

    Raises:
        InputError: for a row without an image.
    """
    unmade = rows.loc[rows["status"] != "generated"]
    if len(unmade):
        raise InputError(
            f"image {unmade['image'].iloc[0]} of {directory} is {unmade['status'].iloc[0]!r}, not "
            "generated: leave such rows out"
        )
    numbers = rows["image"].to_numpy(np.int64)
    files = dict(zip(numbers.tolist(), rows["file"], strict=True))
    return ImageSet(
        GeneratedPixels(Path(directory), files),
        rows["target_class"].to_numpy(np.int64),
        np.asarray(attributes, np.int64),
        n_attributes,
        numbers,
    )

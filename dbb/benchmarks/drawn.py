"""Splits of a drawn world: how many pictures of each group, and the one file that holds a split with its truth."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.store import atomic_path
from dbb.worlds.base import Rendered, scene_seed

S = TypeVar("S")


def share_out(split: str, size: int, weights: Sequence[int]) -> np.ndarray:
    """Return int64 (G,), how many of ``size`` images each group has, in the ratios of ``weights``.

    A group with a weight has at least one image; the largest takes what rounding leaves.

    Raises:
        InputError: for a size that leaves a group empty.
    """
    ratios = np.asarray(weights)
    counts = np.where(ratios > 0, np.maximum(1, np.round(size * ratios / ratios.sum()).astype(int)), 0)
    largest = int(ratios.argmax())
    counts[largest] += size - counts.sum()
    if counts[largest] < 1 or size < 2 * (ratios > 0).sum():
        least = 2 * int((ratios > 0).sum())
        raise InputError(f"a {split} split of {size} images leaves a group empty: take at least {least}")
    return counts


def draw_scenes(
    split: str, size: int, weights: Sequence[int], draw: Callable[[np.random.Generator, int, int], S]
) -> tuple[list[S], np.ndarray]:
    """Return the scenes of a split, shuffled, and their groups, int64 (N,).

    Args:
        weights: the groups' ratios.
        draw: (generator, group, seed) -> a scene of the group.

    Raises:
        InputError: for a size that leaves a group empty.
    """
    rng = np.random.default_rng(scene_seed(split, 0))
    counts = share_out(split, size, weights)
    groups = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return [draw(rng, group, scene_seed(split, number)) for number, group in enumerate(groups.tolist())], groups


def write_split(folder: Path, split: str, rendered: Rendered, groups: np.ndarray, truth: Sequence[str]) -> None:
    """Write ``folder/<split>.npz``.

    Args:
        groups: int64 (N,).
        truth: attributes of the scenes that are stored beside picture, mask and seed; for None the file says "".
    """
    columns = {name: np.array([_stored(getattr(scene, name)) for scene in rendered.scenes]) for name in truth}
    stored: dict[str, Any] = {"image": rendered.images, "mask": rendered.masks, "group": groups, **columns}
    with atomic_path(folder / f"{split}.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **stored, scene_seed=[scene.seed for scene in rendered.scenes])


def _stored(value: str | bool | None) -> str | bool:
    return "" if value is None else value  # numpy would pickle None


def read_split(folder: Path, split: str, n_attributes: int, truth: Sequence[str]) -> ImageSet:
    """Read a split that `write_split` wrote.

    Raises:
        InputError: naming the file if it is missing or cannot be read.
    """
    path = folder / f"{split}.npz"
    if not path.exists():
        raise InputError(f"{path} is missing: run notebook 01-data first")
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in ("image", "group", "mask", *truth, "scene_seed")}
    except Exception as error:
        raise InputError(f"{path} cannot be read ({error}): delete it and run notebook 01-data again") from error
    groups = arrays.pop("group")
    return ImageSet(
        ArrayPixels(arrays.pop("image")),
        labels=groups // n_attributes,
        attributes=groups % n_attributes,
        n_attributes=n_attributes,
        ids=np.arange(len(groups)),
        truth=arrays,
    )

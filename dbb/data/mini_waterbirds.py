"""mini-waterbirds: the benchmark's splits, drawn and cached.

The group shares of the training split are those of Waterbirds (3498, 184, 56, 1057 of 4795; Sagawa et al. 2020);
validation and test are balanced within each class, as there.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.mini import backgrounds, birds, scenes
from dbb.mini.scenes import COLOURS, LAND_PLACES, LANDBIRDS, WATER_PLACES, WATERBIRDS, Scene
from dbb.mini.world import render_all, scene_seed
from dbb.store import atomic_path

WATERBIRDS_COUNTS = np.array([3498, 184, 56, 1057])
SIZES = {"train": 2400, "val": 600, "test": 1600}
TRUTH = ("mask", "species", "colour", "place", "scene_seed")


def group_counts(split: str, size: int) -> np.ndarray:
    """Return int64 (4,), how many images of each group g = 2 y + a a split of ``size`` images has."""
    if split == "train":
        counts = np.maximum(1, np.round(size * WATERBIRDS_COUNTS / WATERBIRDS_COUNTS.sum())).astype(int)
        counts[0] += size - counts.sum()
    else:
        counts = np.full(4, size // 4)
    if counts.min() < 1:
        raise InputError(f"a {split} split of {size} images leaves a group empty: take at least 8")
    return counts


def split_scenes(split: str, size: int) -> tuple[list[Scene], np.ndarray]:
    """Return the scenes of a split, shuffled, and their groups, int64 (N,)."""
    rng = np.random.default_rng(scene_seed(split, 0))
    groups = rng.permutation(np.repeat(np.arange(4), group_counts(split, size)))
    drawn = []
    for number, group in enumerate(groups):
        species = rng.choice(WATERBIRDS if group >= 2 else LANDBIRDS)
        place = rng.choice(WATER_PLACES if group % 2 else LAND_PLACES)
        drawn.append(Scene(str(species), str(rng.choice(COLOURS)), str(place), scene_seed(split, number)))
    return drawn, groups


def make_split(directory: Path, split: str, size: int) -> Path:
    """Render a split into ``directory/<split>.npz``, unless that file already holds exactly it."""
    path = directory / f"{split}.npz"
    recipe = json.dumps({"split": split, "size": size, "renderer": _renderer_digest()})
    if path.exists() and _recipe(path) == recipe:
        return path
    drawn, groups = split_scenes(split, size)
    rendered = render_all(drawn)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, recipe=recipe, image=rendered.images, mask=rendered.masks, group=groups,
                            species=[s.species for s in drawn], colour=[s.colour for s in drawn],
                            place=[s.place for s in drawn], scene_seed=[s.seed for s in drawn])
    return path


def load_split(directory: Path, split: str) -> ImageSet:
    """Read a split that `make_split` wrote.

    Raises InputError naming the file if it is missing or cannot be read.
    """
    path = directory / f"{split}.npz"
    if not path.exists():
        raise InputError(f"{path} is missing: run notebook 01-data first")
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in ("image", "group", *TRUTH)}
    except Exception as error:
        raise InputError(f"{path} cannot be read ({error}): delete it and run notebook 01-data again") from error
    return ImageSet(ArrayPixels(arrays["image"]), labels=arrays["group"] // 2, attributes=arrays["group"] % 2,
                    n_attributes=2, ids=np.arange(len(arrays["group"])),
                    truth={name: arrays[name] for name in TRUTH})


def _recipe(path: Path) -> str | None:
    """What a file on disk was made from; None when it cannot be read, so that it is made again."""
    try:
        with np.load(path) as stored:
            return str(stored["recipe"])
    except Exception:
        return None


def _renderer_digest() -> str:
    sources = (Path(module.__file__).read_bytes() for module in (scenes, birds, backgrounds))
    return hashlib.sha256(b"".join(sources)).hexdigest()[:16]

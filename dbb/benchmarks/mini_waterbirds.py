"""mini-waterbirds: Waterbirds in miniature, drawn here, with the small models that come with the repository.

The group shares of the training split are those of Waterbirds (3498, 184, 56, 1057 of 4795; Sagawa et al. 2020);
validation and test are balanced within each class, as there.
"""

from pathlib import Path

import numpy as np

from dbb.benchmarks.entry import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Benchmark,
    GenerationSettings,
    InversionSettings,
    MaskSettings,
    PruningSettings,
    RetrainingSettings,
    TrainingSettings,
    templates,
)
from dbb.data.dataset import Drawn
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.store import atomic_path
from dbb.worlds.base import render_all, scene_seed
from dbb.worlds.waterbirds.scenes import COLOURS, LAND_PLACES, LANDBIRDS, WATER_PLACES, WATERBIRDS, Scene, render

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


def make_split(folder: Path, split: str, size: int) -> None:
    """Render a split of ``size`` images into ``folder/<split>.npz``.

    Raises:
        InputError: for a size that leaves a group empty.
    """
    drawn, groups = split_scenes(split, size)
    rendered = render_all(render, drawn)
    with atomic_path(folder / f"{split}.npz") as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            image=rendered.images,
            mask=rendered.masks,
            group=groups,
            species=np.array([s.species for s in drawn]),
            colour=np.array([s.colour for s in drawn]),
            place=[s.place for s in drawn],
            scene_seed=[s.seed for s in drawn],
        )


def load_split(folder: Path, split: str) -> ImageSet:
    """Read a split that `make_split` wrote.

    Raises:
        InputError: naming the file if it is missing or cannot be read.
    """
    path = folder / f"{split}.npz"
    if not path.exists():
        raise InputError(f"{path} is missing: run notebook 01-data first")
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in ("image", "group", *TRUTH)}
    except Exception as error:
        raise InputError(f"{path} cannot be read ({error}): delete it and run notebook 01-data again") from error
    return ImageSet(
        ArrayPixels(arrays["image"]),
        labels=arrays["group"] // 2,
        attributes=arrays["group"] % 2,
        n_attributes=2,
        ids=np.arange(len(arrays["group"])),
        truth={name: arrays[name] for name in TRUTH},
    )


BENCHMARK = Benchmark(
    name="mini-waterbirds",
    title="mini-Waterbirds",
    data=Drawn(make_split, load_split, SIZES),
    classes=("landbird", "waterbird"),
    attributes=("land", "water"),
    group_format="{} on {}",
    class_word="bird",
    mask_prompt="bird",
    templates=templates("bird"),
    input_format=InputFormat(64, IMAGENET_MEAN, IMAGENET_STD),
    generation_size=64,
    classifier="data/mini/backbone",
    inpainting="data/mini/inpainting",
    segmenter="data/mini/segmenter",
    oracle="data/mini/oracle",
    oracle_labels=(LANDBIRDS, WATERBIRDS),
    erm=TrainingSettings(epochs=8, batch_size=64, learning_rate=1e-3, weight_decay=1e-4),
    inversion=InversionSettings(images=30, steps=200, batch_size=8, learning_rate=3e-2, initial_word="bird"),
    masks=MaskSettings(threshold=0.5, pad=3, box=True, min_area=0.01),
    generation=GenerationSettings(per_class=(300, 150), steps=10, guidance_scale=3.0, batch_size=50),
    pruning=PruningSettings(quantile=0.1, thresholds=(None, None), on="probability", steps=32),
    retraining=RetrainingSettings(epochs=4, batch_size=64, learning_rate=2e-4, weight_decay=1e-4, gammas=(4.0, 4.0)),
)

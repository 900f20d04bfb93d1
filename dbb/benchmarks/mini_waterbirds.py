"""mini-waterbirds: Waterbirds in miniature, drawn here, with the small models that come with the repository.

The group shares of the training split are those of Waterbirds (3498, 184, 56, 1057 of 4795; Sagawa et al. 2020);
validation and test are balanced within each class, as there.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dbb.benchmarks.drawn import draw_scenes, read_split, write_split
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
    Words,
    templates,
)
from dbb.data.dataset import Drawn, Known, Redrawn
from dbb.data.images import ImageSet
from dbb.input_format import InputFormat
from dbb.worlds.base import render_all
from dbb.worlds.waterbirds.scenes import (
    COLOURS,
    LAND_PLACES,
    LANDBIRDS,
    PLACES,
    WATER_PLACES,
    WATERBIRDS,
    Scene,
    render,
)

WATERBIRDS_COUNTS = np.array([3498, 184, 56, 1057])
WEIGHTS = {"train": tuple(WATERBIRDS_COUNTS.tolist()), "val": (1, 1, 1, 1), "test": (1, 1, 1, 1)}
SIZES = {"train": 2400, "val": 600, "test": 1600}
TRUTH = ("species", "colour", "place")


def draw_member(rng: np.random.Generator, group: int, seed: int) -> Scene:
    """Draw a scene of the group g = 2 y + a."""
    species = rng.choice(WATERBIRDS if group >= 2 else LANDBIRDS)
    place = rng.choice(WATER_PLACES if group % 2 else LAND_PLACES)
    return Scene(str(species), str(rng.choice(COLOURS)), str(place), seed)


def split_scenes(split: str, size: int, weights: Sequence[int] | None = None) -> tuple[list[Scene], np.ndarray]:
    """Return the scenes of a split, shuffled, and their groups g = 2 y + a, int64 (N,).

    Args:
        weights: the groups' ratios; None: the split's own.
    """
    return draw_scenes(split, size, weights or WEIGHTS[split], draw_member)


def make_split(folder: Path, split: str, size: int) -> None:
    """Render a split of ``size`` images into ``folder/<split>.npz``.

    Raises:
        InputError: for a size that leaves a group empty.
    """
    drawn, groups = split_scenes(split, size)
    write_split(folder, split, render_all(render, drawn), groups, TRUTH)


def load_split(folder: Path, split: str) -> ImageSet:
    """Read a split that `make_split` wrote."""
    return read_split(folder, split, 2, TRUTH)


def redraw(known: Known, species: str, rng: np.random.Generator) -> np.ndarray:
    """Render the scene of a picture with a bird of another species, in any colour, uint8 (64, 64, 3)."""
    return render(Scene(species, str(rng.choice(COLOURS)), str(known["place"]), int(known["scene_seed"])))[0]


def erased(known: Known) -> str:
    """Return a prompt for the place alone."""
    return f"a photo of an empty {known['place']}"


BENCHMARK = Benchmark(
    name="mini-waterbirds",
    title="mini-Waterbirds",
    data=Drawn(make_split, load_split, SIZES, Redrawn(redraw, erased)),
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
    words=Words(
        classes=(LANDBIRDS, WATERBIRDS),
        attributes=(LAND_PLACES, WATER_PLACES),
        sentence="a photo of a {0} bird on a {1}",
        concepts={
            "place": tuple(f"an empty {place}" for place in PLACES),
            "colour": tuple(f"the {colour} bird" for colour in COLOURS),
        },
    ),
)

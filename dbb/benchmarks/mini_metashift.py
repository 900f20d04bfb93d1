"""mini-metashift: MetaShift's cats and dogs in miniature, drawn here, with the small models of the repository.

Training has cats with sofas and beds, dogs with benches and bikes, as many of each as MetaShift has (231, 380, 145,
367: Table 8 of the paper); validation and test have both with shelves, as many of each.
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
from dbb.worlds.metashift.breeds import CATS, COATS, DOGS, PATTERNS
from dbb.worlds.metashift.scenes import CAT_PLACES, DOG_PLACES, PLACES, Scene, render
from dbb.worlds.metashift.world import POSTURES, SITES, draw_animal

SHELF = (0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
WEIGHTS = {"train": (231, 380, 0, 0, 0, 0, 0, 145, 367, 0), "val": SHELF, "test": SHELF}
SIZES = {"train": 1123, "val": 400, "test": 1000}
TRUTH = ("breed", "coat", "pattern", "pose", "place", "far", "hidden", "companion")


def draw_member(rng: np.random.Generator, group: int, seed: int) -> Scene:
    """Draw a scene of the group g = 5 y + a."""
    animal, place = divmod(group, len(PLACES))
    return draw_animal(rng, seed, tuple(DOGS if animal else CATS), (PLACES[place],))


def split_scenes(split: str, size: int, weights: Sequence[int] | None = None) -> tuple[list[Scene], np.ndarray]:
    """Return the scenes of a split, shuffled, and their groups g = 5 y + a, int64 (N,).

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
    return read_split(folder, split, len(PLACES), TRUTH)


def redraw(known: Known, breed: str, rng: np.random.Generator) -> np.ndarray:
    """Render the scene of a picture with an animal of another breed, alone, uint8 (64, 64, 3)."""
    coat, pattern, pose, place = (str(known[name]) for name in ("coat", "pattern", "pose", "place"))
    far, hidden, seed = bool(known["far"]), bool(known["hidden"]), int(known["scene_seed"])
    return render(Scene(breed, coat, pattern, pose, place, seed, far, hidden))[0]


def erased(known: Known) -> str:
    """Return a prompt for the place alone."""
    return f"a photo of an empty {known['place']}"


BENCHMARK = Benchmark(
    name="mini-metashift",
    title="mini-MetaShift",
    data=Drawn(make_split, load_split, SIZES, Redrawn(redraw, erased)),
    classes=("cat", "dog"),
    attributes=PLACES,
    group_format="{} with {}",
    class_word="animal",
    mask_prompt="animal",
    templates=templates("animal"),
    input_format=InputFormat(64, IMAGENET_MEAN, IMAGENET_STD),
    generation_size=64,
    classifier="data/mini/worlds/backbone",
    inpainting="data/mini/worlds/inpainting",
    segmenter="data/mini/worlds/segmenter",
    oracle="data/mini/worlds/oracle-metashift",
    oracle_labels=(tuple(CATS), tuple(DOGS)),
    erm=TrainingSettings(epochs=8, batch_size=64, learning_rate=3e-4, weight_decay=1e-4),
    inversion=InversionSettings(images=30, steps=200, batch_size=8, learning_rate=3e-2, initial_word="animal"),
    masks=MaskSettings(threshold=0.5, pad=2, box=True, min_area=0.02),
    generation=GenerationSettings(per_class=(150, 150), steps=10, guidance_scale=3.0, batch_size=50),
    pruning=PruningSettings(quantile=0.1, thresholds=(None, None), on="probability", steps=32),
    retraining=RetrainingSettings(epochs=4, batch_size=64, learning_rate=5e-5, weight_decay=1e-4, gammas=(0.25, 0.25)),
    words=Words(
        classes=tuple(
            tuple(("an " if breed[0] in "aeiou" else "a ") + breed for breed in kind) for kind in (CATS, DOGS)
        ),
        attributes=tuple((SITES[place],) for place in PLACES),
        sentence="a photo of {0} {1}",
        concepts={
            # no shelf: it stands in no training picture, and no concept may tell of the test
            "place": tuple(f"a photo of an empty {place}" for place in (*CAT_PLACES, *DOG_PLACES)),
            "coat": tuple(f"the {coat} animal" for coat in COATS),
            "pattern": tuple(f"the {pattern} animal" for pattern in PATTERNS),
            "posture": tuple(f"the animal {posture}" for posture in POSTURES.values()),
        },
    ),
)

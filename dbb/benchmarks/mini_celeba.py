"""mini-celeba: CelebA in miniature, drawn here, with the small models that come with the repository.

The class is the colour of the hair, the attribute whether a woman or a man is shown. The group shares of the training
split are those of the paper's draw from CelebA (12426, 11841, 22880, 1387: its Table 7); validation and test are
balanced, so that the smallest group is measured as well as the others.
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
from dbb.worlds.celeba.groups import draw_face
from dbb.worlds.celeba.hair import BLOND, OTHER, STYLES
from dbb.worlds.celeba.scenes import HATS, SEXES, Scene, render
from dbb.worlds.celeba.world import BEARD_WORDS, SETTINGS

CELEBA_COUNTS = (12426, 11841, 22880, 1387)
WEIGHTS = {"train": CELEBA_COUNTS, "val": (1, 1, 1, 1), "test": (1, 1, 1, 1)}
SIZES = {"train": 2400, "val": 600, "test": 1600}
SHORT = ("cropped", "side parted", "swept back")
TRUTH = ("shade", "style", "sex", "hat", "beard", "glasses", "place")


def draw_member(rng: np.random.Generator, group: int, seed: int) -> Scene:
    """Draw a portrait of the group g = 2 y + a."""
    return draw_face(rng, seed, blond=group >= 2, man=group % 2 == 1)


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


def redraw(known: Known, shade: str, rng: np.random.Generator) -> np.ndarray:
    """Render the scene of a picture with hair of another shade, short where none was seen, uint8 (64, 64, 3)."""
    sex, hat, beard = str(known["sex"]), str(known["hat"]) or None, str(known["beard"]) or None
    cut = str(known["style"] if known["shade"] else rng.choice(SHORT))
    scene = Scene(shade, cut, sex, hat, beard, bool(known["glasses"]), str(known["place"]), int(known["scene_seed"]))
    return render(scene)[0]


def erased(known: Known) -> str:
    """Return a prompt for the same person without hair."""
    return f"a photo of a bald {known['sex']}"


BENCHMARK = Benchmark(
    name="mini-celeba",
    title="mini-CelebA",
    data=Drawn(make_split, load_split, SIZES, Redrawn(redraw, erased)),
    classes=("non-blond", "blond"),
    attributes=("woman", "man"),
    group_format="{} {}",
    class_word="hair",
    mask_prompt="hair",
    templates=templates("hair"),
    input_format=InputFormat(64, IMAGENET_MEAN, IMAGENET_STD),
    generation_size=64,
    classifier="data/mini/worlds/backbone",
    inpainting="data/mini/worlds/inpainting",
    segmenter="data/mini/worlds/segmenter",
    oracle="data/mini/worlds/oracle-celeba",
    oracle_labels=(tuple(OTHER), tuple(BLOND)),
    erm=TrainingSettings(epochs=6, batch_size=64, learning_rate=5e-4, weight_decay=1e-4),
    inversion=InversionSettings(images=30, steps=200, batch_size=8, learning_rate=3e-2, initial_word="hair"),
    masks=MaskSettings(threshold=0.5, pad=1, box=False, min_area=0.01),
    generation=GenerationSettings(per_class=(300, 150), steps=10, guidance_scale=3.0, batch_size=50),
    pruning=PruningSettings(quantile=0.1, thresholds=(None, None), on="probability", steps=32),
    retraining=RetrainingSettings(epochs=4, batch_size=64, learning_rate=2e-4, weight_decay=1e-4, gammas=(4.0, 16.0)),
    words=Words(
        classes=(tuple(OTHER), tuple(BLOND)),
        attributes=tuple((sex,) for sex in SEXES),
        sentence="a photo of a {1} with {0} hair",
        concepts={
            "sex": tuple(f"a photo of a {sex}" for sex in SEXES),
            "cut": tuple(f"a photo of {style} hair" for style in STYLES),
            "worn": tuple(
                f"a photo of a person with {thing}"
                for thing in (*BEARD_WORDS.values(), *(f"a {hat}" for hat in HATS), "glasses")
            ),
            "place": tuple(f"a photo of a person {where}" for where in SETTINGS.values()),
        },
    ),
)

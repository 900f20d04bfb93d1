"""The miniature's world as data: which scenes there are, what they are called, and who may see which.

Every model of the miniature is trained on its own block of scene seeds, so that no scene is seen twice: neither by
two models nor by a model and the benchmark.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from dbb.worlds.waterbirds.scenes import COLOURS, PLACES, SPECIES, Scene, render

FEW = 300  # scenes that are rendered sooner than a second process has started
BLOCK_SIZE = 10_000_000
BLOCKS = ("train", "val", "test", "backbone", "generative", "segmenter", "oracle", "held-out")

TEMPLATES = ("a photo of a {}", "a picture of a {}", "a rendering of a {}", "a {}", "the {}")
EMPTY_TEMPLATES = ("a photo of an empty {}", "a picture of an empty {}", "an empty {}")
WORDS = (
    "a",
    "an",
    "the",
    "photo",
    "picture",
    "rendering",
    "of",
    "on",
    "empty",
    "bird",
    *SPECIES,
    *COLOURS,
    *dict.fromkeys(word for place in PLACES for word in place.split()),
)


@dataclass(frozen=True)
class Rendered:
    """Rendered scenes.

    Attributes:
        images: uint8 (N, 64, 64, 3).
        masks: bool (N, 64, 64), the birds' silhouettes.
    """

    scenes: tuple[Scene, ...]
    images: np.ndarray
    masks: np.ndarray


def scene_seed(block: str, number: int) -> int:
    """Return the seed of scene ``number`` (0..9,999,999) of a block."""
    return BLOCKS.index(block) * BLOCK_SIZE + number


def random_scenes(block: str, count: int, empty_share: float = 0.0) -> list[Scene]:
    """Draw ``count`` scenes of a block: species, colour and place independent and uniform, some without a bird."""
    rng = np.random.default_rng(scene_seed(block, 0))
    scenes = []
    for number in range(count):
        empty = rng.random() < empty_share
        scenes.append(
            Scene(
                species=None if empty else str(rng.choice(SPECIES)),
                colour=None if empty else str(rng.choice(COLOURS)),
                place=str(rng.choice(PLACES)),
                seed=scene_seed(block, number),
            )
        )
    return scenes


def render_all(scenes: Sequence[Scene], workers: int | None = None) -> Rendered:
    """Render scenes, many of them on all cores; the result does not depend on the number of workers."""
    if workers is None and len(scenes) < FEW:
        images, masks = zip(*map(render, scenes), strict=True)
        return Rendered(tuple(scenes), np.stack(images), np.stack(masks))
    with get_context("spawn").Pool(workers or os.cpu_count()) as pool:
        images, masks = zip(*pool.imap(render, scenes, chunksize=64), strict=True)
    return Rendered(tuple(scenes), np.stack(images), np.stack(masks))


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene, leaving out species, colour or place now and then; never names a class.

    "a photo of a red heron bird on a lake", "a rendering of a bird", "an empty ocean".
    """
    if scene.species is None or scene.colour is None:
        return str(rng.choice(EMPTY_TEMPLATES)).format(scene.place)
    words = [scene.colour] if rng.random() < 0.6 else []
    named = rng.random() < 0.85
    words += [scene.species] if named else []
    words += ["bird"] if not named or rng.random() < 0.6 else []
    place = f" on a {scene.place}" if rng.random() < 0.5 else ""
    return str(rng.choice(TEMPLATES)).format(" ".join(words)) + place

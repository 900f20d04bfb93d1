"""What a drawn world is: scenes as values, one way to render each, captions, and seeds that never meet.

Every model of the miniature is trained on its own block of scene seeds, so that no scene is seen twice: neither by
two models nor by a model and a benchmark.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Generic, TypeVar

import numpy as np
from PIL import Image

SUPERSAMPLING = 4  # canvas pixels per image pixel and side
FEW = 300  # scenes that are rendered sooner than a second process has started
BLOCK_SIZE = 10_000_000
BLOCKS = ("train", "val", "test", "backbone", "generative", "segmenter", "oracle", "held-out")

TEMPLATES = ("a photo of a {}", "a picture of a {}", "a rendering of a {}", "a {}", "the {}")
EMPTY_TEMPLATES = ("a photo of an empty {}", "a picture of an empty {}", "an empty {}")

S = TypeVar("S")
"""A world's kind of scene: a frozen dataclass, a value that renders to the same bytes each time."""


@dataclass(frozen=True)
class Rendered:
    """Rendered scenes.

    Attributes:
        images: uint8 (N, S, S, 3).
        masks: bool (N, S, S), the silhouettes of what the world is about.
    """

    scenes: tuple[Any, ...]
    images: np.ndarray
    masks: np.ndarray


@dataclass(frozen=True)
class World(Generic[S]):
    """A drawn world.

    Attributes:
        name: in folders and figures.
        draw: (generator, seed, empty) -> a scene to train a model on, its class independent of its place and of every
            spurious attribute, with nothing of the classes in it if ``empty``.
        render: scene -> its picture, uint8 (64, 64, 3), and its mask, bool (64, 64).
        caption: (scene, generator) -> words for it, some left out; never a class.
        words: every word of its captions.
        attributes: what a scene's attributes may be, by name; None among the values where there may be nothing.
    """

    name: str
    draw: Callable[[np.random.Generator, int, bool], S]
    render: Callable[[S], tuple[np.ndarray, np.ndarray]]
    caption: Callable[[S, np.random.Generator], str]
    words: tuple[str, ...]
    attributes: Mapping[str, tuple[Any, ...]]

    def random_scenes(self, block: str, count: int, empty_share: float = 0.0) -> list[S]:
        """Draw ``count`` scenes of a block, ``empty_share`` of them empty."""
        rng = np.random.default_rng(scene_seed(block, 0))
        return [self.draw(rng, scene_seed(block, k), rng.random() < empty_share) for k in range(count)]

    def render_all(self, scenes: Sequence[S]) -> Rendered:
        """Render scenes as the function `render_all` does."""
        return render_all(self.render, scenes)


def render_all(
    render: Callable[[S], tuple[np.ndarray, np.ndarray]], scenes: Sequence[S], workers: int | None = None
) -> Rendered:
    """Render scenes, many of them on all cores; the result does not depend on the number of workers."""
    if workers is None and len(scenes) < FEW:
        images, masks = zip(*map(render, scenes), strict=True)
        return Rendered(tuple(scenes), np.stack(images), np.stack(masks))
    with get_context("spawn").Pool(workers or os.cpu_count()) as pool:
        images, masks = zip(*pool.imap(render, scenes, chunksize=64), strict=True)
    return Rendered(tuple(scenes), np.stack(images), np.stack(masks))


def scene_seed(block: str, number: int) -> int:
    """Return the seed of scene ``number`` (0..9,999,999) of a block."""
    return BLOCKS.index(block) * BLOCK_SIZE + number


def stream(seed: int, number: int) -> np.random.Generator:
    """Return the generator of one part of a scene: its place, its light, ..."""
    return np.random.default_rng([seed, number])


def finish(picture: Image.Image, rng: np.random.Generator, strength: tuple[float, float], warmth: float) -> np.ndarray:
    """Reduce the canvas by a box filter and set the scene's light.

    Args:
        strength: least and largest factor of all channels.
        warmth: largest share by which red gains and blue loses, or the other way round.

    Returns:
        uint8 (S, S, 3).
    """
    light, warm = rng.uniform(*strength), rng.uniform(-warmth, warmth)
    gain = light * np.array((1.0 + warm, 1.0, 1.0 - warm))
    reduced = np.asarray(picture.reduce(SUPERSAMPLING), dtype=np.float64)
    return np.clip(np.rint(reduced * gain), 0, 255).astype(np.uint8)


def check(what: str, value: str | None, allowed: Sequence[str | None]) -> None:
    """Refuse a value that is not allowed, and say which are."""
    if value not in allowed:
        raise ValueError(f"unknown {what} {value!r}: choose one of {', '.join(map(str, allowed))}")

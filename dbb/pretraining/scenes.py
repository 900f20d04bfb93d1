"""The training scenes of each embedded model, rendered once and kept in the working folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dbb.code import code_digest, definition_of
from dbb.models.inpainting import to_signed
from dbb.pretraining.lessons import Lesson
from dbb.store import atomic_path
from dbb.worlds.base import Rendered, World


@dataclass(frozen=True)
class Book:
    """A lesson with its rendered scenes."""

    lesson: Lesson
    rendered: Rendered

    def __len__(self) -> int:
        return len(self.rendered.scenes)


def training_scenes(world: World[Any], block: str, count: int, empty_share: float, work: Path) -> Rendered:
    """Return ``count`` scenes of a world's block, rendered now, or read from ``work`` if the same code made them."""
    scenes = tuple(world.random_scenes(block, count, empty_share))
    code = code_digest(definition_of(world.draw), definition_of(world.render))
    path = work / f"{world.name}-{block}-{count}-{empty_share}-{code}.npz"
    if not path.exists():
        rendered = world.render_all(scenes)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, images=rendered.images, masks=rendered.masks)
    with np.load(path) as stored:
        return Rendered(scenes, stored["images"], stored["masks"])


def open_books(
    lessons: Sequence[Lesson], block: str, counts: Sequence[int], empty_share: float, work: Path
) -> list[Book]:
    """Return each lesson with as many scenes of a block as ``counts`` says."""
    return [
        Book(lesson, training_scenes(lesson.world, block, count, empty_share, work))
        for lesson, count in zip(lessons, counts, strict=True)
    ]


def draw_pages(books: Sequence[Book], count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Draw ``count`` scenes, the lessons by their shares: pairs of the number of a book and of a scene in it."""
    shares = np.array([book.lesson.share for book in books])
    chosen = rng.choice(len(books), count, p=shares / shares.sum())
    return [(k, int(rng.integers(len(books[k])))) for k in chosen.tolist()]


def as_pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 (B, S, S, 3) to float32 (B, 3, S, S) in [-1, 1], as diffusion models take it."""
    return to_signed(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2))

"""What the embedded models learn of each drawn world, as data: one painter, one segmenter, one backbone for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dbb.pretraining.inpainting_masks import loose_mask
from dbb.worlds.base import World
from dbb.worlds.waterbirds.scenes import LAND_PLACES, LANDBIRDS, WATER_PLACES, WATERBIRDS
from dbb.worlds.waterbirds.world import WORLD as WATERBIRD_WORLD

InpaintingMask = Callable[[Any, np.ndarray, np.random.Generator], np.ndarray]
"""(scene, its true mask, generator) -> the mask that is painted in training, bool (S, S)."""


@dataclass(frozen=True)
class Lesson:
    """One world as the trainings see it.

    Attributes:
        benchmark: the benchmark whose settings paint and whose oracle judges in the painter's check.
        subject: the word for what the true masks show: "bird".
        kind: the scenes' attribute that the classes are made of: "species".
        classes: for each class its kinds.
        absent: what the oracle calls a scene without the subject.
        named: attributes that the backbone learns to name.
        backbone_scenes, backbone_epochs: how much of the world the backbone sees: enough for the classes to be learnt
            from balanced data, little enough for the shortcut to win otherwise.
        phrases: attributes by which a segmenter's prompt names the subject, and how: ("colour", "{} bird").
        prompt: (scene, kind) -> the painter's prompt for the same scene with another kind.
        inpainting_mask: the masks that the painter learns from.
        never: other worlds' subjects, which its scenes never show.
        elsewhere: place -> places that are surely not there.
        share: of the painter's, the autoencoder's and the segmenter's pictures.
    """

    world: World[Any]
    benchmark: str
    subject: str
    kind: str
    classes: tuple[tuple[str, ...], ...]
    absent: str
    named: tuple[str, ...]
    backbone_scenes: int
    backbone_epochs: float
    phrases: tuple[tuple[str, str], ...]
    prompt: Callable[[Any, str], str]
    inpainting_mask: InpaintingMask
    never: tuple[str, ...]
    elsewhere: Mapping[str, tuple[str, ...]]
    share: float

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds, class by class."""
        return tuple(kind for kinds in self.classes for kind in kinds)

    def kind_of(self, scene: Any) -> str:
        """What the oracle should call a scene."""
        return getattr(scene, self.kind) or self.absent


BIRDS = Lesson(
    world=WATERBIRD_WORLD,
    benchmark="mini-waterbirds",
    subject="bird",
    kind="species",
    classes=(LANDBIRDS, WATERBIRDS),
    absent="no bird",
    named=("species", "place"),
    backbone_scenes=6_000,
    backbone_epochs=1,
    phrases=(("species", "{}"), ("colour", "{} bird")),
    prompt=lambda scene, species: f"a photo of a {species} bird",
    inpainting_mask=lambda scene, mask, rng: loose_mask(mask, rng),
    never=("hair",),
    elsewhere={place: WATER_PLACES for place in LAND_PLACES} | {place: LAND_PLACES for place in WATER_PLACES},
    share=0.2,
)

LESSONS = (BIRDS,)
WORDS = tuple(word for lesson in LESSONS for word in lesson.world.words)

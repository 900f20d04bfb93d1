"""What the embedded models learn of each drawn world, as data: one painter, one segmenter, one backbone for all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.pretraining.inpainting_masks import hair_mask, loose_mask
from dbb.worlds.base import World
from dbb.worlds.celeba.hair import BLOND, OTHER
from dbb.worlds.celeba.scenes import HATS, head_mask
from dbb.worlds.celeba.scenes import Scene as Portrait
from dbb.worlds.celeba.scenes import render as render_portrait
from dbb.worlds.celeba.world import BEARD_WORDS
from dbb.worlds.celeba.world import WORLD as CELEBA_WORLD
from dbb.worlds.metashift.breeds import CATS, DOGS
from dbb.worlds.metashift.scenes import PLACES as PET_PLACES
from dbb.worlds.metashift.world import WORLD as METASHIFT_WORLD
from dbb.worlds.waterbirds.scenes import LAND_PLACES, LANDBIRDS, PLACES, WATER_PLACES, WATERBIRDS
from dbb.worlds.waterbirds.world import WORLD as WATERBIRD_WORLD

Named = Callable[[Any, np.ndarray, np.random.Generator], tuple[str, np.ndarray]]
"""(scene, its true mask, generator) -> something else that a prompt may name, and where it is, bool (S, S)."""

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
        beside: what else than the subject a segmenter's prompt names.
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
    beside: Named
    never: tuple[str, ...]
    elsewhere: Mapping[str, tuple[str, ...]]
    share: float

    @property
    def oracle(self) -> str:
        """The name of the world's oracle, and of its folder."""
        return f"oracle-{self.world.name}"

    def judged_by(self, models: Path) -> Benchmark:
        """Return the world's benchmark with the painter, the segmenter and the oracle of the folder ``models``."""
        inpainting, segmenter, oracle = (str(models / name) for name in ("inpainting", "segmenter", self.oracle))
        return replace(get_benchmark(self.benchmark), inpainting=inpainting, segmenter=segmenter, oracle=oracle)

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds, class by class."""
        return tuple(kind for kinds in self.classes for kind in kinds)


def place_or_not(
    places: Sequence[str], scene: Any, mask: np.ndarray, rng: np.random.Generator
) -> tuple[str, np.ndarray]:
    """The scene's place, which is what is not the subject, or another place, which is nowhere."""
    place = scene.place if rng.random() < 0.6 else str(rng.choice(places))
    return place, ~mask & (place == scene.place)


WORN = {"hat": HATS, "beard": tuple(words.split()[-1] for words in BEARD_WORDS.values()), "glasses": ("glasses",)}


def worn_or_not(scene: Portrait, mask: np.ndarray, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A hat, a beard or glasses: where the picture changes when it is taken off; nowhere if none is worn."""
    name = str(rng.choice(list(WORN)))
    if not getattr(scene, name):
        return str(rng.choice(WORN[name])), np.zeros_like(mask)
    bare = {"hat": None, "style": scene.style if scene.shade else "bald"} if name == "hat" else {name: None}
    words = {"hat": scene.hat, "beard": BEARD_WORDS.get(scene.beard or ""), "glasses": "glasses"}[name]
    seen, without = (render_portrait(s)[0].astype(int) for s in (scene, replace(scene, **bare)))
    return str(words).split()[-1], (np.abs(seen - without).max(axis=2) > 8) & ~mask


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
    beside=partial(place_or_not, PLACES),
    never=("hair",),
    elsewhere={place: WATER_PLACES for place in LAND_PLACES} | {place: LAND_PLACES for place in WATER_PLACES},
    share=0.2,
)

PORTRAITS = Lesson(
    world=CELEBA_WORLD,
    benchmark="mini-celeba",
    subject="hair",
    kind="shade",
    classes=(tuple(OTHER), tuple(BLOND)),
    absent="no hair",
    named=("style", "hat", "beard", "sex", "place"),
    backbone_scenes=6_000,
    backbone_epochs=1,
    phrases=(("shade", "{} hair"), ("style", "{} hair")),
    prompt=lambda scene, shade: f"a photo of a {scene.sex} with {shade} hair",
    inpainting_mask=lambda scene, mask, rng: hair_mask(mask, head_mask(scene), rng),
    beside=worn_or_not,
    never=("bird", "animal"),
    elsewhere={place: ("lake",) for place in CELEBA_WORLD.attributes["place"]},
    share=0.25,
)

PETS = Lesson(
    world=METASHIFT_WORLD,
    benchmark="mini-metashift",
    subject="animal",
    kind="breed",
    classes=(tuple(CATS), tuple(DOGS)),
    absent="no animal",
    named=("breed", "pose", "place"),
    backbone_scenes=12_000,
    backbone_epochs=5,
    phrases=(("breed", "{}"), ("coat", "{} animal")),
    prompt=lambda scene, breed: f"a photo of a {breed}",
    inpainting_mask=lambda scene, mask, rng: loose_mask(mask, rng, margin=3),
    beside=partial(place_or_not, PET_PLACES),
    never=("hair", "bird"),
    elsewhere={place: tuple(p for p in PET_PLACES if p != place) for place in PET_PLACES},
    share=0.55,
)

LESSONS = (BIRDS, PORTRAITS, PETS)
WORDS = tuple(word for lesson in LESSONS for word in lesson.world.words)

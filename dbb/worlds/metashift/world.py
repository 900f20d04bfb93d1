"""The drawn MetaShift: how its scenes are drawn at random, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbb.worlds.base import EMPTY_TEMPLATES, TEMPLATES, World
from dbb.worlds.metashift.anatomy import POSES
from dbb.worlds.metashift.breeds import BREEDS, CATS, COATS, DOGS, PATTERNS
from dbb.worlds.metashift.scenes import ALONE, BIRD, PLACES, Scene, render

POSTURES = {"sit": "sitting", "stand": "standing", "lie": "lying"}
SITES = {place: f"by a {place}" if place == "bike" else f"on a {place}" for place in PLACES}
WORDS = (
    "a",
    "an",
    "the",
    "photo",
    "picture",
    "rendering",
    "of",
    "on",
    "by",
    "empty",
    "animal",
    *BREEDS,
    *COATS,
    *PATTERNS,
    *POSTURES.values(),
    *PLACES,
)


@dataclass(frozen=True)
class Trouble:
    """Shares of scenes that are hard to mask: what a benchmark has and models are not trained on."""

    far: float = 0.05
    hidden: float = 0.05
    kin: float = 0.05
    bird: float = 0.03


NO_TROUBLE, RARE_TROUBLE = Trouble(0.0, 0.0, 0.0, 0.0), Trouble()


def draw(rng: np.random.Generator, seed: int, empty: bool) -> Scene:
    """Draw a scene to train a model on: all attributes independent and uniform, one animal, near and whole."""
    if empty:
        return Scene(None, None, None, None, str(rng.choice(PLACES)), seed)
    return draw_animal(rng, seed, tuple(BREEDS), PLACES, NO_TROUBLE)


def draw_animal(
    rng: np.random.Generator, seed: int, breeds: Sequence[str], places: Sequence[str], trouble: Trouble = RARE_TROUBLE
) -> Scene:
    """Draw a scene of a benchmark: one of these breeds at one of these places, in trouble now and then."""
    breed = str(rng.choice(breeds))
    kin = str(rng.choice(list(CATS if breed in CATS else DOGS)))
    far, who = bool(rng.random() < trouble.far), rng.random()
    companion = kin if who < trouble.kin else BIRD if who < trouble.kin + trouble.bird else ALONE
    return Scene(
        breed=breed,
        coat=str(rng.choice(list(COATS))),
        pattern=str(rng.choice(PATTERNS)),
        pose=str(rng.choice(POSES)),
        place=str(rng.choice(places)),
        seed=seed,
        far=far,
        hidden=bool(rng.random() < trouble.hidden) and not far,
        companion=ALONE if far else companion,
    )


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene, leaving out attributes now and then; never names a class.

    "a photo of a ginger striped beagle sitting on a bench", "a rendering of an animal", "an empty sofa".
    """
    if scene.breed is None:
        return str(rng.choice(EMPTY_TEMPLATES)).format(scene.place)
    words = phrase(scene, rng) if rng.random() < 0.9 else "animal"
    template = str(rng.choice(TEMPLATES))
    return (template.replace("a {}", "an {}") if words[0] in "aeiou" else template).format(words)


def phrase(scene: Scene, rng: np.random.Generator) -> str:
    """Name some of a scene's attributes: "black poodle by a bike"."""
    words = [scene.coat] if rng.random() < 0.6 else []
    words += [scene.pattern] if rng.random() < 0.5 else []
    words += [scene.breed if rng.random() < 0.95 else "animal"]
    words += [POSTURES[str(scene.pose)]] if rng.random() < 0.6 else []
    words += [SITES[scene.place]] if rng.random() < 0.5 else []
    return " ".join(str(word) for word in words)


WORLD = World(
    "metashift",
    draw,
    render,
    caption,
    WORDS,
    attributes={
        "breed": (*BREEDS, None),
        "coat": (*COATS, None),
        "pattern": (*PATTERNS, None),
        "pose": (*POSES, None),
        "place": PLACES,
    },
)

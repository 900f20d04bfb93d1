"""The drawn Waterbirds: how its scenes are drawn at random, and what they are called."""

import numpy as np

from dbb.worlds.base import EMPTY_TEMPLATES, TEMPLATES, World
from dbb.worlds.waterbirds.scenes import COLOURS, PLACES, SPECIES, Scene, render

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


def draw(rng: np.random.Generator, seed: int, empty: bool) -> Scene:
    """Draw a scene: species, colour and place independent and uniform."""
    return Scene(
        species=None if empty else str(rng.choice(SPECIES)),
        colour=None if empty else str(rng.choice(COLOURS)),
        place=str(rng.choice(PLACES)),
        seed=seed,
    )


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


WORLD = World(
    name="waterbirds",
    draw=draw,
    render=render,
    caption=caption,
    words=WORDS,
    attributes={"species": (*SPECIES, None), "colour": (*COLOURS, None), "place": PLACES},
)

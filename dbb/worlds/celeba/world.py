"""The drawn CelebA: how its portraits are drawn at random, and what they are called."""

from dataclasses import replace

import numpy as np

from dbb.worlds.base import TEMPLATES, World
from dbb.worlds.celeba.groups import draw_face
from dbb.worlds.celeba.scenes import BEARDS, HATS, PLACES, SEXES, SHADES, STYLES, Scene, render

SETTINGS = {
    "studio": "in a studio",
    "curtain": "before a curtain",
    "garden": "in a garden",
    "street": "on a street",
    "wall": "before a wall",
}
BEARD_WORDS = {"full": "a beard", "stubble": "stubble", "moustache": "a moustache", "goatee": "a goatee"}
HAIR_TEMPLATES = ("a photo of {}", "a picture of {}", "a rendering of {}", "{}", "the {}")
MOST_WORDS = 14  # with the first and the last token, what the painter reads
WORDS = tuple(
    dict.fromkeys(
        word
        for phrase in (
            "a the photo picture rendering of person with and hair glasses",
            *SEXES,
            *SHADES,
            *STYLES,
            *HATS,
            *BEARD_WORDS.values(),
            *SETTINGS.values(),
        )
        for word in phrase.split()
    )
)


def draw(rng: np.random.Generator, seed: int, empty: bool) -> Scene:
    """Draw a portrait, class and sex independent and uniform; where it is to be empty, a bald one."""
    blond, man = rng.random(2) < 0.5
    scene = draw_face(rng, seed, bool(blond), bool(man))
    return replace(scene, style="bald", shade=None) if empty else scene


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a portrait, leaving out shade, style and more now and then; never names a class.

    "a photo of a woman with long wavy honey hair before a curtain", "the bald man with a beard", "black hair".
    """
    if scene.shade and rng.random() < 0.1:
        return str(rng.choice(HAIR_TEMPLATES)).format(hair_words(scene, rng))
    who = scene.sex if rng.random() < 0.7 else "person"
    who = f"bald {who}" if scene.style == "bald" and rng.random() < 0.85 else who
    details = ([hair_words(scene, rng)] if scene.shade else []) + worn_words(scene, rng)
    about = str(rng.choice(TEMPLATES)).format(" with ".join([who, " and ".join(details)] if details else [who]))
    whole = f"{about} {SETTINGS[scene.place]}"
    return whole if rng.random() < 0.5 and len(whole.split()) <= MOST_WORDS else about


def hair_words(scene: Scene, rng: np.random.Generator) -> str:
    """Name the hair that is seen: "long wavy honey hair"."""
    style = f"{scene.style} " if rng.random() < 0.6 else ""
    shade = f"{scene.shade} " if rng.random() < 0.85 else ""
    return f"{style}{shade}hair"


def worn_words(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Name at most one of beard, hat and glasses."""
    worn = [BEARD_WORDS[scene.beard]] if scene.beard else []
    worn += [f"a {scene.hat}"] if scene.hat else []
    worn += ["glasses"] if scene.glasses else []
    return [str(rng.choice(worn))] if worn and rng.random() < 0.7 else []


WORLD = World(
    name="celeba",
    draw=draw,
    render=render,
    caption=caption,
    words=WORDS,
    attributes={
        "shade": (*SHADES, None),
        "style": STYLES,
        "sex": SEXES,
        "hat": (*HATS, None),
        "beard": (*BEARDS, None),
        "glasses": (True, False),
        "place": PLACES,
    },
)

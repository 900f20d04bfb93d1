"""Who sits for a portrait: skin, eyes, build, pose and mood, none of which knows the hair's colour.

A `Person` is drawn from a stream of its own, always the same numbers in the same order: the same seed gives the same
person as a woman and as a man, with any hair, hat, beard or glasses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbb.worlds.drawing import Colour, mix, pick

SKINS = (
    (252, 228, 206),
    (244, 208, 178),
    (230, 186, 148),
    (206, 154, 114),
    (170, 116, 80),
    (130, 84, 58),
    (102, 66, 50),
)
EYES = ((70, 112, 156), (84, 60, 44), (60, 44, 36), (90, 124, 84), (102, 80, 50))
BROWS = ((58, 42, 36), (88, 62, 46), (112, 82, 58))


@dataclass(frozen=True)
class Person:
    """A person before the choice of hair, hat, beard and glasses. The head's units: half its width is about one.

    Attributes:
        skin, eye, brow: colours.
        man: sets shoulders, neck, jaw, brows and lashes.
        centre: of the head, in frame pixels.
        scale: frame pixels a unit of the head.
        tilt: of the head in degrees.
        stretch: width of the head over its height, 1 is the mean.
        yaw: how far the features have turned to the right, in units of the head.
        side: -1 or 1, where the shadow falls.
        smile: how far the mouth is open, in units of the head.
        age: 0..1.
        lips: share of red in the lips.
        jaw: width of the chin, 1 is the mean.
        freckles: whether there are some.
        jewels: colour of the earrings, or None.
    """

    skin: Colour
    eye: Colour
    brow: Colour
    man: bool
    centre: tuple[float, float]
    scale: float
    tilt: float
    stretch: float
    yaw: float
    side: float
    smile: float
    age: float
    lips: float
    jaw: float
    freckles: bool
    jewels: Colour | None


def draw_person(rng: np.random.Generator, man: bool) -> Person:
    """Draw a person; the generator's numbers are used alike for both sexes."""
    skin = shade_between(rng, SKINS)
    eye, brow = pick(rng, EYES, 4.0), pick(rng, BROWS, 4.0)
    jewels = pick(rng, ((240, 216, 130), (220, 226, 236), (120, 190, 190)))
    wears_jewels, painted, chin = rng.random() < 0.45, rng.random(), rng.uniform(-0.06, 0.06)
    return Person(
        skin=skin,
        eye=eye,
        brow=brow,
        man=man,
        centre=(32.0 + rng.uniform(-5.0, 5.0), 32.0 + rng.uniform(-2.0, 3.0)),
        scale=rng.uniform(11.4, 13.6),
        tilt=rng.uniform(-7.0, 7.0),
        stretch=rng.uniform(0.95, 1.05),
        yaw=rng.uniform(-0.14, 0.14),
        side=float(rng.choice((-1.0, 1.0))),
        smile=rng.uniform(-0.04, 0.16),
        age=rng.random(),
        lips=0.2 + 0.1 * painted if man else 0.35 + 0.35 * painted,
        jaw=(1.02 if man else 0.86) + chin,
        freckles=bool(rng.random() < 0.12),
        jewels=jewels if wears_jewels and not man else None,
    )


def shade_between(rng: np.random.Generator, colours: Sequence[Colour]) -> np.ndarray:
    """Return a colour somewhere on the way through a list, every step of it as likely, float (3,)."""
    k = int(rng.integers(len(colours) - 1))
    return mix(colours[k], colours[k + 1], rng.random())

"""Scenes of the miniature CelebA: one person before a place.

A scene is a value: the same scene gives the same bytes. Place, person, hair, clothes, hat, glasses and light are drawn
from generators of their own, so that a scene can be rendered again with other hair, another sex or another place (a
counterfactual) and nothing else changes.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from dbb.worlds.base import SUPERSAMPLING, check, finish, stream
from dbb.worlds.brush import Brush, oval
from dbb.worlds.celeba import clothes, faces, hair, people, places

SHADES = tuple(hair.SHADES)
STYLES = (*hair.STYLES, "bald")
SEXES = ("woman", "man")
HATS = clothes.HATS
BEARDS = faces.BEARDS
PLACES = tuple(places.PAINTERS)

PLACE_STREAM, PERSON_STREAM, HAIR_STREAM, CLOTHES_STREAM, HAT_STREAM, GLASSES_STREAM, LIGHT_STREAM = range(1, 8)
STRENGTH, WARMTH = (0.86, 1.06), 0.07


@dataclass(frozen=True)
class Scene:
    """What a portrait shows.

    Attributes:
        shade: one of SHADES, the hair's; None where none is seen, on the bald and where a hat hides it all.
        style: one of STYLES.
        sex: "woman" or "man".
        hat: one of HATS, or None.
        beard: one of BEARDS, or None.
        glasses: whether some are worn.
        place: one of PLACES.
        seed: non-negative; fixes the person, the place's details and the light.
    """

    shade: str | None
    style: str
    sex: str
    hat: str | None
    beard: str | None
    glasses: bool
    place: str
    seed: int

    def __post_init__(self) -> None:
        check("style", self.style, STYLES)
        check("shade", self.shade, SHADES if self.hairy else (None,))
        check("sex", self.sex, SEXES)
        check("hat", self.hat, (*HATS, None))
        check("beard", self.beard, (*BEARDS, None))
        check("place", self.place, PLACES)

    @property
    def blond(self) -> bool:
        """The class."""
        return self.shade in hair.BLOND

    @property
    def hairy(self) -> bool:
        """Whether any hair is seen."""
        return self.style != "bald" and not (self.hat and self.style in hair.COVERED)

    @property
    def person(self) -> people.Person:
        """Who it is."""
        return people.draw_person(stream(self.seed, PERSON_STREAM), self.sex == "man")

    @property
    def hairdo(self) -> hair.Hair | None:
        """The hair that is seen."""
        if self.shade is None:
            return None
        return hair.draw_hair(stream(self.seed, HAIR_STREAM), self.shade, self.style, self.hat is not None)


def render(scene: Scene, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Render a scene.

    Returns:
        The image, uint8 (size, size, 3), and the hair's true mask, bool (size, size): the pixels of which hair is more
        than half of what is seen. It is all False on the bald and where a hat hides all hair.
    """
    place = np.random.default_rng([scene.seed, PLACE_STREAM, PLACES.index(scene.place)])
    brush = Brush(places.PAINTERS[scene.place](place, size * SUPERSAMPLING))
    paint_person(brush, scene)
    mask = np.asarray(brush.mask.reduce(SUPERSAMPLING)) > 127
    return finish(brush.image, stream(scene.seed, LIGHT_STREAM), STRENGTH, WARMTH), mask


def paint_person(brush: Brush, scene: Scene) -> None:
    """Paint the person from the farthest part to the nearest."""
    person, hairdo = scene.person, scene.hairdo
    faces.stand_head(brush, person)
    if hairdo:
        hair.paint_back(brush, hairdo)
    clothes.paint_clothes(brush, person, stream(scene.seed, CLOTHES_STREAM))
    faces.stand_head(brush, person)
    faces.paint_head(brush, person)
    faces.paint_features(brush, person, scene.beard)
    if hairdo:
        hair.paint_front(brush, hairdo)
    if scene.style == "bald":
        faces.paint_shine(brush, person)
    if scene.glasses:
        faces.paint_glasses(brush, person, stream(scene.seed, GLASSES_STREAM))
    clothes.paint_hat(brush, scene.hat, stream(scene.seed, HAT_STREAM))


def head_mask(scene: Scene, size: int = 64) -> np.ndarray:
    """Return where the head is, face, ears and crown, whatever hair or hat it wears, bool (size, size)."""
    brush = Brush(Image.new("RGB", (size * SUPERSAMPLING, size * SUPERSAMPLING)))
    faces.stand_head(brush, scene.person)
    brush.shape(oval(0.0, -0.1, 1.22, 1.5), (0, 0, 0), edge=0.0, mark=True)
    return np.asarray(brush.mask.reduce(SUPERSAMPLING)) > 127

"""Scenes of the miniature Waterbirds: a bird, or none, before a place.

A scene is a value: the same scene gives the same bytes. Background, pose and light are drawn from generators
of their own, so that a scene can be rendered again with another bird, place or no bird (a counterfactual).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from dbb.worlds.base import SUPERSAMPLING, check, finish, stream
from dbb.worlds.waterbirds import backgrounds, birds

LANDBIRDS = tuple(birds.LAND_SPECIES)
WATERBIRDS = tuple(birds.WATER_SPECIES)
SPECIES = LANDBIRDS + WATERBIRDS
COLOURS = birds.COLOURS
LAND_PLACES = ("bamboo forest", "broadleaf forest")
WATER_PLACES = ("ocean", "lake")
PLACES = LAND_PLACES + WATER_PLACES

BACKGROUND_STREAM, POSE_STREAM, LIGHT_STREAM = 1, 2, 3
STRENGTH, WARMTH = (0.9, 1.06), 0.04


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        species: one of SPECIES, or None for an empty place.
        colour: one of COLOURS; without a bird it may be None and means nothing.
        place: one of PLACES.
        seed: non-negative; fixes the place's details, the pose and the light.
    """

    species: str | None
    colour: str | None
    place: str
    seed: int

    def __post_init__(self) -> None:
        check("place", self.place, PLACES)
        check("species", self.species, (*SPECIES, None))
        check("colour", self.colour, COLOURS if self.species else (*COLOURS, None))


def render(scene: Scene, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Renders a scene.

    Returns:
        The image, uint8 (size, size, 3), and the bird's true silhouette, bool (size, size): the pixels that the bird,
        legs and outline included, covers by more than half. It is all False in an empty scene.
    """
    picture = paint_place(scene.place, scene.seed, size)
    silhouette = np.zeros((size, size), dtype=bool)
    if scene.species is not None and scene.colour is not None:
        pose = birds.Pose.draw(stream(scene.seed, POSE_STREAM))
        bird, mask = birds.paint_bird(scene.species, scene.colour, pose, size * SUPERSAMPLING)
        picture.paste(bird, mask=mask)
        silhouette = np.asarray(mask.reduce(SUPERSAMPLING)) > 127
    return lit(picture, scene.seed), silhouette


def render_background(place: str, seed: int, size: int = 64) -> np.ndarray:
    """Renders a place without a bird, uint8 (size, size, 3): as `render` shows it around a bird."""
    check("place", place, PLACES)
    return lit(paint_place(place, seed, size), seed)


def paint_place(place: str, seed: int, size: int) -> Image.Image:
    """Paints a place on a supersampled canvas, an RGB image of `size * SUPERSAMPLING` pixels a side."""
    rng = np.random.default_rng([seed, BACKGROUND_STREAM, PLACES.index(place)])
    return backgrounds.PAINTERS[place](rng, size * SUPERSAMPLING)


def lit(picture: Image.Image, seed: int) -> np.ndarray:
    """Reduces the canvas and sets the scene's light: its strength, and how warm it is."""
    return finish(picture, stream(seed, LIGHT_STREAM), STRENGTH, WARMTH)

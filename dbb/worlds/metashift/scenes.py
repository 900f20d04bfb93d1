"""Scenes of the miniature MetaShift: a cat or a dog, or none, at a place.

A scene is a value: the same scene gives the same bytes. Place, bearing, company, what stands in front and light are
drawn from generators of their own, so that a scene can be rendered again with another animal or none (a
counterfactual).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dbb.worlds.base import SUPERSAMPLING, check, finish, stream
from dbb.worlds.brush import Brush
from dbb.worlds.metashift import indoors, outdoors, stance
from dbb.worlds.metashift.anatomy import POSES
from dbb.worlds.metashift.breeds import BREEDS, CATS, COATS, DOGS, PATTERNS, Look

CAT_PLACES, DOG_PLACES, SHARED_PLACES = ("sofa", "bed"), ("bench", "bike"), ("shelf",)
PLACES = CAT_PLACES + DOG_PLACES + SHARED_PLACES
ALONE, BIRD = "alone", "bird"

Painter = Callable[[np.random.Generator, int], tuple[Brush, float]]
Cover = Callable[[Brush, np.random.Generator, float, float], None]
PAINTERS: dict[str, tuple[Painter, Cover]] = {
    "sofa": (indoors.paint_sofa, indoors.cover_sofa),
    "bed": (indoors.paint_bed, indoors.cover_bed),
    "shelf": (indoors.paint_shelf, indoors.cover_shelf),
    "bench": (outdoors.paint_bench, outdoors.cover_bench),
    "bike": (outdoors.paint_bike, outdoors.cover_bike),
}

PLACE_STREAM, BEARING_STREAM, COMPANY_STREAM, COVER_STREAM, LIGHT_STREAM = 1, 2, 3, 4, 5
STRENGTH, WARMTH = (0.92, 1.05), 0.04


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        breed: one of BREEDS, or None for an empty place.
        coat, pattern, pose: of COATS, PATTERNS and POSES; without an animal they may be None and mean nothing.
        place: one of PLACES.
        far: whether the animal is small; it is alone then.
        hidden: whether something stands before it.
        companion: "alone", "bird", or a second animal's breed, of the same class as the first.
            Like the two before it, it means nothing without an animal.
        seed: non-negative; fixes the place's details, the bearing, the companion's looks and the light.
    """

    breed: str | None
    coat: str | None
    pattern: str | None
    pose: str | None
    place: str
    seed: int
    far: bool = False
    hidden: bool = False
    companion: str = ALONE

    def __post_init__(self) -> None:
        nothing = () if self.breed else (None,)
        check("breed", self.breed, (*BREEDS, None))
        check("coat", self.coat, (*COATS, *nothing))
        check("pattern", self.pattern, (*PATTERNS, *nothing))
        check("pose", self.pose, (*POSES, *nothing))
        check("place", self.place, PLACES)
        kin = BREEDS if self.breed is None else CATS if self.breed in CATS else DOGS
        check("companion", self.companion, (ALONE,) if self.far else (ALONE, BIRD, *kin))


def render(scene: Scene, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Render a scene.

    Returns:
        The image, uint8 (size, size, 3), and the true silhouette as seen, bool (size, size): the pixels that the animal
        and a companion of its class, outlines included, cover by more than half. A bird beside is not in it.
    """
    brush, foot = paint_place(scene.place, scene.seed, size)
    if scene.breed and scene.coat and scene.pattern and scene.pose:
        look = Look(scene.breed, scene.coat, scene.pattern, scene.pose)
        paint_company(brush, scene, foot)
        middle, scale = stance.paint_look(brush, look, spot_of(scene), foot, stream(scene.seed, BEARING_STREAM))
        if scene.hidden:
            rng = stream(scene.seed, COVER_STREAM)
            PAINTERS[scene.place][1](brush, rng, middle + scale * rng.uniform(-6.0, 4.0), foot)
    silhouette = np.asarray(brush.mask.reduce(SUPERSAMPLING)) > 127
    return finish(brush.image, stream(scene.seed, LIGHT_STREAM), STRENGTH, WARMTH), silhouette


def spot_of(scene: Scene) -> stance.Spot:
    """Where the animal stands, given whether it is far and who is beside it."""
    if scene.companion in BREEDS:
        return stance.BEFORE_KIN
    if scene.far:
        return stance.FAR
    return stance.BESIDE_BIRD if scene.companion == BIRD else stance.NEAR


def paint_company(brush: Brush, scene: Scene, foot: float) -> None:
    """Paint who is beside the animal, behind it."""
    rng = stream(scene.seed, COMPANY_STREAM)
    if scene.companion == BIRD:
        stance.paint_bird(brush, foot, rng)
    elif scene.companion in BREEDS:
        stance.paint_look(brush, stance.kin_look(scene.companion, rng), stance.KIN, foot - 0.8, rng)


def paint_place(place: str, seed: int, size: int) -> tuple[Brush, float]:
    """Paint a place on a supersampled canvas; returns a brush on it and the height of its ground."""
    rng = np.random.default_rng([seed, PLACE_STREAM, PLACES.index(place)])
    return PAINTERS[place][0](rng, size * SUPERSAMPLING)

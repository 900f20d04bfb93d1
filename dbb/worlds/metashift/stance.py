"""Where and how large animals stand: on the ground of their place, whole within the frame."""

from dataclasses import dataclass

import numpy as np

from dbb.worlds.brush import Brush
from dbb.worlds.drawing import FRAME
from dbb.worlds.metashift.anatomy import Anatomy, Bearing, build
from dbb.worlds.metashift.animals import paint_animal
from dbb.worlds.metashift.breeds import COATS, PATTERNS, Look
from dbb.worlds.waterbirds import birds

MARGIN = 3.0  # least distance, in frame pixels, from an animal's outline to the frame's border
LONGEST = 56.0  # width of an animal in frame pixels


@dataclass(frozen=True)
class Spot:
    """Sizes, and middles from left to right, among which an animal's are drawn; in frame pixels of scale 1."""

    sizes: tuple[float, float]
    middles: tuple[float, float]


NEAR = Spot((1.12, 1.28), (28.0, 36.0))
FAR = Spot((0.27, 0.5), (20.0, 44.0))
BESIDE_BIRD = Spot((0.9, 1.04), (37.0, 42.0))
BEFORE_KIN = Spot((0.66, 0.76), (41.0, 45.0))
KIN = Spot((0.62, 0.72), (17.0, 20.0))
BIRD_SIZE, BIRD_X, BIRD_RISE = 0.4, 9.0, 6.0


def paint_look(brush: Brush, look: Look, spot: Spot, foot: float, rng: np.random.Generator) -> tuple[float, float]:
    """Paint an animal with its feet at the height ``foot``.

    The same numbers are drawn for every look and spot, so that the bearing cannot tell the class.

    Returns:
        Its middle and its size.
    """
    bearing = Bearing.draw(rng)
    parts = build(look.breed, look.pose, bearing)
    size, middle = fit(parts, rng.uniform(*spot.sizes), rng.uniform(*spot.middles), foot)
    low, high = parts.extent()
    brush.stand((middle - size * (low[0] + high[0]) / 2, foot), size)
    paint_animal(brush, look, parts, bearing)
    brush.stand()
    return middle, size


def fit(parts: Anatomy, size: float, middle: float, foot: float) -> tuple[float, float]:
    """Return the size and the middle nearest to the asked ones that keep an animal within the margins."""
    low, high = parts.extent()
    width, height = high[0] - low[0], -low[1]
    size = min(size, LONGEST / width, (foot - MARGIN) / height)
    half = size * width / 2
    return size, float(np.clip(middle, MARGIN + half, FRAME - MARGIN - half))


def kin_look(breed: str, rng: np.random.Generator) -> Look:
    """Draw what a companion of a breed looks like; it stands no higher than the animal before it."""
    return Look(breed, str(rng.choice(list(COATS))), str(rng.choice(PATTERNS)), str(rng.choice(("sit", "lie"))))


def paint_bird(brush: Brush, foot: float, rng: np.random.Generator) -> None:
    """Paint a small bird at the left, without a mark on the mask."""
    pose = birds.Pose(BIRD_SIZE, 0.0, (BIRD_X, foot - BIRD_RISE), 1.0, 1.0, (0.0, 0.0))
    species, colour = str(rng.choice(list(birds.LAND_SPECIES))), str(rng.choice(birds.COLOURS))
    image, mask = birds.paint_bird(species, colour, pose, brush.image.width)
    brush.image.paste(image, mask=mask)

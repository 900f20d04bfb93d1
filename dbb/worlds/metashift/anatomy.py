"""Where the parts of an animal are: a breed in a pose, in frame pixels at scale 1.

The origin is on the ground below the trunk's middle; x is to the right, y down, and every animal faces right: a
painter that must choose a direction in noise paints animals with a head at both ends.
"""

from dataclasses import dataclass

import numpy as np

from dbb.worlds.brush import OUTLINE, Points, smooth
from dbb.worlds.metashift.breeds import BREEDS, EARS, EYES, INNER_EARS, RGB, TAILS, UPRIGHT, Breed


@dataclass(frozen=True)
class Skeleton:
    """A pose of a breed of factors 1.

    Attributes:
        trunk: discs (x, height, radius) from the rump to the neck.
        far, near: the legs behind and before the trunk, each a path of (x, height).
        root: of the tail.
        head: (x, height) of its centre.
    """

    trunk: tuple[tuple[float, float, float], ...]
    far: tuple[tuple[tuple[float, float], ...], ...]
    near: tuple[tuple[tuple[float, float], ...], ...]
    root: tuple[float, float]
    head: tuple[float, float]


SKELETONS = {
    "sit": Skeleton(
        trunk=((-5.6, 6.2, 6.4), (-3.2, 9.4, 6.3), (0.6, 13.0, 5.5), (2.4, 16.4, 4.8)),
        far=(((5.0, 11.0), (6.2, 1.0)),),
        near=(((1.6, 11.0), (2.2, 1.0)),),
        root=(-9.6, 3.6),
        head=(4.4, 24.4),
    ),
    "stand": Skeleton(
        trunk=((-9.0, 12.0, 5.2), (-3.0, 11.8, 5.4), (4.4, 12.2, 5.8), (7.4, 15.4, 4.8)),
        far=(((-5.8, 10.0), (-5.6, 1.0)), ((8.0, 10.0), (8.4, 1.0))),
        near=(((-9.8, 10.0), (-10.4, 5.4), (-9.8, 1.0)), ((4.0, 10.0), (4.2, 1.0))),
        root=(-12.2, 14.0),
        head=(9.6, 22.6),
    ),
    "lie": Skeleton(
        trunk=((-9.4, 5.4, 5.2), (-3.0, 5.9, 5.8), (4.0, 6.2, 5.6), (7.0, 8.6, 4.6)),
        far=(((5.0, 3.0), (14.0, 1.6)),),
        near=(((1.6, 2.6), (11.0, 1.3)),),
        root=(-12.6, 4.2),
        head=(9.0, 15.4),
    ),
}
POSES = tuple(SKELETONS)
PAW = 3.0  # how far a paw stands out before its leg's end
LYING_TAIL = 0.5  # share of its height that the tail of a lying animal keeps


@dataclass(frozen=True)
class Bearing:
    """What two animals of the same breed and pose differ by; drawn without knowing either."""

    turn: float  # of the face to the right, 0..1
    lift: float  # of the tail's tip, in pixels
    nod: tuple[float, float]  # of the head, in pixels
    glow: float  # factor on the coat's colours
    eyes: RGB

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Bearing":
        """Draw from modest ranges."""
        nod = (rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8))
        turn, lift, glow = rng.uniform(0.6, 0.95), rng.uniform(-1.2, 1.2), rng.uniform(0.94, 1.05)
        return cls(turn, lift, nod, glow, EYES[int(rng.integers(len(EYES)))])


@dataclass(frozen=True)
class Anatomy:
    """Where an animal's parts are; discs are (n, 3) float: x, y, radius.

    Attributes:
        skull: discs, tufts included.
        face: x of the face's axis.
        muzzle: discs from the face outwards; empty for a flat face.
        beard, ruff: tufts below the muzzle and on the chest.
        ears, inner_ears: outlines, the far ear first.
    """

    breed: Breed
    pose: str
    trunk: np.ndarray
    far: tuple[np.ndarray, ...]
    near: tuple[np.ndarray, ...]
    tail: np.ndarray
    head: np.ndarray
    skull: np.ndarray
    face: float
    muzzle: np.ndarray
    beard: np.ndarray
    ruff: np.ndarray
    ears: tuple[np.ndarray, ...]
    inner_ears: tuple[np.ndarray, ...]

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest (x, y), outline included, each float (2,)."""
        discs = np.concatenate([self.trunk, self.tail, self.skull, self.muzzle, self.beard, self.ruff])
        corners = np.concatenate([*self.ears, *self.far, *self.near])
        low = np.concatenate([discs[:, :2] - discs[:, 2:], corners]).min(axis=0)
        high = np.concatenate([discs[:, :2] + discs[:, 2:], np.add(corners, (PAW, 0.0))]).max(axis=0)
        return low - OUTLINE, high + OUTLINE


def build(name: str, pose: str, bearing: Bearing) -> Anatomy:
    """Put a breed into a pose."""
    breed, skeleton = BREEDS[name], SKELETONS[pose]
    lower = lowering(breed, pose)
    trunk = smooth(grounded(scaled(skeleton.trunk, breed, lower)), closed=False)
    head = scaled((skeleton.head,), breed, lower)[0] + bearing.nod
    face = head[0] + 0.3 * bearing.turn * breed.head
    muzzle = muzzle_discs(breed, head, face, bearing.turn)
    return Anatomy(
        breed=breed,
        pose=pose,
        trunk=trunk,
        far=tuple(leg(path, breed, lower) for path in skeleton.far),
        near=tuple(leg(path, breed, lower) for path in skeleton.near),
        tail=tail_discs(breed, scaled((skeleton.root,), breed, lower)[0], pose, bearing.lift),
        head=head,
        skull=skull_discs(breed, head),
        face=face,
        muzzle=muzzle,
        beard=beard_discs(breed, muzzle),
        ruff=ruff_discs(breed, trunk[-1]),
        ears=tuple(ear(EARS[breed.ears], breed, head, side) for side in (-1, 1)),
        inner_ears=tuple(ear(INNER_EARS[breed.ears], breed, head, side) for side in (-1, 1) if breed.ears in UPRIGHT),
    )


def lowering(breed: Breed, pose: str) -> float:
    """How much lower than the common skeleton's a breed's trunk is, by its legs (standing) or its girth (lying)."""
    return {"stand": 9.0 * (1 - breed.leg), "sit": 3.0 * (1 - breed.leg), "lie": 5.0 * (1 - breed.girth)}[pose]


def scaled(points: Points, breed: Breed, lower: float) -> np.ndarray:
    """Turn points (n, 2 or 3) of a skeleton into a breed's, heights into y."""
    table = np.array(points, dtype=float)
    table[:, 0] *= breed.length
    table[:, 1] = lower - table[:, 1]
    table[:, 2:] *= breed.girth
    return table


def grounded(discs: np.ndarray) -> np.ndarray:
    """Raise discs (n, 3) that would reach below the ground."""
    return np.stack([discs[:, 0], np.minimum(discs[:, 1], -discs[:, 2]), discs[:, 2]], axis=1)


def leg(path: Points, breed: Breed, lower: float) -> np.ndarray:
    """A leg that begins in the trunk and ends on the ground, (n, 2) float."""
    points = scaled(path, breed, lower)
    points[-1, 1] -= lower
    return points


def tail_discs(breed: Breed, root: np.ndarray, pose: str, lift: float) -> np.ndarray:
    """The tail, (n, 3) float; it lies lower behind an animal that lies."""
    knots = np.array(TAILS[breed.tail]) * (-1, -1, 1)
    rise = np.linspace(0.0, 1.0, len(knots))
    knots[:, 1] -= lift * rise
    if pose == "lie":
        knots[:, 1] *= LYING_TAIL
        knots[:, 0] *= 1.15
    return smooth(np.add(knots, (*root, 0.0)), closed=False)


def skull_discs(breed: Breed, head: np.ndarray) -> np.ndarray:
    """The skull with its cheeks and topknot, (n, 3) float."""
    x, y, r = head[0], head[1], breed.head
    across, down = r * np.sqrt(breed.wide), r / np.sqrt(breed.wide)
    radius, slack = min(across, down), abs(across - down)
    discs = [(x, y, radius)]
    if across > down:
        discs += [(x + side * slack, y + 0.12 * r, 0.98 * radius) for side in (-1, 1)]
    else:
        discs += [(x, y + slack, 0.98 * radius), (x, y - slack, radius)]
    if breed.cheeks:
        discs += [(x + side * 0.72 * across, y + 0.42 * r, breed.cheeks * r) for side in (-1, 1)]
    if breed.topknot:
        discs += [(x + u * r, y - v * r, breed.topknot * r) for u, v in ((-0.45, 0.7), (0.45, 0.7), (0.0, 0.98))]
    return np.array(discs)


def muzzle_discs(breed: Breed, head: np.ndarray, face: float, turn: float) -> np.ndarray:
    """The muzzle from the face to the nose, (n, 3) float; none of a flat face."""
    if not breed.snout:
        return np.zeros((0, 3))
    r, share = breed.head, np.linspace(0.0, 1.0, 5)
    x = face + r * share * (0.2 + breed.snout * (0.5 + 0.5 * turn))
    y = head[1] + r * (0.3 + 0.12 * share)
    return np.stack([x, y, r * (0.46 - 0.1 * share)], axis=1)


def beard_discs(breed: Breed, muzzle: np.ndarray) -> np.ndarray:
    """Tufts that hang from the muzzle, (n, 3) float."""
    if not breed.beard:
        return np.zeros((0, 3))
    r = breed.head
    hang = muzzle[[1, 3]] * (1, 1, 0) + np.array((0.0, 0.34 * r, breed.beard * r))
    return np.concatenate([hang, muzzle[2:3] * (1, 1, 0) + np.array((0.0, 0.5 * r, breed.beard * r))])


def ruff_discs(breed: Breed, neck: np.ndarray) -> np.ndarray:
    """Tufts on the chest, (n, 3) float."""
    if not breed.ruff:
        return np.zeros((0, 3))
    size = breed.ruff * breed.head
    offsets = np.array(((-2.0, 1.0), (2.2, 1.0), (0.6, 4.0)))
    return np.concatenate([neck[:2] + offsets, np.full((3, 1), size)], axis=1)


def ear(outline: Points, breed: Breed, head: np.ndarray, side: int) -> np.ndarray:
    """An ear, (n, 2) float; ``side`` is 1 for the near one and -1 for its mirror image."""
    points = np.array(outline)
    root = np.array((0.6, 0.5 if breed.ears in UPRIGHT else 0.8))
    points = root + (points - root) * breed.ear
    placed = head + breed.head * points * (side * np.sqrt(breed.wide), -1.0)
    return placed if breed.ears == "point" else smooth(placed)

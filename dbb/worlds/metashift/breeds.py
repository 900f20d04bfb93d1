"""Cats and dogs as data: eleven breeds by shape, six coats, four patterns.

The class of an animal is in its shape (ears, muzzle, cheeks, tail, build) and the colour of its nose. Every breed wears
every coat and pattern, strikes every pose and has the same eyes.
"""

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Breed:
    """The shape of one breed, as factors on a common skeleton.

    Attributes:
        ears: an outline of EARS.
        tail: a shape of TAILS.
        snout: how far the muzzle stands out, in head radii; 0 is a flat face.
        head: radius in frame pixels at scale 1.
        wide: width over height of the skull.
        cheeks: radius of the tufts at both cheeks, in head radii.
        length: of the trunk.
        leg: length of the legs.
        girth: of the trunk.
        limb: thickness of the legs.
        ear: size of the ears.
        topknot: radius of a tuft on the skull, in head radii.
        beard: radius of the tufts below the muzzle, in head radii.
        ruff: radius of the tufts on the chest, in head radii.
    """

    ears: str
    tail: str
    snout: float = 0.0
    head: float = 9.2
    wide: float = 1.1
    cheeks: float = 0.0
    length: float = 1.0
    leg: float = 1.0
    girth: float = 1.0
    limb: float = 1.0
    ear: float = 1.0
    topknot: float = 0.0
    beard: float = 0.0
    ruff: float = 0.0


@dataclass(frozen=True)
class Look:
    """An animal's fine attributes."""

    breed: str
    coat: str
    pattern: str
    pose: str


CATS = {
    "tabby": Breed("point", "long", girth=0.84, limb=0.82, wide=1.16),
    "siamese": Breed("point", "long", head=8.4, girth=0.7, limb=0.7, leg=1.12, wide=1.0, ear=1.32),
    "persian": Breed("point", "plume", head=9.6, wide=1.26, cheeks=0.52, leg=0.84, limb=0.9, ear=0.86, ruff=0.6),
    "manx": Breed("point", "bob", head=9.4, girth=0.9, limb=0.84, wide=1.14, ear=0.95, cheeks=0.3),
    "angora": Breed("point", "plume", head=8.6, girth=0.8, limb=0.76, wide=1.08, ear=1.18, cheeks=0.42, ruff=0.5),
}
DOGS = {
    "beagle": Breed("flop", "sabre", snout=0.62, head=8.8, wide=0.98, girth=1.06, limb=1.1),
    "corgi": Breed("bat", "stub", snout=0.56, head=8.8, wide=1.06, length=1.1, leg=0.66, girth=1.1, limb=1.1),
    "spitz": Breed("bat", "curl", snout=0.5, wide=1.1, ear=0.62, cheeks=0.5, girth=1.14, ruff=0.62),
    "terrier": Breed("button", "stub", snout=0.62, head=8.8, wide=0.96, beard=0.3),
    "dachshund": Breed("flop", "sabre", snout=0.8, head=8.2, wide=0.94, length=1.26, leg=0.6, girth=0.92, ear=0.9),
    "poodle": Breed("pom", "pompon", snout=0.7, head=8.0, wide=0.94, girth=0.94, leg=1.08, topknot=0.62, ruff=0.55),
}
BREEDS = CATS | DOGS


@dataclass(frozen=True)
class Coat:
    """The colours of a coat: most of it, its light parts (chest, paws) and its deep ones (stripes, masks)."""

    main: RGB
    light: RGB
    deep: RGB


COATS = {
    "black": Coat((66, 66, 78), (234, 232, 228), (36, 36, 46)),
    "grey": Coat((150, 154, 166), (236, 236, 238), (92, 96, 112)),
    "white": Coat((242, 240, 234), (255, 255, 252), (172, 164, 158)),
    "ginger": Coat((228, 144, 64), (253, 236, 212), (170, 88, 34)),
    "cream": Coat((238, 212, 166), (253, 244, 226), (178, 132, 88)),
    "brown": Coat((140, 92, 62), (238, 214, 184), (80, 50, 38)),
}
PATTERNS = ("plain", "bibbed", "striped", "masked")
EYES: tuple[RGB, ...] = ((128, 158, 74), (200, 156, 56), (96, 140, 172), (134, 88, 48))

# (across, up) in head radii around the head's centre, the near ear; the far one is its mirror image
EARS = {
    "point": ((0.16, 0.74), (0.62, 1.56), (0.98, 0.22)),
    "bat": ((0.2, 0.74), (0.4, 1.3), (0.66, 1.6), (0.94, 1.28), (1.0, 0.24)),
    "flop": ((0.4, 0.9), (0.96, 0.86), (1.3, 0.3), (1.36, -0.42), (1.1, -0.78), (0.84, -0.42), (0.76, 0.2)),
    "button": ((0.26, 0.8), (0.56, 1.24), (1.0, 1.14), (1.16, 0.62), (1.0, 0.1), (0.74, 0.52)),
    "pom": ((0.6, 0.72), (1.06, 0.74), (1.4, 0.3), (1.5, -0.4), (1.2, -0.84), (0.82, -0.7), (0.7, -0.1)),
}
INNER_EARS = {
    "point": ((0.38, 0.78), (0.64, 1.26), (0.82, 0.5)),
    "bat": ((0.42, 0.76), (0.52, 1.16), (0.68, 1.34), (0.82, 1.1), (0.84, 0.5)),
}
UPRIGHT = tuple(INNER_EARS)

# (behind the root, above it, radius) from the root to the tip
TAILS = {
    "long": ((-2.0, 0.0, 1.9), (3.0, 1.0, 1.8), (6.0, 5.5, 1.7), (5.6, 11.0, 1.5), (7.4, 15.0, 1.5)),
    "plume": ((-2.0, 0.0, 2.4), (2.8, 1.6, 2.9), (5.2, 6.0, 3.4), (5.2, 10.6, 3.2)),
    "bob": ((-2.0, 0.0, 2.0), (0.8, 1.0, 2.4)),
    "sabre": ((-2.0, 0.0, 2.2), (2.6, 3.2, 2.0), (5.2, 7.6, 1.6), (6.0, 11.4, 1.1)),
    "stub": ((-2.0, 0.0, 2.0), (1.8, 3.4, 1.6)),
    "curl": ((-2.0, 0.0, 2.4), (2.4, 4.0, 2.5), (0.8, 8.4, 2.4), (-2.8, 7.8, 2.2)),
    "pompon": ((-2.0, 0.0, 1.3), (1.6, 4.0, 1.3), (2.6, 7.4, 3.2)),
}

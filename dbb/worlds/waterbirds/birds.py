"""Birds drawn from shape parameters: twelve species as data, eight plumage colours, one way to draw them.

A species is described in its own units (x to the right, y down, the bird facing right); a `Pose` maps them to
the canvas. The class of a bird is in its shape alone: every species wears every colour, and the pose does not
know the species.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

FRAME = 64.0  # poses are in pixels of a 64x64 frame, whatever the rendered size
MARGIN = 3.6  # least distance, in frame pixels, from a bird's outline to the frame's border
MAX_EXTENT = 49.0  # largest width or height of a bird in frame pixels
OUTLINE = 0.9  # width of the dark outline in frame pixels
MEAN_AREA = 470.0  # silhouette area in frame pixels of a bird of size 1, the same for every species


@dataclass(frozen=True)
class Plumage:
    """The colours one bird wears; `accent` (hood, cap, wing tip) and `breast` make a species' pattern."""

    base: RGB
    wing: RGB
    belly: RGB
    accent: RGB
    breast: RGB
    outline: RGB


PLUMAGES = {
    "red": Plumage((208, 44, 46), (150, 24, 38), (240, 128, 108), (98, 18, 34), (252, 196, 112), (62, 10, 20)),
    "orange": Plumage((240, 136, 38), (190, 88, 20), (255, 200, 130), (134, 58, 22), (255, 232, 180), (82, 38, 10)),
    "yellow": Plumage((248, 212, 56), (204, 158, 26), (255, 242, 176), (132, 98, 26), (240, 138, 44), (84, 62, 8)),
    "green": Plumage((20, 138, 108), (8, 92, 80), (150, 222, 188), (6, 62, 66), (244, 164, 72), (2, 38, 40)),
    "white": Plumage((244, 244, 240), (196, 202, 212), (255, 255, 255), (122, 130, 148), (242, 158, 112), (62, 68, 84)),
    "grey": Plumage((148, 154, 166), (102, 108, 124), (210, 214, 220), (66, 70, 86), (230, 122, 64), (40, 44, 56)),
    "brown": Plumage((146, 92, 54), (98, 58, 34), (222, 186, 146), (68, 38, 26), (236, 134, 58), (44, 24, 14)),
    "black": Plumage((62, 64, 80), (36, 37, 50), (128, 132, 152), (98, 102, 124), (228, 112, 52), (12, 12, 18)),
}
COLOURS = tuple(PLUMAGES)

SKINS: dict[str, RGB] = {
    "orange": (244, 132, 32),
    "yellow": (250, 200, 60),
    "dark": (66, 62, 70),
    "pink": (236, 150, 130),
}


@dataclass(frozen=True)
class Patch:
    """An ellipse of the `Plumage` colour named by `role` on the body, cut off at the body's edge."""

    role: str
    x: float
    y: float
    rx: float
    ry: float
    angle: float = 0.0  # degrees, clockwise


@dataclass(frozen=True)
class Tail:
    """A trapezium from root to tip; `notch` cuts into the tip (a fork)."""

    root: tuple[float, float]
    tip: tuple[float, float]
    root_width: float
    tip_width: float
    notch: float = 0.0


@dataclass(frozen=True)
class Wing:
    """A teardrop from shoulder to tip, with light `bars` across and a tip of colour `tip_role`."""

    shoulder: tuple[float, float]
    tip: tuple[float, float]
    width: float
    bars: int = 0
    tip_role: str = "wing"


@dataclass(frozen=True)
class Beak:
    """A profile from `BEAKS`, set at the rim of the head; `angle` in degrees, positive is down."""

    profile: str
    length: float
    thickness: float
    angle: float = 0.0
    skin: str = "dark"


@dataclass(frozen=True)
class Legs:
    """Two legs from (x, y) and (x + gap, y) straight down by `length`, each with a foot forward."""

    x: float
    y: float
    length: float
    gap: float = 4.0
    skin: str = "dark"


@dataclass(frozen=True)
class Species:
    """The shape of one kind of bird.

    `spine` lists discs (x, y, radius) from the rump to the head, the last one being the head: the body is the
    union of the discs along a smooth curve through them. `crest` is a polygon in head radii around the head.
    """

    spine: tuple[tuple[float, float, float], ...]
    tail: Tail
    wing: Wing
    beak: Beak
    legs: Legs
    patches: tuple[Patch, ...] = ()
    crest: tuple[tuple[float, float], ...] = ()


# (along, across) from the root (0) to the tip (1), across in half thicknesses, positive is down
BEAKS = {
    "cone": ((-0.3, -1.0), (0.3, -0.75), (1.0, 0.25), (0.3, 0.8), (-0.3, 1.0)),
    "dagger": ((-0.2, -1.0), (0.4, -0.6), (1.0, 0.1), (0.4, 0.7), (-0.2, 1.0)),
    "flat": ((-0.3, -1.0), (0.2, -0.5), (0.75, 0.0), (1.0, 0.35), (0.95, 0.85), (0.6, 0.95), (-0.3, 1.0)),
    "hook": ((-0.2, -1.0), (0.7, -0.8), (1.0, 0.0), (0.95, 0.9), (0.7, 0.6), (-0.2, 0.9)),
    "pouch": ((-0.2, -0.5), (0.9, -0.35), (1.0, 0.1), (0.8, 0.5), (0.45, 1.0), (0.1, 1.05), (-0.2, 0.7)),
}

LAND_SPECIES = {
    "sparrow": Species(
        spine=((-8.5, 5.0, 4.0), (-3.5, 2.2, 7.6), (2.0, 0.0, 8.4), (5.4, -4.6, 7.0), (7.0, -8.2, 6.2)),
        tail=Tail((-8.0, 4.5), (-17.0, 10.0), 5.0, 5.0, notch=1.0),
        wing=Wing((3.5, -2.5), (-11.0, 6.5), 5.4, bars=2),
        beak=Beak("cone", 4.6, 2.3, 6.0),
        legs=Legs(-1.5, 7.0, 6.0),
        patches=(Patch("belly", 5.0, 5.0, 10.0, 5.6, -40.0), Patch("accent", 6.4, -13.4, 6.6, 3.4, 8.0)),
    ),
    "robin": Species(
        spine=((-8.0, 6.5, 3.8), (-3.5, 3.0, 7.6), (2.0, 0.0, 9.0), (5.0, -5.0, 7.4), (6.4, -9.2, 6.0)),
        tail=Tail((-7.0, 6.0), (-17.0, 14.5), 5.2, 4.4),
        wing=Wing((1.5, -2.0), (-11.5, 9.5), 5.0),
        beak=Beak("cone", 5.2, 1.7, 4.0, skin="yellow"),
        legs=Legs(-1.0, 7.5, 7.5),
        patches=(Patch("belly", 2.0, 8.0, 9.0, 4.0, -20.0), Patch("breast", 9.0, 0.0, 6.4, 8.6, 14.0)),
    ),
    "cardinal": Species(
        spine=((-7.0, 7.0, 3.8), (-2.8, 3.2, 7.0), (1.8, -0.6, 8.2), (4.4, -5.8, 6.8), (5.6, -9.8, 5.8)),
        tail=Tail((-6.0, 7.0), (-16.0, 20.0), 4.6, 5.4),
        wing=Wing((1.5, -2.5), (-9.5, 10.5), 5.0),
        beak=Beak("cone", 4.4, 2.8, 10.0, skin="orange"),
        legs=Legs(-0.5, 7.0, 6.5),
        patches=(Patch("belly", 6.5, 4.0, 7.6, 4.4, -48.0), Patch("accent", 10.6, -8.6, 3.0, 4.0)),
        crest=((0.75, -0.6), (0.1, -1.45), (-0.95, -2.15), (-0.85, -1.0), (-0.98, 0.1)),
    ),
    "jay": Species(
        spine=((-9.0, 5.0, 3.6), (-4.0, 2.0, 6.8), (1.6, -0.6, 7.8), (5.4, -4.8, 6.4), (7.2, -8.4, 5.6)),
        tail=Tail((-8.0, 4.6), (-25.0, 14.0), 4.4, 6.2),
        wing=Wing((2.5, -3.0), (-12.5, 6.0), 5.0, bars=3),
        beak=Beak("cone", 6.0, 2.0, 4.0),
        legs=Legs(-1.5, 5.5, 7.0),
        patches=(Patch("belly", 4.6, 4.2, 10.0, 4.8, -36.0), Patch("accent", 5.4, -2.2, 2.0, 6.4, 62.0)),
        crest=((0.6, -0.7), (-0.5, -1.35), (-1.75, -1.3), (-1.1, -0.5), (-0.9, 0.3)),
    ),
    "crow": Species(
        spine=((-10.0, 4.6, 3.8), (-4.5, 2.2, 7.0), (1.8, 0.0, 8.0), (6.6, -4.4, 6.6), (9.2, -7.6, 5.7)),
        tail=Tail((-9.0, 4.4), (-20.5, 10.5), 5.4, 7.0),
        wing=Wing((4.0, -2.6), (-16.5, 8.0), 5.4),
        beak=Beak("hook", 8.4, 2.6, 8.0),
        legs=Legs(-1.0, 6.5, 8.0, gap=4.6),
        patches=(Patch("wing", 3.0, 7.2, 10.0, 3.2, -22.0),),
    ),
    "finch": Species(
        spine=((-8.0, 4.4, 3.4), (-3.4, 1.8, 6.8), (1.6, -0.2, 7.8), (4.6, -4.4, 6.8), (6.0, -7.6, 6.2)),
        tail=Tail((-7.4, 4.0), (-18.5, 9.8), 4.2, 7.6, notch=4.8),
        wing=Wing((2.5, -2.6), (-10.5, 5.6), 4.8, bars=1, tip_role="accent"),
        beak=Beak("cone", 5.0, 3.5, 6.0, skin="orange"),
        legs=Legs(-1.5, 6.0, 6.5),
        patches=(Patch("belly", 4.0, 5.4, 9.6, 5.0, -30.0), Patch("belly", 8.4, -4.0, 3.0, 2.4)),
    ),
}

WATER_SPECIES = {
    "duck": Species(
        spine=(
            (-15.0, -2.6, 1.8),
            (-10.0, 1.2, 5.2),
            (-1.0, 2.6, 7.4),
            (7.0, 1.8, 6.4),
            (10.6, -4.0, 3.9),
            (12.4, -9.0, 5.0),
        ),
        tail=Tail((-13.0, -1.0), (-18.5, -4.6), 4.4, 2.0),
        wing=Wing((6.0, 0.4), (-13.0, -1.6), 4.6, tip_role="accent"),
        beak=Beak("flat", 8.0, 2.2, 8.0, skin="yellow"),
        legs=Legs(-2.0, 8.0, 4.6, gap=4.4, skin="orange"),
        patches=(
            Patch("belly", -3.0, 9.4, 15.0, 4.2),
            Patch("accent", 12.4, -9.0, 7.0, 6.0),
            Patch("belly", 10.6, -3.4, 5.0, 1.2, 12.0),
        ),
    ),
    "gull": Species(
        spine=(
            (-15.0, 0.6, 2.0),
            (-9.0, 1.6, 4.8),
            (-1.0, 1.8, 6.6),
            (7.0, -0.8, 5.8),
            (11.4, -5.4, 4.3),
            (13.6, -8.4, 4.7),
        ),
        tail=Tail((-13.0, 0.8), (-19.5, 1.8), 4.0, 4.4),
        wing=Wing((6.5, -1.6), (-22.5, -1.6), 4.6, tip_role="outline"),
        beak=Beak("hook", 7.0, 1.7, 6.0, skin="yellow"),
        legs=Legs(-1.0, 7.0, 7.0, gap=4.4, skin="pink"),
        patches=(Patch("belly", 2.0, 7.6, 14.0, 5.0, -12.0), Patch("belly", 13.4, -7.0, 5.4, 3.6)),
    ),
    "swan": Species(
        spine=(
            (-15.0, -4.0, 1.6),
            (-10.0, 0.2, 5.2),
            (-2.0, 2.2, 7.6),
            (6.0, 1.6, 6.6),
            (11.0, -3.6, 3.4),
            (10.2, -9.6, 2.5),
            (7.6, -14.6, 2.4),
            (8.6, -19.8, 2.6),
            (12.6, -20.8, 3.5),
        ),
        tail=Tail((-13.0, -2.0), (-18.0, -6.6), 4.6, 1.4),
        wing=Wing((5.0, -0.6), (-15.0, -5.2), 5.6),
        beak=Beak("flat", 6.6, 2.0, 20.0, skin="orange"),
        legs=Legs(-2.0, 8.4, 3.6, gap=4.4),
        patches=(Patch("belly", -1.0, 9.2, 15.0, 3.8),),
    ),
    "goose": Species(
        spine=(
            (-15.0, -1.0, 2.2),
            (-9.0, 1.4, 5.6),
            (-1.0, 2.2, 7.4),
            (6.4, 0.6, 6.4),
            (10.6, -4.8, 3.7),
            (12.0, -10.6, 2.8),
            (12.6, -15.6, 2.8),
            (14.4, -18.2, 3.9),
        ),
        tail=Tail((-13.0, -0.4), (-19.0, 0.0), 4.6, 3.4),
        wing=Wing((6.0, -1.0), (-16.0, -1.4), 5.2, bars=2),
        beak=Beak("flat", 5.6, 2.3, 8.0),
        legs=Legs(-1.5, 8.0, 7.0, gap=4.6),
        patches=(
            Patch("belly", -4.0, 9.0, 13.0, 4.2),
            Patch("accent", 13.4, -14.6, 7.6, 9.4),
            Patch("belly", 13.0, -15.6, 1.9, 2.6, 20.0),
        ),
    ),
    "heron": Species(
        spine=(
            (-13.0, 4.0, 1.6),
            (-8.0, 2.0, 4.6),
            (-1.0, 0.0, 6.0),
            (5.0, -2.6, 4.8),
            (8.6, -7.0, 2.7),
            (6.6, -12.0, 2.2),
            (4.2, -16.6, 2.1),
            (6.0, -21.0, 2.3),
            (9.8, -21.6, 3.2),
        ),
        tail=Tail((-11.0, 3.4), (-17.0, 6.6), 3.6, 3.2),
        wing=Wing((5.0, -2.6), (-14.5, 4.6), 4.8, tip_role="accent"),
        beak=Beak("dagger", 9.4, 1.7, 4.0, skin="yellow"),
        legs=Legs(-2.2, 5.0, 15.0, gap=4.4, skin="yellow"),
        patches=(Patch("belly", 4.0, 3.0, 8.0, 3.2, -30.0), Patch("accent", 8.4, -24.0, 4.4, 1.9, 6.0)),
        crest=((0.2, -0.95), (-0.9, -1.0), (-2.5, -0.1), (-0.9, -0.15)),
    ),
    "pelican": Species(
        spine=(
            (-14.0, -1.0, 2.0),
            (-9.0, 1.4, 5.6),
            (-1.0, 2.4, 7.8),
            (6.0, 0.0, 6.4),
            (9.2, -6.4, 3.6),
            (7.8, -12.0, 3.0),
            (8.4, -16.2, 3.2),
            (11.2, -17.6, 4.0),
        ),
        tail=Tail((-12.0, -0.6), (-17.5, -1.0), 4.4, 3.6),
        wing=Wing((5.0, -0.8), (-15.0, -1.2), 5.4, tip_role="accent"),
        beak=Beak("pouch", 15.0, 4.0, 22.0, skin="orange"),
        legs=Legs(-2.0, 8.6, 4.6, gap=4.6, skin="orange"),
        patches=(Patch("belly", -2.0, 9.4, 14.0, 4.0), Patch("belly", 10.4, -20.6, 4.0, 2.0)),
    ),
}

SPECIES_SHAPES = LAND_SPECIES | WATER_SPECIES


@dataclass(frozen=True)
class Pose:
    """How a bird stands in the frame; drawn without knowing the species, so that it cannot tell the class.

    All birds face right: a painter that must choose a direction in noise paints birds with a head at both ends.
    """

    size: float  # side length relative to a bird of MEAN_AREA
    tilt: float  # degrees, clockwise
    centre: tuple[float, float]  # of the bounding box, in frame pixels, before it is moved inside the margin
    stretch: float  # width over height, relative to the species
    plumpness: float  # factor on the spine's radii
    head_shift: tuple[float, float]  # in species units

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Pose":
        """Draws a pose from modest ranges."""
        return cls(
            size=rng.uniform(0.84, 1.14),
            tilt=rng.uniform(-8.0, 8.0),
            centre=(32.0 + rng.uniform(-8.0, 8.0), 34.0 + rng.uniform(-6.0, 6.0)),
            stretch=rng.uniform(0.95, 1.05),
            plumpness=rng.uniform(0.95, 1.05),
            head_shift=(rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8)),
        )


NEUTRAL_POSE = Pose(1.0, 0.0, (FRAME / 2, FRAME / 2), 1.0, 1.0, (0.0, 0.0))


def paint_bird(species: str, colour: str, pose: Pose, canvas: int) -> tuple[Image.Image, Image.Image]:
    """Paints a bird on a square canvas.

    Returns:
        An RGB image and an L mask (255 on the silhouette, legs and outline included), both `canvas` pixels wide. The
        image is meaningful only where the mask is set.
    """
    shape, plumage = SPECIES_SHAPES[species], PLUMAGES[colour]
    spine = smooth_spine(shape, pose)
    matrix, offset = fit(shape, spine, pose, np.sqrt(MEAN_AREA / unit_area(species)))
    brush = Brush(matrix, offset, plumage.outline, canvas)
    paint_parts(brush, shape, plumage, spine)
    return brush.image, brush.mask


def paint_parts(brush: "Brush", shape: Species, plumage: Plumage, spine: np.ndarray) -> None:
    """Paints the parts from the farthest to the nearest; `spine` is (n, 3) float: x, y, radius."""
    head = spine[-1]
    for line in leg_lines(shape.legs):
        brush.limb(line, SKINS[shape.legs.skin])
    brush.polygon(tail_polygon(shape.tail), plumage.wing)
    if shape.beak.profile == "pouch":
        brush.polygon(beak_polygon(shape.beak, head), SKINS[shape.beak.skin])
    if shape.crest:
        brush.polygon(head[:2] + head[2] * np.array(shape.crest), plumage.base)
    patches = [(ellipse(patch), getattr(plumage, patch.role)) for patch in shape.patches]
    brush.body(spine, plumage.base, patches)
    paint_wing(brush, shape.wing, plumage)
    if shape.beak.profile != "pouch":
        brush.polygon(beak_polygon(shape.beak, head), SKINS[shape.beak.skin])
    brush.eye(head[:2] + head[2] * np.array((0.3, -0.22)))


def paint_wing(brush: "Brush", wing: Wing, plumage: Plumage) -> None:
    """Paints the folded wing with its bars and its tip."""
    brush.polygon(teardrop(wing, 0.0, 1.0), plumage.wing, edge=0.6 * OUTLINE)
    if wing.tip_role != "wing":
        brush.polygon(teardrop(wing, 0.62, 1.0), getattr(plumage, wing.tip_role), edge=0.0)
    for k in range(wing.bars):
        start = 0.34 + 0.2 * k
        brush.polygon(teardrop(wing, start, start + 0.075), plumage.belly, edge=0.0)


class Brush:
    """Draws shapes given in species units on a colour image and, where they count, on the mask."""

    def __init__(self, matrix: np.ndarray, offset: np.ndarray, outline: RGB, canvas: int) -> None:
        """`matrix` (2, 2) and `offset` (2,) map species units to frame pixels."""
        self.pixel = canvas / FRAME
        self.matrix, self.offset = matrix * self.pixel, offset * self.pixel
        self.scale = float(np.sqrt(abs(np.linalg.det(self.matrix))))
        self.outline = outline
        self.image = Image.new("RGB", (canvas, canvas), outline)
        self.mask = Image.new("L", (canvas, canvas), 0)
        self.on_image, self.on_mask = ImageDraw.Draw(self.image), ImageDraw.Draw(self.mask)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Maps (..., 2) points in species units to canvas pixels."""
        return np.asarray(points) @ self.matrix.T + self.offset

    def polygon(self, points: np.ndarray, fill: RGB, edge: float = OUTLINE) -> None:
        """Fills a polygon; with an `edge` (its width in frame pixels) it counts as silhouette."""
        corners = [tuple(p) for p in self.place(points)]
        if edge:
            rim, width = [*corners, *corners[:2]], round(2 * edge * self.pixel)
            self.on_image.line(rim, self.outline, width, joint="curve")
            self.on_mask.line(rim, 255, width, joint="curve")
            self.on_mask.polygon(corners, 255)
        self.on_image.polygon(corners, fill)

    def limb(self, points: np.ndarray, fill: RGB) -> None:
        """Draws a leg: a thick line with an outline on both sides."""
        joints = [tuple(p) for p in self.place(points)]
        core = 0.8 * self.pixel
        edged = round(core + 1.1 * OUTLINE * self.pixel)
        self.on_image.line(joints, self.outline, edged, joint="curve")
        self.on_mask.line(joints, 255, edged, joint="curve")
        self.on_image.line(joints, fill, round(core), joint="curve")

    def body(self, spine: np.ndarray, base: RGB, patches: list[tuple[np.ndarray, RGB]]) -> None:
        """Draws the union of the spine's discs, shaded from above, with patches cut off at its edge."""
        centres, radii = self.place(spine[:, :2]), spine[:, 2] * self.scale
        inside = Image.new("L", self.mask.size, 0)
        on_inside = ImageDraw.Draw(inside)
        for (x, y), r in zip(centres, radii, strict=True):
            wide = r + OUTLINE * self.pixel
            self.on_image.ellipse((x - wide, y - wide, x + wide, y + wide), self.outline)
            self.on_mask.ellipse((x - wide, y - wide, x + wide, y + wide), 255)
            on_inside.ellipse((x - r, y - r, x + r, y + r), 255)
        coat = shaded(base, (centres[:, 1] - radii).min(), (centres[:, 1] + radii).max(), self.mask.size)
        on_coat = ImageDraw.Draw(coat)
        for points, fill in patches:
            on_coat.polygon([tuple(p) for p in self.place(points)], fill)
        self.image.paste(coat, mask=inside)

    def eye(self, centre: np.ndarray) -> None:
        """Draws a dark eye in a pale ring with a highlight, of the same size on every bird."""
        x, y = self.place(centre)
        rings = ((1.45, (250, 246, 232), 0.0), (1.1, (18, 16, 20), 0.0), (0.42, (255, 255, 255), 0.4))
        for radius, fill, up in rings:
            r, lift = radius * self.pixel, up * self.pixel
            self.on_image.ellipse((x - r, y - r - lift, x + r, y + r - lift), fill)


def shaded(base: RGB, top: float, bottom: float, size: tuple[int, int]) -> Image.Image:
    """A coat of one colour, a little lighter at the body's top and darker at its bottom."""
    height = np.clip((np.arange(size[1]) - top) / (bottom - top), 0.0, 1.0)
    rows = np.array(base) * (1.1 - 0.24 * height)[:, None]
    strip = Image.fromarray(np.clip(rows, 0, 255).astype(np.uint8)[:, None])
    return strip.resize(size, Image.Resampling.NEAREST)


def smooth_spine(shape: Species, pose: Pose, steps: int = 9) -> np.ndarray:
    """The spine's discs along a Catmull-Rom curve, (n, 3) float: x, y, radius; the last one is the head."""
    knots = np.array(shape.spine)
    bend = np.linspace(0.0, 1.0, len(knots))[:, None] ** 2
    knots[:, :2] += bend * np.array(pose.head_shift)
    knots[:, 2] *= pose.plumpness
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 3), knots[-1:]])


def tail_polygon(tail: Tail) -> np.ndarray:
    """The tail's corners, (5, 2) float."""
    root, tip = np.array(tail.root), np.array(tail.tip)
    along, across = axes(root, tip)
    root_half, tip_half, cut = across * tail.root_width / 2, across * tail.tip_width / 2, along * tail.notch
    return np.array([root - root_half, tip - tip_half, tip - cut, tip + tip_half, root + root_half])


def teardrop(wing: Wing, start: float, stop: float) -> np.ndarray:
    """The part of a wing between two fractions of its length, (n, 2) float."""
    shoulder, tip = np.array(wing.shoulder), np.array(wing.tip)
    _, across = axes(shoulder, tip)
    t = np.linspace(start, stop, 14)[:, None]
    middle = shoulder + t * (tip - shoulder)
    half = across * wing.width * np.sin(np.pi * t**0.62) ** 0.8
    return np.concatenate([middle - half, (middle + half)[::-1]])


def beak_polygon(beak: Beak, head: np.ndarray) -> np.ndarray:
    """The beak's corners, (n, 2) float; `head` is (x, y, radius)."""
    angle = np.radians(beak.angle)
    along, across = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
    profile = np.array(BEAKS[beak.profile])
    root = head[:2] + along * head[2] * 0.85
    return root + profile[:, :1] * along * beak.length + profile[:, 1:] * across * beak.thickness


def leg_lines(legs: Legs) -> list[np.ndarray]:
    """Two lines of (hip, ankle, toe), each (3, 2) float."""
    ground = legs.y + legs.length
    hips = (legs.x + legs.gap, legs.x)
    return [np.array(((x, legs.y), (x - 0.4, ground), (x + 2.4, ground + 0.3))) for x in hips]


def ellipse(patch: Patch) -> np.ndarray:
    """A patch's edge, (n, 2) float."""
    t, angle = np.linspace(0.0, 2 * np.pi, 28, endpoint=False), np.radians(patch.angle)
    x, y = patch.rx * np.cos(t), patch.ry * np.sin(t)
    turned = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=1)
    return turned + np.array((patch.x, patch.y))


def axes(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along and across a line."""
    along = (end - start) / np.linalg.norm(end - start)
    return along, np.array((-along[1], along[0]))


def fit(shape: Species, spine: np.ndarray, pose: Pose, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The map from species units to frame pixels, matrix (2, 2) and offset (2,)."""
    tilt = np.radians(pose.tilt)
    turn = np.array(((np.cos(tilt), -np.sin(tilt)), (np.sin(tilt), np.cos(tilt))))
    widen = np.sqrt(pose.stretch)
    matrix = turn @ np.diag((widen, 1.0 / widen)) * scale * pose.size
    low, high = extent(shape, spine, matrix)
    matrix = matrix * min(1.0, MAX_EXTENT / (high - low).max())
    low, high = extent(shape, spine, matrix)
    half = (high - low) / 2
    centre = np.clip(pose.centre, MARGIN + half, FRAME - MARGIN - half)
    return matrix, centre - (low + high) / 2


def extent(shape: Species, spine: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest (x, y) of a bird under `matrix`, outline included."""
    corners = [tail_polygon(shape.tail), teardrop(shape.wing, 0.0, 1.0), beak_polygon(shape.beak, spine[-1])]
    corners += leg_lines(shape.legs)
    if shape.crest:
        corners.append(spine[-1, :2] + spine[-1, 2] * np.array(shape.crest))
    points = np.concatenate(corners) @ matrix.T
    centres = spine[:, :2] @ matrix.T
    radii = spine[:, 2:] * np.sqrt(abs(np.linalg.det(matrix)))
    low = np.concatenate([points, centres - radii]).min(axis=0) - OUTLINE
    high = np.concatenate([points, centres + radii]).max(axis=0) + OUTLINE
    return low, high


@cache
def unit_area(species: str) -> float:
    """The silhouette's area of a species in its own units, so that all species can be drawn equally large."""
    shape = SPECIES_SHAPES[species]
    spine = smooth_spine(shape, NEUTRAL_POSE)
    matrix, offset = fit(shape, spine, NEUTRAL_POSE, 1.0)
    brush = Brush(matrix, offset, (0, 0, 0), 256)
    paint_parts(brush, shape, PLUMAGES["grey"], spine)
    return float(np.count_nonzero(np.asarray(brush.mask))) / brush.scale**2

"""Three places in a room: a sofa, a bed, a shelf.

A painter takes a generator and the canvas size and returns a brush on the painted place and the height of its ground.
"""

import numpy as np

from dbb.worlds.brush import Brush, Points, dark, oval, smooth
from dbb.worlds.drawing import FRAME, Colour, enlarge, gradient, mix, pick
from dbb.worlds.metashift.boxes import box, rounded

WHITE = (255, 255, 255)
WALLS = ((228, 216, 192), (200, 214, 208), (218, 202, 208), (190, 206, 222), (234, 224, 208), (208, 214, 188))
FABRICS = (
    (178, 78, 72),
    (86, 126, 144),
    (114, 144, 104),
    (152, 114, 154),
    (204, 162, 88),
    (122, 124, 140),
    (190, 130, 98),
)
WOODS = ((166, 118, 76), (134, 94, 64), (198, 156, 106), (112, 80, 60))
SHELF_WOODS = ((168, 120, 78), (140, 100, 70), (202, 162, 114), (232, 224, 212))
LINEN = ((246, 242, 234), (226, 234, 242), (246, 232, 226))
PICTURES = ((150, 190, 210), (220, 170, 130), (150, 180, 140), (240, 230, 210))
SPINES = ((178, 64, 60), (64, 100, 144), (88, 132, 92), (216, 176, 90), (124, 86, 124), (228, 216, 194))
POTS = ((120, 160, 170), (210, 130, 100), (230, 220, 200), (190, 160, 100))
LEAVES = ((96, 146, 84), (76, 124, 84))
CUSHION = ((-6.6, -5.4), (0.0, -4.8), (6.6, -5.4), (6.2, 0.0), (6.6, 5.4), (0.0, 5.0), (-6.6, 5.4), (-6.2, 0.0))
BLANKET_TOP = ((21.0, 8.0), (22.0, -1.5), (30.0, -2.4), (48.0, -2.0), (63.0, -1.6), (66.0, 6.0))  # from the mattress
BLANKET_HEM = ((66.0, 61.0), (44.0, 62.0), (24.0, 61.0))
PILLOW = ((-8.0, -4.4), (0.0, -5.0), (8.0, -4.2), (8.6, 0.0), (8.0, 4.0), (0.0, 4.6), (-8.0, 4.2), (-8.6, 0.0))


def paint_sofa(rng: np.random.Generator, canvas: int) -> tuple[Brush, float]:
    """A sofa between two armrests, with a cushion or two."""
    seat, top = rng.uniform(49.0, 52.0), rng.uniform(26.0, 30.0)
    left, right = rng.uniform(1.0, 4.0), rng.uniform(60.0, 63.0)
    brush = paint_room(rng, canvas, rng.uniform(54.0, 57.0), hung_below=13.0)
    fabric = pick(rng, FABRICS)
    deep, bright = mix(fabric, dark(fabric), 0.16), mix(fabric, WHITE, 0.1)
    brush.shape(rounded(left + 3.0, top, right - 3.0, seat + 4.0, 4.0), deep, shade=0.15)
    middle = (left + right) / 2
    brush.line(((middle, top + 2.0), (middle, seat - 3.0)), 0.9, mix(fabric, dark(fabric), 0.5))
    brush.shape(rounded(left + 3.0, seat - 3.4, right - 3.0, seat + 6.0, 2.5), bright, shade=0.1)
    brush.shape(rounded(left + 2.0, seat + 4.0, right - 2.0, 62.0, 2.0), deep, shade=0.1)
    for x in (left, right - 8.0):
        brush.shape(rounded(x, seat - 9.0, x + 8.0, 62.5, 3.6), fabric, shade=0.2)
    second = pick(rng, FABRICS)
    for x in (left + 14.0, right - 14.0):
        if rng.random() < 0.6:
            brush.shape(smooth(np.add(CUSHION, (x, seat - 7.0))), second, shade=0.15)
    return brush, seat + 1.5


def paint_bed(rng: np.random.Generator, canvas: int) -> tuple[Brush, float]:
    """A bed with its head at one side, pillows and a blanket, plain, striped or dotted."""
    top, left = rng.uniform(46.0, 49.0), rng.random() < 0.5
    brush = paint_room(rng, canvas, rng.uniform(53.0, 56.0), hung_below=12.0)
    wood, fabric, linen = pick(rng, WOODS), pick(rng, FABRICS), pick(rng, LINEN, 3.0)

    def place(points: Points) -> np.ndarray:
        return np.asarray(points) if left else np.asarray(points) * (-1.0, 1.0) + (FRAME, 0.0)

    head = ((-1.0, 62.0), (-1.0, top - 17.0), (2.0, top - 20.0), (5.5, top - 19.0), (6.5, top - 14.0), (6.5, 62.0))
    brush.shape(place(smooth(head)), wood, shade=0.15)
    brush.shape(place(rounded(2.0, top - 1.0, 63.0, 61.0, 3.0)), linen, shade=0.1)
    for level in range(2 if rng.random() < 0.6 else 1):
        pillow = np.add(PILLOW, (14.0 - 2.0 * level, top - 3.6 - 5.0 * level))
        brush.shape(place(smooth(pillow)), mix(linen, fabric, 0.12 * level), shade=0.12)
    blanket = place(smooth([*np.add(BLANKET_TOP, (0.0, top)), *BLANKET_HEM]))
    brush.shape(blanket, fabric, shade=0.2)
    brush.patches(blanket, [(place(mark), mix(fabric, WHITE, 0.38)) for mark in blanket_marks(rng, top)])
    return brush, top + 3.0


def blanket_marks(rng: np.random.Generator, top: float) -> list[np.ndarray]:
    """Stripes, dots or nothing."""
    kind = rng.random()
    if kind < 0.3:
        return [box(x, top - 4.0, x + 3.0, 64.0) for x in np.arange(25.0, 64.0, 8.0)]
    if kind < 0.6:
        rows = enumerate((top + 2.5, top + 8.5, top + 14.5))
        return [oval(x + 4.0 * (k % 2), y, 1.5, 1.5, corners=14) for k, y in rows for x in np.arange(24.0, 66.0, 8.0)]
    return []


def paint_shelf(rng: np.random.Generator, canvas: int) -> tuple[Brush, float]:
    """The inside of a bookcase: two boards, a few wide books at the sides, more on the upper board."""
    brush = paint_room(rng, canvas, 62.0, hung_below=None)
    wood, low, high = pick(rng, SHELF_WOODS), rng.uniform(54.0, 57.0), rng.uniform(9.0, 12.0)
    left, right = rng.uniform(1.0, 3.0), rng.uniform(61.0, 63.0)
    if rng.random() < 0.6:
        brush.shape(box(left, -2.0, right, 66.0), mix(wood, (50, 36, 30), 0.3), edge=0.5, shade=0.1)
    paint_books(brush, rng, left + 2.0, right - 2.0, high, 14.0)
    gap = rng.uniform(8.0, 14.0)
    paint_books(brush, rng, left + 2.0, left + 2.0 + gap, low, 21.0)
    if rng.random() < 0.5:
        paint_books(brush, rng, right - 2.0 - rng.uniform(8.0, 14.0), right - 2.0, low, 21.0)
    else:
        paint_plant(brush, rng, right - 8.0, low)
    for y in (high, low):
        brush.shape(box(left - 0.5, y, right + 0.5, y + 3.0), wood, edge=0.5)
    for x in (left - 1.2, right - 1.6):
        brush.shape(box(x, -2.0, x + 2.8, 66.0), mix(wood, dark(wood), 0.12), edge=0.5)
    return brush, low + 0.6


def paint_room(rng: np.random.Generator, canvas: int, floor: float, hung_below: float | None) -> Brush:
    """A wall and a floor; pictures or a window hang at heights down to ``hung_below``."""
    wall, ground = pick(rng, WALLS), pick(rng, WOODS)
    upper, lower = mix(wall, WHITE, 0.12), mix(wall, (90, 80, 90), 0.12)
    stops = ((0.0, upper), (floor, lower), (floor + 0.5, ground), (FRAME, mix(ground, (40, 30, 30), 0.2)))
    brush = Brush(enlarge(gradient(stops), canvas))
    brush.shape(box(-1.0, floor - 1.6, 65.0, floor), mix(wall, WHITE, 0.5), edge=0.0)
    if hung_below is not None:
        for x in rng.permutation((9.0, 32.0, 55.0))[: int(rng.integers(1, 3))]:
            hang(brush, rng, x + rng.uniform(-4.0, 4.0), rng.uniform(9.0, hung_below))
    return brush


def hang(brush: Brush, rng: np.random.Generator, x: float, y: float) -> None:
    """A framed picture or a window on the wall."""
    window = rng.random() < 0.4
    half = np.array((7.5, 8.0)) if window else rng.uniform((5.5, 4.5), (8.0, 6.5))
    frame = np.array((250.0, 248.0, 240.0)) if window else pick(rng, WOODS)
    pane = pick(rng, ((176, 212, 238), (226, 232, 226), (200, 220, 240)) if window else PICTURES)
    (w, h), (u, v) = half, half - 1.4
    brush.shape(box(x - w, y - h, x + w, y + h), frame, edge=0.4)
    brush.shape(box(x - u, y - v, x + u, y + v), pane, edge=0.0)
    if window:
        brush.shape(box(x - 0.5, y - h, x + 0.5, y + h), frame, edge=0.0)
    else:
        brush.shape(
            oval(x + rng.uniform(-1.5, 1.5), y + 0.3 * h, 0.5 * w, 0.4 * h), mix(pane, (70, 100, 110), 0.6), edge=0.0
        )


def paint_books(brush: Brush, rng: np.random.Generator, left: float, right: float, foot: float, tallest: float) -> None:
    """A row of books, spines of 3.2 pixels or more."""
    while left + 3.0 < right:
        width, height = min(rng.uniform(3.2, 5.0), right - left), tallest * rng.uniform(0.7, 1.0)
        spine: Colour = SPINES[int(rng.integers(len(SPINES)))]
        brush.shape(box(left, foot - height, left + width, foot), spine, edge=0.4)
        band = foot - 0.8 * height
        brush.shape(box(left + 0.3, band, left + width - 0.3, band + 1.6), mix(spine, (255, 240, 200), 0.45), edge=0.0)
        left += width + 0.4


def paint_plant(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A plant in a pot."""
    leaf = pick(rng, LEAVES)
    for angle in np.radians((-56.0, -20.0, 20.0, 56.0)):
        tip = (x + 4.2 * np.sin(angle), foot - 8.0 - 3.6 * np.cos(angle))
        brush.shape(oval(*tip, 1.7, 4.0, float(np.degrees(angle)), corners=18), leaf, edge=0.4)
    pot = ((x - 3.4, foot - 6.6), (x + 3.4, foot - 6.6), (x + 2.4, foot), (x - 2.4, foot))
    brush.shape(pot, pick(rng, POTS), edge=0.5)


def cover_sofa(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A cushion in front of the animal."""
    brush.shape(smooth(np.add(np.multiply(CUSHION, 1.15), (x, foot - 3.4))), pick(rng, FABRICS), mark=False, shade=0.15)


def cover_bed(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A heap of blanket in front of the animal."""
    heap = ((-14, 2), (-9, -4.6), (0, -6), (9, -4.4), (14, 2), (15, 8), (0, 10), (-15, 8))
    brush.shape(smooth(np.add(heap, (x, foot))), pick(rng, FABRICS), mark=False, shade=0.2)


def cover_shelf(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """Two lying books in front of the animal."""
    for level in (0, 1):
        book = box(x - 8.0 + level, foot - 4.0 * (level + 1), x + 7.0 - level, foot - 4.0 * level - 0.3)
        brush.shape(book, SPINES[int(rng.integers(len(SPINES)))], edge=0.45, mark=False)

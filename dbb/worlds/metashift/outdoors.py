"""Two places outdoors, in a park or a street: a bench, a bicycle.

A painter takes a generator and the canvas size and returns a brush on the painted place and the height of its ground.
"""

import numpy as np

from dbb.worlds.brush import Brush, Points, oval, smooth
from dbb.worlds.drawing import FRAME, Colour, Pen, below, blur, enlarge, gradient, mix, pick, ridge, spread
from dbb.worlds.metashift.boxes import box, rounded

WHITE = (255, 255, 255)
SKIES = ((186, 212, 236), (214, 222, 230), (240, 224, 206), (170, 198, 226))
MEADOWS = ((132, 164, 84), (112, 154, 88), (152, 164, 92))
PATHS = ((214, 196, 160), (200, 190, 176))
HOUSES = ((200, 150, 120), (180, 180, 186), (214, 196, 160), (170, 120, 104))
PAVEMENTS = ((178, 174, 170), (160, 160, 168), (190, 180, 164))
PLANKS = ((158, 104, 64), (120, 84, 58), (176, 132, 88), (92, 112, 84))
IRON, RUBBER, STEEL, LEATHER = (64, 66, 74), (46, 46, 54), (190, 194, 200), (74, 54, 46)
LACQUERS = ((196, 52, 52), (46, 104, 160), (56, 130, 96), (230, 180, 60), (220, 120, 150))
WICKER = (196, 152, 98)
BUSHES = ((96, 146, 76), (120, 156, 80), (84, 130, 84))
BAGS = ((178, 78, 72), (86, 126, 144), (204, 162, 88))


def paint_bench(rng: np.random.Generator, canvas: int) -> tuple[Brush, float]:
    """A wooden bench, most often in a park."""
    brush = paint_street(rng, canvas) if rng.random() < 0.25 else paint_park(rng, canvas)
    seat, plank = rng.uniform(48.0, 51.0), pick(rng, PLANKS)
    left, right = rng.uniform(1.5, 5.0), rng.uniform(59.0, 62.5)
    for x in (left + 6.0, right - 6.0):
        brush.line(((x, seat - 20.0), (x, seat)), 1.8, IRON)
        for foot in (-2.0, 3.0):
            brush.line(((x + foot, 61.5), (x + foot / 2, seat + 2.0)), 2.0, IRON, edge=0.3)
    for y in (seat - 21.0, seat - 14.6, seat - 8.2):
        brush.shape(rounded(left, y, right, y + 4.2, 1.2), plank, edge=0.5, shade=0.2)
    brush.shape(rounded(left - 1.0, seat - 1.4, right + 1.0, seat + 1.6, 1.0), mix(plank, WHITE, 0.14), edge=0.5)
    brush.shape(rounded(left - 1.0, seat + 1.8, right + 1.0, seat + 4.8, 1.0), plank, edge=0.5)
    return brush, seat + 0.8


def paint_bike(rng: np.random.Generator, canvas: int) -> tuple[Brush, float]:
    """A bicycle, most often in a street, its wheels without spokes: at this size they would be noise."""
    brush = paint_street(rng, canvas) if rng.random() < 0.65 else paint_park(rng, canvas)
    radius, hub = rng.uniform(11.5, 13.0), rng.uniform(42.0, 44.0)
    rear, front = np.array((rng.uniform(13.5, 15.5), hub)), np.array((rng.uniform(48.5, 50.5), hub))
    for wheel in (rear, front):
        paint_wheel(brush, wheel, radius)
    paint_frame(brush, rear, front, pick(rng, LACQUERS))
    if rng.random() < 0.4:
        x, y = np.add(front, (-4.5, -17.0))
        brush.shape(rounded(x, y, x + 10.0, y + 7.5, 1.5), WICKER, edge=0.6, shade=0.2)
    return brush, rng.uniform(59.0, 60.5)


def paint_wheel(brush: Brush, hub: np.ndarray, radius: float) -> None:
    """A tyre and a rim."""
    for r, width, colour in ((radius, 2.2, RUBBER), (radius - 1.6, 0.9, STEEL)):
        ring = oval(hub[0], hub[1], r, r, corners=48)
        brush.line(np.concatenate([ring, ring[:1]]), width, colour)
    brush.shape(oval(hub[0], hub[1], 1.5, 1.5, corners=18), STEEL, edge=0.4)


def paint_frame(brush: Brush, rear: np.ndarray, front: np.ndarray, lacquer: Colour) -> None:
    """Tubes, saddle and handlebar."""
    crank, saddle = np.add(rear, (14.5, 1.0)), np.add(rear, (10.0, -15.0))
    bar = np.add(front, (-6.0, -16.0))
    tubes: tuple[tuple[Points, Points], ...] = (
        (crank, rear),
        (rear, saddle),
        (saddle, crank),
        (crank, bar),
        (np.add(saddle, (1.0, 2.0)), bar),
        (bar, front),
    )
    for start, end in tubes:
        brush.line(np.array((start, end)), 1.8, lacquer, edge=0.45)
    brush.line(np.array((bar, np.add(bar, (-1.2, -4.0)))), 1.4, STEEL, edge=0.3)
    grip = np.array(((-5.0, -3.4), (-1.2, -4.6), (2.6, -3.2)))
    brush.line(smooth(bar + grip, closed=False), 1.9, RUBBER)
    seat = np.array(((-5.0, -2.6), (4.4, -2.0), (4.4, -0.6), (-3.4, 0.6)))
    brush.shape(smooth(saddle + seat), LEATHER, edge=0.4)
    brush.shape(oval(crank[0], crank[1], 2.2, 2.2, corners=20), STEEL, edge=0.5)


def paint_park(rng: np.random.Generator, canvas: int) -> Brush:
    """Soft round trees over a meadow, now and then a path in front."""
    sky, grass, floor = pick(rng, SKIES), pick(rng, MEADOWS), rng.uniform(36.0, 42.0)
    soft = gradient(((0.0, sky), (floor, mix(sky, WHITE, 0.4)), (FRAME, grass)))
    pen = Pen(soft)
    for x in spread(rng, 5, -4.0, 68.0):
        r, y = rng.uniform(8.0, 12.0), rng.uniform(6.0, 18.0)
        leaf = mix(grass, (50, 90, 56), rng.uniform(0.2, 0.6))
        pen.line(np.array(((x, y), (x, floor))), 2.4, (124, 92, 66))
        pen.ellipse(x, y, r, 0.9 * r, leaf)
        pen.ellipse(x - 0.3 * r, y - 0.3 * r, 0.55 * r, 0.45 * r, mix(leaf, (220, 226, 140), 0.3))
    pen.polygon(below(ridge(rng, floor + 1.0, 3.0)), mix(grass, (255, 255, 220), 0.12))
    brush = Brush(enlarge(blur(soft, 0.9), canvas))
    pen = Pen(brush.image)
    pen.polygon(below(ridge(rng, floor + 9.0, 2.5)), mix(grass, (70, 100, 50), 0.2))
    if rng.random() < 0.5:
        pen.polygon(below(ridge(rng, 57.0, 2.0)), pick(rng, PATHS))
    return brush


def paint_street(rng: np.random.Generator, canvas: int) -> Brush:
    """Soft houses behind a pavement."""
    sky, floor = pick(rng, SKIES), rng.uniform(36.0, 42.0)
    soft = gradient(((0.0, sky), (FRAME, mix(sky, WHITE, 0.4))))
    pen = Pen(soft)
    for x in spread(rng, 4, -4.0, 68.0):
        paint_house(pen, x, rng.uniform(2.0, 18.0), rng.uniform(7.5, 10.0), floor, mix(pick(rng, HOUSES), sky, 0.25))
    brush = Brush(enlarge(blur(soft, 0.9), canvas))
    pavement = pick(rng, PAVEMENTS)
    brush.shape(box(-1.0, floor, 65.0, 65.0), pavement, edge=0.0, shade=0.2)
    brush.shape(box(-1.0, floor, 65.0, floor + 2.4), mix(pavement, WHITE, 0.35), edge=0.0)
    brush.line(((-1.0, floor + 2.8), (65.0, floor + 2.8)), 0.8, mix(pavement, (60, 60, 70), 0.4))
    return brush


def paint_house(pen: Pen, x: float, top: float, half: float, floor: float, wall: Colour) -> None:
    """A house with two columns of windows."""
    pen.polygon(box(x - half, top, x + half, floor), wall)
    for y in np.arange(top + 4.0, floor - 5.0, 9.0):
        for u in (-0.45, 0.45):
            middle = x + u * half
            pen.polygon(box(middle - 1.8, y, middle + 1.8, y + 4.6), mix(wall, (70, 90, 120), 0.5))


def cover_bench(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A bush in front of the animal."""
    offsets = ((-8, 2, 5), (0, -1, 6), (8, 2, 5), (-3, 3, 6), (4, 4, 6))
    brush.discs(np.add(offsets, (x, foot, 0.0)), pick(rng, BUSHES), mark=False, shade=0.2)


def cover_bike(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A bag in front of the animal."""
    bag = pick(rng, BAGS)
    brush.shape(rounded(x - 7.0, foot - 9.0, x + 6.0, foot + 1.5, 1.5), bag, mark=False, shade=0.2)
    handle = ((x - 4.0, foot - 9.0), (x - 0.5, foot - 12.5), (x + 3.0, foot - 9.0))
    brush.line(smooth(handle, closed=False), 1.2, mix(bag, (40, 30, 30), 0.5), mark=False)

"""Five places to sit for a portrait: studio, curtain, garden, street, wall.

Each painter takes a generator and the canvas size and returns an RGB image. What is behind a person is soft, as in a
photograph: only the wall has edges.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from dbb.worlds.drawing import Colour, Pen, blur, enlarge, gradient, mix, pick, spread

BACKDROPS = ((112, 136, 170), (150, 122, 144), (172, 160, 138), (92, 126, 124), (204, 182, 158))
FABRICS = ((164, 44, 54), (122, 40, 74), (54, 66, 124), (198, 160, 92), (62, 112, 92))
CLEARINGS = ((218, 232, 178), (196, 222, 190), (238, 230, 182))
LEAVES = ((112, 158, 80), (88, 142, 90), (142, 158, 82))
FLOWERS = ((240, 150, 170), (250, 220, 120), (240, 240, 240))
SKIES = ((180, 206, 230), (232, 214, 200), (160, 182, 212))
HOUSES = ((180, 150, 130), (150, 150, 162), (202, 180, 150))
WALLPAPERS = ((226, 206, 168), (206, 190, 160), (170, 192, 190), (216, 186, 126), (190, 172, 190), (240, 226, 196))
PAINTINGS = ((120, 160, 190), (200, 140, 110), (140, 170, 120))
WHITE, NIGHT = (255, 255, 255), (20, 20, 40)


def paint_studio(rng: np.random.Generator, canvas: int) -> Image.Image:
    """A plain backdrop with a pool of light."""
    tone = pick(rng, BACKDROPS)
    soft = gradient(((0.0, mix(tone, NIGHT, 0.35)), (64.0, tone)))
    Pen(soft).ellipse(rng.uniform(20.0, 44.0), rng.uniform(16.0, 34.0), 24.0, 22.0, mix(tone, WHITE, 0.35))
    return enlarge(blur(soft, 7.0), canvas)


def paint_curtain(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Heavy fabric in folds, each dark on its left and lit on its right."""
    tone = pick(rng, FABRICS)
    soft = gradient(((0.0, tone), (64.0, mix(tone, NIGHT, 0.15))))
    pen = Pen(soft)
    for x in spread(rng, 7, -4.0, 68.0):
        pen.polygon(strip(x - 3.0, x + 1.0), mix(tone, NIGHT, 0.32))
        pen.polygon(strip(x + 1.0, x + 3.5), mix(tone, (255, 230, 210), 0.24))
    return enlarge(blur(soft, 0.9), canvas)


def paint_garden(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Leaves and flowers out of focus."""
    light, leaf = pick(rng, CLEARINGS), pick(rng, LEAVES)
    soft = gradient(((0.0, light), (40.0, mix(light, leaf, 0.6)), (64.0, leaf)))
    pen = Pen(soft)
    for x, y, size in rng.uniform((0.0, 4.0, 3.0), (64.0, 64.0, 8.0), (26, 3)):
        pen.ellipse(x, y, size, 0.9 * size, mix(mix(light, leaf, rng.uniform(0.2, 1.0)), (60, 90, 50), 0.2))
    for x, y in rng.uniform((0.0, 8.0), (64.0, 60.0), (8, 2)):
        pen.ellipse(x, y, 2.3, 2.3, pick(rng, FLOWERS))
    return enlarge(blur(soft, 1.9), canvas)


def paint_street(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Houses with lit windows under an evening or a day sky."""
    sky, house = pick(rng, SKIES), pick(rng, HOUSES)
    soft = gradient(((0.0, sky), (64.0, mix(sky, house, 0.5))))
    pen = Pen(soft)
    for x in spread(rng, 4, -4.0, 68.0):
        paint_house(rng, pen, x, mix(house, (90, 100, 120), rng.uniform(0.0, 0.5)))
    return enlarge(blur(soft, 1.4), canvas)


def paint_house(rng: np.random.Generator, pen: Pen, x: float, colour: Colour) -> None:
    """One house around ``x`` with two columns of windows."""
    top, half = rng.uniform(6.0, 26.0), rng.uniform(6.0, 9.0)
    pen.polygon(box(x - half, top, x + half, 65.0), colour)
    for y in np.arange(top + 4.0, 62.0, 8.0):
        for middle in (x - 0.45 * half, x + 0.45 * half):
            lit = mix(colour, (255, 236, 180), rng.uniform(0.1, 0.8))
            pen.polygon(box(middle - 1.6, y, middle + 1.6, y + 4.0), lit)


def paint_wall(rng: np.random.Generator, canvas: int) -> Image.Image:
    """A painted wall, with stripes or with a picture that hangs on it."""
    tone = pick(rng, WALLPAPERS)
    image = enlarge(gradient(((0.0, mix(tone, WHITE, 0.15)), (64.0, mix(tone, (60, 50, 60), 0.18)))), canvas)
    pen = Pen(image)
    if rng.random() < 0.5:
        for x in np.arange(rng.uniform(-8.0, 0.0), 64.0, 10.0):
            pen.polygon(strip(x, x + 4.0), mix(tone, WHITE, 0.25))
    else:
        hang_painting(rng, pen)
    return image


def hang_painting(rng: np.random.Generator, pen: Pen) -> None:
    """A framed picture beside the head: frame, mount, a sky and a hill."""
    x, y = rng.choice((2.0, 46.0)) + rng.uniform(-1.0, 3.0), rng.uniform(4.0, 12.0)
    right, bottom = x + rng.uniform(12.0, 15.0), y + rng.uniform(12.0, 17.0)
    view = pick(rng, PAINTINGS)
    for edge, colour in ((0.0, (110, 84, 62)), (1.4, (244, 240, 230)), (3.0, mix(view, WHITE, 0.3))):
        pen.polygon(box(x + edge, y + edge, right - edge, bottom - edge), colour)
    pen.polygon(box(x + 3.0, (y + bottom) / 2 + 1.0, right - 3.0, bottom - 3.0), mix(view, (60, 80, 60), 0.3))


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return an upright rectangle's corners, float (4, 2)."""
    return np.array(((left, top), (right, top), (right, bottom), (left, bottom)))


def strip(left: float, right: float) -> np.ndarray:
    """Return an upright stripe over the frame's whole height, float (4, 2)."""
    return box(left, -1.0, right, 65.0)


PAINTERS: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "studio": paint_studio,
    "curtain": paint_curtain,
    "garden": paint_garden,
    "street": paint_street,
    "wall": paint_wall,
}

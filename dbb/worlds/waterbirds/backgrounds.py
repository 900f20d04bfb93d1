"""Four places to put a bird: two on land (bamboo, broadleaf forest), two on water (ocean, lake).

Each painter takes a generator and the canvas size and returns an RGB image.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from dbb.worlds.drawing import FRAME, SOFT_CANVAS, Colour, Pen, below, blur, enlarge, gradient, mix, pick, ridge, spread


def paint_bamboo(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Bamboo stems with nodes and leaves before a light, misty green; bare earth below."""
    light = pick(rng, ((226, 238, 176), (206, 232, 190), (236, 236, 190)))
    deep = pick(rng, ((104, 150, 84), (88, 142, 92), (122, 152, 78)))
    stem = pick(rng, ((120, 168, 70), (98, 156, 76), (140, 172, 84)))
    soil = pick(rng, ((132, 102, 66), (120, 98, 70), (146, 116, 76)))
    floor = rng.uniform(52.0, 57.0)
    image = enlarge(bamboo_mist(rng, light, deep), canvas)
    pen = Pen(image)
    for x in spread(rng, int(rng.integers(5, 7)), -1.0, 65.0):
        paint_stem(rng, pen, x, floor + rng.uniform(1.0, 3.0), mix(stem, deep, rng.uniform(0.0, 0.3)))
    skyline = ridge(rng, floor + 1.5, 2.0)
    pen.polygon(below(skyline), soil)
    pen.polygon(below(ridge(rng, floor + 5.5, 2.0)), mix(soil, (70, 52, 36), 0.25))
    return image


def bamboo_mist(rng: np.random.Generator, light: Colour, deep: Colour) -> Image.Image:
    """The soft stage: glow and far stems."""
    glow = rng.uniform(18.0, 34.0)
    soft = gradient(((0.0, mix(light, deep, 0.7)), (glow, light), (64.0, mix(light, deep, 0.8))))
    pen = Pen(soft)
    for x in spread(rng, 9, 0.0, 64.0):
        lean = rng.uniform(-2.0, 2.0)
        colour = mix(light, deep, rng.uniform(0.4, 0.75))
        pen.line(np.array(((x, -2.0), (x + lean, 66.0))), rng.uniform(2.0, 3.4), colour)
    return blur(soft, 1.6)


def paint_stem(rng: np.random.Generator, pen: Pen, x: float, foot: float, colour: Colour) -> None:
    """One stem down to its foot: lit on the left, dark on the right, a ring at every node."""
    half, lean = rng.uniform(1.4, 2.4), rng.uniform(-2.5, 2.5)
    dark, bright = mix(colour, (30, 62, 34), 0.36), mix(colour, (236, 246, 180), 0.36)

    def strip(left: float, right: float) -> np.ndarray:
        top = x + lean
        return np.array(((top + left, -1.0), (top + right, -1.0), (x + right, foot), (x + left, foot)))

    pen.polygon(strip(-half, half), colour)
    pen.polygon(strip(half * 0.35, half), dark)
    pen.polygon(strip(-half * 0.7, -half * 0.25), bright)
    spacing = rng.uniform(12.0, 17.0)
    for y in np.arange(rng.uniform(2.0, spacing), foot - 4.0, spacing):
        middle = x + lean * (1.0 - y / foot)
        pen.band(middle, y, 2.0 * half + 1.8, 1.8, dark)
        pen.band(middle, y + 1.0, 2.0 * half + 1.2, 1.0, bright)
        if rng.random() < 0.4:
            paint_leaves(rng, pen, middle, y, mix(colour, dark, rng.uniform(0.0, 0.7)))


def paint_leaves(rng: np.random.Generator, pen: Pen, x: float, y: float, colour: Colour) -> None:
    """A spray of three long leaves to one side."""
    side, t = rng.choice((-1.0, 1.0)), np.linspace(0.0, 1.0, 8)
    for angle in np.radians(rng.uniform(5.0, 20.0) + np.array((-28.0, 10.0, 48.0))):
        length = rng.uniform(6.5, 9.0)
        along = np.array((side * np.cos(angle), np.sin(angle)))
        across = np.array((-along[1], along[0]))
        middle = (x, y) + t[:, None] * length * along
        half = np.sin(np.pi * t**0.8)[:, None] * 1.15 * across
        pen.polygon(np.concatenate([middle - half, (middle + half)[::-1]]), colour)


def paint_broadleaf(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Brown trunks, a canopy of round foliage and a grassy floor before a bright clearing."""
    light = pick(rng, ((206, 220, 168), (184, 212, 176), (222, 218, 172)))
    leaf = pick(rng, ((92, 136, 58), (76, 128, 66), (122, 138, 56)))
    bark = pick(rng, ((118, 84, 58), (102, 80, 64), (132, 94, 62)))
    grass = pick(rng, ((124, 154, 70), (106, 146, 74), (146, 156, 78)))
    floor = rng.uniform(47.0, 53.0)
    image = enlarge(clearing(rng, light, leaf, bark), canvas)
    pen = Pen(image)
    for x in spread(rng, int(rng.integers(3, 5)), 0.0, 64.0):
        paint_trunk(rng, pen, x, floor + rng.uniform(1.0, 4.0), mix(bark, light, rng.uniform(0.0, 0.2)))
    skyline = ridge(rng, floor + 1.5, 2.5)
    pen.polygon(below(skyline), grass)
    pen.polygon(below(ridge(rng, floor + 7.0, 2.5)), mix(grass, (60, 88, 40), 0.28))
    paint_canopy(rng, pen, leaf)
    return image


def clearing(rng: np.random.Generator, light: Colour, leaf: Colour, bark: Colour) -> Image.Image:
    """The soft stage: light between far trunks and bushes."""
    shade = mix(light, leaf, 0.75)
    soft = gradient(((0.0, shade), (26.0, light), (44.0, mix(light, leaf, 0.35)), (64.0, leaf)))
    pen = Pen(soft)
    for x in spread(rng, 6, 0.0, 64.0):
        colour = mix(mix(bark, light, 0.5), leaf, 0.2)
        pen.line(np.array(((x, 0.0), (x, 54.0))), rng.uniform(1.8, 3.2), colour)
    for x in spread(rng, 6, -2.0, 66.0):
        y, rx, ry = rng.uniform(46.0, 50.0), rng.uniform(6.0, 9.0), rng.uniform(4.0, 7.0)
        pen.ellipse(x, y, rx, ry, mix(light, leaf, 0.7))
    return blur(soft, 1.8)


def paint_trunk(rng: np.random.Generator, pen: Pen, x: float, foot: float, colour: Colour) -> None:
    """A trunk that widens at its foot, lit from the left, with one branch into the canopy."""
    half, lean, side = rng.uniform(2.2, 3.6), rng.uniform(-2.0, 2.0), rng.choice((-1.0, 1.0))
    dark, bright = mix(colour, (48, 32, 28), 0.4), mix(colour, (226, 196, 150), 0.3)

    def strip(left: float, right: float) -> np.ndarray:
        heights, middle = np.array((-1.0, foot * 0.75, foot)), x + np.array((lean, 0.0, 0.0))
        girth = half * np.array((0.8, 1.0, 1.55))
        edges = [np.stack([middle + share * girth, heights], axis=1) for share in (left, right)]
        return np.concatenate([edges[0], edges[1][::-1]])

    fork = rng.uniform(18.0, 26.0)
    pen.line(np.array(((x, fork), (x + side * 5.0, fork - 6.0), (x + side * 8.0, 4.0))), half * 0.7, dark)
    pen.polygon(strip(-1.0, 1.0), colour)
    pen.polygon(strip(0.3, 1.0), dark)
    pen.polygon(strip(-0.75, -0.35), bright)


def paint_canopy(rng: np.random.Generator, pen: Pen, leaf: Colour) -> None:
    """Three rows of round foliage over the frame's top, the nearest and lightest last."""
    dark, bright = mix(leaf, (30, 58, 36), 0.45), mix(leaf, (214, 222, 116), 0.4)
    for level, share in ((11.0, 0.0), (6.5, 0.5), (1.5, 1.0)):
        tone = mix(dark, leaf, share)
        for x in spread(rng, 7, -3.0, 67.0):
            y, r = level + rng.uniform(-2.5, 2.5), rng.uniform(5.0, 7.4)
            pen.ellipse(x, y, r, r * 0.85, tone)
            pen.ellipse(x - r * 0.22, y - r * 0.2, r * 0.6, r * 0.48, mix(tone, bright, 0.4))


def paint_ocean(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Open sea under a wide sky: a sharp horizon, growing crests, glints below the sun."""
    high = pick(rng, ((92, 150, 214), (126, 176, 224), (150, 178, 208), (120, 140, 190)))
    low = pick(rng, ((206, 228, 242), (232, 230, 226), (246, 214, 190), (214, 226, 236)))
    far = pick(rng, ((60, 136, 178), (52, 118, 176), (78, 142, 168)))
    near = pick(rng, ((16, 72, 126), (20, 62, 112), (24, 86, 122)))
    horizon, sun = rng.uniform(17.0, 27.0), rng.uniform(12.0, 52.0)
    image = enlarge(sky(rng, high, low, horizon), canvas)
    sea = gradient(((horizon, far), (64.0, near)), canvas)
    top = round(horizon * canvas / FRAME)
    image.paste(sea.crop((0, top, canvas, canvas)), (0, top))
    pen = Pen(image)
    paint_waves(rng, pen, horizon, far, near)
    glint = mix(low, (255, 255, 250), 0.5)
    for depth in spread(rng, 7, 0.05, 0.75):
        x, y = sun + rng.uniform(-3.0, 3.0) * (1.0 + 2.0 * depth), horizon + depth * (64.0 - horizon)
        pen.band(x, y, 4.0 + 5.0 * depth, 0.9 + 0.6 * depth, glint)
    return image


def sky(rng: np.random.Generator, high: Colour, low: Colour, horizon: float) -> Image.Image:
    """The soft stage of both waters: a graded sky with a few long clouds."""
    soft = gradient(((0.0, high), (horizon, low)))
    pen = Pen(soft)
    cloud = mix(low, (255, 255, 255), 0.6)
    for x in spread(rng, int(rng.integers(1, 4)), 0.0, 64.0):
        y, width = rng.uniform(3.0, horizon * 0.6), rng.uniform(8.0, 15.0)
        pen.ellipse(x, y, width, 2.2, cloud)
        pen.ellipse(x + rng.uniform(-5.0, 5.0), y - 1.6, width * 0.45, 2.6, cloud)
    return blur(soft, 1.7)


def paint_waves(rng: np.random.Generator, pen: Pen, horizon: float, far: Colour, near: Colour) -> None:
    """Rows of crests: a light lens over a dark one, small at the horizon and large in front."""
    for depth in np.linspace(0.06, 0.96, 7) ** 1.25:
        y, tone = horizon + depth * (64.0 - horizon), mix(far, near, depth)
        count, length = 4 - int(2.0 * depth), 8.0 + 13.0 * depth
        for x in spread(rng, count, -4.0, 68.0):
            level = y + rng.uniform(-1.2, 1.2)
            pen.band(x, level + 0.6 + depth, length * 1.15, 1.2 + 2.4 * depth, mix(tone, (8, 34, 78), 0.22))
            pen.band(x, level, length, 0.7 + 1.5 * depth, mix(tone, (196, 228, 240), 0.36))


def paint_lake(rng: np.random.Generator, canvas: int) -> Image.Image:
    """Still water: far hills and their mirror image, long pale streaks, reeds at one side."""
    high = pick(rng, ((138, 168, 208), (166, 186, 212), (190, 176, 196), (150, 190, 206)))
    low = pick(rng, ((222, 226, 232), (240, 216, 202), (226, 232, 224), (214, 226, 238)))
    hill = pick(rng, ((84, 108, 132), (92, 122, 122), (110, 112, 140)))
    water = pick(rng, ((104, 156, 200), (124, 166, 190), (116, 148, 196)))
    shore = rng.uniform(23.0, 30.0)
    image = enlarge(mirrored_hills(rng, high, low, hill, water, shore), canvas)
    pen = Pen(image)
    for y in spread(rng, 8, shore + 3.0, 63.0):
        depth = (y - shore) / (64.0 - shore)
        tone = mix(water, low, 0.55) if rng.random() < 0.7 else mix(water, hill, 0.45)
        pen.band(rng.uniform(4.0, 60.0), y, rng.uniform(14.0, 30.0), 0.8 + 0.9 * depth, tone)
    pen.band(32.0, shore, 90.0, 1.2, mix(low, water, 0.4))
    paint_reeds(rng, pen, mix((84, 116, 66), hill, rng.uniform(0.0, 0.25)))
    return image


def mirrored_hills(
    rng: np.random.Generator, high: Colour, low: Colour, hill: Colour, water: Colour, shore: float
) -> Image.Image:
    """The soft stage: sky, two ranges of hills, and both again upside down in the water."""
    soft = sky(rng, high, low, shore)
    pen = Pen(soft)
    deep = mix(water, (40, 88, 140), 0.5)
    mirror, top = gradient(((shore, mix(low, water, 0.6)), (64.0, deep))), round(shore)
    soft.paste(mirror.crop((0, top, SOFT_CANVAS, SOFT_CANVAS)), (0, top))
    for height, waves, haze in ((12.0, 1.5, 0.5), (6.0, 2.6, 0.1)):
        skyline = ridge(rng, shore - 1.5, height, waves)
        pen.polygon(below(skyline, shore), mix(hill, low, haze))
        mirrored = np.stack([skyline[:, 0], 2 * shore - skyline[:, 1]], axis=1)
        pen.polygon(below(mirrored, shore), mix(mix(hill, low, haze), water, 0.6))
    return blur(soft, 0.8)


def paint_reeds(rng: np.random.Generator, pen: Pen, colour: Colour) -> None:
    """A stand of reeds in a lower corner, two of them with a brown head."""
    left = rng.random() < 0.5
    for k, x in enumerate(spread(rng, 5, 1.0, 13.0)):
        root, height = (x if left else 64.0 - x), rng.uniform(13.0, 24.0)
        tip = root + rng.uniform(-2.5, 2.5)
        blade = np.array(((root - 0.9, 65.0), (tip, 64.0 - height), (root + 0.9, 65.0)))
        pen.polygon(blade, mix(colour, (196, 204, 130), k % 3 * 0.2))
        if k % 3 == 1:
            pen.ellipse(tip, 65.0 - height, 1.1, 2.8, (112, 76, 48))


PAINTERS: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "bamboo forest": paint_bamboo,
    "broadleaf forest": paint_broadleaf,
    "ocean": paint_ocean,
    "lake": paint_lake,
}

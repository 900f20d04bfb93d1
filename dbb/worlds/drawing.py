"""What places are drawn with: colours, gradients, a pen that thinks in pixels of a 64x64 frame.

A place is painted in two stages: soft things (light, mist, clouds) on a small canvas that is blurred and enlarged,
then a few crisp things on top. The pictures stay smooth on purpose: a small autoencoder has to carry them.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = Sequence[float] | np.ndarray
RGB = tuple[int, int, int]

FRAME = 64.0  # painters think in pixels of a 64x64 frame, whatever the canvas
SOFT_CANVAS = 64


class Pen:
    """Draws on an image in frame pixels."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.unit = image.width / FRAME
        self.draw = ImageDraw.Draw(image)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        box = np.array((x - rx, y - ry, x + rx, y + ry)) * self.unit
        self.draw.ellipse(tuple(box), rgb(colour))

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        """`points` is (n, 2) float."""
        self.draw.polygon([tuple(p) for p in np.asarray(points) * self.unit], rgb(colour))

    def line(self, points: np.ndarray, width: float, colour: Colour) -> None:
        """`points` is (n, 2) float."""
        path = [tuple(p) for p in np.asarray(points) * self.unit]
        self.draw.line(path, rgb(colour), max(1, round(width * self.unit)), joint="curve")

    def band(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A thin horizontal lens, the stroke that waves and mirror streaks are made of."""
        t = np.linspace(0.0, 1.0, 9)
        swell = np.sin(np.pi * t) * height / 2
        xs = x + (t - 0.5) * width
        upper, lower = np.stack([xs, y - swell], axis=1), np.stack([xs, y + swell], axis=1)
        self.polygon(np.concatenate([upper, lower[::-1]]), colour)


def rgb(colour: Colour) -> RGB:
    """A colour as PIL takes it, cut to 0..255."""
    red, green, blue = (int(min(max(c, 0), 255)) for c in colour)
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> np.ndarray:
    """`share` of the second colour, the rest of the first, (3,) float."""
    return (1.0 - share) * np.asarray(first, dtype=float) + share * np.asarray(second, dtype=float)


def pick(rng: np.random.Generator, colours: Sequence[Colour], jitter: float = 8.0) -> np.ndarray:
    """A colour between two neighbours of a list, a little moved, (3,) float."""
    k = int(rng.integers(len(colours) - 1))
    return mix(colours[k], colours[k + 1], rng.random()) + rng.uniform(-jitter, jitter, 3)


def gradient(stops: Sequence[tuple[float, Colour]], canvas: int = SOFT_CANVAS) -> Image.Image:
    """A vertical gradient through (height in frame pixels, colour) stops."""
    heights = (np.arange(canvas) + 0.5) * FRAME / canvas
    at, colours = [h for h, _ in stops], np.array([c for _, c in stops])
    rows = np.stack([np.interp(heights, at, colours[:, k]) for k in range(3)], axis=1)
    strip = Image.fromarray(np.clip(rows, 0, 255).astype(np.uint8)[:, None])
    return strip.resize((canvas, canvas), Image.Resampling.NEAREST)


def blur(image: Image.Image, radius: float) -> Image.Image:
    """Blurs by a Gaussian of ``radius`` px of the image's own."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def enlarge(image: Image.Image, canvas: int) -> Image.Image:
    """Makes a small picture as large as the canvas, without new edges."""
    return image.resize((canvas, canvas), Image.Resampling.BILINEAR)


def spread(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """`count` places between two bounds, one in each equal cell, so that nothing clumps, (count,) float."""
    return low + (np.arange(count) + rng.uniform(0.15, 0.85, count)) * (high - low) / count


def ridge(rng: np.random.Generator, base: float, height: float, waves: float = 2.0) -> np.ndarray:
    """A rolling skyline over the frame's width, (n, 2) float."""
    x = np.linspace(-1.0, 65.0, 34)
    phase = rng.uniform(0.0, 2 * np.pi, 2)
    turn = waves * 2 * np.pi * x / FRAME
    roll = np.sin(turn + phase[0]) + 0.5 * np.sin(2.15 * turn + phase[1])
    return np.stack([x, base - height * (0.5 + roll / 3.0)], axis=1)


def below(skyline: np.ndarray, bottom: float = 65.0) -> np.ndarray:
    """The polygon between a skyline and a level."""
    return np.concatenate([skyline, [(65.0, bottom), (-1.0, bottom)]])

"""What people and animals are drawn with: smooth outlined shapes in own units, each with its part of the mask."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from dbb.worlds.drawing import FRAME, Colour, mix, rgb

OUTLINE = 0.9  # width of the dark outline in frame pixels
INK = (26, 18, 22)

Points = np.ndarray | Sequence[Sequence[float]]


def smooth(points: Points, closed: bool = True, steps: int = 7) -> np.ndarray:
    """Return the Catmull-Rom curve through points (n, 2) as float (steps * n, 2), or (steps * (n - 1) + 1, 2) where
    it is open."""
    p = np.asarray(points, dtype=float)
    ends = (p[-1:], p[:2]) if closed else (2 * p[:1] - p[1:2], 2 * p[-1:] - p[-2:-1])
    p = np.concatenate([ends[0], p, ends[1]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.transpose(1, 0, 2).reshape(-1, p.shape[1])
    return curve if closed else np.concatenate([curve, p[-2:-1]])


def oval(x: float, y: float, rx: float, ry: float, angle: float = 0.0, corners: int = 36) -> np.ndarray:
    """Return an ellipse turned by ``angle`` degrees, clockwise, as a polygon, float (corners, 2)."""
    t, turn = np.linspace(0.0, 2 * np.pi, corners, endpoint=False), np.radians(angle)
    u, v = rx * np.cos(t), ry * np.sin(t)
    return np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], axis=1)


def mirrored(half: Points) -> np.ndarray:
    """Return the closed outline whose right half is given from top to bottom, its ends on the axis x = 0."""
    right = np.asarray(half, dtype=float)
    return np.concatenate([right, (right * (-1, 1))[-2:0:-1]])


def dark(colour: Colour, share: float = 0.62) -> np.ndarray:
    """Return the ink that outlines a colour, float (3,)."""
    return mix(colour, INK, share)


class Brush:
    """Draws on an image and, beside it, on a mask of the same size.

    Each shape says by ``mark`` what it does to the mask: True adds it, False takes it off (something in front), None
    leaves the mask as it is. Shapes are given in units of their own, which `stand` maps to the frame.
    """

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.mask = Image.new("L", image.size, 0)
        self.on_image, self.on_mask = ImageDraw.Draw(self.image), ImageDraw.Draw(self.mask)
        self.pixel = image.width / FRAME
        self.stand()

    def stand(
        self,
        centre: Sequence[float] = (0.0, 0.0),
        scale: float = 1.0,
        tilt: float = 0.0,
        stretch: float = 1.0,
        flip: bool = False,
    ) -> None:
        """Set what own units mean: where their origin is in the frame, frame pixels a unit, a turn in degrees
        (clockwise), a stretch in width at the same area, and a flip from left to right.
        """
        turn = np.radians(tilt)
        rotation = np.array(((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))))
        wide = np.sqrt(stretch)
        self.matrix = rotation @ np.diag((-wide if flip else wide, 1 / wide)) * scale * self.pixel
        self.offset = np.asarray(centre, dtype=float) * self.pixel
        self.scale = scale * self.pixel

    def place(self, points: Points) -> np.ndarray:
        """Map points (n, 2) in own units to canvas pixels."""
        return np.asarray(points, dtype=float) @ self.matrix.T + self.offset

    def corners(self, points: Points) -> list[tuple[float, ...]]:
        """Map points (n, 2) in own units to canvas pixels, as Pillow takes them."""
        return [tuple(p) for p in self.place(points).tolist()]

    def shape(
        self,
        points: Points,
        fill: Colour,
        edge: float = OUTLINE,
        ink: Colour | None = None,
        mark: bool | None = None,
        shade: float = 0.0,
    ) -> None:
        """Fill a polygon, outlined by ``edge`` frame pixels; with a ``shade`` it is lighter above and darker below."""
        corners = self.corners(points)
        if edge:
            self._stroke([*corners, *corners[:2]], 2 * edge, dark(fill) if ink is None else ink, mark)
        if mark is not None:
            self.on_mask.polygon(corners, 255 if mark else 0)
        if not shade:
            self.on_image.polygon(corners, rgb(fill))
            return
        heights = [y for _, y in corners]
        self._paste_shaded(self._inside(corners), fill, min(heights), max(heights), shade)

    def line(
        self,
        points: Points,
        width: float,
        fill: Colour,
        edge: float = 0.0,
        ink: Colour | None = None,
        mark: bool | None = None,
    ) -> None:
        """Draw a line of ``width`` frame pixels with round ends, outlined by ``edge``."""
        path = self.corners(points)
        if edge:
            self._stroke(path, width + 2 * edge, dark(fill) if ink is None else ink, mark, round_ends=True)
        self._stroke(path, width, fill, mark, round_ends=True)

    def discs(
        self, discs: Points, fill: Colour, edge: float = OUTLINE, mark: bool | None = None, shade: float = 0.0
    ) -> Image.Image:
        """Fill the union of discs (n, 3): x, y, radius, outlined as one; returns its inside, an L image."""
        table = np.asarray(discs, dtype=float)
        centres, radii = self.place(table[:, :2]), table[:, 2] * self.scale
        inside = Image.new("L", self.image.size, 0)
        on_inside = ImageDraw.Draw(inside)
        for (x, y), r in zip(centres, radii, strict=True):
            wide = r + edge * self.pixel
            if edge:
                self.on_image.ellipse((x - wide, y - wide, x + wide, y + wide), rgb(dark(fill)))
            if mark is not None:
                self.on_mask.ellipse((x - wide, y - wide, x + wide, y + wide), 255 if mark else 0)
            on_inside.ellipse((x - r, y - r, x + r, y + r), 255)
        top, bottom = (centres[:, 1] - radii).min(), (centres[:, 1] + radii).max()
        self._paste_shaded(inside, fill, top, bottom, shade)
        return inside

    def patches(self, inside: Image.Image | Points, patches: Sequence[tuple[Points, Colour]]) -> None:
        """Fill polygons of own units, cut off at an outline or at the inside that `discs` returned."""
        if not isinstance(inside, Image.Image):
            inside = self._inside(self.corners(inside))
        box = inside.getbbox()
        if box is None:
            return
        over = self.image.copy()
        on_over = ImageDraw.Draw(over)
        for points, fill in patches:
            on_over.polygon(self.corners(points), rgb(fill))
        self.image.paste(over.crop(box), box, inside.crop(box))

    def _paste_shaded(self, inside: Image.Image, fill: Colour, top: float, bottom: float, shade: float) -> None:
        """Paste no more than the box around the inside: a paste costs by its area."""
        box = inside.getbbox()
        if box is None:
            return
        left, upper, right, lower = box
        coat = shaded(fill, top - upper, bottom - upper, (right - left, lower - upper), shade)
        self.image.paste(coat, box, inside.crop(box))

    def _inside(self, corners: list[tuple[float, ...]]) -> Image.Image:
        inside = Image.new("L", self.image.size, 0)
        ImageDraw.Draw(inside).polygon(corners, 255)
        return inside

    def _stroke(
        self, path: list[tuple[float, ...]], width: float, colour: Colour, mark: bool | None, round_ends: bool = False
    ) -> None:
        pixels = max(1, round(width * self.pixel))
        r = (pixels - 1) / 2
        rounded = bends(path) + ([path[0], path[-1]] if round_ends else [])
        layers = [(self.on_image, rgb(colour))] + ([] if mark is None else [(self.on_mask, 255 if mark else 0)])
        for draw, value in layers:
            draw.line(path, value, pixels)
            for x, y in rounded:
                draw.ellipse((x - r, y - r, x + r, y + r), value)


def bends(path: Sequence[tuple[float, ...]], straight: float = 0.97) -> list[tuple[float, ...]]:
    """Return the corners of a path whose turn's cosine is below ``straight``: a wide line gapes there.

    Pillow's own ``joint="curve"`` rounds every corner, which costs ten times the line.
    """
    steps = np.diff(np.asarray(path), axis=0)
    steps /= np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-9)
    turned = (steps[:-1] * steps[1:]).sum(axis=1) < straight
    return [corner for corner, bent in zip(path[1:], turned, strict=False) if bent]


def shaded(base: Colour, top: float, bottom: float, size: tuple[int, int], shade: float) -> Image.Image:
    """Return a sheet of one colour, lighter at the height ``top`` and darker at ``bottom`` (canvas pixels)."""
    height = np.clip((np.arange(size[1]) - top) / max(bottom - top, 1.0), 0.0, 1.0)
    rows = np.asarray(rgb(base)) * (1 + shade * (0.45 - height))[:, None]
    strip = Image.fromarray(np.clip(rows, 0, 255).astype(np.uint8)[:, None])
    return strip.resize(size, Image.Resampling.NEAREST)

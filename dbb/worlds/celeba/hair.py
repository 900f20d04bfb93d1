"""Hair: fourteen shades, the cuts as data, and one way to draw them behind and before the face.

Every shade can be worn in every cut by everybody. The mask is what is seen of the hair: what a face, a shoulder or a
hat covers is taken off it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbb.worlds.brush import Brush, dark, oval, smooth
from dbb.worlds.drawing import RGB, Colour, mix

BLOND: dict[str, RGB] = {
    "platinum": (246, 228, 194),
    "golden": (234, 192, 96),
    "honey": (214, 164, 84),
    "straw": (224, 200, 140),
    "sandy": (200, 164, 106),
    "ash": (200, 182, 140),
}
OTHER: dict[str, RGB] = {
    "black": (46, 42, 48),
    "dark brown": (76, 50, 40),
    "chestnut": (114, 70, 44),
    "auburn": (142, 62, 38),
    "light brown": (144, 104, 68),
    "ginger": (196, 98, 44),
    "grey": (128, 132, 142),
    "silver": (164, 172, 190),
}
SHADES = BLOND | OTHER

HAIRLINES = {  # from the right temple over the forehead to the left one, the parting on the left
    "centre": ((0.93, 0.1), (0.9, -0.38), (0.55, -0.72), (0.05, -1.06), (-0.05, -1.06), (-0.55, -0.72), (-0.9, -0.38)),
    "side": ((0.93, 0.1), (0.88, -0.34), (0.6, -0.62), (0.1, -0.8), (-0.4, -1.02), (-0.62, -0.86), (-0.86, -0.44)),
    "fringe": ((0.93, 0.1), (0.88, -0.28), (0.6, -0.5), (0.2, -0.56), (-0.2, -0.56), (-0.6, -0.5), (-0.88, -0.28)),
    "swept": ((0.92, -0.1), (0.82, -0.5), (0.45, -0.66), (0.0, -0.7), (-0.45, -0.84), (-0.72, -0.78), (-0.86, -0.45)),
    "open": ((0.95, -0.05), (0.86, -0.52), (0.6, -0.86), (0.2, -0.96), (-0.2, -0.96), (-0.6, -0.86), (-0.86, -0.52)),
    "receding": (
        (0.95, -0.05),
        (0.88, -0.55),
        (0.72, -1.0),
        (0.3, -0.96),
        (-0.1, -1.02),
        (-0.72, -1.0),
        (-0.88, -0.55),
    ),
}


@dataclass(frozen=True)
class Fall:
    """Hair that falls beside the face.

    Attributes:
        width: half the distance between its outer sides.
        end: how far down it reaches.
        wave: how far its waves swing.
        grows: share of a person's own length of hair that is added to the end.
    """

    width: float
    end: float
    wave: float = 0.0
    grows: float = 1.0


@dataclass(frozen=True)
class Cut:
    """Hair with one outline, from the left temple over the crown to the right one.

    Attributes:
        top: height of the crown.
        side: half the width above the ears.
        start: how far down it reaches beside the face.
        lines: hairlines it may have.
        square: 1 is round, less is flat on top.
        fall: what hangs down on both sides.
        combed_back: the strands lead away from the forehead.
        dense: a sheen and strands show.
        loose: share of a person's own volume that is added.
    """

    top: float
    side: float
    start: float
    lines: tuple[str, ...]
    square: float = 1.0
    fall: Fall | None = None
    combed_back: bool = False
    dense: bool = True
    loose: float = 1.0


PARTED = ("centre", "side", "fringe")
CUTS: dict[str, Cut] = {
    "long straight": Cut(1.42, 1.16, 0.1, PARTED, fall=Fall(1.2, 1.6)),
    "long wavy": Cut(1.44, 1.18, 0.1, PARTED, fall=Fall(1.28, 1.55, wave=0.1)),
    "bobbed": Cut(1.44, 1.18, 0.1, PARTED, fall=Fall(1.3, 0.72, grows=0.3)),
    "tied up": Cut(1.4, 1.06, -0.05, PARTED, combed_back=True, loose=0.5),
    "tied back": Cut(1.4, 1.06, -0.05, PARTED, combed_back=True, loose=0.5),
    "braided": Cut(1.4, 1.08, 0.15, ("centre", "side"), loose=0.5),
    "pixie": Cut(1.48, 1.12, 0.15, ("swept", "side", "fringe")),
    "cropped": Cut(1.4, 1.06, -0.05, ("open", "swept")),
    "side parted": Cut(1.46, 1.08, 0.02, ("side",)),
    "quiffed": Cut(1.62, 1.08, -0.02, ("open",), square=0.75, combed_back=True),
    "swept back": Cut(1.38, 1.07, 0.0, ("receding",), combed_back=True),
    "buzzed": Cut(1.33, 1.03, -0.1, ("open", "receding"), dense=False, loose=0.0),
}
CURLS = {"curly": 0.9, "afro": 0.2}  # how far down the curls reach beside the face
STYLES = (*CUTS, *CURLS, "tousled", "thinning")
TUFTED = ("tied up", "pixie", "cropped", "side parted", "quiffed", "swept back", "tousled", "thinning")
COVERED = ("buzzed",)  # of this nothing is seen below a hat


@dataclass(frozen=True)
class Hair:
    """A head of hair.

    Attributes:
        style: one of STYLES.
        colour: what the shade is on this head.
        hatted: the crown is under a hat; short hair shows at the temples only.
        volume, length: added to the cut, in units of the head.
        line: 0..1, picks among the cut's hairlines.
        side: -1 or 1, where the parting, the tail and the sheen are.
        curls: 0..1 each, the sizes of the curls.
    """

    style: str
    colour: Colour
    hatted: bool
    volume: float
    length: float
    line: float
    side: float
    curls: np.ndarray

    @property
    def deep(self) -> np.ndarray:
        """The colour behind the face."""
        return mix(self.colour, dark(self.colour), 0.3)

    @property
    def lit(self) -> np.ndarray:
        """The colour of the sheen."""
        return mix(self.colour, (255, 250, 236), 0.34)

    @property
    def low(self) -> np.ndarray:
        """The colour of the strands."""
        return mix(self.colour, dark(self.colour), 0.34)


def draw_hair(rng: np.random.Generator, shade: str, style: str, hatted: bool) -> Hair:
    """Draw what the names of shade and style leave open; the numbers are used alike for all of them."""
    brightness, warmth = rng.uniform(0.94, 1.06), rng.uniform(-5.0, 5.0)
    return Hair(
        style=style,
        colour=np.array(SHADES[shade]) * brightness + warmth * np.array((1.0, 0.2, -1.4)),
        hatted=hatted,
        volume=rng.uniform(-0.04, 0.1),
        length=rng.uniform(-0.35, 0.3),
        line=rng.random(),
        side=float(rng.choice((-1.0, 1.0))),
        curls=rng.random(32),
    )


def paint_back(brush: Brush, hair: Hair) -> None:
    """Paint the hair behind face and shoulders."""
    cut = CUTS.get(hair.style)
    if cut is not None and cut.fall is not None:
        brush.shape(curtain(cut.fall, hair), hair.deep, mark=True, shade=0.2)
    elif hair.style in CURLS:
        brush.discs(curl_cloud(hair), hair.deep, mark=True, shade=0.2)
    elif hair.style == "braided":
        brush.shape(oval(0.0, -0.1, 1.08, 1.1), hair.deep, mark=True, shade=0.2)
    elif hair.style == "tied back":
        tail = (
            (0.5, -1.2),
            (1.2, -1.25),
            (1.66, -0.55),
            (1.66, 0.5),
            (1.4, 1.3),
            (1.24, 0.7),
            (1.26, -0.1),
            (0.95, -0.7),
        )
        brush.shape(smooth(np.array(tail) * (hair.side, 1.0)), hair.deep, mark=True, shade=0.2)
        wisp = np.array(((1.3, -0.9), (1.48, -0.3), (1.46, 0.5))) * (hair.side, 1.0)
        brush.line(smooth(wisp, closed=False), 0.9, hair.lit)
    elif hair.style == "tied up" and not hair.hatted:
        knot = oval(0.2 * hair.side, -1.52 - hair.volume, 0.52, 0.46)
        brush.shape(knot, hair.deep, mark=True, shade=0.25)
        brush.patches(knot, [(oval(0.12 * hair.side, -1.64 - hair.volume, 0.26, 0.12), hair.colour)])


def paint_front(brush: Brush, hair: Hair) -> None:
    """Paint the hair over the forehead and beside the face."""
    if hair.hatted and hair.style in TUFTED:
        paint_temples(brush, hair, ((0.88, -0.75), (1.14, -0.6), (1.17, -0.1), (1.06, 0.32), (0.9, 0.28), (0.87, -0.2)))
    elif hair.style == "thinning":
        paint_temples(brush, hair, ((0.9, -0.66), (1.07, -0.4), (1.08, 0.02), (0.98, 0.22), (0.88, -0.05)))
    elif hair.style in (*CURLS, "tousled"):
        paint_curls(brush, hair)
    else:
        paint_cut(brush, hair, CUTS[hair.style])
    if hair.style == "braided":
        paint_braids(brush, hair)


def paint_temples(brush: Brush, hair: Hair, right: Sequence[tuple[float, float]]) -> None:
    """Paint the same tuft on both sides."""
    for side in (-1.0, 1.0):
        brush.shape(smooth(np.array(right) * (side, 1.0)), hair.colour, edge=0.8, mark=True, shade=0.2)


def paint_cut(brush: Brush, hair: Hair, cut: Cut) -> None:
    """Paint the outline of a cut, its sheen and its strands."""
    outline = cut_outline(cut, hair)
    brush.shape(outline, hair.colour, mark=True, shade=0.22)
    if not cut.dense:
        return
    crown = outline[:, 1].min()
    brush.patches(outline, [(sheen(-crown) * (hair.side, 1.0), hair.lit)])
    for strand in strands(cut, hair, crown):
        brush.line(smooth(strand, closed=False), 0.85, hair.low)


def cut_outline(cut: Cut, hair: Hair) -> np.ndarray:
    """Return the outline of the hair in front, float (n, 2)."""
    over, line = crown_arc(cut, hair), hairline(cut, hair)
    if cut.fall is None:
        return np.concatenate([over, line])
    outer, inner = fall_sides(cut.fall, hair)
    tip = (outer[-1:] + inner[-1:]) / 2 + (0.0, 0.1)
    right = smooth(np.concatenate([outer, tip, inner[::-1]]), closed=False)
    return np.concatenate([over, right, line, (right * (-1.0, 1.0))[::-1]])


def crown_arc(cut: Cut, hair: Hair) -> np.ndarray:
    """Return the outer outline from the left side over the crown to the right one, float (n, 2)."""
    angles = np.linspace(np.pi, 0.0, 11)
    top, side = cut.top + cut.loose * hair.volume, cut.side + 0.5 * cut.loose * hair.volume
    x = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** cut.square * side
    y = -0.25 - np.abs(np.sin(angles)) ** cut.square * (top - 0.25)
    ends = ((-0.98 * side, cut.start), (0.98 * side, cut.start))
    return smooth(np.concatenate([ends[:1], np.stack([x, y], axis=1), ends[1:]]), closed=False)


def hairline(cut: Cut, hair: Hair) -> np.ndarray:
    """Return the lower outline from the right temple to the left one, float (n, 2)."""
    points = np.array(HAIRLINES[cut.lines[int(hair.line * len(cut.lines))]])
    points = np.concatenate([points, points[:1] * (-1.0, 1.0)])
    return smooth(points if hair.side < 0 else points[::-1] * (-1.0, 1.0), closed=False)


def fall_sides(fall: Fall, hair: Hair) -> tuple[np.ndarray, np.ndarray]:
    """Return the outer and the inner side of the hair on the right, from above to below, each float (8, 2)."""
    end = fall.end + fall.grows * hair.length
    y, t = np.linspace(0.2, end, 8), np.linspace(0.0, 1.0, 8)
    wave = fall.wave * np.sin(2.4 * np.pi * t)
    outer = fall.width + hair.volume * 0.6 - 0.12 * t**3 + wave
    inner = np.linspace(0.9, 1.0, 8) - 0.1 * t + 0.7 * wave * t
    return np.stack([outer, y], axis=1), np.stack([inner, y], axis=1)


def curtain(fall: Fall, hair: Hair) -> np.ndarray:
    """Return the outline of the long hair behind head and shoulders, float (n, 2)."""
    outer, _ = fall_sides(fall, hair)
    right = outer + np.stack([np.linspace(0.0, 0.06, 8), np.linspace(0.0, 0.3, 8)], axis=1)
    below = [(0.0, right[-1, 1] + 0.05)]
    return smooth(np.concatenate([[(0.0, -1.2), (0.9, -0.9)], right, below, (right * (-1, 1))[::-1], [(-0.9, -0.9)]]))


def sheen(crown: float) -> np.ndarray:
    """Return a bow of light on the crown, float (n, 2)."""
    upper, lower = (oval(0.0, -0.1, x, share * crown, 0.0, 40)[22:34] for x, share in ((0.98, 0.85), (0.9, 0.72)))
    return np.concatenate([upper, lower[::-1]])


def strands(cut: Cut, hair: Hair, crown: float) -> list[np.ndarray]:
    """Return the lines along which the hair lies, each float (n, 2)."""
    if cut.combed_back:
        return [np.array(((x, -1.0), (1.1 * x, 0.93 * crown))) for x in (-0.32, 0.0, 0.32)]
    parting = np.array(
        (((-0.42, -1.04), (0.0, 0.9 * crown), (0.55, -1.1)), ((-0.45, -1.0), (-0.75, -1.0), (-0.98, -0.5)))
    )
    lines = list(parting * (-hair.side, 1.0))
    if cut.fall is not None:
        outer, inner = fall_sides(cut.fall, hair)
        middle = 0.55 * outer[1:-1] + 0.45 * inner[1:-1]
        lines += [middle, middle * (-1.0, 1.0)]
    return lines


def curl_cloud(hair: Hair) -> np.ndarray:
    """Return the curls behind the face, float (n, 3): x, y, radius; a hat presses down those of the crown."""
    angles = np.linspace(-0.35, np.pi + 0.35, 13)
    around = np.stack([1.1 * np.cos(angles), -0.3 - 1.1 * np.sin(angles), 0.36 + 0.12 * hair.curls[:13]], axis=1)
    beside = [(side * 1.14, y, 0.4) for side in (-1.0, 1.0) for y in np.arange(0.1, CURLS[hair.style], 0.38)]
    around = np.concatenate([around, beside])
    around[:, 2] += hair.volume
    return np.concatenate([around[around[:, 1] > -0.8] if hair.hatted else around, [(0.0, -0.4, 1.1)]])


def paint_curls(brush: Brush, hair: Hair) -> None:
    """Paint the curls over the forehead, every second one with a light."""
    angles = np.linspace(0.12, np.pi - 0.12, 8)
    outer = np.stack([0.95 * np.cos(angles), -0.42 - 0.78 * np.sin(angles), 0.3 + 0.1 * hair.curls[13:21]], axis=1)
    inner = np.stack([0.5 * np.cos(angles[::2]), -0.62 - 0.5 * np.sin(angles[::2]), np.full(4, 0.4)], axis=1)
    sides = [(-1.0, -0.2, 0.16), (1.0, -0.2, 0.16)] if hair.style == "tousled" else []
    curls = np.concatenate([outer, inner, np.reshape(sides, (-1, 3))])
    inside = brush.discs(curls, hair.colour, mark=True, shade=0.2)
    lights = [oval(x - 0.05, y - 0.08, 0.42 * r, 0.28 * r, 0.0, 16) for x, y, r in curls[1:12:2]]
    brush.patches(inside, [(light, hair.lit) for light in lights])


def paint_braids(brush: Brush, hair: Hair) -> None:
    """Paint a braid over each shoulder, with a ribbon."""
    for side in (-1.0, 1.0):
        for k in range(5):
            knot = oval(side * (1.12 + 0.03 * k), 0.2 + 0.34 * k, 0.27, 0.25, side * 25.0)
            brush.shape(knot, hair.colour, edge=0.8, mark=True, shade=0.22)
        brush.shape(oval(side * 1.26, 0.2 + 0.34 * 5, 0.17, 0.19), (190, 70, 90), edge=0.6, mark=False)

"""What people wear: four kinds of clothes and three hats, the same for everybody, whatever the hair."""

import numpy as np

from dbb.worlds.brush import OUTLINE, Brush, dark, smooth
from dbb.worlds.celeba.people import Person
from dbb.worlds.drawing import Colour, mix, pick

FABRICS = (
    (70, 90, 140),
    (172, 72, 72),
    (62, 64, 78),
    (222, 218, 208),
    (120, 150, 122),
    (208, 168, 112),
    (150, 112, 152),
)
FELTS = ((60, 80, 130), (150, 52, 56), (70, 100, 80), (120, 110, 100), (208, 188, 140), (52, 52, 62), (198, 150, 66))
WHITE, GOLD = (246, 244, 240), (238, 214, 130)
KINDS = ("jumper", "collar", "jacket", "scoop")
HATS = ("cap", "beanie", "fedora")

BEANIE = (
    (-1.16, -0.55),
    (-1.12, -1.2),
    (-0.6, -1.75),
    (0, -1.88),
    (0.6, -1.75),
    (1.12, -1.2),
    (1.16, -0.55),
    (0, -0.72),
)
BEANIE_HEM = ((-1.2, -0.45), (-1.18, -0.85), (0, -1.02), (1.18, -0.85), (1.2, -0.45), (0, -0.6))
CAP = ((-1.12, -0.5), (-1.1, -1.1), (-0.6, -1.65), (0, -1.74), (0.6, -1.65), (1.1, -1.1), (1.12, -0.5), (0, -0.74))
CAP_PEAK = ((-1, -0.62), (-0.5, -0.94), (0.3, -1), (1.05, -0.78), (1.35, -0.46), (0.7, -0.42), (0, -0.54), (-0.7, -0.5))
FEDORA = ((-0.95, -0.7), (-0.9, -1.4), (-0.5, -1.8), (0, -1.7), (0.5, -1.8), (0.9, -1.4), (0.95, -0.7))
FEDORA_BAND = ((-0.97, -0.72), (-0.96, -1.0), (0.96, -1.0), (0.97, -0.72))
FEDORA_BRIM = (
    (-1.75, -0.58), (-0.9, -0.86), (0, -0.92), (0.9, -0.86), (1.75, -0.58), (0.9, -0.56), (0, -0.62), (-0.9, -0.56)
)  # fmt: skip


def paint_clothes(brush: Brush, person: Person, rng: np.random.Generator) -> None:
    """Paint shoulders, neck and clothes; they hide the hair behind them."""
    colour, kind, necklace = pick(rng, FABRICS), str(rng.choice(KINDS)), rng.random() < 0.4
    wide, neck = (2.15, 0.52) if person.man else (1.82, 0.42)
    brush.stand(person.centre, person.scale)
    brush.shape(smooth(torso_outline(wide)), colour, mark=False, shade=0.16)
    paint_neck(brush, person, neck)
    if kind == "scoop":
        paint_scoop(brush, person, colour, neck, necklace)
    elif kind == "jacket":
        paint_jacket(brush, person, colour, neck)
    elif kind == "collar":
        paint_collar(brush, colour, neck)


def torso_outline(wide: float) -> np.ndarray:
    """Return the shoulders' outline down to below the frame, float (10, 2)."""
    right = np.array(((0.62, 1.62), (0.8 * wide, 1.95), (wide, 2.5), (1.05 * wide, 4.0)))
    return np.concatenate([[(0.0, 1.55)], right, [(0.0, 4.2)], (right * (-1.0, 1.0))[::-1]])


def paint_neck(brush: Brush, person: Person, neck: float, edge: float = OUTLINE) -> None:
    """Paint the neck, and on it the chin's shadow."""
    throat = ((-neck, 0.7), (neck, 0.7), (1.05 * neck, 1.7), (0.0, 2.0), (-1.05 * neck, 1.7))
    below = ((-neck, 0.9), (neck, 0.9), (0.8 * neck, 1.5), (0.0, 1.62), (-0.8 * neck, 1.5))
    brush.shape(throat, person.skin, edge=edge, mark=False)
    brush.shape(below, mix(person.skin, (120, 50, 50), 0.28), edge=0.0, mark=False)


def paint_scoop(brush: Brush, person: Person, colour: Colour, neck: float, necklace: bool) -> None:
    """Paint a round neckline, and a necklace in it."""
    edge = smooth(((-0.72, 1.62), (-0.45, 2.12), (0.0, 2.3), (0.45, 2.12), (0.72, 1.62)), closed=False)
    brush.shape(edge, person.skin, ink=dark(colour), mark=False)
    paint_neck(brush, person, neck, edge=0.0)
    if necklace:
        chain = ((-0.48, 1.66), (-0.24, 1.94), (0.0, 2.02), (0.24, 1.94), (0.48, 1.66))
        brush.line(smooth(chain, closed=False), 0.85, GOLD)


def paint_jacket(brush: Brush, person: Person, colour: Colour, neck: float) -> None:
    """Paint an open jacket over a white shirt."""
    brush.shape(((-0.6, 1.62), (0.0, 2.1), (0.6, 1.62), (0.45, 4.0), (-0.45, 4.0)), WHITE, edge=0.5, mark=False)
    brush.line(((0.0, 2.2), (0.0, 4.0)), 0.8, (196, 194, 192))
    for side in (-1.0, 1.0):
        lapel = np.array(((0.6, 1.55), (0.98, 1.92), (0.25, 3.6), (0.18, 2.9))) * (side, 1.0)
        brush.shape(lapel, mix(colour, (20, 20, 30), 0.3), edge=0.6, mark=False)
    paint_neck(brush, person, neck, edge=0.0)


def paint_collar(brush: Brush, colour: Colour, neck: float) -> None:
    """Paint the collar of a shirt."""
    for side in (-1.0, 1.0):
        wing = np.array(((neck, 1.5), (neck + 0.3, 1.72), (0.42, 2.3), (0.0, 2.0))) * (side, 1.0)
        brush.shape(wing, mix(colour, (255, 255, 255), 0.3), edge=0.6, mark=False)


def paint_hat(brush: Brush, hat: str | None, rng: np.random.Generator) -> None:
    """Paint a hat, which hides the hair under it."""
    colour = pick(rng, FELTS)
    band = mix(colour, dark(colour), 0.4)
    if hat == "beanie":
        brush.shape(smooth(BEANIE), colour, mark=False, shade=0.2)
        brush.shape(smooth(BEANIE_HEM), band, mark=False)
    elif hat == "cap":
        brush.shape(smooth(CAP), colour, mark=False, shade=0.2)
        brush.shape(smooth(CAP_PEAK), band, mark=False)
    elif hat == "fedora":
        brush.shape(smooth(FEDORA), colour, mark=False, shade=0.2)
        brush.shape(FEDORA_BAND, band, edge=0.0, mark=False)
        brush.shape(smooth(FEDORA_BRIM), colour, mark=False, shade=0.2)

"""Heads and what is on them: ears, eyes, brows, nose, mouth, beards and glasses.

In the head's units the chin is at y = 1.28, the crown at -1.27, the eyes at -0.06. What must survive a small
autoencoder is drawn 0.8 frame pixels wide or more.
"""

import numpy as np

from dbb.worlds.brush import Brush, dark, mirrored, oval, smooth
from dbb.worlds.celeba.people import Person
from dbb.worlds.drawing import mix, pick

FINE = 0.8  # frame pixels: the thinnest line that an autoencoder keeps
LASH, TEETH, RED = (44, 28, 30), (252, 248, 244), (206, 66, 80)
FRAMES = ((34, 30, 36), (116, 64, 40), (54, 54, 112), (158, 46, 60))
BEARD_SHARES = {"full": 0.85, "stubble": 0.24, "moustache": 0.85, "goatee": 0.8}  # of the brows' colour
BEARDS = tuple(BEARD_SHARES)


def head_outline(person: Person) -> np.ndarray:
    """Return the face's closed outline, float (n, 2)."""
    jaw = person.jaw
    right = (
        (0.0, -1.27),
        (0.6, -1.1),
        (0.98, -0.45),
        (0.96, 0.15),
        (0.82 * jaw, 0.74),
        (0.43 * jaw, 1.14),
        (0.0, 1.28),
    )
    return smooth(mirrored(right))


def stand_head(brush: Brush, person: Person) -> None:
    """Let the brush's units be those of the person's head."""
    brush.stand(person.centre, person.scale, person.tilt, person.stretch)


def paint_head(brush: Brush, person: Person) -> None:
    """Paint ears and face, without features; what hair was there is hidden."""
    for side in (-1.0, 1.0):
        brush.shape(oval(side * 1.0, 0.05, 0.17, 0.26, side * -8.0), mix(person.skin, (200, 80, 70), 0.12), mark=False)
        if person.jewels is not None:
            brush.shape(oval(side * 1.04, 0.42, 0.1, 0.13), person.jewels, edge=0.4, mark=False)
    outline = head_outline(person)
    brush.shape(outline, person.skin, mark=False, shade=0.1)
    brush.patches(outline, [(oval(-person.side * 1.15, 0.3, 0.5, 1.3), mix(person.skin, (120, 50, 50), 0.12))])


def paint_features(brush: Brush, person: Person, beard: str | None) -> None:
    """Paint everything between the brows and the chin."""
    for side in (-1.0, 1.0):
        brush.shape(oval(side * 0.58 + person.yaw, 0.35, 0.2, 0.14), mix(person.skin, (232, 96, 96), 0.28), edge=0.0)
    if person.freckles:
        paint_freckles(brush, person)
    if beard in ("full", "stubble", "goatee"):
        paint_beard(brush, person, beard)
    for side in (-1.0, 1.0):
        paint_eye(brush, person, side)
    paint_nose(brush, person)
    paint_mouth(brush, person)
    if beard in ("full", "moustache"):
        paint_moustache(brush, person, beard)


def paint_eye(brush: Brush, person: Person, side: float) -> None:
    """Paint one eye with its lid and brow; lashes are heavier on women, brows on men."""
    x, gaze = side * 0.41 + person.yaw, 0.3 * person.yaw
    soft = mix(person.skin, (40, 20, 20), 0.75)
    brush.shape(oval(x, -0.05, 0.21, 0.165), (252, 250, 246), edge=0.35, ink=soft)
    brush.shape(oval(x + gaze, -0.04, 0.14, 0.15), mix(person.eye, (20, 16, 20), 0.2), edge=0.0)
    brush.shape(oval(x + gaze, -0.03, 0.075, 0.08), (22, 18, 22), edge=0.0)
    brush.shape(oval(x + gaze - 0.05, -0.1, 0.055, 0.055), (255, 255, 255), edge=0.0)
    lid = smooth(((x - 0.23, -0.07), (x - 0.08, -0.21), (x + 0.08, -0.21), (x + 0.23, -0.07)), closed=False)
    brush.line(lid, FINE if person.man else 1.05, soft if person.man else LASH)
    if not person.man:
        brush.line(((x + side * 0.2, -0.12), (x + side * 0.29, -0.2)), FINE, LASH)
    brow = ((x - side * 0.2, -0.36), (x + side * 0.05, -0.44), (x + side * 0.26, -0.36))
    brush.line(smooth(brow, closed=False), 1.3 if person.man else 0.9, person.brow)


def paint_nose(brush: Brush, person: Person) -> None:
    """Paint the nose as one stroke and, on the old, a soft line from it to the mouth on both sides."""
    ink, yaw = mix(person.skin, (110, 44, 40), 0.5), person.yaw
    nose = ((1.3 * yaw + 0.02, 0.04), (1.5 * yaw + 0.11, 0.3), (1.4 * yaw - 0.04, 0.36))
    brush.line(smooth(nose, closed=False), FINE, ink)
    if person.age < 0.65:
        return
    for side in (-1.0, 1.0):
        crease = ((side * 0.28 + yaw, 0.42), (side * 0.41 + yaw, 0.56), (side * 0.42 + yaw, 0.66))
        brush.line(smooth(crease, closed=False), FINE, mix(person.skin, ink, 0.4))


def paint_mouth(brush: Brush, person: Person) -> None:
    """Paint a friendly mouth, open over the teeth where the smile is wide."""
    yaw, top = person.yaw, 0.62
    lips = mix(person.skin, RED, person.lips)
    upper = ((-0.32, 0.0), (-0.14, 0.03), (0.0, 0.05), (0.14, 0.03), (0.32, 0.0))
    lower = ((0.17, 0.12 + person.smile), (0.0, 0.17 + person.smile), (-0.17, 0.12 + person.smile))
    outline = smooth(np.array((*upper, *lower)) + np.array((yaw, top)))
    if person.smile > 0.03:
        brush.shape(outline, TEETH, edge=0.65, ink=mix(lips, (110, 30, 40), 0.3))
    else:
        brush.shape(outline, lips, edge=0.4, ink=mix(lips, (100, 30, 40), 0.4))


def paint_beard(brush: Brush, person: Person, beard: str) -> None:
    """Paint what grows on cheeks and chin, in the brows' colour: it says nothing about the hair's."""
    jaw, yaw = person.jaw, person.yaw
    colour = mix(person.skin, person.brow, BEARD_SHARES[beard])
    if beard == "goatee":
        chin = ((-0.34 + yaw, 0.84), (0.34 + yaw, 0.84), (0.3 + 0.5 * yaw, 1.2), (0.0, 1.27), (-0.3 + 0.5 * yaw, 1.2))
        brush.shape(smooth(chin), colour, edge=0.0)
        return
    under = ((-0.94, 0.05), (-0.84 * jaw, 0.72), (-0.44 * jaw, 1.13), (0.0, 1.27))
    over = ((0.74, 0.34), (0.5 + yaw, 0.42), (yaw, 0.42), (-0.5 + yaw, 0.42), (-0.74, 0.34))
    outline = smooth((*under, *((-x, y) for x, y in under[2::-1]), *over))
    brush.shape(outline, colour, edge=0.5 if beard == "full" else 0.0, ink=dark(colour, 0.35))


def paint_moustache(brush: Brush, person: Person, beard: str) -> None:
    """Paint what grows above the lip."""
    half = ((-0.37, 0.58), (-0.17, 0.43), (0.0, 0.47), (0.17, 0.43), (0.37, 0.58), (0.0, 0.59))
    colour = mix(person.skin, person.brow, BEARD_SHARES[beard])
    brush.shape(smooth(np.array(half) + np.array((person.yaw, 0.0))), colour, edge=0.0)


def paint_freckles(brush: Brush, person: Person) -> None:
    """Paint three freckles on each cheek."""
    for side in (-1.0, 1.0):
        for x, y in ((0.0, 0.0), (0.14, 0.06), (-0.12, 0.08)):
            spot = oval(side * 0.5 + x + person.yaw, 0.22 + y, 0.038, 0.038)
            brush.shape(spot, mix(person.skin, (150, 80, 50), 0.5), edge=0.0)


def paint_shine(brush: Brush, person: Person) -> None:
    """Paint the light on a bald head."""
    glow = mix(person.skin, (255, 255, 255), 0.4)
    brush.patches(head_outline(person), [(oval(-0.3 * person.side, -0.95, 0.27, 0.12, -20.0 * person.side), glow)])


def paint_glasses(brush: Brush, person: Person, rng: np.random.Generator) -> None:
    """Paint round or square glasses."""
    colour, is_round, yaw = pick(rng, FRAMES), rng.random() < 0.5, person.yaw
    for side in (-1.0, 1.0):
        rim = (round_rim() if is_round else square_rim()) + np.array((side * 0.43 + yaw, -0.04))
        brush.line(np.concatenate([rim, rim[:2]]), 0.95, colour)
        brush.line(((side * 0.75 + yaw, -0.1), (side * 0.98, -0.14)), FINE, colour)
    brush.line(((-0.12 + yaw, -0.08), (0.12 + yaw, -0.08)), FINE, colour)


def round_rim() -> np.ndarray:
    """Return the rim of a round glass around the origin, float (n, 2)."""
    return oval(0.0, 0.0, 0.31, 0.28)


def square_rim() -> np.ndarray:
    """Return the rim of a square glass with round corners around the origin, float (n, 2)."""
    return smooth(((-0.31, -0.2), (0.31, -0.2), (0.28, 0.21), (-0.28, 0.21)), steps=4)

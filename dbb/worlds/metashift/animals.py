"""How an animal is painted: from the tail to the nose, in large smooth parts with dark outlines.

A painter of four million weights has to learn these pictures from latents of half their size: details below 0.8
pixels are left out, and light comes from above on every part alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dbb.worlds.brush import OUTLINE, Brush, Points, oval, smooth
from dbb.worlds.drawing import mix
from dbb.worlds.metashift.anatomy import Anatomy, Bearing
from dbb.worlds.metashift.breeds import COATS, RGB, UPRIGHT, Look

NOSES = {"flat": (214, 118, 116), "snout": (38, 32, 38)}
PUPIL, GLINT, BLUSH = (20, 16, 22), (255, 255, 255), (240, 150, 140)
LIMB = 3.5  # pixels of a leg's width at scale 1
FINE = 0.6  # outline of what lies inside a silhouette


@dataclass(frozen=True)
class Fur:
    """A pattern, and the colours that it gives to an animal's parts, each float (3,)."""

    pattern: str
    main: np.ndarray
    light: np.ndarray
    deep: np.ndarray
    ink: np.ndarray
    ears: np.ndarray
    paws: np.ndarray
    tail: np.ndarray
    muzzle: np.ndarray


def wear(coat: str, pattern: str, glow: float) -> Fur:
    """Give each part its colour."""
    colours = COATS[coat]
    main, light, deep = np.array(colours.main) * glow, np.array(colours.light, float), np.array(colours.deep, float)
    masked, bibbed = pattern == "masked", pattern == "bibbed"
    return Fur(
        pattern=pattern,
        main=main,
        light=light,
        deep=deep,
        ink=mix(deep, (20, 14, 20), 0.62),
        ears=deep if masked else main,
        paws=deep if masked else light if bibbed else main,
        tail=deep if masked else main,
        muzzle=deep if masked else light if bibbed else mix(main, light, 0.6),
    )


def paint_animal(brush: Brush, look: Look, parts: Anatomy, bearing: Bearing) -> None:
    """Paint an animal where the brush stands, and mark it on the mask."""
    fur = wear(look.coat, look.pattern, bearing.glow)
    paint_tail(brush, parts, fur)
    paint_legs(brush, parts, parts.far, fur, mix(fur.main, fur.ink, 0.16))
    if parts.pose != "sit":
        paint_legs(brush, parts, parts.near, fur, fur.main)
    paint_trunk(brush, parts, fur)
    if parts.pose == "sit":
        paint_haunch(brush, parts, fur)
        paint_legs(brush, parts, parts.near, fur, fur.main)
        soften_joints(brush, parts, fur)
    paint_ruff(brush, parts, fur)
    paint_head(brush, parts, fur)
    paint_muzzle(brush, parts, fur)
    paint_eyes(brush, parts, bearing.eyes)


def paint_tail(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint the tail; ringed or light at the tip by the pattern."""
    inside = brush.discs(parts.tail, fur.tail, mark=True)
    if fur.pattern == "striped":
        rings = [parts.tail[len(parts.tail) * k // 10] for k in (5, 8)]
        brush.patches(inside, [(oval(x, y, 1.2 * r, 0.62 * r, corners=16), fur.deep) for x, y, r in rings])
    elif fur.pattern == "bibbed":
        x, y, r = parts.tail[-1]
        brush.patches(inside, [(oval(x, y, 1.5 * r, 1.5 * r, corners=16), fur.light)])


def paint_legs(brush: Brush, parts: Anatomy, paths: Sequence[np.ndarray], fur: Fur, fill: np.ndarray) -> None:
    """Paint legs and their paws."""
    width = LIMB * parts.breed.limb
    paw = fill if fur.paws is fur.main else fur.paws
    for path in paths:
        brush.line(path, width * brush.scale / brush.pixel, fill, edge=OUTLINE, ink=fur.ink, mark=True)
        x, y = path[-1]
        brush.shape(oval(x + 0.5, y - 0.7, 0.8 * width, 1.7, corners=20), paw, ink=fur.ink, mark=True)


def soften_joints(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Take the outline off the legs' upper ends, where they grow out of the trunk."""
    width = LIMB * parts.breed.limb
    for path in parts.near:
        brush.line((path[0], path[:2].mean(axis=0)), width * brush.scale / brush.pixel, fur.main)
        brush.shape(oval(path[0, 0], path[0, 1], 0.75 * width, 0.75 * width, corners=20), fur.main, edge=0.0)


def paint_trunk(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint the trunk, with a bib or stripes."""
    trunk = parts.trunk
    inside = brush.discs(trunk, fur.main, mark=True, shade=0.22)
    brush.patches(inside, trunk_patches(trunk, fur))


def trunk_patches(trunk: np.ndarray, fur: Fur) -> list[tuple[Points, np.ndarray]]:
    """The pattern's marks on the trunk."""
    if fur.pattern == "bibbed":
        x, y, r = trunk[-1]
        low = (trunk[:, 1] + trunk[:, 2]).max()
        return [
            (oval(x + 0.45 * r, y + 0.9 * r, 0.8 * r, 1.7 * r, -14), fur.light),
            (oval(0.0, low, 9.0, 2.6), fur.light),
        ]
    if fur.pattern == "striped":
        bands = trunk[np.linspace(3, len(trunk) - 7, 3).astype(int)]
        return [(oval(x - 0.8, y - 0.62 * r, 1.25, 0.8 * r, 10), fur.deep) for x, y, r in bands]
    return []


def paint_haunch(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint the thigh of a sitting animal and the paw below it."""
    ink = mix(fur.main, fur.ink, 0.6)
    brush.shape(oval(-4.6, -5.3, 5.2 * parts.breed.girth, 4.9), fur.main, edge=FINE, ink=ink, mark=True, shade=0.2)
    brush.shape(oval(-1.0, -1.6, 4.2, 1.8), fur.paws, ink=fur.ink, mark=True)


def paint_ruff(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint the tufts on the chest."""
    if len(parts.ruff):
        fill = fur.light if fur.pattern == "bibbed" else mix(fur.main, fur.light, 0.35)
        brush.discs(parts.ruff, fill, edge=FINE, mark=True, shade=0.2)


def paint_head(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint skull and ears: upright ears stand behind the skull, hanging ones before it."""
    if parts.breed.ears in UPRIGHT:
        paint_ears(brush, parts, fur, fur.ears)
    paint_outstanding(brush, parts, fur)
    inside = brush.discs(parts.skull, fur.main, mark=True, shade=0.18)
    brush.patches(inside, face_patches(parts, fur))
    if parts.breed.ears not in UPRIGHT:
        paint_ears(brush, parts, fur, mix(fur.ears, fur.deep, 0.4))


def paint_outstanding(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint muzzle and beard with their outlines, of which the skull will leave what stands out beyond it."""
    for discs in (parts.beard, parts.muzzle):
        if len(discs):
            brush.discs(discs, fur.muzzle, mark=True)


def paint_ears(brush: Brush, parts: Anatomy, fur: Fur, fill: np.ndarray) -> None:
    """Paint both ears and what shows of their insides."""
    for outline in parts.ears:
        brush.shape(outline, fill, ink=fur.ink, mark=True)
    for outline in parts.inner_ears:
        brush.shape(outline, mix(fill, BLUSH, 0.55), edge=0.0)


def face_patches(parts: Anatomy, fur: Fur) -> list[tuple[Points, np.ndarray]]:
    """The pattern's marks on the skull."""
    x, (_, y), r = parts.face, parts.head, parts.breed.head
    if fur.pattern == "masked":
        return [(oval(x + 0.12 * r, y + 0.36 * r, 0.66 * r, 0.62 * r), fur.deep)]
    if fur.pattern == "bibbed":
        blaze = ((0.0, -1.1), (0.22, -0.2), (0.66, 0.5), (0.5, 1.1), (-0.5, 1.1), (-0.6, 0.5), (-0.22, -0.2))
        return [(smooth((x, y) + r * np.array(blaze)), fur.light)]
    if fur.pattern == "striped":
        return [(oval(x + u * r, y - 0.86 * r, 0.1 * r, 0.34 * r, 32 * u), fur.deep) for u in (-0.36, 0.0, 0.36)]
    return []


def paint_muzzle(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint a snout with a dark nose at its end, or a flat face with a small pink one."""
    if not parts.breed.snout:
        paint_flat_face(brush, parts, fur)
        return
    r, tip = parts.breed.head, parts.muzzle[-1]
    if len(parts.beard):
        brush.discs(parts.beard, mix(fur.muzzle, fur.light, 0.4), edge=0.0, shade=0.15)
    brush.discs(parts.muzzle, fur.muzzle, edge=0.0, shade=0.14)
    nose = (tip[0] + 0.14 * r, tip[1] - 0.18 * r)
    mouth = ((0.02, 0.2), (-0.1, 0.4), (-0.4, 0.44), (-0.7, 0.34))
    brush.line(smooth(np.array(mouth) * r + (tip[0], tip[1] - 0.18 * r), closed=False), 0.8, fur.ink)
    brush.shape(oval(*nose, 0.26 * r, 0.2 * r), NOSES["snout"], edge=0.25, ink=NOSES["snout"], mark=True)
    brush.shape(oval(nose[0] - 0.04 * r, nose[1] - 0.08 * r, 0.09 * r, 0.05 * r), (190, 186, 194), edge=0.0)


def paint_flat_face(brush: Brush, parts: Anatomy, fur: Fur) -> None:
    """Paint two whisker pads, whiskers, a mouth and a nose."""
    r, x, y = parts.breed.head, parts.face + 0.06 * parts.breed.head, parts.head[1] + 0.42 * parts.breed.head
    brush.discs([(x - 0.2 * r, y, 0.27 * r), (x + 0.2 * r, y, 0.27 * r)], fur.muzzle, edge=0.0)
    paint_whiskers(brush, parts, (x, y), mix(fur.muzzle, fur.ink, 0.5))
    mouth = ((-0.34, 0.02), (-0.17, 0.2), (0.0, 0.0), (0.17, 0.2), (0.34, 0.02))
    brush.line(smooth(np.array(mouth) * r + (x, y), closed=False), 0.8, fur.ink)
    nose = np.array(((-0.17, -0.26), (0.17, -0.26), (0.0, -0.04))) * r + (x, y)
    brush.shape(smooth(nose), NOSES["flat"], edge=0.3)


def paint_whiskers(brush: Brush, parts: Anatomy, middle: tuple[float, float], fill: np.ndarray) -> None:
    """Paint two whiskers a side that end inside the skull, since the mask is its outline."""
    (x, y), r = middle, parts.breed.head
    reach = 0.84 * r * min(1.0, np.sqrt(parts.breed.wide))
    for side in (-1, 1):
        end = np.clip(x + side * 0.78 * r, parts.head[0] - reach, parts.head[0] + reach)
        for slope in (-0.06, 0.16):
            brush.line(((x + side * 0.4 * r, y + slope * r), (end, y + 1.8 * slope * r)), 0.8, fill)


def paint_eyes(brush: Brush, parts: Anatomy, iris: RGB) -> None:
    """Paint two round eyes, the same for all."""
    r, y = parts.breed.head, parts.head[1] - 0.14 * parts.breed.head
    for side in (-1, 1):
        x = parts.face + side * 0.4 * r
        brush.shape(oval(x, y, 0.22 * r, 0.25 * r), iris, edge=0.5, ink=PUPIL)
        brush.shape(oval(x + 0.02 * r, y, 0.14 * r, 0.2 * r), PUPIL, edge=0.0)
        brush.shape(oval(x - 0.05 * r, y - 0.09 * r, 0.08 * r, 0.08 * r), GLINT, edge=0.0)

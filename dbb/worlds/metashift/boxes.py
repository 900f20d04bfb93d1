"""The boxes that furniture is made of."""

import numpy as np


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return a rectangle's corners, float (4, 2)."""
    return np.array(((left, top), (right, top), (right, bottom), (left, bottom)))


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> np.ndarray:
    """Return a rectangle with round corners, float (24, 2)."""
    t = np.linspace(0.0, np.pi / 2, 6)
    inner = box(left + radius, top + radius, right - radius, bottom - radius)
    starts = (np.pi, 1.5 * np.pi, 0.0, 0.5 * np.pi)
    arcs = [
        centre + radius * np.stack([np.cos(t + a), np.sin(t + a)], axis=1)
        for centre, a in zip(inner, starts, strict=True)
    ]
    return np.concatenate(arcs)

"""Inpainting masks for training: loose ones around birds and animals, tight ones around hair.

A mask that follows the outline of an animal tells the painter the shape, and the shape is the class: boxes, ellipses
and blobs hold it and do not trace it. The class of hair is in its colour: its mask may follow it, and has to, or the
face would be painted, too.
"""

import numpy as np
from scipy.ndimage import binary_dilation

HEAD_SHARE = 0.2  # of the masks of hair that take the head in, as a segmenter's do


def loose_mask(silhouette: np.ndarray, rng: np.random.Generator, margin: int = 6) -> np.ndarray:
    """Return a bool (S, S) mask that covers ``silhouette`` (bool (S, S)), or a random place if that is empty.

    Args:
        margin: px, at most, between the silhouette's bounds and the mask's.
    """
    size = silhouette.shape[0]
    left, top, right, bottom = _bounds(silhouette, rng) + rng.integers(1, margin + 1, 4) * (-1, -1, 1, 1)
    ys, xs = np.mgrid[:size, :size]
    box = (xs >= left) & (xs < right) & (ys >= top) & (ys < bottom)
    kind = rng.random()
    if kind < 0.6:
        return box
    half_width, half_height = (right - left) / 2, (bottom - top) / 2
    dx, dy = (xs + 0.5 - (left + right) / 2) / half_width, (ys + 0.5 - (top + bottom) / 2) / half_height
    if kind < 0.8:
        return (dx**2 + dy**2 <= 1.7) | silhouette
    angle = np.arctan2(dy, dx)
    wobble = sum(rng.uniform(0, 0.15) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    return (np.hypot(dx, dy) <= 1.25 + wobble) | silhouette


def hair_mask(hair: np.ndarray, head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a bool (S, S) mask: ``hair`` (bool (S, S)) grown by 1 to 3 px, now and then with ``head``; where there is
    no hair, ``head`` alone.
    """
    if not hair.any():
        return head
    grown = binary_dilation(hair, iterations=int(rng.integers(1, 4)))
    return grown | head if rng.random() < HEAD_SHARE else grown


def _bounds(silhouette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """left, top, right, bottom of the silhouette, or of a random bird-sized box."""
    if silhouette.any():
        rows, columns = np.flatnonzero(silhouette.any(1)), np.flatnonzero(silhouette.any(0))
        return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    size = silhouette.shape[0]
    width, height = rng.integers(size * 2 // 5, size * 3 // 4, 2)
    left, top = rng.integers(0, size - width), rng.integers(0, size - height)
    return np.array([left, top, left + width, top + height])

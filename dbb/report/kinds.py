"""Chapters 13 and 14: what became of pictures, kind by kind, where a world is known to have kinds that fail."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from dbb.report.directions import TOGETHER
from dbb.statistics import precision_recall, share

Measure = Callable[[np.ndarray], float]
"""(numbers of rows, int64) -> what is measured on them."""


COUNTS = dict.fromkeys(("sources", "missed", "found in vain"), "{:.0f}")
"""Formats of the counts in `masks_by_kind`."""


def masks_by_kind(
    kinds: Shaped[np.ndarray, " N"],
    there: Bool[np.ndarray, " N"],
    found: Bool[np.ndarray, " N"],
    overlap: Float[np.ndarray, " N"],
) -> pd.DataFrame:
    """Return how the segmenter did, a row per kind of picture and one for all `TOGETHER`.

    Args:
        kinds: a name for each source.
        there: whether anything of the subject is to be seen.
        found: whether it has a mask.
        overlap: of its mask with the true one, 0..1, whatever where either is empty.
    """
    return _by_kind(
        kinds,
        {
            "sources": len,
            "missed": lambda rows: float((there & ~found)[rows].sum()),
            "found in vain": lambda rows: float((found & ~there)[rows].sum()),
            "mean overlap": lambda rows: share(overlap[rows[(there & found)[rows]]]),
            "overlap below 0.5": lambda rows: share(overlap[rows[(there & found)[rows]]] < 0.5),
        },
    )


def pictures_by_kind(
    kinds: Shaped[np.ndarray, " N"], kept: Bool[np.ndarray, " N"], right: Bool[np.ndarray, " N"]
) -> pd.DataFrame:
    """Return how painting and pruning did, a row per kind of original and one for all `TOGETHER`.

    Args:
        kinds: a name for each generated picture's original.
        kept: whether pruning kept the picture.
        right: whether it shows the class that was asked for.
    """
    return _by_kind(
        kinds,
        {
            "pictures": len,
            "right": lambda rows: share(right[rows]),
            "kept": lambda rows: share(kept[rows]),
            "right among the kept": lambda rows: precision_recall(kept[rows], right[rows])[0],
            "wrong ones pruned": lambda rows: share(~kept[rows[~right[rows]]]),
        },
    )


def _by_kind(kinds: np.ndarray, measures: Mapping[str, Measure]) -> pd.DataFrame:
    every = {name: np.flatnonzero(kinds == name) for name in np.unique(kinds)} | {TOGETHER: np.arange(len(kinds))}
    rows = {name: {what: measure(numbers) for what, measure in measures.items()} for name, numbers in every.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("kind of picture")


def some_of_each(kinds: Shaped[np.ndarray, " N"], names: Sequence[str], shown: int) -> list[np.ndarray]:
    """Return the numbers of the first ``shown`` pictures of each named kind, int64, maybe none."""
    return [np.flatnonzero(kinds == name)[:shown] for name in names]

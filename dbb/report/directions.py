"""The directions of a manifest: which images were made from, and into, which class."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

TOGETHER = "together"


def by_source(manifest: pd.DataFrame, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return row name -> which rows of ``manifest``, bool (N,): a row per source class, of those that it has.

    With more than two classes there is a row per pair, "a → b", and after them "a → any" for a class that was painted
    into several.
    """
    return dict(_rows(manifest, classes, "source_class", "{0}", "{0} → any"))


def by_target(manifest: pd.DataFrame, classes: Sequence[str]) -> dict[str, np.ndarray]:
    """Return row name -> which rows of ``manifest``, bool (N,): "into b" for each target class that it has.

    With more than two classes there is a row per pair, "a → b", and after them "into b" for a class that several were
    painted into.
    """
    return dict(_rows(manifest, classes, "target_class", "into {0}", "into {0}"))


def _rows(
    manifest: pd.DataFrame, classes: Sequence[str], end: str, alone: str, several: str
) -> Iterator[tuple[str, np.ndarray]]:
    """The rows by one end of the directions: source_class or target_class."""
    sources, targets = (manifest[name].to_numpy() for name in ("source_class", "target_class"))
    ends = manifest[end].to_numpy()
    for label in np.unique(ends):
        here = ends == label
        if len(classes) == 2:
            yield alone.format(classes[label]), here
            continue
        pairs = sorted(set(zip(sources[here], targets[here], strict=True)))
        for source, target in pairs:
            yield f"{classes[source]} → {classes[target]}", (sources == source) & (targets == target)
        if len(pairs) > 1:
            yield several.format(classes[label]), here


def with_sum(rows: Mapping[str, Mapping[str, int]], whole: Mapping[str, int], name: str) -> pd.DataFrame:
    """Return a table of counts, int64, a row per direction and one for all `TOGETHER`, which is ``whole`` and not their
    sum, since rows may overlap.

    Args:
        name: of the rows.
    """
    return pd.DataFrame.from_dict({**rows, TOGETHER: whole}, orient="index").astype("int64").rename_axis(name)


def in_turn(pairs: Sequence[tuple[int, int]], n_classes: int) -> list[tuple[int, int]]:
    """Return (source class, target class) pairs in an order of which the first few show as many classes as they can:
    each class into the one after it, then into the second after it, and so on around.
    """
    return sorted(pairs, key=lambda pair: ((pair[1] - pair[0]) % n_classes, pair[0]))

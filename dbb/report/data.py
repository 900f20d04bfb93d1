"""Chapter 01: how many images each group has, and whether anything but the attribute tells the classes apart."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dbb.report.style import fold


def counts_table(counts: Mapping[str, np.ndarray], group_names: Sequence[str]) -> pd.DataFrame:
    """Return a row per group that has images, a column per split, and the group's share of the training split.

    counts: "train", "val" and "test" -> images per group, int64 (G,).
    """
    table = pd.DataFrame({"training": counts["train"], "validation": counts["val"], "test": counts["test"]},
                         index=list(group_names)).rename_axis("group")
    shares = table["training"] / max(table["training"].sum(), 1)
    return table.assign(**{"training share": shares})[table.any(axis=1)]


def group_captions(train_counts: np.ndarray, n_classes: int, group_names: Sequence[str]) -> list[str]:
    """Return a text per group: its name, its share of the training split and, where classes have several groups,
    whether it is the majority of its class, its largest group, or of the minority.

    train_counts: images per group g = A * y + a, int64 (G,).
    """
    by_class = np.asarray(train_counts).reshape(n_classes, -1)
    largest = (by_class == by_class.max(axis=1, keepdims=True)).ravel()
    shares = by_class.ravel() / max(by_class.sum(), 1)
    kinds = ["\nmajority" if big else "\nminority" for big in largest] if by_class.shape[1] > 1 else [""] * len(shares)
    return [f"{fold(name, 0.8)}\n{part:.1%}{kind}" for name, part, kind in zip(group_names, shares, kinds, strict=True)]


def balance_table(found: np.ndarray, labels: np.ndarray, classes: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Return, for each value of something that should not depend on the class, its share in each class, the largest
    difference between two classes, and two standard errors of that difference, were the two alike.

    found: the values, text (N,), e.g. colours; labels: classes, int64 (N,); order: of the rows.
    """
    shares = pd.crosstab(found, np.asarray(classes)[labels], normalize="columns").reindex(order, columns=list(classes))
    table = shares.fillna(0.0).rename_axis(index=None, columns=None)
    sizes = np.bincount(labels, minlength=len(classes))
    most, least = (np.argsort(table.to_numpy(), axis=1, kind="stable")[:, place] for place in (-1, 0))
    overall = pd.Series(found).value_counts(normalize=True).reindex(order, fill_value=0.0).to_numpy()
    errors = 2 * np.sqrt(overall * (1 - overall) * (1 / sizes[most] + 1 / sizes[least]))
    return table.assign(**{"difference": table.max(axis=1) - table.min(axis=1), "two standard errors": errors})

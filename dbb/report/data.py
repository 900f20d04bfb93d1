"""Chapter 01: how many images each group has, and whether anything but the attribute tells the classes apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from dbb.metrics import majority_groups
from dbb.report.style import fold


def counts_table(counts: Mapping[str, np.ndarray], group_names: Sequence[str]) -> pd.DataFrame:
    """Return a row per group that has images, a column per split, and the group's share of the training split.

    Args:
        counts: "train", "val" and "test" -> images per group, int64 (G,).
    """
    table = pd.DataFrame(
        {"training": counts["train"], "validation": counts["val"], "test": counts["test"]}, index=list(group_names)
    ).rename_axis("group")
    shares = table["training"] / max(table["training"].sum(), 1)
    return table.assign(**{"training share": shares})[table.any(axis=1)]


def group_captions(train_counts: np.ndarray, n_classes: int, group_names: Sequence[str]) -> list[str]:
    """Return a text per group: its name, its share of the training split and, where classes have several groups,
    whether it is the majority of its class, its largest group, or of the minority.

    Args:
        train_counts: images per group g = A * y + a, int64 (G,).
    """
    by_class = np.asarray(train_counts).reshape(n_classes, -1)
    largest = np.isin(np.arange(by_class.size), majority_groups(by_class.ravel(), n_classes))
    shares = by_class.ravel() / max(by_class.sum(), 1)
    kinds = ["\nmajority" if big else "\nminority" for big in largest] if by_class.shape[1] > 1 else [""] * len(shares)
    return [f"{fold(name, 0.8)}\n{part:.1%}{kind}" for name, part, kind in zip(group_names, shares, kinds, strict=True)]


def balance_table(found: np.ndarray, labels: np.ndarray, classes: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Return, for each value of something that should not depend on the class, its share in each class, the largest
    difference between two classes, and two standard errors of that difference, were the two alike.

    Args:
        found: the values, text (N,), e.g. colours.
        labels: classes, int64 (N,).
        order: of the rows.
    """
    shares = pd.crosstab(found, np.asarray(classes)[labels], normalize="columns")
    table = shares.reindex(list(order), columns=list(classes)).fillna(0.0).rename_axis(index=None, columns=None)
    sizes = np.bincount(labels, minlength=len(classes))
    most, least = (np.argsort(table.to_numpy(), axis=1, kind="stable")[:, place] for place in (-1, 0))
    overall = pd.Series(found).value_counts(normalize=True).reindex(list(order), fill_value=0.0).to_numpy()
    errors = 2 * np.sqrt(overall * (1 - overall) * (1 / sizes[most] + 1 / sizes[least]))
    more: dict[str, Any] = {"difference": table.max(axis=1) - table.min(axis=1), "two standard errors": errors}
    return table.assign(**more)


def describe_majority(train_counts: np.ndarray, n_classes: int, group_names: Sequence[str]) -> str:
    """Return a sentence, in Markdown, on how much of the training split the largest group of each class holds.

    Args:
        train_counts: images per group g = A * y + a, int64 (G,).
    """
    train_counts = np.asarray(train_counts)
    if len(train_counts) == n_classes:
        return "The groups are the classes here, so no group is a minority of its class."
    largest = majority_groups(train_counts, n_classes)
    held = train_counts[largest].sum() / max(train_counts.sum(), 1)
    names = ", ".join(f"*{group_names[group]}*" for group in largest)
    return (
        f"The *majority* groups, the largest of each class ({names}), hold {held:.1%} of the training split; the "
        f"others, the *minority*, {1 - held:.1%}."
    )


def describe_balance(found: np.ndarray, labels: np.ndarray) -> str:
    """Return a sentence, in Markdown, on whether something depends on the class: Pearson's chi-squared test of
    independence, at the 5 % level.

    Args:
        found: the values, text (N,), e.g. colours.
        labels: classes, int64 (N,).
    """
    counts = pd.crosstab(found, labels).to_numpy(float)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    if freedom == 0:
        return "There is but one value, or one class: nothing to compare."
    p = float(chdtrc(freedom, ((counts - expected) ** 2 / expected).sum()))
    verdict = (
        "no more than chance leaves** between independent draws"
        if p > 0.05
        else "more than chance leaves** between independent draws: this, too, tells the classes apart"
    )
    return f"Over all rows together the shares differ by **{verdict} (chi-squared test of independence, p = {p:.2g})."

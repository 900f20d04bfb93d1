"""Accuracy per group, the worst group, and the two averages that the literature mixes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dbb.errors import InputError

MEASURES = {"worst_group": "worst group", "average": "average", "weighted_average": "weighted average"}
"""Field of `GroupMetrics` -> what tables call it."""

GROUP_ACCURACY = "group_accuracy/"
"""Begins the name of a group's accuracy in a table of results, before the group's own name."""


@dataclass(frozen=True)
class GroupMetrics:
    """Accuracies, shares of 1.

    group_accuracy: one per group g; NaN for a group without images.
    worst_group: the lowest of the groups that have images.
    average: the pooled accuracy, every image counting the same.
    weighted_average: group accuracies weighted by the groups' shares of the TRAINING split; NaN when none of the
        groups measured has a training image, as on MetaShift, whose validation and test show other places.
    """

    group_accuracy: tuple[float, ...]
    worst_group: float
    average: float
    weighted_average: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for run.json."""
        return asdict(self)


def by_name(metrics: Mapping[str, Any], group_names: Sequence[str]) -> dict[str, float | None]:
    """Return measure -> value, as a table of results has them: `MEASURES`, and "group_accuracy/<name>" for each group.

    metrics: the fields of `GroupMetrics`, also as read from a file, where None stands for NaN; group_names: (G,).
    """
    accuracies = zip(group_names, metrics["group_accuracy"], strict=True)
    return {name: metrics[name] for name in MEASURES} | {GROUP_ACCURACY + group: share for group, share in accuracies}


def group_accuracies(predictions: np.ndarray, labels: np.ndarray, groups: np.ndarray,
                     n_groups: int) -> np.ndarray:
    """Return the accuracy of each group, float64 (G,), NaN for a group without images.

    predictions, labels, groups: integers (N,), the last in 0..G-1.
    """
    correct = np.asarray(predictions) == np.asarray(labels)
    hits = np.bincount(groups, weights=correct, minlength=n_groups)
    sizes = np.bincount(groups, minlength=n_groups)
    return np.divide(hits, sizes, out=np.full(n_groups, np.nan), where=sizes > 0)


def evaluate(predictions: np.ndarray, labels: np.ndarray, groups: np.ndarray, n_groups: int,
             train_counts: np.ndarray) -> GroupMetrics:
    """Return the accuracies of ``predictions``, integers (N,).

    train_counts: (G,) images per group in the training split; the weights of `weighted_average`,
        renormalised over the groups that have images here.

    Raises InputError when there is no image.
    """
    if len(labels) == 0:
        raise InputError("no images to evaluate: the split is empty")
    accuracies = group_accuracies(predictions, labels, groups, n_groups)
    present = ~np.isnan(accuracies)
    weights = np.asarray(train_counts, dtype=np.float64)[present]
    return GroupMetrics(
        group_accuracy=tuple(accuracies.tolist()),
        worst_group=float(accuracies[present].min()),
        average=float(np.mean(np.asarray(predictions) == np.asarray(labels))),
        weighted_average=float(np.average(accuracies[present], weights=weights)) if weights.any() else float("nan"),
    )


def group_counts(groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the number of images of each group, int64 (G,)."""
    return np.bincount(groups, minlength=n_groups)


def confusions(predictions: np.ndarray, groups: np.ndarray, n_groups: int, n_classes: int) -> np.ndarray:
    """Return how many images of each group were given to each class, int64 (G, C)."""
    cells = np.bincount(groups * n_classes + predictions, minlength=n_groups * n_classes)
    return cells.reshape(n_groups, n_classes)

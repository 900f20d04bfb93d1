"""Accuracy per group, the worst group, and the two averages that the literature mixes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from dbb.errors import InputError

FULL = "full_weighted_average"

MEASURES = {
    "worst_group": "worst group",
    "average": "average",
    "weighted_average": "weighted average",
    FULL: "weighted average, full split",
}
"""Field of `GroupMetrics` -> what tables call it."""

GROUP_ACCURACY = "group_accuracy/"
"""Begins the name of a group's accuracy in a table of results, before the group's own name."""

GROUP_IMAGES = "group_images/"
"""Begins the name of the number of a group's images, on which its accuracy was measured."""


@dataclass(frozen=True)
class GroupMetrics:
    """Accuracies, shares of 1.

    Attributes:
        group_accuracy: one per group g; NaN for a group without images.
        worst_group: the lowest of the groups that have images.
        average: the pooled accuracy, every image counting the same.
        weighted_average: group accuracies weighted by the groups' shares of the TRAINING split; NaN when none of the
            groups measured has a training image, as on MetaShift, whose validation and test show other places.
        full_weighted_average: the same by the groups' shares of the whole training split, as the literature has it,
            where the split to train on is drawn from it (CelebA); else None.
    """

    group_accuracy: tuple[float, ...]
    worst_group: float
    average: float
    weighted_average: float
    full_weighted_average: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for run.json."""
        return asdict(self)


def by_name(metrics: Mapping[str, Any], group_names: Sequence[str]) -> dict[str, float | None]:
    """Return measure -> value, as a table of results has them: `MEASURES`, and "group_accuracy/<name>" for each group.

    Args:
        metrics: the fields of `GroupMetrics`, also as read from a file, where None stands for NaN.
        group_names: (G,).
    """
    accuracies = zip(group_names, metrics["group_accuracy"], strict=True)
    measures = {name: metrics[name] for name in MEASURES}
    return measures | {GROUP_ACCURACY + group: share for group, share in accuracies}


def group_accuracies(
    predictions: Int[np.ndarray, " N"], labels: Int[np.ndarray, " N"], groups: Int[np.ndarray, " N"], n_groups: int
) -> Float64[np.ndarray, " {n_groups}"]:
    """Return the accuracy of each group, NaN for a group without images.

    Args:
        groups: of each image, 0..G-1.
    """
    correct = np.asarray(predictions) == np.asarray(labels)
    hits = np.bincount(groups, weights=correct, minlength=n_groups)
    sizes = np.bincount(groups, minlength=n_groups)
    return np.divide(hits, sizes, out=np.full(n_groups, np.nan), where=sizes > 0)


def evaluate(
    predictions: Int[np.ndarray, " N"],
    labels: Int[np.ndarray, " N"],
    groups: Int[np.ndarray, " N"],
    n_groups: int,
    train_counts: Int[np.ndarray, " {n_groups}"],
    full_train_counts: Sequence[int] | Int[np.ndarray, " {n_groups}"] | None = None,
) -> GroupMetrics:
    """Return the accuracies of ``predictions``.

    Args:
        train_counts: images per group in the training split; the weights of `weighted_average`, renormalised over the
            groups that have images here.
        full_train_counts: likewise, of `full_weighted_average`; None: training is on the whole split.

    Raises:
        InputError: when there is no image.
    """
    if len(labels) == 0:
        raise InputError("no images to evaluate: the split is empty")
    accuracies = group_accuracies(predictions, labels, groups, n_groups)
    present = ~np.isnan(accuracies)
    return GroupMetrics(
        group_accuracy=tuple(accuracies.tolist()),
        worst_group=float(accuracies[present].min()),
        average=float(np.mean(np.asarray(predictions) == np.asarray(labels))),
        weighted_average=weighted_average(accuracies, train_counts),
        full_weighted_average=None if full_train_counts is None else weighted_average(accuracies, full_train_counts),
    )


def weighted_average(accuracies: Float64[np.ndarray, " G"], counts: Sequence[int] | Int[np.ndarray, " G"]) -> float:
    """Return the mean of group ``accuracies``, NaN for a group without images, weighted by the ``counts`` of those
    groups that have images; NaN when they count nothing.
    """
    present = ~np.isnan(accuracies)
    weights = np.asarray(counts, dtype=np.float64)[present]
    return float(np.average(accuracies[present], weights=weights)) if weights.any() else float("nan")


def group_counts(groups: Int[np.ndarray, " N"], n_groups: int) -> Int[np.ndarray, " {n_groups}"]:
    """Return the number of images of each group."""
    return np.bincount(groups, minlength=n_groups)


def majority_groups(train_counts: Int[np.ndarray, " G"], n_classes: int) -> Int[np.ndarray, " {n_classes}"]:
    """Return the group of each class that has most training images; its other groups are its minority.

    Args:
        train_counts: images per group g = A * y + a.
    """
    by_class = np.asarray(train_counts).reshape(n_classes, -1)
    return by_class.argmax(axis=1) + by_class.shape[1] * np.arange(n_classes)


def confusions(
    predictions: Int[np.ndarray, " N"], groups: Int[np.ndarray, " N"], n_groups: int, n_classes: int
) -> Int[np.ndarray, "{n_groups} {n_classes}"]:
    """Return how many images of each group were given to each class."""
    cells = np.bincount(groups * n_classes + predictions, minlength=n_groups * n_classes)
    return cells.reshape(n_groups, n_classes)

"""What is measured after every epoch, and which epoch's weights are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import nn

from dbb.data.images import ImageSet
from dbb.input_format import InputFormat
from dbb.metrics import GroupMetrics, evaluate
from dbb.models.classifier import predict_logits

Select = Callable[[GroupMetrics], float | tuple[float, ...]]
"""The score of an epoch, from its accuracies on the validation split; the highest is kept, of equal ones the last."""


@dataclass(frozen=True)
class Validation:
    """Images to measure after every epoch.

    Attributes:
        train_counts: images per group in the training split, for the weighted average.
    """

    images: ImageSet
    train_counts: Int[np.ndarray, " G"]


def worst_group_first(metrics: GroupMetrics) -> tuple[float, float]:
    """Return the score that most of the compared methods select by: the worst group's accuracy, then the average. It
    uses the validation split's group labels.
    """
    return metrics.worst_group, metrics.average


def measure(
    model: nn.Module,
    images: ImageSet,
    train_counts: Int[np.ndarray, " G"],
    input_format: InputFormat,
    full_train_counts: Sequence[int] | Int[np.ndarray, " G"] | None = None,
) -> GroupMetrics:
    """Return the accuracies of ``model`` on ``images``.

    Args:
        train_counts, full_train_counts: as `dbb.metrics.evaluate` takes them.
    """
    logits = predict_logits(model, images, input_format)
    return evaluate(
        logits.argmax(1).numpy(), images.labels, images.groups, len(train_counts), train_counts, full_train_counts
    )

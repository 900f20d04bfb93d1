"""Reweighting by group size: plain training in which an image weighs the less, the more images its group has."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks.entry import TrainingSettings
from dbb.methods import erm
from dbb.methods.given import Given
from dbb.methods.method import Method, Trained, Uses
from dbb.methods.sampling import balancing_weights
from dbb.training import Batch


def group_weights(groups: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Return the weight N / (G n_g) of each image, n_g the images of its group and G the groups that are there: every
    group weighs the same in all, and the mean weight is 1.
    """
    return balancing_weights(groups) / len(np.unique(groups))


def weighted_mean(losses: Float[Tensor, " B"], weights: Float[Tensor, " B"]) -> Float[Tensor, ""]:
    """Return the mean of the weighted losses. It is not divided by the batch's own weights: the sum of an epoch would
    no longer be that of the weighted training set.
    """
    return (weights * losses).mean()


PAPER = erm.PAPER
"""Benchmark -> the published recipe of plain training; nobody published one for this."""


def train(given: Given, settings: TrainingSettings) -> Trained:
    """Train a new classifier with weighted losses, on all images once an epoch."""
    weights = torch.from_numpy(group_weights(given.groups)).float().to(given.device)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        losses = cross_entropy(model(batch.images), batch.labels, reduction="none")
        return weighted_mean(losses, weights[batch.indices])

    return given.fit(given.fresh(), loss, settings)


METHOD = Method(
    name="group-reweighted",
    title="Group reweighting",
    cites="",
    changes="loss",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=erm.settings,
    grid=erm.GRID,
    train=train,
)

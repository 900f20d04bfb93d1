"""JTT, Just Train Twice :cite:`liu2021jtt`: what a briefly trained model gets wrong counts several times in a second
training (anniesch/jtt at 1de6cc5).
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.methods.sampling import batches_of
from dbb.stages.erm import cross_entropy_loss
from dbb.training import Batch, Tensors


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """JTT's settings.

    Attributes:
        first_epochs: T, epochs of the first training before the one in which its errors are noted.
        upweight: lambda, more copies of each error: it appears 1 + lambda times.

    Raises:
        InputError: for a first training without epochs, and a negative number of copies.
    """

    first_epochs: int
    upweight: int

    def __post_init__(self) -> None:
        if self.first_epochs < 1:
            raise InputError(f"first_epochs = {self.first_epochs}: give 1 or more")
        if self.upweight < 0:
            raise InputError(f"upweight = {self.upweight}: give 0 or more copies")


PAPER = {
    "waterbirds": Settings(
        epochs=300,
        batch_size=64,
        learning_rate=1e-5,
        weight_decay=1.0,
        optimiser="sgd",
        schedule="constant",
        augmentation="none",
        first_epochs=60,
        upweight=100,
    ),
    "celeba": Settings(
        epochs=50,
        batch_size=64,
        learning_rate=1e-5,
        weight_decay=0.1,
        optimiser="sgd",
        schedule="constant",
        augmentation="none",
        first_epochs=1,
        upweight=50,
    ),
}
"""Benchmark -> the published settings; nothing official exists for MetaShift."""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training with a first one of a quarter of its epochs."""
    own = benchmark.erm
    return PAPER.get(benchmark.name, Settings(**vars(own), first_epochs=max(1, own.epochs // 4), upweight=20))


class NotedPredictions(nn.Module):
    """Plain cross-entropy that notes what the model says of every image as it is trained on it, the last time that it
    comes: with batch normalisation in training mode and weights that still move, as the official code logs it.

    Args:
        n: training images.
    """

    predictions: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("predictions", torch.full((n,), -1))

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the mean cross-entropy, a scalar."""
        logits = model(batch.images)
        self.predictions[batch.indices.cpu()] = logits.detach().argmax(1).cpu()
        return cross_entropy(logits, batch.labels)


def error_set(predictions: Int[np.ndarray, " N"], labels: Int[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """Return which images are in the error set E: those whose prediction is not their label."""
    return np.asarray(predictions) != np.asarray(labels)


def upsampled(errors: Bool[np.ndarray, " N"], upweight: int) -> Int64[np.ndarray, " M"]:
    """Return the positions of the second training set: all images, and then ``upweight`` more copies of the errors, so
    that ``M = N + upweight * |E|``.
    """
    return np.concatenate([np.arange(len(errors)), np.tile(np.flatnonzero(errors), upweight)])


def train(given: Given, settings: Settings) -> Trained:
    """Train twice; the second time a new classifier on the upsampled set. The official code counts epochs from 0 and
    notes the predictions of the epoch T: while it is trained for the (T + 1)-th time.
    """

    def first() -> Tensors:
        noted = NotedPredictions(len(given.labels))
        given.fit(given.fresh(), noted, replace(settings, epochs=settings.first_epochs + 1), name="first")
        return {"predictions": noted.predictions}

    # of all trials that differ in the second training alone
    said = given.shared.get(f"jtt-first-{settings.first_epochs}", first, asdict(replace(settings, upweight=0)))
    errors = error_set(said["predictions"].numpy(), given.labels)
    sampler = batches_of(upsampled(errors, settings.upweight), settings.batch_size)
    counted = {"errors": int(errors.sum()), "images": len(errors)}
    return given.fit(given.fresh(), cross_entropy_loss, settings, sampler, "second", counted)


METHOD = Method(
    name="jtt",
    title="JTT",
    cites="liu2021jtt",
    changes="sampling",
    uses=Uses.SELECTION,
    settings=settings,
    grid={"first_epochs": Times((1.0, 2.0)), "upweight": Times((1.0, 0.5))},
    train=train,
)

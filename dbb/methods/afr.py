"""AFR, Automatic Feature Reweighting :cite:`qiu2023afr`: the last layer is trained on, on images that the first
training has not seen, with the more weight the less that training is sure of their class (AndPotap/afr at b34b6cd).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.methods.sampling import batches_of
from dbb.methods.shared import Shared
from dbb.models.classifier import Classifier, predict_features
from dbb.stages.erm import cross_entropy_loss
from dbb.training import Tensors
from dbb.training.optimisers import FIELDS

Head = tuple[Tensor, Tensor]
"""Weight (C, D) and bias (C,)."""

SPLIT_SEED = 21
"""Of the official split into two parts, whatever the run."""


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """AFR's settings; the fields of `TrainingSettings` are the first stage's.

    Attributes:
        gamma: how much less an image weighs, the surer of its class the first stage is.
        regularisation: lambda, of the squared distance to the first stage's last layer.
        steps, step_size: of gradient descent on that layer.
        momentum: of these steps; 0.9 where the official code is told nothing, 0 in its README.
        clip: the longest gradient; None, as where the code is told nothing: any. 1 in its README.
        first_share: share of the training images that the first stage is trained on.

    Raises:
        InputError: for a value that is not positive, or negative where 0 has a meaning.
    """

    gamma: float
    regularisation: float = 0.0
    steps: int = 500
    step_size: float = 0.01
    momentum: float = 0.0
    clip: float | None = 1.0
    first_share: float = 0.8

    def __post_init__(self) -> None:
        for name in ("gamma", "regularisation", "momentum"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} = {getattr(self, name)}: give 0 or more")
        for name in ("steps", "step_size", "clip"):
            if getattr(self, name) is not None and getattr(self, name) <= 0:
                raise InputError(f"{name} = {getattr(self, name)}: give more than 0")


PAPER = {
    "waterbirds": Settings(50, 32, 3e-3, 1e-4, "sgd", "constant", "crop", gamma=10.0),
    "celeba": Settings(
        20, 100, 3e-3, 1e-4, "sgd", "cosine", "crop", gamma=1.44, regularisation=1e-3, steps=1000, step_size=0.02
    ),
}
"""Benchmark -> the settings of the official README; nothing official exists for MetaShift."""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training and a gamma between the published ones."""
    return PAPER.get(benchmark.name, Settings(**vars(benchmark.erm), gamma=5.0))


def parts(n: int, first_share: float, seed: int) -> tuple[Int64[np.ndarray, " M"], Int64[np.ndarray, " R"]]:
    """Return the positions, ascending, of the first stage's images and of the second's, together all ``n``. Drawn as in
    the official code, which rounds both parts down and so may leave one image out.

    Raises:
        InputError: where a part is empty.
    """
    order = list(range(n))
    random.Random(seed).shuffle(order)
    end = int(n * first_share)
    if not 0 < end < n:
        raise InputError(f"first_share = {first_share} of {n} images leaves a stage without any: give both some")
    return np.sort(np.array(order[:end], np.int64)), np.sort(np.array(order[end:], np.int64))


def image_weights(logits: Float[Tensor, "N C"], labels: Int64[Tensor, " N"], gamma: float) -> Float[Tensor, " N"]:
    """Return the weight of each image, in proportion to beta_y exp(-gamma p), together 1.

    p is the probability that the first stage gives the image's class (not its logarithm), and beta_y = N / N_y makes up
    for the number of images of a class.

    Args:
        logits: the first stage's.
    """
    sure = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    weights = torch.exp(-gamma * sure) * len(labels) / torch.bincount(labels)[labels]
    return weights / weights.sum()


def gradient(
    head: Head,
    features: Float[Tensor, "N D"],
    labels: Int64[Tensor, " N"],
    weights: Float[Tensor, " N"],
    start: Head,
    regularisation: float,
) -> Head:
    """Return the gradient, by weight and bias, of

    ``sum_i weights_i CE(W z_i + b, y_i) + lambda (|W - W0|^2 + |b - b0|^2)``

    at ``head`` = (W, b), with ``start`` = (W0, b0).
    """
    errors = (features @ head[0].T + head[1]).softmax(1)
    errors[torch.arange(len(labels)), labels] -= 1
    errors *= weights[:, None]
    by_weight = errors.T @ features + 2 * regularisation * (head[0] - start[0])
    return by_weight, errors.sum(0) + 2 * regularisation * (head[1] - start[1])


def clipped(slope: Head, longest: float | None) -> Head:
    """Return a gradient shortened to ``longest``, weight and bias taken together; None leaves it as it is."""
    if longest is None:
        return slope
    length = torch.linalg.vector_norm(torch.cat([part.flatten() for part in slope]))
    # The 1e-6 is that of torch.nn.utils.clip_grad_norm_.
    factor = (longest / (length + 1e-6)).clamp(max=1)
    return slope[0] * factor, slope[1] * factor


def heads(
    features: Float[Tensor, "N D"],
    labels: Int64[Tensor, " N"],
    weights: Float[Tensor, " N"],
    start: Head,
    settings: Settings,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (step, weight, bias) after each step of gradient descent on all images at once, from ``start``; the steps
    count from 1.
    """
    head = start
    velocity = (torch.zeros_like(start[0]), torch.zeros_like(start[1]))
    for step in range(1, settings.steps + 1):
        slope = clipped(gradient(head, features, labels, weights, start, settings.regularisation), settings.clip)
        velocity = (settings.momentum * velocity[0] + slope[0], settings.momentum * velocity[1] + slope[1])
        head = (head[0] - settings.step_size * velocity[0], head[1] - settings.step_size * velocity[1])
        yield step, *head


def first_stage(given: Given, settings: Settings, positions: Int64[np.ndarray, " M"]) -> Classifier:
    """Return a new classifier that was trained plainly on the training images at ``positions``, the same for all
    settings of the second stage.

    As officially it has the weights of the last epoch: the rule that sees no group must not begin with an epoch that
    was selected by groups.
    """

    def make() -> Tensors:
        model, sampler = given.fresh(), batches_of(positions, settings.batch_size)
        # Without a rule nothing is selected.
        replace(given, rules=()).fit(model, cross_entropy_loss, settings, sampler, "first")
        return model.state_dict()

    how = {name: getattr(settings, name) for name in (*FIELDS, "first_share")}
    model = given.fresh()
    model.load_state_dict(given.shared.get("afr-first", make, how))
    return model


def train(given: Given, settings: Settings) -> Trained:
    """Train a new classifier plainly on one part of the training images and its last layer on the other part.

    The base model is of no use here: it has seen all training images, and is as sure of those that it learnt by heart
    as of the others.

    Raises:
        InputError: where a part would be empty.
    """
    first, rest = parts(len(given.labels), settings.first_share, SPLIT_SEED)
    model = first_stage(given, settings, first)
    features = predict_features(model, given.train_set.subset(rest), given.benchmark.input_format)
    start = (model.head.weight.detach().cpu(), model.head.bias.detach().cpu())
    labels = torch.from_numpy(given.labels[rest])
    weights = image_weights(features @ start[0].T + start[1], labels, settings.gamma)
    # What is shared are the base model's features.
    on_first = replace(given, base_model=model.cpu(), shared=Shared())
    chosen = on_first.select_head(heads(features, labels, weights, start, settings))
    measured = {"images": len(rest), "effective images": (1 / weights.square().sum()).item()}
    return replace(chosen, measured=measured)


METHOD = Method(
    name="afr",
    title="AFR",
    cites="qiu2023afr",
    changes="last layer",
    uses=Uses.SELECTION,
    settings=settings,
    grid={"gamma": Times((1.0, 2.0)), "regularisation": (1e-3, 1e-1)},
    train=train,
)

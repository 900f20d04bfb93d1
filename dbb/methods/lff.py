"""LfF, Learning from Failure :cite:`nam2020lff`: of two networks trained side by side, one is made to trust what is
easy, and the other learns most from what that one gets wrong (alinlab/LfF at e66796e).

No group label is used, also not to select an epoch: that goes by the average, where the official code takes the last.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.models.classifier import Classifier
from dbb.seeds import stage_generator
from dbb.training import Batch


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """LfF's settings.

    Attributes:
        q: of the generalised cross-entropy, above 0 and up to 1; the larger, the less it heeds what is hard.
        memory: alpha, share of the old value in the moving average of an image's loss, 0 up to but not 1.

    Raises:
        InputError: for a value out of these ranges.
    """

    q: float = 0.7
    memory: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise InputError(f"q = {self.q}: give more than 0 and at most 1")
        if not 0 <= self.memory < 1:
            raise InputError(f"memory = {self.memory}: give 0 or more and less than 1")


def generalised_cross_entropy(
    logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"], q: float
) -> Float[Tensor, " B"]:
    """Return q p_y^q CE of each image, p_y^q without gradient, as the official code has it. Its gradient is q times
    that of the generalised cross-entropy of the paper, (1 - p_y^q) / q.
    """
    losses = cross_entropy(logits, labels, reduction="none")
    return q * torch.exp(-q * losses.detach()) * losses


def averaged(
    old: Float[Tensor, "*B"], losses: Float[Tensor, "*B"], seen: Bool[Tensor, "*B"], memory: float
) -> Float[Tensor, "*B"]:
    """Return the moving averages of losses: the loss itself where none was seen before."""
    return torch.where(seen, memory * old + (1 - memory) * losses, losses)


def class_maxima(
    averages: Float[Tensor, " N"], labels: Int64[Tensor, " N"], n_classes: int
) -> Float[Tensor, " {n_classes}"]:
    """Return the largest average of each class, 0 for a class without images."""
    return averages.new_zeros(n_classes).scatter_reduce(0, labels, averages, "amax")


def relative_difficulty(biased: Float[Tensor, " B"], debiased: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Return the weights W = l_b / (l_b + l_d + 1e-8), 0..1, of losses that are shares of their class's largest."""
    return biased / (biased + debiased + 1e-8)


class JointLoss(nn.Module):
    """The sum of both losses. It holds the biased classifier, which is trained with the one that is given, and the
    moving averages.

    Args:
        biased: the classifier to train by the generalised cross-entropy.
        labels: of all training images, int64 (N,).
    """

    averages: Tensor
    seen: Tensor

    def __init__(self, biased: Classifier, labels: Tensor, n_classes: int, q: float, memory: float) -> None:
        super().__init__()
        self.biased = biased.train()
        self._labels, self._n_classes, self._q, self._memory = labels, n_classes, q, memory
        empty = torch.zeros(2, len(labels), dtype=biased.head.weight.dtype, device=labels.device)
        self.register_buffer("averages", empty)
        self.register_buffer("seen", torch.zeros_like(labels, dtype=torch.bool))

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        biased = self.biased(batch.images)
        losses = cross_entropy(model(batch.images), batch.labels, reduction="none")
        with torch.no_grad():
            both = torch.stack([cross_entropy(biased, batch.labels, reduction="none"), losses])
            weights = self._weights(both, batch.indices)
        return generalised_cross_entropy(biased, batch.labels, self._q).mean() + (weights * losses).mean()

    def _weights(self, losses: Tensor, indices: Tensor) -> Tensor:
        """Note the losses (2, B) of the biased and the debiased classifier, and return the weights (B,)."""
        self.averages[:, indices] = averaged(
            self.averages[:, indices], losses, self.seen[indices].expand_as(losses), self._memory
        )
        self.seen[indices] = True
        labels, tiny = self._labels[indices], torch.finfo(losses.dtype).tiny
        shares = [
            # a class without any loss, of which the official code makes NaN, has weights 0
            own[indices] / class_maxima(own, self._labels, self._n_classes)[labels].clamp(min=tiny)
            for own in self.averages
        ]
        return relative_difficulty(shares[0], shares[1])


PAPER = {
    "celeba": Settings(
        epochs=200,
        batch_size=256,
        learning_rate=1e-4,
        weight_decay=1e-4,
        optimiser="adam",
        schedule="constant",
        augmentation="flip",
    )
}
"""Benchmark -> the settings of the official configuration, there of a ResNet-18; nothing official exists for the
others.
"""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training with the published q and memory."""
    return PAPER.get(benchmark.name, Settings(**vars(benchmark.erm)))


def train(given: Given, settings: Settings) -> Trained:
    """Train two new classifiers together, which differ in their heads alone, and return the debiased one."""
    debiased, biased = given.fresh(), given.fresh()
    biased.reset_head(stage_generator("lff biased head", given.seed).initial_seed())
    labels = torch.from_numpy(given.labels).to(given.device)
    loss = JointLoss(biased, labels, given.n_classes, settings.q, settings.memory)
    return given.fit(debiased, loss, settings)


METHOD = Method(
    name="lff",
    title="LfF",
    cites="nam2020lff",
    changes="loss",
    uses=Uses.NOTHING,
    settings=settings,
    grid={"q": (0.5, 0.7), "learning_rate": Times((1.0, 0.3))},
    train=train,
)

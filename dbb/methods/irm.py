"""IRM, invariant risk minimisation :cite:`arjovsky2019irm`: a classifier whose logits no environment would scale
otherwise (facebookresearch/InvariantRiskMinimization at fc185d0; for batches, facebookresearch/DomainBed at 04cfc61).

Environments are the values of the spurious attribute. DomainBed makes a new optimiser at the step at which the penalty
sets in, since the gradients jump there; a loss has no hold on the optimiser, so that this is left out, and the whole
loss is divided by the penalty's weight instead, as the authors do.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Trained, Uses
from dbb.methods.sampling import balancing_weights, weighted_batches
from dbb.training import Batch


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """IRM's settings.

    Attributes:
        penalty: lambda, the penalty's weight once it has set in.
        anneal: share of all batches before that, 0..1, in which the weight is 1.

    Raises:
        InputError: for a negative weight, and a share that is none.
    """

    penalty: float = 100.0
    anneal: float = 0.1

    def __post_init__(self) -> None:
        if self.penalty < 0:
            raise InputError(f"penalty = {self.penalty}: give 0 or more")
        if not 0 <= self.anneal <= 1:
            raise InputError(f"anneal = {self.anneal}: give a share of the batches, 0 to 1")


def multiplier_gradient(logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
    """Return the derivative of the mean cross-entropy by a number that multiplies all logits, at 1; it can itself be
    differentiated.
    """
    multiplier = torch.ones((), dtype=logits.dtype, device=logits.device, requires_grad=True)
    (gradient,) = torch.autograd.grad(cross_entropy(logits * multiplier, labels), multiplier, create_graph=True)
    return gradient


def penalty(logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
    """Return the penalty of one environment of which all images are given: the square of `multiplier_gradient`."""
    return multiplier_gradient(logits, labels).square()


def unbiased_penalty(logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"]) -> Float[Tensor, ""]:
    """Return an estimate of the penalty from a batch of one environment, right in the mean and so at times negative:
    the product of the gradients of the images at even and at odd positions. Of one image alone, of which DomainBed
    makes NaN, it is 0.
    """
    if len(labels) < 2:
        return logits.new_zeros(())
    return multiplier_gradient(logits[::2], labels[::2]) * multiplier_gradient(logits[1::2], labels[1::2])


def means_over_environments(
    logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"], environments: Int64[Tensor, " B"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the mean cross-entropy and `unbiased_penalty`, each first by itself in every environment that is there and
    then averaged over these, so that large environments count no more than small ones.
    """
    parts = [(logits[environments == one], labels[environments == one]) for one in environments.unique()]
    risks = [cross_entropy(*part) for part in parts]
    return torch.stack(risks).mean(), torch.stack([unbiased_penalty(*part) for part in parts]).mean()


def penalty_weight(step: int, anneal_steps: int, weight: float) -> float:
    """Return the penalty's weight in batch ``step``, from 0: 1 in the first ``anneal_steps``, then ``weight``."""
    return weight if step >= anneal_steps else 1.0


def penalised(risk: Float[Tensor, ""], penalty: Float[Tensor, ""], weight: float) -> Float[Tensor, ""]:
    """Return risk + weight * penalty, divided by the weight where that is above 1."""
    return (risk + weight * penalty) / max(weight, 1.0)


class InvariantLoss(nn.Module):
    """The penalised loss, which counts its batches.

    Args:
        environments: of all training images, int64 (N,).
        anneal_steps, weight: as `penalty_weight`.
    """

    step: Tensor

    def __init__(self, environments: Tensor, anneal_steps: int, weight: float) -> None:
        super().__init__()
        self._environments, self._anneal_steps, self._weight = environments, anneal_steps, weight
        self.register_buffer("step", torch.tensor(0))

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        here = self._environments[batch.indices]
        means = means_over_environments(model(batch.images), batch.labels, here)
        weight = penalty_weight(int(self.step), self._anneal_steps, self._weight)
        self.step += 1
        return penalised(*means, weight)


def _defaults(epochs: int, batch_size: int) -> Settings:
    return Settings(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=5e-5,
        weight_decay=0.0,
        optimiser="adam",
        schedule="constant",
        augmentation="crop",
    )


PAPER = {"waterbirds": _defaults(67, 64), "celeba": _defaults(7, 64), "metashift": _defaults(556, 128)}
"""Benchmark -> DomainBed's defaults for a ResNet-50, 32 images of each environment for about 5,000 batches; nobody
published settings for these benchmarks.
"""


def settings(benchmark: Benchmark) -> Settings:
    """Return DomainBed's settings, or the benchmark's own training with its penalty."""
    return PAPER.get(benchmark.name, Settings(**vars(benchmark.erm)))


def train(given: Given, settings: Settings) -> Trained:
    """Train a new classifier with the penalised loss on batches in which environments come equally often."""
    environments = given.groups % given.n_attributes
    n_batches = settings.epochs * -(-len(environments) // settings.batch_size)
    loss = InvariantLoss(
        torch.from_numpy(environments).to(given.device), round(settings.anneal * n_batches), settings.penalty
    )
    sampler = weighted_batches(balancing_weights(environments), settings.batch_size)
    return given.fit(given.fresh(), loss, settings, sampler)


METHOD = Method(
    name="irm",
    title="IRM",
    cites="arjovsky2019irm",
    changes="loss",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=settings,
    grid={"penalty": (10.0, 100.0), "anneal": (0.1, 0.5)},
    train=train,
)

"""Group-DRO :cite:`sagawa2020groupdro`: weights of the groups that grow where the loss is large
(kohpangwei/group_DRO at cbbc1c5).
"""

from dataclasses import dataclass, replace

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
    """Group-DRO's settings.

    Attributes:
        step: eta, of the groups' weights.
        adjustment: C, added to a group's loss as C / sqrt(n_g).

    Raises:
        InputError: for a negative value.
    """

    step: float = 0.01
    adjustment: float = 0.0

    def __post_init__(self) -> None:
        for name in ("step", "adjustment"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} = {getattr(self, name)}: give 0 or more")


def group_losses(
    losses: Float[Tensor, " B"], groups: Int64[Tensor, " B"], n_groups: int
) -> Float[Tensor, " {n_groups}"]:
    """Return the mean loss of each group in a batch, 0 for a group that is absent."""
    # a product, since sums by index come out otherwise from run to run on a GPU
    members = (groups == torch.arange(n_groups, device=groups.device)[:, None]).to(losses.dtype)
    return members @ losses / members.sum(1).clamp(min=1)


def adjusted(losses: Float[Tensor, " G"], counts: Int64[Tensor, " G"], adjustment: float) -> Float[Tensor, " G"]:
    """Return the groups' losses with C / sqrt(n_g) added, n_g their training images. As in the official code the
    constant also stands in the returned loss, where it has no gradient. A group without training images is left as it
    is.
    """
    more = adjustment / counts.clamp(min=1).to(losses.dtype).sqrt()
    return losses + torch.where(counts > 0, more, torch.zeros_like(more))


def updated(q: Float[Tensor, " G"], losses: Float[Tensor, " G"], step: float) -> Float[Tensor, " G"]:
    """Return the groups' weights after a batch: q_g exp(eta l_g), normalised. An absent group, whose loss is 0, loses
    weight to the others.
    """
    grown = q * torch.exp(step * losses.detach())
    return grown / grown.sum()


class RobustLoss(nn.Module):
    """sum_g q_g l_g, with q that is updated before each batch is weighed.

    Args:
        groups: of all training images, int64 (N,).
        counts: training images of each group, int64 (G,); a group without any has weight 0 from the start, where the
            official code lets it keep a share that nothing is trained by.
    """

    q: Tensor

    def __init__(self, groups: Tensor, counts: Tensor, step: float, adjustment: float) -> None:
        super().__init__()
        self._groups, self._counts, self._step, self._adjustment = groups, counts, step, adjustment
        self.register_buffer("q", (counts > 0) / (counts > 0).sum())

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        losses = cross_entropy(model(batch.images), batch.labels, reduction="none")
        by_group = group_losses(losses, self._groups[batch.indices], len(self._counts))
        by_group = adjusted(by_group, self._counts, self._adjustment)
        self.q = updated(self.q, by_group, self._step)
        return (self.q * by_group).sum()


PAPER = {
    "waterbirds": Settings(
        epochs=300,
        batch_size=128,
        learning_rate=1e-3,
        weight_decay=1e-4,
        optimiser="sgd",
        schedule="constant",
        augmentation="none",
    ),
    "celeba": Settings(
        epochs=50,
        batch_size=128,
        learning_rate=1e-4,
        weight_decay=1e-4,
        optimiser="sgd",
        schedule="constant",
        augmentation="none",
    ),
}
"""Benchmark -> the settings of the official README; nothing official exists for MetaShift."""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the benchmark's own training."""
    return PAPER.get(benchmark.name, Settings(**vars(benchmark.erm)))


def train(given: Given, settings: Settings) -> Trained:
    """Train a new classifier on group-balanced batches with the robust loss."""
    groups = torch.from_numpy(given.groups).to(given.device)
    counts = torch.bincount(groups, minlength=given.n_groups)
    loss = RobustLoss(groups, counts, settings.step, settings.adjustment)
    sampler = weighted_batches(balancing_weights(given.groups), settings.batch_size)
    trained = given.fit(given.fresh(), loss, settings, sampler)
    return replace(trained, measured={**trained.measured, "q": loss.q.tolist()})


METHOD = Method(
    name="group-dro",
    title="Group-DRO",
    cites="sagawa2020groupdro",
    changes="loss",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=settings,
    grid={"step": (0.01, 0.1), "weight_decay": (1e-4, 1e-1)},
    train=train,
)

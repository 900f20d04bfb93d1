"""DaC, Decompose and Compose :cite:`noohdani2024dac`: the attended part of an image is put before the unattended part
of one of another class, and a new last layer is trained on both (fhn98/DaC at 854537d, branch release).

What differs from the official code: the step schedule (the rate is halved every 5 epochs) is a cosine here; heat maps
are of training images without augmentation, where CelebA's are of random crops that the masks do not fit; and of
several classes a partner is drawn from all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.errors import InputError
from dbb.methods.cam import packed, training_heat_maps, unpacked
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.seeds import stage_generator
from dbb.training import Batch, Loss, Tensors

QUANTILES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of an image that a mask may drop; the last where no knee is found."""


@dataclass(frozen=True, kw_only=True)
class Settings(TrainingSettings):
    """DaC's settings.

    Attributes:
        alpha: weight of the masked images' loss, and of the composed images'.
        low_loss: share of the training images that are masked and composed, those of the lowest loss.

    Raises:
        InputError: for a negative weight, a share that is not in 0..1, and an augmentation, which masks do not fit.
    """

    alpha: float
    low_loss: float

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise InputError(f"alpha = {self.alpha}: give 0 or more")
        if not 0 <= self.low_loss <= 1:
            raise InputError(f"low_loss = {self.low_loss}: give a share from 0 to 1")
        if self.augmentation != "none":
            raise InputError(f"augmentation = {self.augmentation!r}: masks fit images as they are: give 'none'")


# ------------------------------------------------------------------------------------------------ masks


def quantile_masks(heat: Float[Tensor, "B S S"], quantiles: Sequence[float] = QUANTILES) -> Bool[Tensor, "Q B S S"]:
    """Return for each quantile which pixels are kept: those at least as hot as the quantile of their image's heat."""
    values = heat.flatten(1).double()
    thresholds = torch.quantile(values, torch.tensor(quantiles, dtype=torch.float64, device=heat.device), dim=1)
    return heat >= thresholds[:, :, None, None]


def knee(losses: Float[np.ndarray, " Q"], quantiles: Sequence[float] = QUANTILES) -> float:
    """Return the quantile after which the loss grows fast: the knee of a convex, increasing curve that kneed finds, the
    last quantile where it finds none.
    """
    from kneed import KneeLocator  # brings matplotlib, which takes a second

    if np.ptp(losses) == 0:  # kneed would divide by it
        return quantiles[-1]
    found = KneeLocator(quantiles, losses, S=1.0, curve="convex", direction="increasing", online=True).knee
    return quantiles[-1] if found is None else float(found)


@torch.no_grad()
def losses_under(
    model: nn.Module, images: Float[Tensor, "B 3 S S"], labels: Int64[Tensor, " B"], masks: Bool[Tensor, "Q B S S"]
) -> Float[Tensor, "Q B"]:
    """Return the cross-entropy of each image under each mask; what is dropped is 0 in the normalised image."""
    return torch.stack([cross_entropy(model(images * mask[:, None]), labels, reduction="none") for mask in masks])


def training_masks(given: Given) -> Tensors:
    """Return "kept", which pixels of the training images are kept, from `packed`, and "dropped", the
    place of its quantile in `QUANTILES`, int64 (N,).
    """

    def make() -> Tensors:
        model, labels = given.base(), torch.from_numpy(given.labels)
        kept, dropped = [], []
        for positions, images, heat in training_heat_maps(given, model):
            masks = quantile_masks(heat)
            losses = losses_under(model, images, labels[positions].to(images.device), masks)
            chosen = torch.tensor([QUANTILES.index(knee(curve)) for curve in losses.T.double().cpu().numpy()])
            kept.append(packed(masks[chosen, torch.arange(len(chosen))]))
            dropped.append(chosen)
        return {"kept": torch.cat(kept), "dropped": torch.cat(dropped)}

    return given.shared.get("dac-masks", make)


# ------------------------------------------------------------------------------------------------ images


def low_losses(losses: Float[Tensor, " N"], share: float) -> Bool[Tensor, " N"]:
    """Return which losses are at most their quantile ``share``."""
    values = losses.double()
    return values <= torch.quantile(values, share)


def partners(labels: Int64[Tensor, " L"]) -> Int64[Tensor, " L"]:
    """Return a position for each: one of another class, each as likely, with replacement; where there is but one class,
    a permutation.
    """
    other = labels[:, None] != labels
    if not other.any():
        return torch.randperm(len(labels), device=labels.device)
    return torch.multinomial(other.float(), 1)[:, 0]


def masked(
    images: Float[Tensor, "L 3 S S"], kept: Bool[Tensor, "L S S"], fill: Float[Tensor, "3 1 1"]
) -> Float[Tensor, "L 3 S S"]:
    """Return images with ``fill`` where they are not kept."""
    return torch.where(kept[:, None], images, fill)


def fuse(
    images: Float[Tensor, "L 3 S S"],
    kept: Bool[Tensor, "L S S"],
    partners: Int64[Tensor, " L"],
    fill: Float[Tensor, "3 1 1"],
) -> Float[Tensor, "L 3 S S"]:
    """Return x_i m_i + (1 - m_i) (1 - m_j) x_j + (1 - m_i) m_j fill: before what is kept of an image, what is dropped
    of its partner j, and ``fill`` where neither is.
    """
    return torch.where(kept[:, None], images, torch.where(kept[partners, None], fill, images[partners]))


# ------------------------------------------------------------------------------------------------ training


def composing_loss(masks: UInt8[Tensor, "N S K"], low: Bool[Tensor, " N"], alpha: float) -> Loss:
    """Return the loss CE(batch) + alpha CE(masked) + alpha CE(composed), three means, the last two over the images of
    low loss; where a batch has none CE(batch). What is filled has the mean of the batch in each channel.

    Args:
        masks: of all training images, from `dbb.methods.cam.packed`.
        low: of all training images (`low_losses`).
    """

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        positions = batch.indices.cpu()
        chosen = low[positions]
        if not chosen.any():
            return cross_entropy(model(batch.images), batch.labels)
        kept = unpacked(masks[positions[chosen]]).to(batch.images.device)
        images, labels = batch.images[chosen], batch.labels[chosen]
        fill = batch.images.mean((0, 2, 3))[:, None, None]
        composed = fuse(images, kept, partners(labels), fill)
        logits = model(torch.cat([batch.images, masked(images, kept, fill), composed]))
        plain, of_masked, of_composed = logits.split([len(chosen), len(labels), len(labels)])
        more = cross_entropy(of_masked, labels) + cross_entropy(of_composed, labels)
        return cross_entropy(plain, batch.labels) + alpha * more

    return loss


def renew(head: nn.Linear, seed: int) -> None:
    """Draw the weights of a head anew by Xavier's uniform rule; its biases are 0."""
    weight = torch.empty(head.weight.shape)
    nn.init.xavier_uniform_(weight, generator=stage_generator("dac head", seed))
    head.weight.data.copy_(weight)
    head.bias.data.zero_()


PAPER = {"waterbirds": Settings(20, 64, 5e-3, 0.0, "adam", "cosine", "none", alpha=10.0, low_loss=0.6)}
"""Benchmark -> the settings of the official README; for the others none were found."""


def settings(benchmark: Benchmark) -> Settings:
    """Return the published settings, or the README's defaults with the batches of the benchmark's own training, and no
    more epochs than it has.
    """
    own = benchmark.erm
    other = Settings(min(20, own.epochs), own.batch_size, 5e-3, 0.0, "adam", "cosine", "none", alpha=6.0, low_loss=0.8)
    return PAPER.get(benchmark.name, other)


def train(given: Given, settings: Settings) -> Trained:
    """Train a new head on the base model's backbone. As in the official code the backbone, though frozen, is in
    training mode: it normalises by the batch, masked and composed images included, and its running statistics move.
    """
    losses = cross_entropy(given.logits, torch.from_numpy(given.labels), reduction="none")
    low, masks = low_losses(losses, settings.low_loss), training_masks(given)
    model = given.base()
    model.backbone.requires_grad_(False)
    renew(model.head, given.seed)
    dropped = {str(quantile): int((masks["dropped"] == i).sum()) for i, quantile in enumerate(QUANTILES)}
    loss = composing_loss(masks["kept"], low, settings.alpha)
    return given.fit(model, loss, settings, measured={"dropped": dropped, "low_loss_images": int(low.sum())})


METHOD = Method(
    name="dac",
    title="DaC",
    cites="noohdani2024dac",
    changes="data",
    uses=Uses.SELECTION,
    settings=settings,
    grid={"alpha": Times((1.0, 0.3)), "low_loss": (0.6, 0.8)},
    train=train,
)

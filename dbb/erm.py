"""The base classifier (ERM), its per-sample losses, and the samples that they single out.

Low loss finds the majority groups without group labels (section 4.1); high loss finds images for textual
inversion.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dbb.classifier import Classifier
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.metrics import group_counts
from dbb.seeds import stage_generator
from dbb.store import atomic_path, require_file
from dbb.training import Batch, Examples, Settings, Training, Validation, fit
from dbb.transforms import InputFormat


def train_erm(model: Classifier, train: ImageSet, validation: ImageSet, settings: Settings,
              input_format: InputFormat, seed: int) -> Training:
    """Train ``model`` in place with plain cross-entropy and return the history.

    The last epoch's weights are kept: choosing an epoch by its worst group would use group labels, and the
    paper's base model uses none. ``validation`` is only watched.
    """
    examples = Examples([train], [np.zeros(len(train))], input_format.read_size)
    n_groups = train.n_attributes * model.head.out_features
    watch = Validation(validation, group_counts(train.groups, n_groups))
    return fit(model, examples, cross_entropy_loss, settings, input_format, "erm", seed, watch)


def cross_entropy_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Return the mean cross-entropy of a batch."""
    return nn.functional.cross_entropy(model(batch.images), batch.labels)


def per_sample_losses(logits: torch.Tensor, labels: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of each sample, float64 (N,).

    logits: float (N, C); labels: int64 (N,).
    """
    losses = nn.functional.cross_entropy(logits.double().cpu(), torch.from_numpy(labels), reduction="none")
    return losses.numpy()


@dataclass(frozen=True)
class TrainOutputs:
    """What the trained classifier says of every training image, in the split's order: all that later stages need.

    ids, labels: int64 (N,). logits, probabilities: float32 (N, C). losses: float64 (N,).
    """

    ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    losses: np.ndarray


def train_outputs(logits: torch.Tensor, images: ImageSet) -> TrainOutputs:
    """Return the outputs for ``images`` with their ``logits``, float (N, C)."""
    logits = logits.float().cpu()
    return TrainOutputs(images.ids, images.labels, logits.numpy(), logits.softmax(1).numpy(),
                        per_sample_losses(logits, images.labels))


def save_outputs(path: str | Path, outputs: TrainOutputs) -> None:
    """Write the outputs as an .npz, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **vars(outputs))


def load_outputs(path: str | Path) -> TrainOutputs:
    """Read what `save_outputs` wrote.

    Raises InputError when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        with np.load(path) as arrays:
            return TrainOutputs(**{name: arrays[name] for name in arrays.files})
    except Exception as error:  # a damaged archive fails in many ways: zip, zlib, numpy, a missing array
        raise InputError(f"{path} is corrupt ({error}): delete it and run notebook 02-erm again") from error


def lowest_loss(losses: np.ndarray, labels: np.ndarray, label: int, k: int) -> np.ndarray:
    """Return the positions of the ``k`` samples of class ``label`` with the lowest loss, lowest first, int64.

    All of the class, and so fewer than ``k``, when it has no more; equal losses stay in their order.

    Raises InputError when the class is empty, k < 1, or a loss is not finite.
    """
    members = _members(losses, labels, label, k)
    return members[np.argsort(losses[members], kind="stable")[:k]]


def highest_loss(losses: np.ndarray, labels: np.ndarray, label: int, k: int) -> np.ndarray:
    """Return the positions of the ``k`` samples of class ``label`` with the highest loss, highest first,
    int64: minority images, found without group labels, to learn a token from. Otherwise as `lowest_loss`.
    """
    members = _members(losses, labels, label, k)
    return members[np.argsort(-losses[members], kind="stable")[:k]]


def lowest_loss_by_batch(losses: np.ndarray, labels: np.ndarray, label: int, k: int, batch_size: int,
                         seed: int) -> np.ndarray:
    """Return ``k`` samples of class ``label`` as the paper's released code ranks them: by the mean loss of
    the whole shuffled batch that each falls into, not by its own. Otherwise as `lowest_loss`.

    batch_size: images of all classes per batch; seed: shuffles them.
    """
    order = torch.randperm(len(losses), generator=stage_generator("batch ranking", seed)).numpy()
    batch_losses = np.empty(len(losses))
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        batch_losses[batch] = losses[batch].mean()
    return lowest_loss(batch_losses, labels, label, k)


def easiest(outputs: TrainOutputs, label: int, k: int, ranking: str, batch_size: int, seed: int) -> np.ndarray:
    """Return the positions of ``k`` training images of class ``label`` that ``ranking`` puts first, int64.

    ranking: "own loss" (the paper, `lowest_loss`) or "batch loss" (the released code, `lowest_loss_by_batch`, with
    ``batch_size`` and ``seed``).

    Raises InputError for another ranking, and as `lowest_loss`.
    """
    match ranking:
        case "own loss":
            return lowest_loss(outputs.losses, outputs.labels, label, k)
        case "batch loss":
            return lowest_loss_by_batch(outputs.losses, outputs.labels, label, k, batch_size, seed)
        case _:
            raise InputError(f"unknown ranking {ranking!r}: choose 'own loss' or 'batch loss'")


def _members(losses: np.ndarray, labels: np.ndarray, label: int, k: int) -> np.ndarray:
    members = np.flatnonzero(labels == label)
    if len(members) == 0:
        raise InputError(f"class {label} has no image in this split: there is nothing to rank")
    if k < 1:
        raise InputError(f"k = {k}: ask for 1 image or more of class {label}")
    if not np.isfinite(losses[members]).all():
        raise InputError(f"class {label} has a loss that is not finite: train the classifier again")
    return members

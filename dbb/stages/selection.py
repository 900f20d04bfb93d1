"""Which training images: the lowest losses mark the majority, the highest the minority, without any group label."""

import numpy as np
import torch

from dbb.errors import InputError
from dbb.seeds import stage_generator
from dbb.stages.outputs import Outputs

OWN_LOSS, BATCH_LOSS = "own loss", "batch loss"

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


def easiest(outputs: Outputs, label: int, k: int, ranking: str, batch_size: int, seed: int) -> np.ndarray:
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
            raise InputError(f"unknown ranking {ranking!r}: choose {OWN_LOSS!r} or {BATCH_LOSS!r}")


def _members(losses: np.ndarray, labels: np.ndarray, label: int, k: int) -> np.ndarray:
    members = np.flatnonzero(labels == label)
    if len(members) == 0:
        raise InputError(f"class {label} has no image in this split: there is nothing to rank")
    if k < 1:
        raise InputError(f"k = {k}: ask for 1 image or more of class {label}")
    if not np.isfinite(losses[members]).all():
        raise InputError(f"class {label} has a loss that is not finite: train the classifier again")
    return members

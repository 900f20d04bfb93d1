"""Which training images: the lowest losses mark the majority, the highest the minority, without any group label."""

import numpy as np
import torch
from jaxtyping import Float, Int, Int64

from dbb.errors import InputError
from dbb.seeds import stage_generator
from dbb.stages.outputs import Outputs

OWN_LOSS, BATCH_LOSS = "own loss", "batch loss"

RELEASED_BATCH = 16
"""Images per batch that the paper's released code ranks by (ArianYp/DDB)."""


def lowest_loss(
    losses: Float[np.ndarray, " N"], labels: Int[np.ndarray, " N"], label: int, k: int
) -> Int64[np.ndarray, " K"]:
    """Return the positions of the ``k`` samples of class ``label`` with the lowest loss, lowest first.

    All of the class, and so fewer than ``k``, when it has no more; equal losses stay in their order.

    Raises:
        InputError: when the class is empty, k < 1, or a loss is not finite.
    """
    members = _members(losses, labels, label, k)
    return members[np.argsort(losses[members], kind="stable")[:k]]


def highest_loss(
    losses: Float[np.ndarray, " N"], labels: Int[np.ndarray, " N"], label: int, k: int
) -> Int64[np.ndarray, " K"]:
    """Return the positions of the ``k`` samples of class ``label`` with the highest loss, highest first:
    minority images, found without group labels, to learn a token from. Otherwise as `lowest_loss`.
    """
    members = _members(losses, labels, label, k)
    return members[np.argsort(-losses[members], kind="stable")[:k]]


def lowest_loss_by_batch(
    losses: Float[np.ndarray, " N"], labels: Int[np.ndarray, " N"], label: int, k: int, batch_size: int, seed: int
) -> Int64[np.ndarray, " K"]:
    """Return ``k`` samples of class ``label`` as the paper's released code ranks them: by the mean loss of
    the whole shuffled batch that each falls into, not by its own; those of one batch in the loader's order. Otherwise
    as `lowest_loss`.

    Args:
        batch_size: images of all classes per batch, `RELEASED_BATCH` in the released code.
        seed: shuffles them.
    """
    if batch_size < 1:
        raise InputError(f"ranking_batch_size = {batch_size}: give 1 or more images")
    order = torch.randperm(len(losses), generator=stage_generator("batch ranking", seed)).numpy()
    starts = np.arange(0, len(order), batch_size)
    sizes = np.diff(starts, append=len(order))
    batch_losses = np.repeat(np.add.reduceat(losses[order], starts) / sizes, sizes)
    return order[lowest_loss(batch_losses, labels[order], label, k)]


def easiest(outputs: Outputs, label: int, k: int, ranking: str, batch_size: int, seed: int) -> Int64[np.ndarray, " K"]:
    """Return the positions of ``k`` training images of class ``label`` that ``ranking`` puts first.

    Args:
        ranking: "own loss" (the paper, `lowest_loss`) or "batch loss" (the released code, `lowest_loss_by_batch`, with
            ``batch_size`` and ``seed``).

    Raises:
        InputError: for another ranking, and as `lowest_loss`.
    """
    match ranking:
        case "own loss":
            return lowest_loss(outputs.losses, outputs.labels, label, k)
        case "batch loss":
            return lowest_loss_by_batch(outputs.losses, outputs.labels, label, k, batch_size, seed)
        case _:
            raise InputError(f"unknown ranking {ranking!r}: choose {OWN_LOSS!r} or {BATCH_LOSS!r}")


def _members(
    losses: Float[np.ndarray, " N"], labels: Int[np.ndarray, " N"], label: int, k: int
) -> Int64[np.ndarray, " K"]:
    members = np.flatnonzero(labels == label)
    if len(members) == 0:
        raise InputError(f"class {label} has no image in this split: there is nothing to rank")
    if k < 1:
        raise InputError(f"k = {k}: ask for 1 image or more of class {label}")
    if not np.isfinite(losses[members]).all():
        raise InputError(f"class {label} has a loss that is not finite: train the classifier again")
    return members

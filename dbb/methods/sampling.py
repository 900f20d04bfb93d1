"""The samplers that several methods share."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Int64

from dbb.errors import InputError
from dbb.training import Sampler, shuffled_batches


def batches_of(positions: Int64[np.ndarray, " M"], batch_size: int) -> Sampler:
    """Return the sampler that goes through ``positions``, which may repeat, once an epoch, shuffled."""
    shuffled = shuffled_batches(len(positions), batch_size)
    return lambda generator: [positions[batch] for batch in shuffled(generator)]


def weighted_batches(weights: Float[np.ndarray, " N"], batch_size: int) -> Sampler:
    """Return the sampler that draws as many images an epoch as there are, with replacement, each with a chance in
    proportion to its weight.
    """
    chances, n_batches = torch.from_numpy(np.asarray(weights, np.float64)), -(-len(weights) // batch_size)

    def batches(generator: torch.Generator) -> Sequence[np.ndarray]:
        drawn = torch.multinomial(chances, len(chances), replacement=True, generator=generator)
        return np.array_split(drawn.numpy(), n_batches)

    return batches


def balancing_weights(groups: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Return the weight N / n_g of each image, n_g the images of its group: drawn by these, every group that is there
    comes as often as every other.
    """
    sizes = np.bincount(groups)
    return len(groups) / sizes[groups]


def balanced_subset(groups: Int[np.ndarray, " N"], generator: torch.Generator) -> Int64[np.ndarray, " M"]:
    """Return the positions of as many images of each group that is there as its smallest has, drawn at random,
    ascending.

    Raises:
        InputError: where there is no image.
    """
    if len(groups) == 0:
        raise InputError("no images to balance: the set is empty")
    present, sizes = np.unique(groups, return_counts=True)
    chosen = []
    for group in present:
        members = np.flatnonzero(groups == group)
        order = torch.randperm(len(members), generator=generator).numpy()
        chosen.append(members[order[: sizes.min()]])
    return np.sort(np.concatenate(chosen))

"""Which images make up the batches of an epoch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

Sampler = Callable[[torch.Generator], Sequence[np.ndarray]]
"""(the epoch's generator) -> the epoch's batches: arrays of positions in the `Examples`, int64 (B,), none empty. An
image may come more than once, or not at all. A sampler draws from that generator alone and remembers nothing, so that a
training that was stopped goes on with the same bits; every epoch has the same number of batches.
"""


def shuffled_batches(n: int, batch_size: int) -> Sampler:
    """Return the sampler of plain training: all ``n`` images once per epoch, shuffled, in batches of nearly equal size,
    at most ``batch_size``: no tiny last one to upset batch normalisation.
    """
    n_batches = -(-n // batch_size)

    def batches(generator: torch.Generator) -> list[np.ndarray]:
        return np.array_split(torch.randperm(n, generator=generator).numpy(), n_batches)

    return batches

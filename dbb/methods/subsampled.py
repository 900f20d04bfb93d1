"""Random subsampling: plain training on as many images of every group as the smallest has
("subg" of facebookresearch/BalancingGroups at 5b6d540).

There, the smaller set is gone through once an epoch, so that the network is trained for fewer batches. Here an epoch
goes through it several times, so that the epochs of all compared methods have about as many batches: what is compared
is the choice of images, and not how long they were trained on.
"""

import numpy as np
from jaxtyping import Int64

from dbb.benchmarks.entry import TrainingSettings
from dbb.methods import erm
from dbb.methods.given import Given
from dbb.methods.method import Method, Trained, Uses
from dbb.methods.sampling import balanced_subset, batches_of
from dbb.seeds import stage_generator
from dbb.stages.erm import cross_entropy_loss


def repeated(positions: Int64[np.ndarray, " M"], n: int) -> Int64[np.ndarray, " K"]:
    """Return ``positions`` as often, once at least, as brings their number closest to ``n``."""
    return np.tile(positions, max(1, round(n / len(positions))))


PAPER = erm.PAPER
"""Benchmark -> the published recipe of plain training; nobody published one for this."""


def train(given: Given, settings: TrainingSettings) -> Trained:
    """Train a new classifier on the subset, which the seed draws once."""
    subset = balanced_subset(given.groups, stage_generator("subsampled", given.seed))
    sampler = batches_of(repeated(subset, len(given.groups)), settings.batch_size)
    return given.fit(given.fresh(), cross_entropy_loss, settings, sampler, measured={"images": len(subset)})


METHOD = Method(
    name="subsampled",
    title="Random subsampling",
    cites="",
    changes="data",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=erm.settings,
    grid=erm.GRID,
    train=train,
)

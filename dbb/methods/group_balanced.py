"""Group-balanced sampling: plain training on batches in which every group comes as often as every other
("rwg" of facebookresearch/BalancingGroups at 5b6d540).
"""

from dbb.benchmarks.entry import TrainingSettings
from dbb.methods import erm
from dbb.methods.given import Given
from dbb.methods.method import Method, Trained, Uses
from dbb.methods.sampling import balancing_weights, weighted_batches
from dbb.stages.erm import cross_entropy_loss

PAPER = erm.PAPER
"""Benchmark -> the published recipe of plain training; nobody published one for this."""


def train(given: Given, settings: TrainingSettings) -> Trained:
    """Train a new classifier on as many images an epoch as there are, drawn anew for each with replacement: groups are
    equally likely, and so are the images of a group.
    """
    sampler = weighted_batches(balancing_weights(given.groups), settings.batch_size)
    return given.fit(given.fresh(), cross_entropy_loss, settings, sampler)


METHOD = Method(
    name="group-balanced",
    title="Group-balanced sampling",
    cites="",
    changes="sampling",
    uses=Uses.TRAINING | Uses.SELECTION,
    settings=erm.settings,
    grid=erm.GRID,
    train=train,
)

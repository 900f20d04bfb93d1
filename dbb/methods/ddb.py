"""The paper's own method :cite:`yazdanparast2025ddb`, by the protocol of the others: the pictures that its stages
painted and kept (`dbb.stages`), and its retraining, eq. 6-8, with settings that are tuned as theirs are.

Its tokens are learned from images of the validation split that are chosen by their groups, so it learns from these.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from dbb.benchmarks.entry import Benchmark, RetrainingSettings
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.stages.retraining import ddb_loss, kept_counts
from dbb.stages.run import ALL
from dbb.training import Batch, Examples


@dataclass(frozen=True, kw_only=True)
class Settings(RetrainingSettings):
    """The settings of retraining.

    Attributes:
        weight: factor on all gammas of eq. 8.
    """

    weight: float = 1.0


def settings(benchmark: Benchmark) -> Settings:
    """Return the benchmark's own retraining: at the paper's scale that of its Table 10."""
    return Settings(**vars(benchmark.retraining))


def train(given: Given, settings: Settings) -> Trained:
    """Train the base model on with eq. 8.

    Raises:
        InputError: where no pictures are given.
    """
    if given.kept is None:
        raise InputError("no generated pictures were given: run the stages up to pruning first")
    gammas = tuple(settings.weight * gamma for gamma in settings.gammas)
    parts = [np.zeros(len(given.labels)), 1 + given.kept.labels]
    examples = Examples([given.train_set, given.kept], parts, given.benchmark.read_size)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return ddb_loss(model(batch.images), batch.labels, batch.part, gammas)

    counted = kept_counts(given.kept, given.n_classes)
    return given.fit(given.base(), loss, settings, examples=examples, measured=counted)


METHOD = Method(
    name="ddb",
    title="DDB (the paper's)",
    cites="yazdanparast2025ddb",
    changes="data",
    uses=Uses.SELECTION | Uses.VALIDATION,
    settings=settings,
    grid={"weight": (0.5, 1.0), "learning_rate": Times((1.0, 0.5))},
    train=train,
    reads={"generated": ALL, "pruned": ALL},
)

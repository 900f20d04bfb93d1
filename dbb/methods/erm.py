"""ERM: plain cross-entropy, no group label used. Here it is tuned and selected as all others are; the base model, on
which other methods build, is `dbb.stages.erm`.
"""

from dbb.benchmarks.entry import Benchmark, TrainingSettings
from dbb.methods.given import Given
from dbb.methods.method import Method, Times, Trained, Uses
from dbb.stages.erm import cross_entropy_loss

PAPER = {
    "waterbirds": TrainingSettings(100, 32, 1e-3, 1e-3, "sgd", "constant", "crop"),
    "celeba": TrainingSettings(50, 128, 1e-3, 1e-4, "sgd", "constant", "crop"),
    "metashift": TrainingSettings(100, 16, 1e-3, 1e-4, "sgd", "constant", "crop"),
}
"""Benchmark -> the published recipe: of DFR's repository (PolinaKirichenko/deep_feature_reweighting at 9d8d5de) for the
first two, of DISC's (Wuyxin/DISC at d9865a8) for MetaShift.
"""


GRID = {"learning_rate": Times((1.0, 0.3)), "weight_decay": Times((1.0, 10.0))}
"""Field -> values to try, the published among them; also of the methods that change nothing but images or weights."""


def settings(benchmark: Benchmark) -> TrainingSettings:
    """Return the published recipe, or the benchmark's own."""
    return PAPER.get(benchmark.name, benchmark.erm)


def train(given: Given, settings: TrainingSettings) -> Trained:
    """Train a new classifier plainly."""
    return given.fit(given.fresh(), cross_entropy_loss, settings)


METHOD = Method(
    name="erm", title="ERM", cites="", changes="nothing", uses=Uses.NOTHING, settings=settings, grid=GRID, train=train
)

"""A benchmark of a few small pictures, and what a method is given of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import TrainingSettings, get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.input_format import InputFormat
from dbb.methods.given import Given
from dbb.methods.method import AVERAGE, WORST_GROUP, Uses
from dbb.models.classifier import load_classifier

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
EVERYTHING = Uses.SELECTION | Uses.TRAINING | Uses.VALIDATION


@pytest.fixture(scope="session")
def few(tmp_path_factory) -> Benchmark:
    """mini-waterbirds' words on pictures of 16 px, with two short epochs on a tiny network."""
    return replace(
        get_benchmark("mini-waterbirds"),
        input_format=FORMAT,
        classifier=make_backbone(tmp_path_factory.mktemp("backbone")),
        erm=TrainingSettings(epochs=2, batch_size=16, learning_rate=1e-2, weight_decay=1e-4),
    )


@pytest.fixture
def given(few) -> Callable[..., Given]:
    """Return what a method with ``uses`` is given of 70 training and 40 validation pictures, classes 0 and 1 (bright),
    attributes 0 and 1 at random, base model untrained; ``how`` replaces fields of `Given`.
    """

    def make(uses: Uses = EVERYTHING, **how: Any) -> Given:
        made = Given(
            few,
            0,
            bright_and_dark(70, 0),
            bright_and_dark(40, 1),
            load_classifier(few.classifier, 2, 0).eval(),
            uses,
            (WORST_GROUP, AVERAGE),
            torch.device("cpu"),
        )
        return replace(made, **how)

    return make

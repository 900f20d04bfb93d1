"""The optimisers and schedules are those that the settings name."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dbb.benchmarks import TrainingSettings
from dbb.errors import InputError
from dbb.training import make_optimiser, make_schedule

SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)


@pytest.mark.parametrize(
    "optimiser, expected",
    [
        ("sgd", lambda w, g: w - 0.1 * (g + 0.5 * w)),
        ("adam", lambda w, g: w - 0.1 * torch.sign(g + 0.5 * w)),
        ("adamw", lambda w, g: w * (1 - 0.1 * 0.5) - 0.1 * torch.sign(g)),
    ],
)
def test_the_first_step_is_the_optimisers(optimiser, expected):
    layer = torch.nn.Linear(3, 1, bias=False).double()
    before = layer.weight.detach().clone()
    settings = replace(SETTINGS, optimiser=optimiser, learning_rate=0.1, weight_decay=0.5)
    step = make_optimiser(layer, settings)
    layer(torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)).sum().backward()
    step.step()
    torch.testing.assert_close(layer.weight.detach(), expected(before, layer.weight.grad), atol=1e-6, rtol=1e-6)


def test_sgd_has_momentum_of_nine_tenths():
    layer = torch.nn.Linear(3, 1, bias=False).double()
    before = layer.weight.detach().clone()
    step = make_optimiser(layer, replace(SETTINGS, optimiser="sgd", learning_rate=0.1, weight_decay=0.0))
    for _ in range(2):
        step.zero_grad()
        layer(torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)).sum().backward()
        step.step()
    torch.testing.assert_close(layer.weight.detach(), before - 0.1 * (1 + 1.9) * layer.weight.grad)


@pytest.mark.parametrize(
    "schedule, share", [("constant", lambda done: 1.0), ("cosine", lambda done: (1 + np.cos(np.pi * done)) / 2)]
)
def test_the_learning_rate_stays_or_falls_to_nothing(schedule, share):
    settings = replace(SETTINGS, schedule=schedule, learning_rate=0.1, epochs=3)
    optimiser = make_optimiser(torch.nn.Linear(2, 1), settings)
    steps = make_schedule(optimiser, settings, n_batches=4)
    for step in range(13):
        assert optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * share(step / 12), abs=1e-9)
        optimiser.step()
        steps.step()


def test_unknown_ones_are_refused():
    layer = torch.nn.Linear(2, 1)
    with pytest.raises(InputError, match="unknown optimiser 'adamax': choose one of adamw, adam, sgd"):
        make_optimiser(layer, replace(SETTINGS, optimiser="adamax"))
    with pytest.raises(InputError, match="unknown schedule 'linear': choose 'cosine' or 'constant'"):
        make_schedule(make_optimiser(layer, SETTINGS), replace(SETTINGS, schedule="linear"), 4)

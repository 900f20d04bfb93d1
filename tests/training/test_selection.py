"""What is measured after an epoch, by hand, and what an epoch is chosen by."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from standins import bright_and_dark

from dbb.input_format import InputFormat
from dbb.training import measure, worst_group_first

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
IMAGES = replace(bright_and_dark(40, 1), labels=np.arange(40) % 2)


class SaysRed(torch.nn.Module):
    """Says class 1 of pictures whose first pixel is red, whatever their label."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, images):
        red = images[:, 0, 0, 0] * self.weight
        return torch.stack([-red, red], dim=1)


def test_the_accuracies_are_those_of_the_larger_logit_in_each_group():
    metrics = measure(SaysRed(), IMAGES, np.array([40, 30, 20, 10]), FORMAT, (1, 2, 3, 4))
    said = IMAGES.pixels(range(40), 16)[:, 0, 0, 0].numpy() > 127
    right = said == IMAGES.labels
    groups = [right[IMAGES.groups == group].mean() for group in range(4)]
    assert len(set(groups)) == 4, "the groups differ"
    assert list(metrics.group_accuracy) == pytest.approx(groups)
    assert metrics.worst_group == pytest.approx(min(groups)) and metrics.average == pytest.approx(right.mean())
    assert metrics.weighted_average == pytest.approx(np.dot([0.4, 0.3, 0.2, 0.1], groups))
    assert metrics.full_weighted_average == pytest.approx(np.dot([0.1, 0.2, 0.3, 0.4], groups))
    assert measure(SaysRed(), IMAGES, np.ones(4, int), FORMAT).full_weighted_average is None


def test_an_epoch_is_chosen_by_the_worst_group_and_then_by_the_average():
    metrics = measure(SaysRed(), IMAGES, np.ones(4, int), FORMAT)
    assert worst_group_first(metrics) == (metrics.worst_group, metrics.average)
    assert metrics.worst_group < metrics.average

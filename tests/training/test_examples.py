"""Several image sets read as one."""

import numpy as np
import pytest
import torch
from standins import bright_and_dark

from dbb.errors import InputError
from dbb.training import Examples, examples

TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)


def test_examples_read_several_sets_as_one():
    parts = [np.zeros(70), np.ones(40)]
    both = Examples([TRAIN, VAL.subset([]), VAL], [parts[0], np.zeros(0), parts[1]], 16)
    assert len(both) == 110
    expected = torch.stack([VAL.pixels([9], 16)[0], TRAIN.pixels([69], 16)[0], VAL.pixels([0], 16)[0]])
    assert torch.equal(both.pixels(np.array([79, 69, 70])), expected)
    assert both.labels.tolist() == [*TRAIN.labels, *VAL.labels]
    assert both.part.tolist() == [0] * 70 + [1] * 40


@pytest.mark.parametrize("limit", [examples.IN_MEMORY_BYTES, 0], ids=["in memory", "batch by batch"])
def test_a_position_may_come_more_than_once(monkeypatch, limit):
    monkeypatch.setattr(examples, "IN_MEMORY_BYTES", limit)
    pixels = Examples([TRAIN, VAL], [np.zeros(70), np.ones(40)], 16).pixels(np.array([3, 109, 3]))
    assert torch.equal(pixels, torch.cat([TRAIN.pixels([3], 16), VAL.pixels([39], 16), TRAIN.pixels([3], 16)]))


def test_no_images_are_refused():
    with pytest.raises(InputError, match="training split is empty"):
        Examples([TRAIN.subset([])], [np.zeros(0)], 16)

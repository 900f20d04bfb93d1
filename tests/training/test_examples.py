"""Several image sets read as one."""

from dataclasses import replace

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
    assert both.part.tolist() == [0] * 70 + [1] * 40 and both.part.dtype == torch.int64


@pytest.mark.parametrize("limit", [examples.IN_MEMORY_BYTES, 0], ids=["in memory", "batch by batch"])
def test_a_position_may_come_more_than_once(monkeypatch, limit):
    monkeypatch.setattr(examples, "IN_MEMORY_BYTES", limit)
    pixels = Examples([TRAIN, VAL], [np.zeros(70), np.ones(40)], 16).pixels(np.array([3, 109, 3]))
    assert torch.equal(pixels, torch.cat([TRAIN.pixels([3], 16), VAL.pixels([39], 16), TRAIN.pixels([3], 16)]))


class Counted:
    """The pictures of a set, and how many images were read at a time."""

    def __init__(self, source):
        self.source, self.reads = source, []

    def read(self, indices, size):
        self.reads.append(len(indices))
        return self.source.read(indices, size)


@pytest.mark.parametrize(("limit", "reads"), [(10 * 3 * 16 * 16, [10]), (10 * 3 * 16 * 16 - 1, [2, 1])])
def test_what_fits_into_memory_is_read_once_and_a_larger_set_batch_by_batch(monkeypatch, limit, reads):
    monkeypatch.setattr(examples, "IN_MEMORY_BYTES", limit)
    ten = TRAIN.subset(range(10))
    ten = replace(ten, source=Counted(ten.source))
    some = Examples([ten], [np.zeros(10)], 16)
    for positions in ([3, 4], [9]):
        some.pixels(np.array(positions))
    assert ten.source.reads == reads


def test_no_images_are_refused():
    with pytest.raises(InputError, match="training split is empty"):
        Examples([TRAIN.subset([])], [np.zeros(0)], 16)

"""Plain training's batches: every image once an epoch, shuffled, in batches of nearly equal size."""

import numpy as np
import pytest
import torch

from dbb.seeds import stage_generator
from dbb.training import shuffled_batches


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"), [(70, 16, [14] * 5), (10, 4, [4, 3, 3]), (8, 4, [4, 4]), (3, 16, [3])]
)
def test_batches_are_of_nearly_equal_size_and_hold_every_image_once(n, batch_size, sizes):
    batches = shuffled_batches(n, batch_size)(torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == sizes
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))


def test_the_default_sampler_shuffles_by_the_epochs_generator():
    batches = shuffled_batches(70, 16)(stage_generator("test", 0, 1))
    order = torch.randperm(70, generator=stage_generator("test", 0, 1))
    assert np.concatenate(batches).tolist() == order.tolist()

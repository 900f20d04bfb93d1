"""The samplers that methods share."""

import numpy as np
import pytest
import torch

from dbb.errors import InputError
from dbb.methods.sampling import balanced_subset, balancing_weights, batches_of, weighted_batches


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_batches_of_positions_that_repeat_have_each_as_often_as_it_stands_there():
    positions = np.array([9, 4, 4, 7, 7, 7, 0])
    batches = batches_of(positions, 3)(seeded())
    assert sorted(map(len, batches)) == [2, 2, 3]
    assert sorted(np.concatenate(batches).tolist()) == sorted(positions.tolist())
    again, other = (np.concatenate(batches_of(np.arange(50), 7)(seeded(seed))) for seed in (3, 4))
    assert again.tolist() != other.tolist() and again.tolist() != list(range(50))
    assert again.tolist() == np.concatenate(batches_of(np.arange(50), 7)(seeded(3))).tolist()


def test_an_image_is_drawn_in_proportion_to_its_weight_and_as_many_as_there_are():
    weights = np.array([0.0, 1.0, 2.0, 5.0, 0.0, 2.0, 0.0])
    draw = weighted_batches(weights, 3)
    epochs = [draw(seeded(seed)) for seed in range(2000)]
    assert {tuple(sorted(map(len, epoch))) for epoch in epochs} == {(2, 2, 3)}
    counts = np.bincount(np.concatenate([np.concatenate(epoch) for epoch in epochs]), minlength=7)
    assert counts.sum() == 2000 * 7 and not counts[weights == 0].any()
    wanted = counts.sum() * weights / weights.sum()
    deviations = (counts - wanted) / np.sqrt(np.maximum(wanted * (1 - weights / weights.sum()), 1))
    assert np.abs(deviations).max() < 4
    assert all(np.array_equal(*pair) for pair in zip(draw(seeded(9)), draw(seeded(9)), strict=True))


def test_balancing_weights_give_every_group_that_is_there_the_same():
    groups = np.array([0, 0, 0, 5, 5, 3])
    weights = balancing_weights(groups)
    assert weights.tolist() == pytest.approx([6 / sum(h == g for h in groups) for g in groups])
    assert {weights[groups == g].sum().round(12) for g in (0, 3, 5)} == {6.0}
    assert weights.dtype == np.float64


GROUPS = np.random.default_rng(0).permutation(np.repeat([0, 1, 4, 6], [30, 3, 12, 5]))


def test_a_balanced_subset_has_of_every_group_as_many_as_the_smallest():
    subset = balanced_subset(GROUPS, seeded())
    assert np.bincount(GROUPS[subset], minlength=7).tolist() == [3, 3, 0, 0, 3, 0, 3]
    assert (np.diff(subset) > 0).all() and subset.dtype == np.int64
    assert set(np.flatnonzero(GROUPS == 1)) <= set(subset.tolist())
    assert subset.tolist() == balanced_subset(GROUPS, seeded()).tolist()
    assert subset.tolist() != balanced_subset(GROUPS, seeded(1)).tolist()


def test_each_image_of_a_larger_group_is_as_likely_in_the_subset():
    counts = sum(np.bincount(balanced_subset(GROUPS, seeded(seed)), minlength=50) for seed in range(1500))
    shares = counts / 1500
    assert shares[GROUPS == 0] == pytest.approx(np.full(30, 3 / 30), abs=0.04)
    assert shares[GROUPS == 6] == pytest.approx(np.full(5, 3 / 5), abs=0.06)


def test_there_must_be_images_to_balance():
    with pytest.raises(InputError, match="no images to balance"):
        balanced_subset(np.array([], int), seeded())

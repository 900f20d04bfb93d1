"""Which samples the losses single out."""

from operator import itemgetter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standins import bright_and_dark

from dbb.errors import InputError
from dbb.seeds import stage_generator
from dbb.stages.outputs import outputs_of
from dbb.stages.selection import easiest, highest_loss, lowest_loss, lowest_loss_by_batch


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=40), st.integers(1, 50))
def test_ranking_is_a_stable_sort_of_the_class(samples, k):
    losses, labels = np.array([s[0] for s in samples], dtype=float), np.array([s[1] for s in samples])
    label = labels[0]
    members = [n for n in range(len(labels)) if labels[n] == label]
    assert lowest_loss(losses, labels, label, k).tolist() == sorted(members, key=lambda n: losses[n])[:k]
    assert highest_loss(losses, labels, label, k).tolist() == sorted(members, key=lambda n: -losses[n])[:k]
    by_one = lowest_loss_by_batch(losses, labels, label, k, batch_size=1, seed=0)
    assert losses[by_one].tolist() == losses[lowest_loss(losses, labels, label, k)].tolist()


def test_ranking_by_batch_lets_a_bad_sample_in_with_good_neighbours():
    rng = np.random.default_rng(0)
    losses, labels = rng.exponential(size=4000), np.zeros(4000, dtype=int)
    own, batch = (
        losses[lowest_loss(losses, labels, 0, 1000)],
        losses[lowest_loss_by_batch(losses, labels, 0, 1000, 32, seed=0)],
    )
    assert own.max() < 0.3
    assert batch.max() > 2
    assert own.mean() < batch.mean() < losses.mean()


def test_images_of_the_batch_that_k_cuts_come_in_the_loader_s_order():
    losses, labels = np.arange(12.0), np.zeros(12, dtype=int)
    whole = lowest_loss_by_batch(losses, labels, 0, 12, batch_size=12, seed=3)
    loaded = torch.randperm(12, generator=stage_generator("batch ranking", 3)).tolist()
    assert whole.tolist() == loaded != sorted(loaded)
    assert lowest_loss_by_batch(losses, labels, 0, 5, batch_size=12, seed=3).tolist() == loaded[:5]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_ranking_by_batch_is_a_stable_sort_of_the_loader_s_images(n, batch_size, seed):
    rng = np.random.default_rng(seed)
    losses, labels = rng.integers(0, 3, n).astype(float), rng.integers(0, 2, n)
    loaded = torch.randperm(n, generator=stage_generator("batch ranking", seed)).tolist()
    batches = [loaded[start : start + batch_size] for start in range(0, n, batch_size)]
    ranked = sorted(((sum(losses[batch]) / len(batch), i) for batch in batches for i in batch), key=itemgetter(0))
    label = int(labels[0])
    expected = [i for _, i in ranked if labels[i] == label]
    assert lowest_loss_by_batch(losses, labels, label, n, batch_size, seed).tolist() == expected


def test_ranking_refuses_what_it_cannot_rank():
    losses, labels = np.array([0.5, np.nan]), np.array([0, 1])
    for label, k, message in ((2, 1, "class 2 has no image"), (0, 0, "k = 0"), (1, 1, "not finite")):
        with pytest.raises(InputError, match=message):
            lowest_loss(losses, labels, label, k)


def test_the_named_rankings_are_the_two_functions():
    outputs = outputs_of(torch.randn(40, 2), bright_and_dark(40, 0))
    losses, labels = outputs.losses, outputs.labels
    assert easiest(outputs, 0, 5, "own loss", 8, 1).tolist() == lowest_loss(losses, labels, 0, 5).tolist()
    by_batch = lowest_loss_by_batch(losses, labels, 0, 5, 8, 1)
    assert easiest(outputs, 0, 5, "batch loss", 8, 1).tolist() == by_batch.tolist()
    with pytest.raises(InputError, match="unknown ranking 'best'"):
        easiest(outputs, 0, 5, "best", 8, 1)


def test_of_many_equal_losses_the_first_come_first():
    losses, labels = np.arange(1000) % 3.0, np.zeros(1000, dtype=int)
    order = sorted(range(1000), key=lambda n: losses[n])
    assert lowest_loss(losses, labels, 0, 600).tolist() == order[:600]
    assert highest_loss(losses, labels, 0, 600).tolist() == sorted(range(1000), key=lambda n: -losses[n])[:600]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_of_no_image_are_refused(batch_size):
    with pytest.raises(InputError, match=f"ranking_batch_size = {batch_size}: give 1 or more"):
        lowest_loss_by_batch(np.ones(3), np.zeros(3, dtype=int), 0, 1, batch_size, 0)

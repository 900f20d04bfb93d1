"""Random subsampling: which images are kept, how often they come, and its training."""

import numpy as np
import pytest
import torch
from method_standins import uneven

from dbb.errors import InputError
from dbb.methods import subsampled
from dbb.methods.method import WORST_GROUP, Uses
from dbb.stages.erm import cross_entropy_loss

DECLARED = Uses.TRAINING | Uses.SELECTION


@pytest.mark.parametrize("n, times", [(3, 1), (4, 1), (5, 2), (9, 3), (30, 10)])
def test_the_subset_is_gone_through_as_often_as_comes_closest(n, times):
    positions = np.array([4, 9, 2])
    found = subsampled.repeated(positions, n)
    assert len(found) == 3 * times and [int((found == i).sum()) for i in (4, 9, 2)] == [times] * 3


def epoch_of(given, few, monkeypatch, seed):
    fitted = []
    monkeypatch.setattr(type(given()), "fit", lambda self, *how, measured: fitted.append((*how, measured["images"])))
    subsampled.train(given(DECLARED, train_set=uneven(), seed=seed), few.erm)
    model, loss, settings, sampler, images = fitted[0]
    assert loss is cross_entropy_loss and settings == few.erm and images == 18
    assert torch.equal(model.head.weight, given(seed=seed).fresh().head.weight)
    return [sampler(torch.Generator().manual_seed(epoch)) for epoch in range(2)]


def test_an_epoch_has_the_same_few_images_of_every_group_and_as_many_batches_as_plain_training(given, few, monkeypatch):
    first, second = epoch_of(given, few, monkeypatch, seed=0)
    counts = np.bincount(np.concatenate(first), minlength=66)
    assert set(counts[counts > 0]) == {4} and len(first) == 5  # 18 images, 4 times: 72, by 16; 66 by 16 were 5
    groups = uneven().groups
    assert np.bincount(groups[counts > 0], minlength=4).tolist() == [6, 6, 6, 0]
    assert np.array_equal(np.bincount(np.concatenate(second), minlength=66), counts)
    assert np.concatenate(first).tolist() != np.concatenate(second).tolist()
    again, other = (epoch_of(given, few, monkeypatch, seed)[0] for seed in (0, 1))
    assert set(np.concatenate(again)) == set(np.concatenate(first)) != set(np.concatenate(other))


def test_it_trains_on_what_it_declares_with_the_same_bits(given, few):
    done = [subsampled.train(given(DECLARED, train_set=uneven()), few.erm) for _ in range(2)]
    for name, value in done[0].weights[WORST_GROUP].items():
        assert torch.equal(value, done[1].weights[WORST_GROUP][name]), name
    assert done[0].measured["images"] == 18 and len(done[0].measured["losses"]) == 2
    assert DECLARED == subsampled.METHOD.uses
    with pytest.raises(InputError, match="does not declare them"):
        subsampled.train(given(Uses.SELECTION), few.erm)

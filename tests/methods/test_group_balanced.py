"""Group-balanced sampling: plain training on batches in which groups come equally often."""

import numpy as np
import pytest
import torch
from method_standins import uneven

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import erm, group_balanced
from dbb.methods.method import WORST_GROUP, Uses
from dbb.stages.erm import cross_entropy_loss

DECLARED = Uses.TRAINING | Uses.SELECTION


def test_groups_that_are_there_come_equally_often_in_every_batch(given, few, monkeypatch):
    fitted, images = [], uneven()
    monkeypatch.setattr(type(given()), "fit", lambda self, *how: fitted.append(how))
    group_balanced.train(given(DECLARED, train_set=images, seed=3), few.erm)
    model, loss, settings, sampler = fitted[0]
    assert loss is cross_entropy_loss and settings == few.erm
    assert torch.equal(model.head.weight, given(seed=3).fresh().head.weight)  # and not the base model's
    epochs = [sampler(torch.Generator().manual_seed(seed)) for seed in range(300)]
    assert all(sum(map(len, epoch)) == 66 and max(map(len, epoch)) <= 16 for epoch in epochs)
    for batch in range(len(epochs[0])):
        drawn = np.concatenate([epoch[batch] for epoch in epochs])
        shares = np.bincount(images.groups[drawn], minlength=4) / len(drawn)
        assert shares == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=0.03)


def test_it_trains_on_what_it_declares_with_the_same_bits(given, few):
    done = [group_balanced.train(given(DECLARED, train_set=uneven()), few.erm) for _ in range(2)]
    for name, value in done[0].weights[WORST_GROUP].items():
        assert torch.equal(value, done[1].weights[WORST_GROUP][name]), name
    assert DECLARED == group_balanced.METHOD.uses
    with pytest.raises(InputError, match="does not declare them"):
        group_balanced.train(given(Uses.SELECTION), few.erm)


def test_it_is_tuned_around_the_recipe_of_plain_training():
    benchmark = get_benchmark("waterbirds")
    assert erm.settings(benchmark) in group_balanced.METHOD.trials(benchmark)

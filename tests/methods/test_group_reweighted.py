"""Reweighting by group size: the weights, the loss, and its training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_standins import uneven
from torch.nn.functional import cross_entropy

from dbb.errors import InputError
from dbb.methods import group_reweighted
from dbb.methods.method import WORST_GROUP, Uses

DECLARED = Uses.TRAINING | Uses.SELECTION


def test_every_group_that_is_there_weighs_the_same_and_the_mean_weight_is_1():
    groups = np.array([2, 0, 0, 5, 0, 2, 0])  # 1, 3 and 4 are missing
    weights = group_reweighted.group_weights(groups)
    assert weights.tolist() == pytest.approx([7 / (3 * sum(h == g for h in groups)) for g in groups])
    assert [weights[groups == g].sum() for g in (0, 2, 5)] == pytest.approx([7 / 3] * 3)
    assert weights.mean() == pytest.approx(1) and weights.dtype == np.float64


def test_over_all_images_the_loss_is_the_mean_of_the_groups_losses():
    groups, losses = np.array([2, 0, 0, 5, 0, 2, 0]), torch.arange(1, 8, dtype=torch.float64) ** 2
    found = group_reweighted.weighted_mean(losses, torch.from_numpy(group_reweighted.group_weights(groups)))
    assert found.item() == pytest.approx(np.mean([losses.numpy()[groups == g].mean() for g in (0, 2, 5)]), rel=1e-12)
    assert found.dtype == torch.float64


def test_batches_of_small_groups_count_more():
    losses, weights = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.5])
    assert group_reweighted.weighted_mean(losses, weights).item() == pytest.approx((2 + 1.5) / 2)
    assert group_reweighted.weighted_mean(losses, 2 * weights).item() == pytest.approx(2 + 1.5)


def test_a_step_goes_down_the_mean_of_the_groups_losses(given, few):
    settings = replace(few.erm, augmentation="none", optimiser="sgd", schedule="constant", weight_decay=0.0, epochs=1)
    this = given(DECLARED, train_set=uneven(), seed=3)  # not the base model's, so that a new head can be told
    done = group_reweighted.train(this, replace(settings, batch_size=70, learning_rate=0.5))
    model = this.fresh().train()
    images = this.examples.pixels(np.arange(66)).float().div(255).sub(0.5).div(0.25)
    losses = cross_entropy(model(images), torch.from_numpy(this.labels), reduction="none")
    loss = torch.stack([losses[this.train_set.groups == g].mean() for g in (0, 1, 2)]).mean()
    loss.backward()
    for name, parameter in model.named_parameters():
        moved = parameter.detach() - 0.5 * parameter.grad
        assert torch.allclose(done.weights[WORST_GROUP][name], moved, atol=1e-4), name
    assert done.measured["losses"] == pytest.approx([loss.item()], rel=1e-5)


def test_it_trains_on_what_it_declares_with_the_same_bits(given, few):
    done = [group_reweighted.train(given(DECLARED, train_set=uneven()), few.erm) for _ in range(2)]
    for name, value in done[0].weights[WORST_GROUP].items():
        assert torch.equal(value, done[1].weights[WORST_GROUP][name]), name
    assert DECLARED == group_reweighted.METHOD.uses
    with pytest.raises(InputError, match="does not declare them"):
        group_reweighted.train(given(Uses.SELECTION), few.erm)

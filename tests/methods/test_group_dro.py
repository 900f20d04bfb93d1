"""Group-DRO: the groups' losses and weights over batches, against loops, and its training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_standins import Table, batch, uneven

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import group_dro
from dbb.methods.method import WORST_GROUP, Trained, Uses


def test_a_group_s_loss_is_the_mean_over_its_images_and_0_where_it_is_absent():
    losses = torch.tensor([1.0, 2.0, 4.0, 0.5], dtype=torch.float64)
    found = group_dro.group_losses(losses, torch.tensor([3, 0, 3, 3]), 5)
    assert found.tolist() == pytest.approx([2, 0, 0, 5.5 / 3, 0], rel=1e-12) and found.dtype == torch.float64


def test_the_adjustment_is_by_the_root_of_a_group_s_size_and_spares_groups_without_images():
    losses = torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    found = group_dro.adjusted(losses, torch.tensor([4, 9, 0]), 6.0)
    assert found.tolist() == pytest.approx([4, 2, 2], rel=1e-12)
    assert torch.equal(group_dro.adjusted(losses, torch.tensor([4, 9, 0]), 0.0), losses)


def test_weights_grow_by_the_exponential_of_the_loss_and_sum_to_1():
    q, losses = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64), torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    grown = np.array([0.5, 0.25 * np.exp(0.6), 0.25 * np.exp(0.3)])
    assert group_dro.updated(q, losses, 0.3).tolist() == pytest.approx((grown / grown.sum()).tolist(), rel=1e-12)


GROUPS = np.array([0, 0, 0, 0, 1, 3, 3, 4, 4, 4, 5, 5, 0, 3])  # three classes, two attributes; none of group 2
LABELS = GROUPS // 2


@pytest.mark.parametrize("adjustment", [0.0, 1.5])
def test_the_loss_over_batches_is_the_official_one(adjustment):
    """Loops over groups: q <- q exp(eta (l + C / sqrt(n))), normalised, then sum q (l + C / sqrt(n))."""
    counts = np.bincount(GROUPS, minlength=6)
    loss = group_dro.RobustLoss(torch.from_numpy(GROUPS), torch.from_numpy(counts), 0.2, adjustment)
    q, rng = np.array([0.2 if n else 0.0 for n in counts]), np.random.default_rng(0)
    for at in ([0, 1, 5, 4, 10], [0, 2, 3, 12], [7, 8, 9, 10, 11, 13, 4]):  # no batch has all groups
        z = rng.normal(size=(14, 3)) * 2
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        losses, members = np.zeros(6), np.zeros(6)
        for i in at:
            members[GROUPS[i]] += 1
            losses[GROUPS[i]] += -np.log(p[i, LABELS[i]])
        for group in range(6):
            losses[group] /= max(members[group], 1)
            if counts[group]:
                losses[group] += adjustment / np.sqrt(counts[group])
            q[group] *= np.exp(0.2 * losses[group])
        q /= q.sum()
        model = Table(torch.from_numpy(z))
        found = loss(model, batch(at, torch.from_numpy(LABELS)))
        assert found.dtype == torch.float64 and found.item() == pytest.approx(q @ losses, rel=1e-12)
        assert np.allclose(loss.q.numpy(), q, rtol=1e-12, atol=0)
        (gradient,) = torch.autograd.grad(found, model.logits)  # q counts as given
        for i in at:
            mine = (p[i] - np.eye(3)[LABELS[i]]) * q[GROUPS[i]] / members[GROUPS[i]]
            assert np.allclose(gradient[i].numpy(), mine, rtol=1e-10)


def test_a_stopped_training_has_its_weights_again():
    counts = torch.from_numpy(np.bincount(GROUPS, minlength=6))
    first, second = (group_dro.RobustLoss(torch.from_numpy(GROUPS), counts, 0.2, 0.0) for _ in range(2))
    assert first.q.tolist() == pytest.approx([0.2, 0.2, 0, 0.2, 0.2, 0.2])
    first(Table(torch.randn(14, 3)), batch([0, 5, 7], torch.from_numpy(LABELS)))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.q, second.q) and first.q.std() > 0


def test_it_trains_on_what_it_declares_with_the_same_bits_where_a_group_is_missing(given, few):
    settings = replace(group_dro.settings(few), epochs=1)
    done = [
        group_dro.train(given(Uses.TRAINING | Uses.SELECTION, train_set=uneven()), replace(settings, step=step))
        for step in (0.5, 0.5, 0.0)
    ]
    for name, value in done[0].weights[WORST_GROUP].items():
        assert torch.equal(value, done[1].weights[WORST_GROUP][name]), name
    q = done[0].measured["q"]
    assert sum(q) == pytest.approx(1, abs=1e-6) and q[3] == 0 and min(q[:3]) > 0 and len(set(q)) == 4
    assert done[2].measured["q"] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    with pytest.raises(InputError, match="does not declare them"):
        group_dro.train(given(Uses.SELECTION), settings)


def test_batches_have_all_groups_equally_often(given, few, monkeypatch):
    fitted, images = [], uneven()
    monkeypatch.setattr(type(given()), "fit", lambda self, *how: fitted.append(how) or Trained({}))
    group_dro.train(given(train_set=images, seed=3), group_dro.settings(few))
    assert torch.equal(fitted[0][0].head.weight, given(seed=3).fresh().head.weight)  # and not the base model's
    drawn = [np.concatenate(fitted[0][3](torch.Generator().manual_seed(i))) for i in range(200)]
    shares = np.bincount(images.groups[np.concatenate(drawn)], minlength=4) / (200 * len(images))
    assert shares == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=0.02)


@pytest.mark.parametrize("wrong", [{"step": -0.1}, {"adjustment": -1.0}])
def test_wrong_settings_are_refused(few, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name} = {value}: give 0 or more"):
        replace(group_dro.settings(few), **wrong)


@pytest.mark.parametrize("name", ["waterbirds", "celeba", "metashift", "mini-waterbirds"])
def test_the_settings_to_begin_with_are_among_the_trials(name):
    benchmark = get_benchmark(name)
    assert group_dro.settings(benchmark).step == 0.01 and group_dro.settings(benchmark).adjustment == 0
    assert group_dro.settings(benchmark) in group_dro.METHOD.trials(benchmark)

"""IRM: the penalty, its estimate from batches, its weight over a training, and the training."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from method_standins import Table, batch
from standins import bright_and_dark

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import irm
from dbb.methods.method import WORST_GROUP, Uses


def drawn(n, n_classes, seed=0):
    """Return logits, float64 (n, C), and labels (n,)."""
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, n_classes, generator=rng, dtype=torch.float64)
    return logits, torch.randint(n_classes, (n,), generator=rng)


def gradients(logits, labels):
    """By hand: d/dw (log sum_c exp(w z_c) - w z_y) at w = 1 is sum_c p_c z_c - z_y, for each image."""
    z = logits.detach().numpy()
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return (p * z).sum(1) - z[np.arange(len(z)), labels.numpy()]


def cross_entropies(logits, labels):
    z = logits.detach().numpy()
    return np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), labels.numpy()]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_penalty_is_the_squared_derivative_by_a_multiplier(n_classes):
    logits, labels = drawn(7, n_classes)
    assert irm.penalty(logits, labels).item() == pytest.approx(gradients(logits, labels).mean() ** 2, rel=1e-12)
    assert irm.penalty(logits, labels).dtype == torch.float64
    assert irm.penalty(logits.float(), labels).dtype == torch.float32


def test_both_penalties_can_be_learnt_from():
    logits, labels = drawn(5, 3)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: irm.penalty(z, labels), logits)
    assert torch.autograd.gradcheck(lambda z: irm.unbiased_penalty(z, labels), logits)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_the_estimate_multiplies_even_and_odd_positions(n):
    logits, labels = drawn(n, 3, seed=n)
    g = gradients(logits, labels)
    assert irm.unbiased_penalty(logits, labels).item() == pytest.approx(g[::2].mean() * g[1::2].mean(), rel=1e-12)


def test_the_estimate_is_right_in_the_mean_and_the_square_is_not():
    logits, labels = drawn(4, 2, seed=3)
    g = gradients(logits, labels)
    pairs = [g[i] * g[j] for i in range(4) for j in range(4) if i != j]  # all pairs of different images
    orders = [list(order) for order in permutations(range(4))]
    estimates = [irm.unbiased_penalty(logits[order], labels[order]).item() for order in orders]
    assert np.mean(estimates) == pytest.approx(np.mean(pairs), rel=1e-10)
    assert irm.penalty(logits, labels).item() > np.mean(pairs) + 0.01


def test_the_estimate_is_negative_where_the_halves_disagree():
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    assert irm.unbiased_penalty(logits, torch.tensor([0, 1])).item() < -0.1


def test_one_image_alone_gives_no_estimate():
    logits, labels = drawn(1, 3)
    assert irm.unbiased_penalty(logits, labels).item() == 0


def test_every_environment_that_is_there_counts_the_same():
    logits, labels = drawn(12, 3, seed=1)
    environments = torch.tensor([4, 0, 0, 4, 4, 0, 4, 4, 2, 4, 4, 4])  # 1 and 3 are absent, 2 is there once
    risks, penalties = [], []
    for one in (0, 2, 4):
        here = environments == one
        g = gradients(logits[here], labels[here])
        risks.append(cross_entropies(logits[here], labels[here]).mean())
        penalties.append(g[::2].mean() * g[1::2].mean() if len(g) > 1 else 0.0)
    risk, penalty = irm.means_over_environments(logits, labels, environments)
    assert risk.item() == pytest.approx(np.mean(risks), rel=1e-12)
    assert penalty.item() == pytest.approx(np.mean(penalties), rel=1e-12)


def test_the_weight_sets_in_at_its_step_and_divides_the_loss_only_above_1():
    assert [irm.penalty_weight(step, 2, 50.0) for step in range(4)] == [1, 1, 50, 50]
    assert irm.penalty_weight(0, 0, 50.0) == 50
    risk, penalty = torch.tensor(2.0, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    assert irm.penalised(risk, penalty, 50.0).item() == pytest.approx((2 + 15) / 50)
    assert irm.penalised(risk, penalty, 1.0).item() == pytest.approx(2.3)
    assert irm.penalised(risk, penalty, 0.5).item() == pytest.approx(2.15)


def test_the_loss_looks_up_environments_and_counts_its_batches():
    logits, labels = drawn(30, 3, seed=2)
    environments = torch.arange(30) % 2
    loss, model = irm.InvariantLoss(environments, anneal_steps=2, weight=20.0), Table(logits)
    rng = np.random.default_rng(0)
    for step in range(4):
        at = rng.permutation(30)[:11]
        weight = 20.0 if step >= 2 else 1.0
        terms = []
        for one in (0, 1):
            here = at[at % 2 == one]
            g = gradients(logits[here], labels[here])
            risk = cross_entropies(logits[here], labels[here]).mean()
            terms.append((risk + weight * g[::2].mean() * g[1::2].mean()) / weight)
        assert loss(model, batch(at, labels)).item() == pytest.approx(np.mean(terms), rel=1e-12)
    assert loss.state_dict()["step"] == 4


@pytest.mark.parametrize(
    "wrong, message",
    [({"penalty": -1.0}, "penalty = -1.0: give 0"), ({"anneal": 1.2}, "anneal = 1.2"), ({"anneal": -0.1}, "= -0.1")],
)
def test_wrong_settings_are_refused(few, wrong, message):
    with pytest.raises(InputError, match=message):
        replace(irm.settings(few), **wrong)


def test_settings_are_published_ones_or_the_benchmark_s_training():
    assert irm.settings(get_benchmark("waterbirds")) in irm.METHOD.trials(get_benchmark("waterbirds"))
    assert irm.settings(get_benchmark("waterbirds")).optimiser == "adam"
    mini = get_benchmark("mini-waterbirds")
    assert vars(irm.settings(mini)) == {**vars(mini.erm), "penalty": 100.0, "anneal": 0.1}


def test_it_trains_on_what_it_declares_with_the_same_bits(given):
    settings = replace(irm.settings(given().benchmark), anneal=0.6, epochs=1)
    done = [irm.train(given(Uses.TRAINING | Uses.SELECTION), settings) for _ in range(2)]
    other = irm.train(given(), replace(settings, anneal=1.0))
    for name, value in done[0].weights[WORST_GROUP].items():
        assert torch.equal(value, done[1].weights[WORST_GROUP][name]), name
    assert done[0].measured["losses"] != other.measured["losses"]
    with pytest.raises(InputError, match="does not declare them"):
        irm.train(given(Uses.SELECTION), settings)


def test_environments_are_attributes_equally_likely_and_the_penalty_sets_in_at_its_share(given, monkeypatch):
    made, fitted, real = [], [], irm.InvariantLoss
    monkeypatch.setattr(irm, "InvariantLoss", lambda *how: made.append((real(*how), *how)) or made[-1][0])
    images = bright_and_dark(200, 0)
    kept = [np.flatnonzero(images.groups == group)[:n] for group, n in enumerate((40, 10, 20, 0))]
    this = given(train_set=images.subset(np.concatenate(kept)), seed=3)  # a group is missing
    fit = type(this).fit

    def noted(self, model, loss, settings, sampler):
        fitted.append((model.head.weight.clone(), sampler))
        return fit(self, model, loss, settings, sampler)

    monkeypatch.setattr(type(this), "fit", noted)
    irm.train(this, replace(irm.settings(this.benchmark), anneal=0.6, penalty=7.0))
    ((loss, environments, anneal_steps, weight),) = made
    assert np.array_equal(environments.numpy(), this.train_set.attributes)
    assert (anneal_steps, weight) == (6, 7.0)
    assert loss.step == 10  # two epochs of 70 images by 16, as many as the share is of
    ((head, sampler),) = fitted
    assert torch.equal(head, given(seed=3).fresh().head.weight)  # and not the base model's
    drawn = np.concatenate([np.concatenate(sampler(torch.Generator().manual_seed(i))) for i in range(200)])
    assert this.train_set.attributes[drawn].mean() == pytest.approx(0.5, abs=0.015)

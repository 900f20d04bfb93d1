"""LfF: both losses, the moving averages, the weights, and two networks that train as one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_standins import Table, batch
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import lff
from dbb.methods.method import AVERAGE, Uses
from dbb.models.classifier import untrained_classifier
from dbb.training import loop


def drawn(n, n_classes, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(n, n_classes, generator=rng, dtype=torch.float64)


def softmax(z):
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_the_generalised_cross_entropy_is_the_official_one_with_q_times_the_true_gradient(q):
    logits, labels = drawn(6, 3).requires_grad_(), torch.tensor([0, 1, 2, 2, 1, 0])
    p = softmax(logits.detach().numpy())[np.arange(6), labels.numpy()]
    losses = lff.generalised_cross_entropy(logits, labels, q)
    assert losses.dtype == torch.float64
    assert np.allclose(losses.detach().numpy(), -np.log(p) * p**q * q, rtol=1e-12, atol=0)
    (ours,) = torch.autograd.grad(losses.sum(), logits)
    true = (1 - logits.softmax(1).gather(1, labels[:, None]).squeeze(1) ** q) / q
    (theirs,) = torch.autograd.grad(true.sum(), logits)
    assert torch.allclose(ours, q * theirs, rtol=1e-10, atol=1e-14)


def test_the_first_loss_is_taken_whole_and_a_later_one_by_its_share():
    old, seen = torch.tensor([9.0, 1.0, 2.0], dtype=torch.float64), torch.tensor([False, True, True])
    new = lff.averaged(old, torch.tensor([0.5, 0.0, 4.0], dtype=torch.float64), seen, 0.7)
    assert new.tolist() == pytest.approx([0.5, 0.7, 2.6], rel=1e-12)


def test_maxima_are_of_each_class_and_0_for_a_class_without_images():
    averages = torch.tensor([0.2, 3.0, 0.7, 0.1, 0.4], dtype=torch.float64)
    found = lff.class_maxima(averages, torch.tensor([0, 2, 0, 2, 0]), 4)
    assert found.tolist() == [0.7, 0.0, 3.0, 0.0] and found.dtype == torch.float64


def test_an_image_weighs_by_the_share_that_the_biased_network_has_in_its_loss():
    biased, debiased = torch.tensor([1.0, 0.5, 0.0, 0.0]), torch.tensor([0.0, 0.5, 1.0, 0.0])
    assert lff.relative_difficulty(biased, debiased).tolist() == pytest.approx([1, 0.5, 0, 0])


def by_hand(labels, batches, n_classes, q, memory):
    """The official algorithm in loops: a batch is (indices, logits of the biased, logits of the debiased)."""
    n = len(labels)
    averages, visited = {"b": np.zeros(n), "d": np.zeros(n)}, np.zeros(n)
    for indices, z_b, z_d in batches:
        p = {"b": softmax(z_b), "d": softmax(z_d)}
        total_b = total_d = 0.0
        weights = np.zeros(len(indices))
        for place, i in enumerate(indices):
            for name in "bd":
                loss = -np.log(p[name][place, labels[i]])
                averages[name][i] = memory * averages[name][i] + (1 - memory * visited[i]) * loss
            visited[i] = 1
        for place, i in enumerate(indices):
            largest = {name: max(averages[name][j] for j in range(n) if labels[j] == labels[i]) for name in "bd"}
            b, d = averages["b"][i] / largest["b"], averages["d"][i] / largest["d"]
            weights[place] = b / (b + d + 1e-8)
            p_b = p["b"][place, labels[i]]
            total_b += -np.log(p_b) * p_b**q * q
            total_d += -np.log(p["d"][place, labels[i]]) * weights[place]
        yield (total_b + total_d) / len(indices), weights


def test_the_loss_is_the_official_one_over_batches_in_which_images_come_again():
    rng, labels, n_classes = np.random.default_rng(0), np.array([0, 0, 0, 1, 1, 1, 0, 3, 3, 0, 1, 0]), 4  # none of 2
    visits = [rng.permutation(12)[:7] for _ in range(5)]
    outputs = [(drawn(12, n_classes, 2 * step), drawn(12, n_classes, 2 * step + 1)) for step in range(5)]
    batches = [(at, b[at].numpy(), d[at].numpy()) for at, (b, d) in zip(visits, outputs, strict=True)]
    biased, debiased = Table(outputs[0][0]), Table(outputs[0][1])
    loss = lff.JointLoss(biased, torch.from_numpy(labels), n_classes, q=0.6, memory=0.8)
    wanted = by_hand(labels, batches, n_classes, 0.6, 0.8)
    for at, (b, d), (value, weights) in zip(visits, outputs, wanted, strict=True):
        biased.logits.data, debiased.logits.data = b, d
        found = loss(debiased, batch(at, torch.from_numpy(labels)))
        assert found.dtype == torch.float64 and found.item() == pytest.approx(value, rel=1e-12)
        # each network by its own loss alone: nothing goes back through the weights
        mine, other = torch.autograd.grad(found, [debiased.logits, biased.logits])
        p = softmax(d[at].numpy()) - np.eye(n_classes)[labels[at]]
        assert np.allclose(mine[at].numpy(), p * weights[:, None] / len(at), rtol=1e-9)
        p_y = softmax(b[at].numpy())[np.arange(len(at)), labels[at]]
        p = softmax(b[at].numpy()) - np.eye(n_classes)[labels[at]]
        assert np.allclose(other[at].numpy(), p * (0.6 * p_y**0.6)[:, None] / len(at), rtol=1e-9)


def test_a_class_that_both_networks_know_for_certain_has_weight_0():
    sure = torch.tensor([[2000.0, 0.0], [2000.0, 0.0], [0.3, 0.1]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    loss = lff.JointLoss(Table(sure.clone()), labels, 2, 0.7, 0.7)
    found = loss(Table(sure), batch([0, 1], labels))
    assert found.item() == 0


def test_both_train_from_the_first_batch_as_with_an_optimiser_each(given):
    this = given()
    settings = replace(lff.settings(this.benchmark), epochs=1, optimiser="sgd", schedule="constant")
    settings = replace(settings, augmentation="none", learning_rate=0.1)

    def started():
        debiased, biased = this.fresh(), this.fresh()
        biased.reset_head(5)
        return debiased, lff.JointLoss(biased, torch.from_numpy(this.labels), 2, 0.7, 0.7)

    debiased, loss = started()
    this.fit(debiased, loss, settings, lambda generator: [np.arange(70)] * 2)
    slow, hand = started()
    optimisers = [
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=settings.weight_decay)
        for model in (slow.train(), hand.biased.train())
    ]
    images = this.examples.pixels(np.arange(70)).float().div(255).sub(0.5).div(0.25)
    labels, averages = torch.from_numpy(this.labels), None
    for _ in range(2):
        losses = [cross_entropy(model(images), labels, reduction="none") for model in (hand.biased, slow)]
        now = [own.detach() for own in losses]
        averages = [0.7 * old + 0.3 * new for old, new in zip(averages, now, strict=True)] if averages else now
        shares = [own / torch.stack([own[labels == y].max() for y in (0, 1)])[labels] for own in averages]
        weights = shares[0] / (shares[0] + shares[1] + 1e-8)
        for optimiser in optimisers:
            optimiser.zero_grad()
        (losses[0] * 0.7 * (-now[0]).exp() ** 0.7).mean().backward()
        (weights * losses[1]).mean().backward()
        for optimiser in optimisers:
            optimiser.step()
    for mine, theirs in ((debiased, slow), (loss.biased, hand.biased)):
        for (name, value), other in zip(mine.state_dict().items(), theirs.state_dict().values(), strict=True):
            assert torch.allclose(value, other, rtol=1e-3, atol=1e-4), name
    assert loss.seen.all() and torch.allclose(loss.averages, torch.stack(averages), atol=1e-4)
    assert all(part.training for part in loss.biased.modules())  # with the statistics of its batches, as the other


def test_it_needs_no_group_and_returns_a_classifier_with_the_same_bits(given, few):
    settings = replace(lff.settings(few), epochs=1)
    done = [lff.train(given(Uses.NOTHING, rules=(AVERAGE,)), settings) for _ in range(2)]
    assert lff.METHOD.rules == (AVERAGE,) and list(done[0].weights) == [AVERAGE]
    untrained_classifier(few.classifier, 2).load_state_dict(done[0].weights[AVERAGE])
    for name, value in done[0].weights[AVERAGE].items():
        assert torch.equal(value, done[1].weights[AVERAGE][name]), name
    other = lff.train(given(Uses.NOTHING, rules=(AVERAGE,)), replace(settings, q=0.1))
    assert other.measured["losses"] != done[0].measured["losses"]


def test_the_two_networks_begin_with_other_heads_that_the_seed_draws(given, monkeypatch):
    begun, real = [], lff.JointLoss
    monkeypatch.setattr(lff, "JointLoss", lambda biased, *how: begun.append([biased]) or real(biased, *how))
    monkeypatch.setattr(type(given()), "fit", lambda self, model, *how: begun[-1].append(model))
    for seed in (3, 3, 4):
        lff.train(given(seed=seed), lff.settings(given().benchmark))
    (biased, debiased), again, other = begun
    assert biased is not debiased
    assert torch.equal(debiased.head.weight, given(seed=3).fresh().head.weight)
    assert not torch.allclose(debiased.head.weight, biased.head.weight)
    assert torch.equal(biased.head.weight, again[0].head.weight)
    assert not torch.allclose(biased.head.weight, other[0].head.weight)


def test_a_stopped_training_goes_on_with_both_networks_and_all_averages(given, few, tmp_path, monkeypatch):
    settings, whole = lff.settings(few), given(rules=(AVERAGE,))
    wanted, real, calls = lff.train(whole, settings), loop.measure, []

    def stopped(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    kept = given(rules=(AVERAGE,), folder=tmp_path, stamp="this")
    monkeypatch.setattr(loop, "measure", stopped)
    with pytest.raises(KeyboardInterrupt):
        lff.train(kept, settings)
    found = lff.train(kept, settings)
    assert len(calls) == 3 and found.steps == wanted.steps  # the first epoch was not trained again
    assert found.measured["losses"] == wanted.measured["losses"]
    assert all(torch.equal(value, wanted.weights[AVERAGE][name]) for name, value in found.weights[AVERAGE].items())


@pytest.mark.parametrize("wrong", [{"q": 0.0}, {"q": 1.1}, {"memory": 1.0}, {"memory": -0.1}])
def test_wrong_settings_are_refused(few, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name} = {value}: give"):
        replace(lff.settings(few), **wrong)


def test_settings_are_published_ones_or_the_benchmark_s_training():
    celeba, mini = get_benchmark("celeba"), get_benchmark("mini-celeba")
    assert lff.settings(celeba) in lff.METHOD.trials(celeba) and lff.settings(celeba).batch_size == 256
    assert vars(lff.settings(mini)) == {**vars(mini.erm), "q": 0.7, "memory": 0.7}

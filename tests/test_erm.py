"""The training loop, the per-sample losses and their ranking."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standins import bright_and_dark, make_backbone

from dbb import training
from dbb.benchmarks import TrainingSettings
from dbb.classifier import load_classifier, predict_logits
from dbb.erm import (
    cross_entropy_loss,
    easiest,
    highest_loss,
    load_outputs,
    lowest_loss,
    lowest_loss_by_batch,
    per_sample_losses,
    save_outputs,
    train_erm,
    train_outputs,
)
from dbb.errors import InputError
from dbb.training import Examples, Validation, fit, make_optimiser, make_schedule
from dbb.transforms import InputFormat

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)


def test_training_learns_and_tells_its_history(backbone):
    model = load_classifier(backbone, 2, 0)
    done = train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, seed=0)
    assert [entry["epoch"] for entry in done.history] == [1, 2, 3]
    assert done.history[-1]["loss"] < done.history[0]["loss"]
    assert done.history[-1]["average"] > 0.9
    assert done.best_epoch == 3
    assert done.seconds > 0
    assert done.images_per_second > 0
    assert not model.training


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(backbone):
    states = []
    for seed in (4, 4, 5):
        model = load_classifier(backbone, 2, 0)
        train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, seed)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


def test_reading_batch_by_batch_changes_nothing(backbone, monkeypatch):
    states = []
    for limit in (training.IN_MEMORY_BYTES, 0):
        monkeypatch.setattr(training, "IN_MEMORY_BYTES", limit)
        model = load_classifier(backbone, 2, 0)
        train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, seed=0)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_examples_read_several_sets_as_one():
    parts = [np.zeros(70), np.ones(40)]
    examples = Examples([TRAIN, VAL.subset([]), VAL], [parts[0], np.zeros(0), parts[1]], 16)
    assert len(examples) == 110
    expected = torch.stack([VAL.pixels([9], 16)[0], TRAIN.pixels([69], 16)[0], VAL.pixels([0], 16)[0]])
    assert torch.equal(examples.pixels(np.array([79, 69, 70])), expected)
    assert examples.labels.tolist() == [*TRAIN.labels, *VAL.labels]
    assert examples.part.tolist() == [0] * 70 + [1] * 40


def test_selection_ends_with_the_weights_of_the_best_epoch(backbone, monkeypatch):
    snapshots, real = [], training.measure
    scores = iter([(0.2, 0.9), (0.6, 0.7), (0.6, 0.8), (0.6, 0.8), (0.1, 1.0)])

    def measured(model, *arguments):
        snapshots.append(model.head.weight.detach().clone())
        worst, average = next(scores)
        return replace(real(model, *arguments), worst_group=worst, average=average)

    monkeypatch.setattr(training, "measure", measured)
    model = load_classifier(backbone, 2, 0)
    done = fit(model, Examples([TRAIN], [np.zeros(70)], 16), cross_entropy_loss, replace(SETTINGS, epochs=5),
               FORMAT, "test", 0, Validation(VAL, np.ones(4)), select=True)
    assert done.best_epoch == 4
    assert torch.equal(model.head.weight, snapshots[3])


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch_size": -1}, {"learning_rate": 0.0}])
def test_settings_that_cannot_train_are_refused(backbone, change):
    with pytest.raises(InputError, match=next(iter(change))):
        train_erm(load_classifier(backbone, 2, 0), TRAIN, VAL, replace(SETTINGS, **change), FORMAT, 0)


def test_an_empty_split_and_a_loss_that_explodes_are_refused(backbone):
    with pytest.raises(InputError, match="training split is empty"):
        train_erm(load_classifier(backbone, 2, 0), TRAIN.subset([]), VAL, SETTINGS, FORMAT, 0)
    model = load_classifier(backbone, 2, 0)
    model.head.weight.data[:] = torch.nan
    with pytest.raises(InputError, match="the loss is nan"):
        train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, 0)


def test_per_sample_losses_are_minus_log_softmax(backbone):
    logits = predict_logits(load_classifier(backbone, 2, 0), TRAIN, FORMAT)
    x = logits.double().numpy()
    expected = np.log(np.exp(x).sum(1)) - x[np.arange(70), TRAIN.labels]
    losses = per_sample_losses(logits, TRAIN.labels)
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=40), st.integers(1, 50))
def test_ranking_is_a_stable_sort_of_the_class(samples, k):
    losses, labels = np.array([s[0] for s in samples], dtype=float), np.array([s[1] for s in samples])
    label = labels[0]
    members = [n for n in range(len(labels)) if labels[n] == label]
    assert lowest_loss(losses, labels, label, k).tolist() == sorted(members, key=lambda n: losses[n])[:k]
    assert highest_loss(losses, labels, label, k).tolist() == sorted(members, key=lambda n: -losses[n])[:k]
    by_one = lowest_loss_by_batch(losses, labels, label, k, batch_size=1, seed=0)
    assert by_one.tolist() == lowest_loss(losses, labels, label, k).tolist()


def test_ranking_by_batch_lets_a_bad_sample_in_with_good_neighbours():
    rng = np.random.default_rng(0)
    losses, labels = rng.exponential(size=4000), np.zeros(4000, dtype=int)
    own, batch = (losses[lowest_loss(losses, labels, 0, 1000)],
                  losses[lowest_loss_by_batch(losses, labels, 0, 1000, 32, seed=0)])
    assert own.max() < 0.3
    assert batch.max() > 2
    assert own.mean() < batch.mean() < losses.mean()


def test_ranking_refuses_what_it_cannot_rank():
    losses, labels = np.array([0.5, np.nan]), np.array([0, 1])
    for label, k, message in ((2, 1, "class 2 has no image"), (0, 0, "k = 0"), (1, 1, "not finite")):
        with pytest.raises(InputError, match=message):
            lowest_loss(losses, labels, label, k)


def test_outputs_come_back_as_they_were_saved(tmp_path):
    images = bright_and_dark(12, 0)
    outputs = train_outputs(torch.randn(12, 2), images)
    assert np.allclose(-np.log(outputs.probabilities[np.arange(12), images.labels]), outputs.losses, atol=1e-5)
    save_outputs(tmp_path / "losses.npz", outputs)
    again = load_outputs(tmp_path / "losses.npz")
    assert all(np.array_equal(value, getattr(again, name)) for name, value in vars(outputs).items())
    (tmp_path / "losses.npz").write_bytes(b"PK cut off")
    with pytest.raises(InputError, match=r"losses\.npz is corrupt"):
        load_outputs(tmp_path / "losses.npz")


def test_the_named_rankings_are_the_two_functions():
    outputs = train_outputs(torch.randn(40, 2), bright_and_dark(40, 0))
    losses, labels = outputs.losses, outputs.labels
    assert easiest(outputs, 0, 5, "own loss", 8, 1).tolist() == lowest_loss(losses, labels, 0, 5).tolist()
    by_batch = lowest_loss_by_batch(losses, labels, 0, 5, 8, 1)
    assert easiest(outputs, 0, 5, "batch loss", 8, 1).tolist() == by_batch.tolist()
    with pytest.raises(InputError, match="unknown ranking 'best'"):
        easiest(outputs, 0, 5, "best", 8, 1)


@pytest.mark.parametrize("optimiser, expected", [
    ("sgd", lambda w, g: w - 0.1 * (g + 0.5 * w)),
    ("adam", lambda w, g: w - 0.1 * torch.sign(g + 0.5 * w)),
    ("adamw", lambda w, g: w * (1 - 0.1 * 0.5) - 0.1 * torch.sign(g)),
])
def test_the_first_step_is_the_optimisers(optimiser, expected):
    layer = torch.nn.Linear(3, 1, bias=False).double()
    before = layer.weight.detach().clone()
    settings = replace(SETTINGS, optimiser=optimiser, learning_rate=0.1, weight_decay=0.5)
    step = make_optimiser(layer, settings)
    layer(torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)).sum().backward()
    step.step()
    torch.testing.assert_close(layer.weight.detach(), expected(before, layer.weight.grad), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("schedule, last", [("constant", 1.0), ("cosine", 0.0)])
def test_the_learning_rate_stays_or_falls_to_nothing(schedule, last):
    settings = replace(SETTINGS, schedule=schedule, learning_rate=0.1, epochs=3)
    optimiser = make_optimiser(torch.nn.Linear(2, 1), settings)
    steps = make_schedule(optimiser, settings, n_batches=4)
    for _ in range(12):
        optimiser.step()
        steps.step()
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.1 * last, abs=1e-9)


@pytest.mark.parametrize("change", [{"optimiser": "adamax"}, {"schedule": "linear"}, {"augmentation": "colour"}])
def test_unknown_ways_to_train_are_refused(backbone, change):
    with pytest.raises(InputError, match=f"unknown {next(iter(change))} '{next(iter(change.values()))}'"):
        train_erm(load_classifier(backbone, 2, 0), TRAIN, VAL, replace(SETTINGS, **change), FORMAT, 0)

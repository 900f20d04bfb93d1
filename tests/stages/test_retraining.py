"""Eq. 6-8 against a loop, and retraining with whatever pruning left."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import RetrainingSettings
from dbb.errors import InputError
from dbb.models.classifier import load_classifier
from dbb.stages import retraining
from dbb.stages.retraining import ddb_loss, kept_counts, retrain
from dbb.transforms import InputFormat

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = RetrainingSettings(epochs=2, batch_size=16, learning_rate=1e-2, weight_decay=0.0, gammas=(6.0, 10.0))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=20), st.integers(0, 99))
def test_the_loss_is_the_weighted_sum_of_the_parts_means(images, seed):
    labels, part = torch.tensor(images).T
    logits = torch.randn(len(images), 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64,
                         requires_grad=True)
    expected = 0.0
    for which, gamma in ((0, 1.0), (1, 6.0), (2, 10.0)):
        terms = [-np.log(np.exp(row[y]) / np.exp(row).sum())
                 for row, y, p in zip(logits.tolist(), labels, part, strict=True) if p == which]
        expected += gamma * sum(terms) / len(terms) if terms else 0.0
    loss = ddb_loss(logits, labels, part, (6.0, 10.0))
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_without_generated_images_it_is_plain_cross_entropy():
    logits, labels = torch.randn(9, 2), torch.arange(9) % 2
    expected = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(ddb_loss(logits, labels, torch.zeros(9, dtype=torch.long), (6, 10)), expected)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


TRAIN, GENERATED, VAL = bright_and_dark(40, 0), bright_and_dark(24, 1), bright_and_dark(30, 2)


@pytest.mark.parametrize("kept", [range(24), np.flatnonzero(GENERATED.labels == 1), []],
                         ids=["both classes", "one class", "none"])
def test_retraining_goes_on_whatever_was_pruned(backbone, kept):
    states = []
    for _ in range(2):
        model = load_classifier(backbone, 2, 0)
        done = retrain(model, TRAIN, GENERATED.subset(kept), VAL, SETTINGS, (6.0, 10.0), FORMAT, seed=0)
        states.append(model.state_dict())
    assert all(np.isfinite(entry["loss"]) for entry in done.history)
    worst = [entry["worst_group"] for entry in done.history]
    assert worst[done.best_epoch - 1] == max(worst)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_generated_images_change_the_result_and_so_does_a_new_head(backbone):
    results = []
    for kept, reset in ((range(24), False), (range(24), True), ([], False)):
        model = load_classifier(backbone, 2, 9)
        retrain(model, TRAIN, GENERATED.subset(kept), VAL, SETTINGS, (6.0, 10.0), FORMAT, 0, reset_head=reset)
        results.append(model.head.weight.detach())
    assert not torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_a_killed_retraining_goes_on_from_its_checkpoint(backbone, tmp_path, monkeypatch):
    how = {"checkpoint": tmp_path / "training.safetensors", "stamp": "test"}
    results, real, calls = [], retraining.ddb_loss, iter(range(100))

    def killed(*given):
        if next(calls) == 6:  # the third batch of the second epoch
            raise KeyboardInterrupt
        return real(*given)

    def run(**more):
        model = load_classifier(backbone, 2, 9)
        done = retrain(model, TRAIN, GENERATED, VAL, SETTINGS, (6.0, 10.0), FORMAT, 0, reset_head=True, **more)
        results.append((model.state_dict(), done))

    run()
    monkeypatch.setattr(retraining, "ddb_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        run(**how)
    run(**how)
    (whole, done), (on, again) = results
    assert again.went_on_after == 1 and next(calls) == 11
    assert done.history == again.history and done.best_epoch == again.best_epoch
    assert all(torch.equal(value, on[name]) for name, value in whole.items())


def test_one_gamma_per_class(backbone):
    with pytest.raises(InputError, match="1 gammas for 2 classes"):
        retrain(load_classifier(backbone, 2, 0), TRAIN, GENERATED, VAL, SETTINGS, (1.0,), FORMAT, 0)


def test_absent_terms_are_counted():
    ones = GENERATED.subset(np.flatnonzero(GENERATED.labels == 1))
    assert kept_counts(ones, 2) == {"into class 0": 0, "into class 1": len(ones)}
    assert kept_counts(GENERATED.subset([]), 2) == {"into class 0": 0, "into class 1": 0}

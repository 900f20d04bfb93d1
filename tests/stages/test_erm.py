"""The base classifier: it learns, it keeps the last epoch, and the seed decides every bit."""

from dataclasses import replace

import pytest
import torch
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import TrainingSettings
from dbb.errors import InputError
from dbb.models.classifier import load_classifier
from dbb.stages import erm
from dbb.stages.erm import train_erm
from dbb.transforms import InputFormat

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)
TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


def trained(backbone, seed=0, validation=VAL, **how):
    model = load_classifier(backbone, 2, 0)
    train_erm(model, TRAIN, validation, SETTINGS, FORMAT, seed, **how)
    return model.state_dict()


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


def test_the_validation_split_is_only_watched(backbone):
    wrong = trained(backbone, validation=replace(VAL, labels=1 - VAL.labels))
    right = trained(backbone)
    assert all(torch.equal(value, wrong[name]) for name, value in right.items())


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(backbone):
    first, again, other = (trained(backbone, seed) for seed in (4, 4, 5))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_a_killed_training_goes_on_from_its_checkpoint(backbone, tmp_path, monkeypatch):
    how = {"checkpoint": tmp_path / "training.safetensors", "stamp": "test"}
    calls, real = [], erm.cross_entropy_loss

    def killed(model, batch):
        calls.append(len(batch.labels))
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(model, batch)

    whole = trained(backbone)
    monkeypatch.setattr(erm, "cross_entropy_loss", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(backbone, **how)
    on = trained(backbone, **how)
    assert len(calls) == 8 + 10
    assert all(torch.equal(value, on[name]) for name, value in whole.items())


def test_what_cannot_be_trained_is_refused(backbone):
    model = load_classifier(backbone, 2, 0)
    with pytest.raises(InputError, match="epochs = 0"):
        train_erm(model, TRAIN, VAL, replace(SETTINGS, epochs=0), FORMAT, 0)
    with pytest.raises(InputError, match="training split is empty"):
        train_erm(model, TRAIN.subset([]), VAL, SETTINGS, FORMAT, 0)
    model.head.weight.data[:] = torch.nan
    with pytest.raises(InputError, match="the loss is nan"):
        train_erm(model, TRAIN, VAL, SETTINGS, FORMAT, 0)

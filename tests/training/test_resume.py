"""A training that is killed goes on with the same bits."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import TrainingSettings
from dbb.input_format import InputFormat
from dbb.models.classifier import load_classifier
from dbb.training import Examples, Validation, fit, loop, remove_checkpoint, worst_group_first
from dbb.training.resume import State, load_state, save_state

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = TrainingSettings(epochs=3, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)
TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)
EXAMPLES = Examples([TRAIN], [np.zeros(70)], 16)
BATCHES = 5


class Killed(Exception):
    """What a kill looks like from inside."""


class Loss:
    """Cross-entropy that is killed in its ``last`` batch."""

    def __init__(self, last=None):
        self.last, self.calls = last, 0

    def __call__(self, model, batch):
        if self.calls == self.last:
            raise Killed
        self.calls += 1
        return torch.nn.functional.cross_entropy(model(batch.images), batch.labels)


class Remembering(torch.nn.Module):
    """A loss that weighs classes by how badly they did so far, and draws."""

    def __init__(self, last=None):
        super().__init__()
        self.register_buffer("weights", torch.ones(2))
        self.inner = Loss(last)

    def forward(self, model, batch):
        self.inner(model, batch)
        losses = torch.nn.functional.cross_entropy(model(batch.images), batch.labels, reduction="none")
        self.weights = self.weights + torch.bincount(batch.labels, losses.detach(), minlength=2)
        return (losses * self.weights[batch.labels] / self.weights.sum()).mean() * (1 + torch.rand(()))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.safetensors"


WAYS = {
    "adamw, cosine, selected": (SETTINGS, worst_group_first),
    "sgd, constant, last": (replace(SETTINGS, optimiser="sgd", schedule="constant", augmentation="crop"), None),
    "adam, cosine, last": (replace(SETTINGS, optimiser="adam"), None),
    "adamw, cosine, three rules": (
        SETTINGS,
        [lambda metrics: metrics.worst_group, lambda metrics: -metrics.average, lambda metrics: 0.0],
    ),
}


def train(backbone, path, loss=None, way="adamw, cosine, selected", stamp="made from this", seed=0):
    settings, select = WAYS[way]
    model = load_classifier(backbone, 2, 0)
    done = fit(
        model,
        EXAMPLES,
        loss or Loss(),
        settings,
        FORMAT,
        "test",
        seed,
        Validation(VAL, np.array([3, 1, 1, 3])),
        select=select,
        checkpoint=path,
        stamp=stamp if path else "",
    )
    return model.state_dict(), done


def killed(backbone, path, after, loss=Loss, **how):
    """Train until a batch of the epoch that follows epoch ``after``."""
    with pytest.raises(Killed):
        train(backbone, path, loss(after * BATCHES + 2), **how)


def assert_the_same(first, second):
    (weights, done), (others, other) = first, second
    assert weights.keys() == others.keys()
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    np.testing.assert_equal(done.history, other.history)  # which takes NaN for NaN
    assert done.best_epoch == other.best_epoch
    for (epoch, kept), (other_epoch, other_kept) in zip(done.selected, other.selected, strict=True):
        assert epoch == other_epoch and all(torch.equal(value, other_kept[name]) for name, value in kept.items())
    assert all(isinstance(entry["group_accuracy"], tuple) for entry in other.history)


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_killed_training_ends_with_the_bits_of_one_that_was_not(backbone, path, way, after):
    whole = train(backbone, None, way=way)
    killed(backbone, path, after, way=way)
    loss = Loss()
    on = train(backbone, path, loss, way=way)
    assert loss.calls == (3 - after) * BATCHES
    assert_the_same(whole, on)
    assert whole[1].went_on_after == 0 and on[1].went_on_after == after


@pytest.mark.parametrize("way", WAYS)
def test_writing_checkpoints_changes_nothing_and_a_done_training_is_done(backbone, path, way):
    whole, written = train(backbone, None, way=way), train(backbone, path, way=way)
    assert_the_same(whole, written)
    loss = Loss()
    assert_the_same(whole, train(backbone, path, loss, way=way))
    assert loss.calls == 0


def test_the_best_epoch_may_be_before_the_kill(backbone, path, monkeypatch):
    real = loop.measure

    def scored(scores):
        scores = iter(scores)
        return lambda *given: replace(real(*given), worst_group=next(scores))

    monkeypatch.setattr(loop, "measure", scored([0.9, 0.5, 0.7]))
    whole = train(backbone, None)
    assert whole[1].best_epoch == 1
    monkeypatch.setattr(loop, "measure", scored([0.9, 0.5]))
    killed(backbone, path, 2)
    monkeypatch.setattr(loop, "measure", scored([0.7]))
    assert_the_same(whole, train(backbone, path))


def test_of_several_rules_each_has_its_epoch_of_equal_ones_the_last(backbone):
    _, done = train(backbone, None, way="adamw, cosine, three rules")
    assert len(done.selected) == 3 and done.selected[2][0] == 3 and done.selected[0][0] == done.best_epoch


def test_a_killed_training_may_be_killed_again(backbone, path):
    killed(backbone, path, 1)
    with pytest.raises(Killed):
        train(backbone, path, Loss(BATCHES + 3))
    assert_the_same(train(backbone, None), train(backbone, path))


def test_a_loss_that_remembers_has_its_memory_again(backbone, path):
    whole_loss, loss = Remembering(), Remembering()
    whole = train(backbone, None, whole_loss)
    killed(backbone, path, 1, Remembering)
    assert_the_same(whole, train(backbone, path, loss))
    assert torch.equal(whole_loss.weights, loss.weights) and not torch.equal(loss.weights, torch.ones(2))


@pytest.mark.parametrize("other", [{"stamp": "made from that"}, {"seed": 1}, {"way": "adam, cosine, last"}])
def test_a_checkpoint_of_another_training_is_replaced(backbone, path, other):
    killed(backbone, path, 1, **other)
    before, loss = path.read_bytes(), Loss()
    assert_the_same(train(backbone, None), train(backbone, path, loss))
    assert loss.calls == 3 * BATCHES
    assert path.read_bytes() != before


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_checkpoint_is_replaced(backbone, path, damage):
    killed(backbone, path, 1)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    loss = Loss()
    assert_the_same(train(backbone, None), train(backbone, path, loss))
    assert loss.calls == 3 * BATCHES


def test_a_file_of_something_else_or_of_other_weights_is_replaced(backbone, path):
    save_file({"a": torch.ones(1)}, path)
    whole = train(backbone, None)
    assert_the_same(whole, train(backbone, path))
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    tensors["model/head.weight"] = torch.ones(5, 8)
    save_file(tensors, path, metadata)
    assert_the_same(whole, train(backbone, path))


def test_the_file_holds_tensors_and_json_alone(backbone, path):
    killed(backbone, path, 1)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with safe_open(path, "pt") as file:
        notes = json.loads(file.metadata()["training"])
        parts = {name.partition("/")[0] for name in file.keys()}
    assert parts == {"model", "best0", "optimiser"}
    assert notes["progress"]["epoch"] == 1 and notes["progress"]["best_epochs"] == [1]
    assert notes["stamp"].startswith("made from this")


def convolution(seed, channels=8):
    """A training of one convolution with channels last, after a step."""
    torch.manual_seed(seed)
    layer = torch.nn.Conv2d(4, channels, 3).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(layer.parameters())
    layer(torch.rand(1, 4, 5, 5)).square().sum().backward()
    optimiser.step()
    return State({"model": layer}, optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0))


def test_moments_lie_in_memory_as_their_weights(path):
    before, after = convolution(0), convolution(1)
    save_state(path, "made from this", before)
    assert load_state(path, "made from this", after)
    for old, new in zip(before.modules["model"].parameters(), after.modules["model"].parameters(), strict=True):
        for name, moment in after.optimiser.state[new].items():
            assert torch.equal(moment, before.optimiser.state[old][name])
            assert name == "step" or moment.stride() == new.stride()


def test_what_cannot_be_gone_on_from_is_told_and_changes_nothing(path):
    state = convolution(0)
    weights = {name: value.clone() for name, value in state.modules["model"].state_dict().items()}
    assert not load_state(path, "made from this", state)
    save_state(path, "made from that", convolution(1))
    assert not load_state(path, "made from this", state)
    save_state(path, "made from this", convolution(1, channels=9))
    assert not load_state(path, "made from this", state)
    path.write_bytes(b"garbage")
    assert not load_state(path, "made from this", state)
    assert all(torch.equal(value, weights[name]) for name, value in state.modules["model"].state_dict().items())


def test_the_caller_removes_it(backbone, path):
    killed(backbone, path, 1)
    remove_checkpoint(path)
    assert not path.exists()
    remove_checkpoint(path)

"""The loop: what a loss and a sampler are given, which epoch is kept, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from standins import bright_and_dark, make_backbone

from dbb.benchmarks import TrainingSettings
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_classifier
from dbb.seeds import stage_generator
from dbb.training import Examples, Validation, examples, fit, loop, shuffled_batches, worst_group_first
from dbb.transforms import evaluation_input

FORMAT = InputFormat(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
SETTINGS = TrainingSettings(epochs=2, batch_size=16, learning_rate=1e-2, weight_decay=1e-4)
TRAIN, VAL = bright_and_dark(70, 0), bright_and_dark(40, 1)
WATCHED = Validation(VAL, np.ones(4, int))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return make_backbone(tmp_path_factory.mktemp("backbone"))


def training_set(n=70):
    return Examples([TRAIN.subset(range(n))], [np.arange(n) % 3], 16)


def cross_entropy(model, batch):
    return torch.nn.functional.cross_entropy(model(batch.images), batch.labels)


def run(
    backbone, loss=cross_entropy, settings=SETTINGS, select=None, validation=None, n=70, name="test", seed=0, **how
):
    model = load_classifier(backbone, 2, 0)
    return model, fit(model, training_set(n), loss, settings, FORMAT, name, seed, validation, select=select, **how)


def equal(first, second):
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


# ------------------------------------------------------------------------------------------------ batches


def test_a_batch_carries_the_positions_of_its_images(backbone):
    seen, batches = [], []

    def loss(model, batch):
        seen.extend(batch.indices.tolist())
        batches.append(batch)
        return cross_entropy(model, batch)

    run(backbone, loss, replace(SETTINGS, augmentation="none"))
    assert sorted(seen[:70]) == sorted(seen[70:]) == list(range(70)) and seen[:70] != seen[70:]
    assert {len(batch.labels) for batch in batches} == {14}
    for batch in batches:
        assert batch.indices.dtype == batch.labels.dtype == batch.part.dtype == torch.int64
        positions = batch.indices.numpy()
        assert torch.equal(batch.images, evaluation_input(TRAIN.pixels(positions, 16), FORMAT))
        assert batch.labels.tolist() == TRAIN.labels[positions].tolist()
        assert batch.part.tolist() == (positions % 3).tolist()


def test_a_sampler_decides_which_images_come_and_how_often(backbone):
    seen = []

    def sampler(generator):
        return [np.array([5, 5, 5]), [int(torch.randint(0, 70, (1,), generator=generator)), 1]]

    def loss(model, batch):
        seen.append(batch.indices.tolist())
        return cross_entropy(model, batch)

    _, done = run(backbone, loss, sampler=sampler)
    drawn = [int(torch.randint(0, 70, (1,), generator=stage_generator("test", 0, epoch))) for epoch in (1, 2)]
    assert seen == [[5, 5, 5], [drawn[0], 1], [5, 5, 5], [drawn[1], 1]]
    assert done.images_per_second > 0


def test_the_default_sampler_is_the_one_that_can_be_given(backbone):
    default, _ = run(backbone)
    given, _ = run(backbone, sampler=shuffled_batches(70, 16))
    assert equal(default, given)


def test_a_sampler_gives_as_many_batches_in_every_epoch(backbone):
    with pytest.raises(InputError, match="the sampler gave no batch"):
        run(backbone, sampler=lambda generator: [])
    counts = iter([2, 2, 3])  # counted once before the first epoch
    with pytest.raises(InputError, match="the sampler gave 3 batches, and 2 in the first epoch"):
        run(backbone, sampler=lambda generator: [np.arange(4)] * next(counts))


def test_reading_batch_by_batch_changes_nothing(backbone, monkeypatch):
    kept, _ = run(backbone)
    monkeypatch.setattr(examples, "IN_MEMORY_BYTES", 0)
    read, _ = run(backbone)
    assert equal(kept, read)


# ------------------------------------------------------------------------------------------------ draws


def test_what_a_loss_draws_comes_from_the_seed_and_leaves_no_trace(backbone):
    draws = []

    def loss(model, batch):
        draws.append(torch.rand(()).item())
        return cross_entropy(model, batch)

    runs = []
    for start in (1, 2):
        model = load_classifier(backbone, 2, 0)
        torch.manual_seed(start)
        before = torch.get_rng_state()
        fit(model, training_set(), loss, SETTINGS, FORMAT, "test", 0, select=None)
        assert torch.equal(torch.get_rng_state(), before)
        runs.append(draws.copy())
        draws.clear()
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 10
    for other in ({"name": "another"}, {"seed": 1}):
        run(backbone, loss, **other)
        assert not set(draws) & set(runs[0])


# ------------------------------------------------------------------------------------------------ selection

SCORES = [(0.2, 0.9), (0.6, 0.7), (0.6, 0.8), (0.6, 0.8), (0.1, 1.0)]


@pytest.fixture
def snapshots(monkeypatch):
    """Let the validation tell `SCORES`, and note the head's weights at each."""
    taken, real, scores = [], loop.measure, iter(SCORES)

    def measured(model, *arguments):
        taken.append(model.head.weight.detach().clone())
        worst, average = next(scores)
        return replace(real(model, *arguments), worst_group=worst, average=average)

    monkeypatch.setattr(loop, "measure", measured)
    return taken


FIVE = replace(SETTINGS, epochs=5)


def test_by_default_the_epoch_of_the_best_worst_group_is_kept(backbone, snapshots):
    model = load_classifier(backbone, 2, 0)
    done = fit(model, training_set(), cross_entropy, FIVE, FORMAT, "test", 0, WATCHED)
    assert done.best_epoch == 4
    assert torch.equal(model.head.weight, snapshots[3])


@pytest.mark.parametrize(
    "select, best",
    [
        (lambda metrics: metrics.average, 5),
        (lambda m: -m.worst_group, 5),
        (lambda metrics: (-metrics.average,), 2),
        (None, 5),
    ],
)
def test_the_caller_says_what_is_selected_by(backbone, snapshots, select, best):
    model, done = run(backbone, settings=FIVE, select=select, validation=WATCHED)
    assert done.best_epoch == best
    assert torch.equal(model.head.weight, snapshots[best - 1])
    assert [entry["worst_group"] for entry in done.history] == [worst for worst, _ in SCORES]


class Scaled(torch.nn.Module):
    """Cross-entropy of logits that a number of the loss's own multiplies."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, model, batch):
        return torch.nn.functional.cross_entropy(self.scale * model(batch.images), batch.labels)


def test_what_a_loss_learns_is_trained_with_the_model_and_is_no_part_of_it(backbone):
    loss = Scaled()
    _, done = run(backbone, loss, select=[worst_group_first], validation=WATCHED)
    assert loss.scale.item() != 1.0
    assert done.selected[0][1].keys() == load_classifier(backbone, 2, 0).state_dict().keys()


def test_several_rules_each_keep_their_epoch_and_the_first_decides(backbone, snapshots):
    rules = [lambda metrics: (-metrics.average,), lambda metrics: metrics.average]
    model, done = run(backbone, settings=FIVE, select=rules, validation=WATCHED)
    assert [epoch for epoch, _ in done.selected] == [2, 5] and done.best_epoch == 2
    assert torch.equal(model.head.weight, snapshots[1])
    for epoch, weights in done.selected:
        assert torch.equal(weights["head.weight"], snapshots[epoch - 1])


# ------------------------------------------------------------------------------------------------ going on


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"settings": replace(SETTINGS, learning_rate=2e-2)},
        {"settings": replace(SETTINGS, augmentation="none")},
        {"select": lambda metrics: metrics.average},
        {"sampler": shuffled_batches(70, 20)},
        {"precision": "fast"},
        {"stamp": "made from that"},
        {"name": "another"},
        {"seed": 1},
        {"n": 69},
    ],
    ids="its own,rate,augmentation,selection,batches,precision,stamp,name,seed,images".split(","),
)
def test_a_training_goes_on_from_a_checkpoint_that_is_its_own(backbone, tmp_path, change):
    calls = []

    def loss(model, batch):
        calls.append(batch)
        return cross_entropy(model, batch)

    how = {"checkpoint": tmp_path / "training.safetensors", "stamp": "made from this", "validation": WATCHED}
    how |= {"select": worst_group_first}
    first, begun = run(backbone, loss, **how)
    assert begun.went_on_after == 0 and len(calls) == 10
    second, done = run(backbone, loss, **how | change)
    assert (len(calls) == 10) == (not change)
    assert done.went_on_after == (0 if change else 2)
    assert change or equal(first, second)


class Counting(torch.nn.Module):
    """A loss that remembers how often it was asked."""

    def __init__(self):
        super().__init__()
        self.register_buffer("asked", torch.zeros(1))

    def forward(self, model, batch):
        self.asked += 1
        return cross_entropy(model, batch)


def test_a_loss_that_remembers_goes_on_too(backbone, tmp_path):
    how = {"checkpoint": tmp_path / "training.safetensors", "stamp": "made from this"}
    run(backbone, Counting(), **how)
    run(backbone, again := Counting(), **how)
    assert again.asked == 10


def test_the_body_s_products_and_the_forward_pass_are_in_the_precision_of_the_device(backbone, monkeypatch):
    asked = []
    for name in ("products_in", "forward_in"):
        real = getattr(loop, name)
        monkeypatch.setattr(loop, name, lambda *given, real=real: (asked.append(given), real(*given))[1])
    run(backbone, precision="fast", settings=replace(SETTINGS, epochs=1))
    assert asked == [("fast", torch.device("cpu"))] * (1 + 5)


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": -1}, "batch_size = -1"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"optimiser": "adamax"}, "unknown optimiser 'adamax'"),
        ({"schedule": "linear"}, "unknown schedule 'linear'"),
        ({"augmentation": "colour"}, "unknown augmentation 'colour'"),
    ],
)
def test_settings_that_cannot_train_are_refused(backbone, change, message):
    with pytest.raises(InputError, match=message):
        run(backbone, settings=replace(SETTINGS, **change))


def test_what_does_not_go_together_is_refused(backbone, tmp_path):
    with pytest.raises(InputError, match=r"needs a validation split: give one, or select=None"):
        run(backbone, select=lambda metrics: metrics.average)
    with pytest.raises(InputError, match="needs a stamp"):
        run(backbone, checkpoint=tmp_path / "training.safetensors")
    with pytest.raises(InputError, match=r"is not finite: select by a measure"):
        run(backbone, select=lambda metrics: float("nan"), validation=WATCHED)


def test_a_loss_that_explodes_is_refused(backbone):
    with pytest.raises(InputError, match=r"the loss is nan: lower the learning rate \(0.01\)"):
        run(backbone, lambda model, batch: cross_entropy(model, batch) * float("nan"))


# ------------------------------------------------------------------------------------------------ steps

PLAIN = replace(SETTINGS, learning_rate=0.1, weight_decay=0.0, optimiser="sgd", augmentation="none")


def steps_by_hand(model, batches, rates):
    """The weights after plain steps in training mode, with momentum 0.9, one for each of ``batches`` at its rate."""
    model.train()
    moments = [0.0] * len(list(model.parameters()))
    for positions, rate in zip(batches, rates, strict=True):
        model.zero_grad()
        logits = model(evaluation_input(TRAIN.pixels(positions, 16), FORMAT))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(TRAIN.labels[positions])).backward()
        moments = [0.9 * moment + value.grad for moment, value in zip(moments, model.parameters(), strict=True)]
        with torch.no_grad():
            for value, moment in zip(model.parameters(), moments, strict=True):
                value -= rate * moment
    return model.state_dict()


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_every_batch_is_a_step_in_training_mode_at_the_rate_of_the_schedule(backbone, schedule):
    orders = [
        np.array_split(torch.randperm(70, generator=stage_generator("test", 0, epoch)).numpy(), 5) for epoch in (1, 2)
    ]
    rates = [0.1 * (1 if schedule == "constant" else (1 + np.cos(np.pi * step / 10)) / 2) for step in range(10)]
    expected = steps_by_hand(load_classifier(backbone, 2, 0), [*orders[0], *orders[1]], rates)
    model, _ = run(backbone, settings=replace(PLAIN, schedule=schedule))
    assert not model.training
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4, msg=name)


def test_augmentation_is_drawn_from_the_epochs_generator(backbone):
    seen, asked = [], []

    def loss(model, batch):
        seen.append(batch)
        return cross_entropy(model, batch)

    def sampler(generator):
        asked.append(generator)
        return [np.arange(70)]

    run(backbone, loss, replace(SETTINGS, epochs=3, augmentation="flip"), sampler=sampler)
    straight = evaluation_input(TRAIN.pixels(range(70), 16), FORMAT)
    flips = []
    for epoch, batch in enumerate(seen, start=1):
        flips.append(torch.rand(70, generator=stage_generator("test", 0, epoch)) < 0.5)
        assert torch.equal(batch.images, torch.where(flips[-1].view(-1, 1, 1, 1), straight.flip(-1), straight))
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(flips[0], flips[1])


def test_the_history_tells_the_mean_loss_of_the_batches_and_the_accuracies(backbone):
    losses = []

    def loss(model, batch):
        losses.append(cross_entropy(model, batch))
        return losses[-1]

    _, done = run(backbone, loss, validation=WATCHED)
    for epoch, entry in enumerate(done.history):
        own = [value.item() for value in losses[5 * epoch : 5 * epoch + 5]]
        assert entry["epoch"] == epoch + 1 and entry["loss"] == pytest.approx(np.mean(own))
        assert entry.keys() >= {"group_accuracy", "worst_group", "average", "weighted_average"}
    assert done.went_on_after == 0 and done.best_epoch == 2


def test_its_seconds_are_those_of_the_epochs_and_its_rate_leaves_the_validation_out(backbone, monkeypatch):
    clock, real = [0.0], loop.measure

    def loss(model, batch):
        clock[0] += 1.0
        return cross_entropy(model, batch)

    def measured(*arguments):
        clock[0] += 100.0
        return real(*arguments)

    monkeypatch.setattr(loop, "measure", measured)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    _, done = run(backbone, loss, validation=WATCHED)
    assert done.seconds == 2 * (5 + 100) and done.images_per_second == 140 / 10

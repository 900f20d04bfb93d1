"""FFR: as many painted pictures of each group, a training on them, and one on the images from there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Words
from dbb.errors import InputError
from dbb.methods import ffr
from dbb.methods.ffr import METHOD, Settings, drawn_prompts, painted_groups, painted_set, per_group, train
from dbb.methods.given import Given
from dbb.methods.method import AVERAGE, WORST_GROUP, Trained, Uses
from dbb.training import loop

WORDS = Words((("dark",), ("bright", "light"), ("grey",)), (("left",), ("right", "far")), "{1} {0}")


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The prompts that were painted: a picture of class 1 is bright."""
    prompts: list[str] = []

    def paint(given: Given, wanted: Sequence[str], name: str) -> torch.Tensor:
        prompts.extend(wanted)
        noise = torch.randint(128, (len(wanted), 3, 16, 16), generator=torch.Generator().manual_seed(1))
        bright = torch.tensor(["bright" in prompt or "light" in prompt for prompt in wanted])
        return (noise + 127 * bright[:, None, None, None]).to(torch.uint8)

    monkeypatch.setattr(ffr, "paint", paint)
    return prompts


@pytest.fixture
def painted(given, few, asked) -> Callable[..., Given]:
    """Groups 0 and 3 have three images each."""
    words = replace(WORDS, classes=WORDS.classes[:2])

    def make(uses: Uses = METHOD.uses) -> Given:
        this = given(uses, benchmark=replace(few, words=words))
        some = [np.flatnonzero(this.train_set.groups == g)[: None if g in (1, 2) else 3] for g in range(4)]
        return replace(this, train_set=this.train_set.subset(np.sort(np.concatenate(some))))

    return make


def small(given: Given, **how: Any) -> Settings:
    return replace(ffr.settings(given.benchmark), epochs=2, first_epochs=2, most_pictures=6, **how)


def test_pictures_of_each_group_are_the_mean_of_what_the_groups_lack():
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(0, 30, rng.integers(2, 9))
        lacking = 0
        for count in counts:
            lacking += max(counts) - count
        assert per_group(counts) == lacking // len(counts)
    assert per_group(np.array([3498, 184, 56, 1057])) == 2299
    assert per_group(np.array([7, 7])) == 0


def test_every_class_is_painted_with_every_attribute_of_the_training_images():
    assert painted_groups(np.array([0, 1, 7, 8, 8]), 2, 5).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert painted_groups(np.array([4, 4]), 3, 2).tolist() == [0, 2, 4]


def test_prompts_are_drawn_from_all_words_of_a_class_and_an_attribute():
    def draw(n, label=1, seed=0):
        return drawn_prompts(WORDS, label, 1, n, torch.Generator().manual_seed(seed))

    many = draw(400)
    assert len(many) == 400 and set(many) == {"right bright", "right light", "far bright", "far light"}
    assert all(60 < many.count(prompt) < 140 for prompt in set(many))
    assert draw(40) == draw(40) != draw(40, seed=1) and set(draw(40, label=2)) == {"right grey", "far grey"}


@pytest.mark.parametrize("lacking", [None, 2])
def test_the_painted_set_has_as_many_of_each_group_also_of_one_without_images(painted, asked, lacking):
    this = painted()
    this = replace(this, train_set=this.train_set.subset(np.flatnonzero(this.train_set.groups != lacking)))
    counts = np.bincount(this.train_set.groups, minlength=4)
    images = painted_set(this, None)
    assert np.array_equal(np.bincount(images.groups, minlength=4), [per_group(counts)] * 4) and per_group(counts) > 1
    names = ["left dark", ("right dark", "far dark"), ("left bright", "left light"), ("right", "far")]
    assert all(prompt.startswith(names[g]) for prompt, g in zip(asked, images.groups, strict=True))
    bright = images.pixels(range(len(images)), 16).float().mean((1, 2, 3)) > 127
    assert np.array_equal(bright.numpy(), images.labels == 1)


def test_another_seed_asks_for_other_prompts(painted, asked):
    this = painted()
    for seed in (0, 1, 0):
        painted_set(replace(this, seed=seed), None)
    first, second, third = np.array_split(np.array(asked), 3)
    assert np.array_equal(first, third) and not np.array_equal(first, second)


def test_a_setting_caps_the_painted_set_and_balanced_groups_get_one_picture_each(painted):
    this = painted()
    assert len(painted_set(this, 2)) == 8 and len(painted_set(this, 1000)) == len(painted_set(this, None)) < 400
    even = this.train_set.subset(np.concatenate([np.flatnonzero(this.train_set.groups == g)[:3] for g in range(4)]))
    assert len(painted_set(replace(this, train_set=even), None)) == 4


class Noted:
    """What `Given.fit` was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[dict[str, Any]] = []
        real = Given.fit

        def fit(given, model, loss, settings, sampler=None, name="", measured=None, examples=None) -> Trained:
            before = {key: value.clone() for key, value in model.state_dict().items()}
            done = real(given, model, loss, settings, sampler, name, measured, examples)
            self.calls.append(
                dict(before=before, settings=settings, sampler=sampler, name=name, examples=examples, done=done)
            )
            return done

        monkeypatch.setattr(Given, "fit", fit)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_painted_pictures_alone_come_first_and_the_images_from_there(painted, monkeypatch):
    this, noted = painted(), Noted(monkeypatch)
    for value in this.base_model.state_dict().values():
        value.mul_(2)  # it begins with the pretrained backbone, not with the base model
    settings = replace(small(this), first_epochs=3, first_learning_rate=0.02)
    done = train(this, settings)
    first, second = noted.calls[:2]
    assert same(first["before"], this.fresh().state_dict())
    assert len(first["examples"]) == 24 and first["examples"].labels.tolist() == [0] * 12 + [1] * 12
    assert (first["settings"].epochs, first["settings"].learning_rate) == (3, 0.02)
    assert second["examples"] is None and second["settings"] == settings
    assert same(second["before"], first["done"].weights[WORST_GROUP])
    assert same(done.weights[WORST_GROUP], second["done"].weights[WORST_GROUP])
    assert done.measured["painted"] == 24 and done.measured["first_steps"] == dict(first["done"].steps)


def test_what_a_rule_selects_goes_back_to_what_it_selected_first(painted, monkeypatch):
    """Worst group and average choose different epochs of the first training, so each has a second one of its own."""
    this, noted, real = painted(), Noted(monkeypatch), loop.measure
    scores = iter([(0.9, 0.1), (0.2, 0.8)] + 2 * [(0.2, 0.8), (0.9, 0.1)])

    def measured(*arguments: Any) -> Any:
        worst, average = next(scores)
        return replace(real(*arguments), worst_group=worst, average=average)

    monkeypatch.setattr(loop, "measure", measured)
    done = train(this, small(this))
    first, worst, average = noted.calls
    assert (done.measured["first_steps"], worst["name"]) == ({WORST_GROUP: 1, AVERAGE: 2}, "second from epoch 1")
    assert same(worst["before"], first["done"].weights[WORST_GROUP])
    assert same(average["before"], first["done"].weights[AVERAGE]) and not same(worst["before"], average["before"])
    assert same(done.weights[WORST_GROUP], worst["done"].weights[WORST_GROUP])
    assert same(done.weights[AVERAGE], average["done"].weights[AVERAGE])
    assert done.steps == {WORST_GROUP: 2, AVERAGE: 1}


def test_the_images_are_resampled_or_not(painted, monkeypatch):
    this, noted = painted(), Noted(monkeypatch)
    train(this, small(this, resampled=True))
    train(this, small(this, resampled=False))
    samplers = [call["sampler"] for call in noted.calls if call["name"] != "first"]
    assert all(call["sampler"] is None for call in noted.calls if call["name"] == "first")
    assert samplers[0] is not None and samplers[-1] is None
    drawn = np.concatenate([np.concatenate(samplers[0](torch.Generator().manual_seed(seed))) for seed in range(100)])
    shares = np.bincount(this.train_set.groups[drawn], minlength=4) / len(drawn)
    assert np.abs(shares - 0.25).max() < 0.03


def test_it_learns_needs_what_it_declares_and_repeats_its_bits(painted):
    done = [train(this, small(this)) for this in (painted(), painted())]
    for rule in (WORST_GROUP, AVERAGE):
        assert same(done[0].weights[rule], done[1].weights[rule])
    model = painted().fresh()
    model.load_state_dict(done[0].weights[AVERAGE])
    this = replace(painted(), base_model=model.eval())
    assert (this.logits.argmax(1).numpy() == this.labels).mean() == 1
    for uses in (Uses.NOTHING, Uses.SELECTION):
        with pytest.raises(InputError, match=r"add Uses\.TRAINING"):
            train(painted(uses), small(this))


@pytest.mark.parametrize("what", ["first_epochs", "first_learning_rate", "most_pictures"])
def test_a_number_that_is_not_positive_is_refused(few, what):
    with pytest.raises(InputError, match=f"{what} = 0: give more than 0"):
        replace(ffr.settings(few), **{what: 0})


def test_the_published_settings_stand_for_the_papers_data_and_the_drawn_ones_have_few_pictures():
    paper = ffr.settings(get_benchmark("waterbirds"))
    assert (paper.first_epochs, paper.first_learning_rate, paper.learning_rate) == (50, 1e-4, 1e-3)
    assert paper.most_pictures is None and paper.resampled and paper.optimiser == "adam"
    bm = get_benchmark("mini-celeba")
    drawn = ffr.settings(bm)
    assert (drawn.epochs, drawn.first_epochs, drawn.most_pictures) == (bm.erm.epochs, bm.erm.epochs, 100)
    assert {trial.resampled for trial in METHOD.trials(bm)} == {True, False}

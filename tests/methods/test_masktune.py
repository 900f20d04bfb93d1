"""MaskTune against loops: which pixels turn black, on which images the one epoch is, from which model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dbb.benchmarks import get_benchmark
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.methods import masktune
from dbb.methods.cam import heat_maps
from dbb.methods.given import Given
from dbb.methods.masktune import METHOD, blackened, kept, settings, train
from dbb.methods.method import AVERAGE, Uses
from dbb.stages.erm import cross_entropy_loss
from dbb.training import Examples
from dbb.transforms import evaluation_input

WITH_MARGIN = InputFormat(12, (0.5,) * 3, (0.25,) * 3, margin=4)


def heats(n, size=9, seed=0):
    heat = torch.randn(n, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (heat - 1).relu()


def kept_by_loops(heat):
    result = np.ones(heat.shape, bool)
    for i, picture in enumerate(heat):
        positive = [value for value in picture.flat if value > 0]
        if positive:
            mean = sum(positive) / len(positive)
            std = (sum((value - mean) ** 2 for value in positive) / len(positive)) ** 0.5
            result[i] = picture <= mean + 2 * std
    return result


# ------------------------------------------------------------------------------------------------ maths


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pixels_above_mean_and_two_deviations_of_the_positive_heat_are_masked(dtype):
    heat = heats(20).to(dtype)
    mask = kept(heat)
    assert np.array_equal(mask.numpy(), kept_by_loops(heat.numpy())) and 0 < (~mask).sum() < 100


def test_the_deviation_is_that_of_a_population():
    # of these it is 1.08, and mean + 2 std 3.78; of a sample 1.16 and 3.93
    heat = torch.tensor([1, 1, 1, 1, 1, 1, 3, 3.9, 0, 0, 0, 0, 0, 0, 0, 0], dtype=torch.float64).view(1, 4, 4)
    assert (~kept(heat)).nonzero().tolist() == [[0, 1, 3]]


def test_an_image_without_heat_stays_whole():
    assert kept(torch.zeros(2, 3, 3, dtype=torch.float64)).all()
    assert kept(torch.full((2, 3, 3), 0.5)).all()


@pytest.mark.parametrize("margin", [0, 4])
def test_masked_pixels_of_the_centre_turn_black_in_all_channels(margin):
    mask, start = kept(heats(5, size=8)), margin // 2
    pixels = torch.randint(1, 256, (5, 3, 8 + margin, 8 + margin), dtype=torch.uint8)
    before, black = pixels.clone(), blackened(pixels, mask)
    expected = pixels.numpy().copy()
    for i, y, x in np.argwhere(~mask.numpy()):
        expected[i, :, start + y, start + x] = 0
    assert black.dtype == torch.uint8 and np.array_equal(black.numpy(), expected)
    assert torch.equal(pixels, before) and not torch.equal(black, before)


# ------------------------------------------------------------------------------------------------ training


def masked_by_hand(this) -> ImageSet:
    """The training images, black where the base model looks."""
    pixels = this.train_set.pixels(range(len(this.train_set)), 16)
    heat = heat_maps(this.base(), evaluation_input(pixels, this.benchmark.input_format))
    mask = torch.from_numpy(kept_by_loops(heat.numpy()))
    images = blackened(pixels, mask).permute(0, 2, 3, 1).numpy()
    assert (~mask).sum() > 20, "too little is masked to see"
    return replace(this.train_set, source=ArrayPixels(images), ids=np.arange(len(images)))


@pytest.mark.parametrize("input_format, in_memory", [(None, True), (WITH_MARGIN, False)])
def test_one_epoch_of_plain_training_from_the_base_model_on_masked_images(
    given, few, monkeypatch, input_format, in_memory
):
    from dbb.training import examples

    if not in_memory:
        monkeypatch.setattr(examples, "IN_MEMORY_BYTES", 0)
    this = given(Uses.NOTHING, rules=METHOD.rules, seed=3)
    if input_format:
        this = replace(this, benchmark=replace(few, input_format=input_format))
    chosen = replace(settings(this.benchmark), augmentation="crop", learning_rate=0.01)
    done = train(this, chosen)
    expected = replace(this, train_set=masked_by_hand(this)).fit(this.base(), cross_entropy_loss, chosen)
    assert done.steps == {AVERAGE: 1} and len(done.measured["losses"]) == 1
    assert done.measured["losses"] == expected.measured["losses"]
    for name, value in expected.weights[AVERAGE].items():
        assert torch.equal(done.weights[AVERAGE][name], value), name
    assert not torch.equal(done.weights[AVERAGE]["head.weight"], this.base_model.head.weight)


def test_what_is_trained_on_has_the_training_images_labels_and_no_attribute(given, monkeypatch):
    seen, real = [], Given.fit

    def fit(self, *arguments, examples, **names):
        seen.append(examples)
        return real(self, *arguments, examples=examples, **names)

    monkeypatch.setattr(Given, "fit", fit)
    this = given(Uses.NOTHING, rules=METHOD.rules)
    # ids that are no positions
    this = replace(this, train_set=this.train_set.subset(np.arange(60)[::-1]))
    train(this, settings(this.benchmark))
    (examples,) = seen
    assert isinstance(examples, Examples)
    assert torch.equal(examples.labels, torch.from_numpy(this.labels)) and not examples.part.any()
    by_hand = masked_by_hand(this).pixels(range(60), 16)
    assert torch.equal(examples.pixels(np.arange(60)), by_hand)


def test_masks_are_made_once_for_all_settings(given, monkeypatch):
    made, real = [], masktune.training_heat_maps
    monkeypatch.setattr(masktune, "training_heat_maps", lambda *a: made.append(1) or real(*a))
    this = given(Uses.NOTHING, rules=METHOD.rules)
    done = [train(this, trial) for trial in METHOD.trials(this.benchmark)[:2]]
    assert made == [1]
    again = train(given(Uses.NOTHING, rules=METHOD.rules), METHOD.trials(this.benchmark)[1])
    first, second, third = (d.weights[AVERAGE]["head.weight"] for d in [*done, again])
    assert torch.equal(second, third) and not torch.equal(first, second)


def test_more_epochs_than_one_are_refused_before_anything_is_done(given, few):
    with pytest.raises(InputError, match=r"epochs = 2: .* give 1"):
        train(given(Uses.NOTHING), few.erm)


def test_the_rate_is_the_last_that_the_base_model_was_trained_with(few):
    own = replace(few, name="own", erm=replace(few.erm, epochs=7, learning_rate=0.4, schedule="constant"))
    assert settings(own) == replace(own.erm, epochs=1)
    falls = replace(own, erm=replace(own.erm, schedule="cosine"))
    assert settings(falls) == replace(own.erm, epochs=1, learning_rate=pytest.approx(0.04))
    for name, batch_size in {"waterbirds": 128, "celeba": 512}.items():
        published = settings(get_benchmark(name))
        assert (published.learning_rate, published.batch_size, published.epochs) == (1e-4, batch_size, 1)
        assert (published.optimiser, published.schedule, published.augmentation) == ("sgd", "constant", "crop")

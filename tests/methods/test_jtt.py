"""JTT: what the first training gets wrong, how often it comes in the second, and both trainings."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import jtt
from dbb.methods.method import WORST_GROUP, Uses
from dbb.training import Batch


def test_errors_are_the_predictions_that_are_not_the_label():
    errors = jtt.error_set(np.array([0, 2, 1, 2, 0]), np.array([0, 1, 1, 2, 2]))
    assert errors.tolist() == [False, True, False, False, True]


@pytest.mark.parametrize("upweight", [0, 1, 3])
def test_an_error_comes_once_and_as_often_more_as_it_is_upweighted(upweight):
    errors = np.array([False, True, False, True, True])
    positions = jtt.upsampled(errors, upweight)
    assert len(positions) == 5 + 3 * upweight and positions.dtype == np.int64
    assert [int((positions == i).sum()) for i in range(5)] == [1 + upweight * wrong for wrong in errors]
    assert positions[:5].tolist() == [0, 1, 2, 3, 4]


def test_without_errors_the_second_set_is_the_first():
    assert jtt.upsampled(np.zeros(4, bool), 100).tolist() == [0, 1, 2, 3]


def batch(this, positions):
    images = this.examples.pixels(positions).float().div(255).sub(0.5).div(0.25)
    at = torch.from_numpy(positions)
    return Batch(images, torch.from_numpy(this.labels)[at], torch.zeros_like(at), at)


def test_what_is_noted_is_what_the_model_says_in_training_mode_the_last_time(given):
    this = given()
    model, noted = this.fresh().train(), jtt.NotedPredictions(70)
    with torch.no_grad():
        model.head.bias += torch.tensor([0.5, 0.0])
    first, second = np.arange(0, 40), np.arange(25, 60)
    said = {}
    for positions in (first, second):
        seen = batch(this, positions)
        logits = deepcopy(model)(seen.images)
        assert noted(model, seen).item() == pytest.approx(cross_entropy(logits, seen.labels).item(), rel=1e-6)
        said |= dict(zip(positions.tolist(), logits.argmax(1).tolist(), strict=True))
    assert [noted.predictions[i].item() for i in range(60)] == [said[i] for i in range(60)]
    assert (noted.predictions[60:] == -1).all()
    at_rest = model.eval()(batch(this, np.arange(60)).images).argmax(1)
    assert not torch.equal(at_rest, noted.predictions[:60])  # so that the mode can be told


def test_a_stopped_training_has_what_was_noted_again(given):
    noted, again = jtt.NotedPredictions(70), jtt.NotedPredictions(70)
    noted(given().fresh().train(), batch(given(), np.arange(70)))
    again.load_state_dict(noted.state_dict())
    assert torch.equal(again.predictions, noted.predictions) and (noted.predictions >= 0).all()


class Fits:
    """Notes how `Given.fit` is called, and does it; the first training is made to get images 3 and 8 wrong."""

    def __init__(self, monkeypatch, given):
        self.calls, real = [], type(given).fit

        def fit(this, model, loss, settings, sampler=None, name="training", measured=None):
            start = deepcopy(model.state_dict())
            done = real(this, model, loss, settings, sampler, name, measured)
            self.calls.append((start, loss, settings, sampler, name))
            if isinstance(loss, jtt.NotedPredictions):
                loss.predictions = torch.from_numpy(this.labels).clone()
                loss.predictions[[3, 8]] += 1
            return done

        monkeypatch.setattr(type(given), "fit", fit)


def test_the_second_training_begins_anew_on_all_images_and_copies_of_the_errors(given, few, monkeypatch):
    fits = Fits(monkeypatch, given())
    settings = replace(jtt.settings(few), first_epochs=1, upweight=4, epochs=1)
    this = given(Uses.SELECTION, seed=3)  # not the base model's, so that a new head can be told
    done = jtt.train(this, settings)
    first, second = fits.calls
    assert first[2].epochs == 2 and first[3] is None  # T epochs, and the one that notes
    assert second[2] == settings and first[4] != second[4]  # each goes on from a file of its own
    for start in (first[0], second[0]):
        assert all(torch.equal(value, start[name]) for name, value in this.fresh().state_dict().items())
    assert not isinstance(second[1], jtt.NotedPredictions)
    batches = second[3](torch.Generator().manual_seed(0))
    counts = np.bincount(np.concatenate(batches), minlength=70)
    assert counts.tolist() == [5 if i in (3, 8) else 1 for i in range(70)]
    assert max(map(len, batches)) <= settings.batch_size
    assert {"errors": 2, "images": 70}.items() <= done.measured.items() and len(done.measured["losses"]) == 1


def test_trials_that_differ_in_the_second_training_share_the_first(given, few, monkeypatch):
    fits, this = Fits(monkeypatch, given()), given()
    settings = replace(jtt.settings(few), first_epochs=1, epochs=1)
    for changed in ({"upweight": 2}, {"upweight": 4}, {"first_epochs": 2}):
        jtt.train(this, replace(settings, **changed))
    assert [name for *_, name in fits.calls] == ["first", "second", "second", "first", "second"]
    sizes = [sum(map(len, sampler(torch.Generator()))) for *_, sampler, name in fits.calls if name == "second"]
    assert sizes == [74, 78, 70 + 2 * settings.upweight]


def test_it_trains_on_what_it_declares_with_the_same_bits(given, few):
    settings = replace(jtt.settings(few), first_epochs=1, upweight=2, epochs=1)
    done = [jtt.train(given(Uses.SELECTION), settings) for _ in range(2)]
    for name, value in done[0].weights[WORST_GROUP].items():
        assert torch.equal(value, done[1].weights[WORST_GROUP][name]), name
    assert done[0].measured == done[1].measured and 0 <= done[0].measured["errors"] < 70


@pytest.mark.parametrize("wrong", [{"first_epochs": 0}, {"upweight": -1}])
def test_wrong_settings_are_refused(few, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"{name} = {value}: give"):
        replace(jtt.settings(few), **wrong)


@pytest.mark.parametrize("name", ["waterbirds", "celeba", "metashift", "mini-waterbirds"])
def test_the_settings_to_begin_with_are_among_the_trials(name):
    benchmark = get_benchmark(name)
    assert jtt.settings(benchmark) in jtt.METHOD.trials(benchmark)
    if name in jtt.PAPER:
        published = jtt.PAPER[name]
        assert (published.first_epochs, published.upweight) == {"waterbirds": (60, 100), "celeba": (1, 50)}[name]
    else:
        assert jtt.settings(benchmark).first_epochs == benchmark.erm.epochs // 4

"""ERM as a compared method: plain training, no group seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.methods import erm
from dbb.methods.method import AVERAGE, Uses


def test_it_is_plain_cross_entropy_on_every_image_once_an_epoch(given, few):
    this = given(Uses.NOTHING, rules=(AVERAGE,), seed=3)  # not the base model's, so that a new head can be told
    settings = replace(few.erm, augmentation="none", optimiser="sgd", schedule="constant", weight_decay=0.0, epochs=1)
    settings = replace(settings, batch_size=70, learning_rate=0.5)
    done = erm.train(this, settings)
    model = this.fresh().train()
    images = this.examples.pixels(np.arange(70)).float().div(255).sub(0.5).div(0.25)
    loss = cross_entropy(model(images), torch.from_numpy(this.labels))
    loss.backward()
    for name, parameter in model.named_parameters():
        moved = parameter.detach() - 0.5 * parameter.grad
        assert torch.allclose(done.weights[AVERAGE][name], moved, atol=1e-4), name
    assert done.measured["losses"] == pytest.approx([loss.item()], rel=1e-5)


def test_it_begins_from_a_new_classifier_and_learns_without_any_group(given, few):
    settings = replace(few.erm, epochs=4)
    done = [erm.train(given(Uses.NOTHING, rules=(AVERAGE,)), settings) for _ in range(2)]
    assert done[0].measured["losses"][-1] < 0.7 * done[0].measured["losses"][0]
    for name, value in done[0].weights[AVERAGE].items():
        assert torch.equal(value, done[1].weights[AVERAGE][name]), name
    assert erm.METHOD.uses == Uses.NOTHING and erm.METHOD.rules == (AVERAGE,)


@pytest.mark.parametrize("name", ["waterbirds", "celeba", "metashift", "mini-waterbirds", "mini-metashift"])
def test_the_recipe_to_begin_with_is_among_the_trials(name):
    benchmark = get_benchmark(name)
    recipe = erm.settings(benchmark)
    assert recipe in erm.METHOD.trials(benchmark)
    if name.startswith("mini"):
        assert recipe == benchmark.erm
    else:
        assert (recipe.learning_rate, recipe.optimiser, recipe.augmentation) == (1e-3, "sgd", "crop")
        assert recipe.weight_decay == {"waterbirds": 1e-3}.get(name, 1e-4)

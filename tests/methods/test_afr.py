"""AFR: the two parts, the weights of images, the steps of the last layer, and the two stages."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import afr
from dbb.methods.method import AVERAGE, WORST_GROUP, Uses
from dbb.methods.sampling import batches_of
from dbb.stages.erm import cross_entropy_loss
from dbb.training import fit, loop


def drawn(n=23, width=5, n_classes=3, seed=0):
    """Return features, labels, weights and a first layer, float64."""
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(n, width, generator=rng, dtype=torch.float64)
    labels = torch.randint(n_classes, (n,), generator=rng)
    weights = torch.rand(n, generator=rng, dtype=torch.float64)
    weight = torch.randn(n_classes, width, generator=rng, dtype=torch.float64)
    return features, labels, weights / weights.sum(), (weight, torch.randn(n_classes, generator=rng).double())


@pytest.mark.parametrize("n", [7, 1123, 4795])
def test_the_parts_are_the_official_split(n):
    state = random.getstate()
    random.seed(21)
    order = np.arange(n)
    random.shuffle(order)
    random.setstate(state)
    first, rest = afr.parts(n, 0.8, 21)
    assert np.array_equal(first, np.sort(order[: int(n * 0.8)]))
    assert set(order[-int(n * 0.2) :]) <= set(rest) and len(rest) - int(n * 0.2) in (0, 1)
    assert sorted([*first, *rest]) == list(range(n)) and np.array_equal(rest, np.sort(rest))
    assert random.getstate() == state


@pytest.mark.parametrize("n, share", [(10, 0.0), (10, 1.0), (1, 0.8)])
def test_a_stage_without_images_is_told(n, share):
    with pytest.raises(InputError, match=f"first_share = {share} of {n} images leaves a stage without any"):
        afr.parts(n, share, 21)


@pytest.mark.parametrize("gamma", [0.0, 1.5, 10.0])
def test_the_weight_of_an_image_falls_with_the_probability_of_its_class(gamma):
    logits = 2 * torch.randn(12, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 3, 3, 3, 1, 1, 3])  # class 2 lacks
    expected = []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(map(math.exp, row))
        expected.append(12 / labels.tolist().count(label) * math.exp(-gamma * p))
    weights = afr.image_weights(logits, labels, gamma)
    assert weights.tolist() == pytest.approx([value / sum(expected) for value in expected], rel=1e-12)
    assert weights.dtype == torch.float64 and afr.image_weights(logits.float(), labels, gamma).dtype == torch.float32
    if gamma == 0:
        assert [weights[labels == c].sum().item() for c in (0, 1, 3)] == pytest.approx([1 / 3] * 3)


def objective(weight, bias, features, labels, weights, start, regularisation):
    losses = cross_entropy(features @ weight.T + bias, labels, reduction="none")
    distance = (weight - start[0]).pow(2).sum() + (bias - start[1]).pow(2).sum()
    return (weights * losses).sum() + regularisation * distance


@pytest.mark.parametrize("regularisation", [0.0, 0.3])
def test_the_gradient_is_that_of_the_objective(regularisation):
    features, labels, weights, start = drawn()
    head = tuple((part + 0.5).requires_grad_() for part in start)
    expected = torch.autograd.grad(objective(*head, features, labels, weights, start, regularisation), head)
    found = afr.gradient(tuple(part.detach() for part in head), features, labels, weights, start, regularisation)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-14)


def test_a_gradient_is_shortened_as_a_whole():
    slope = torch.tensor([[3.0, 0.0], [0.0, 4.0]]).double(), torch.tensor([0.0, 12.0]).double()
    shorter = afr.clipped(slope, 2.0)
    assert torch.cat([part.flatten() for part in shorter]).norm().item() == pytest.approx(2, rel=1e-6)
    assert shorter[1][1].item() == pytest.approx(12 * 2 / (13 + 1e-6), rel=1e-14)
    for longest in (13.1, None):
        assert all(map(torch.equal, afr.clipped(slope, longest), slope))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("clip", [None, 1.0, 0.05])
def test_the_steps_are_those_of_torch(momentum, clip):
    features, labels, weights, start = drawn()
    how = replace(afr.PAPER["waterbirds"], regularisation=0.2, steps=25, step_size=0.3, momentum=momentum, clip=clip)
    layer = nn.Linear(5, 3).double()
    layer.load_state_dict({"weight": start[0], "bias": start[1]})
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.3, momentum=momentum)
    before = [part.clone() for part in start]
    steps = list(afr.heads(features, labels, weights, start, how))
    assert [step for step, *_ in steps] == list(range(1, 26))
    for _, weight, bias in steps:
        optimiser.zero_grad()
        objective(layer.weight, layer.bias, features, labels, weights, start, 0.2).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(layer.parameters(), clip)
        optimiser.step()
        assert torch.allclose(weight, layer.weight, rtol=1e-11, atol=1e-12)
        assert torch.allclose(bias, layer.bias, rtol=1e-11, atol=1e-12)
    assert all(map(torch.equal, start, before))


@pytest.mark.parametrize(
    "how, message",
    [
        ({"gamma": -1.0}, "gamma = -1.0: give 0 or more"),
        ({"regularisation": -0.1}, "regularisation = -0.1"),
        ({"momentum": -0.9}, "momentum = -0.9"),
        ({"steps": 0}, "steps = 0: give more than 0"),
        ({"step_size": 0.0}, "step_size = 0.0"),
        ({"clip": 0.0}, "clip = 0.0"),
    ],
)
def test_wrong_settings_are_refused(how, message):
    with pytest.raises(InputError, match=message):
        replace(afr.PAPER["waterbirds"], **how)


def test_the_grid_stays_within_the_published_ones():
    for name, lowest, highest in (("waterbirds", 4, 20), ("celeba", 1, 3)):
        trials = afr.METHOD.trials(get_benchmark(name))
        assert all(lowest <= trial.gamma <= highest and 0 <= trial.regularisation <= 0.3 for trial in trials)


# ------------------------------------------------------------------------------------------------ training

USES = Uses.SELECTION


@pytest.fixture
def short(few):
    return replace(afr.settings(few), steps=12, step_size=0.5, gamma=3.0)


def test_the_first_stage_is_plain_training_on_its_part_to_the_last_epoch(given, short, few, monkeypatch):
    """What plain training comes to is what `dbb.training.fit` comes to when it selects nothing; here validation would
    have the first epoch.
    """
    scores, measure = iter([0.9, 0.1] * 2), loop.measure

    def measured(*arguments):
        score = next(scores)
        return replace(measure(*arguments), worst_group=score, average=score)

    monkeypatch.setattr(loop, "measure", measured)
    first, rest = afr.parts(70, 0.8, 21)
    this = given(USES)
    done = afr.train(this, short)
    plain, again = this.fresh(), given(USES)
    fit(
        plain,
        again.examples,
        cross_entropy_loss,
        short,
        few.input_format,
        "first of a compared method",
        0,
        select=None,
        sampler=batches_of(first, short.batch_size),
    )
    expected = plain.state_dict()
    for rule in (WORST_GROUP, AVERAGE):
        state = done.weights[rule]
        different = {name for name, value in state.items() if not torch.equal(value, expected[name])}
        assert different == {"head.weight", "head.bias"}

    # and the last layer is trained on the rest, from there
    features = given(USES, base_model=plain).features[rest]
    start = (plain.head.weight.detach(), plain.head.bias.detach())
    labels = torch.from_numpy(this.labels[rest])
    weights = afr.image_weights(features @ start[0].T + start[1], labels, short.gamma)
    steps = list(afr.heads(features, labels, weights, start, short))
    for rule in (WORST_GROUP, AVERAGE):
        _, weight, bias = steps[done.steps[rule] - 1]
        assert torch.allclose(done.weights[rule]["head.weight"], weight, atol=1e-6)
        assert torch.allclose(done.weights[rule]["head.bias"], bias, atol=1e-6)
    assert done.measured["images"] == 14
    assert done.measured["effective images"] == pytest.approx(1 / (weights**2).sum().item(), rel=1e-4)
    assert 1 < done.measured["effective images"] < 14


def test_the_step_is_selected_on_validation(given, short):
    this = given(USES)
    done = afr.train(this, short)
    validation = this.validation_set
    state = done.weights[AVERAGE]
    model = this.fresh()
    model.load_state_dict(state)
    features = given(Uses.VALIDATION, base_model=model.eval()).validation_features
    said = (features @ state["head.weight"].T + state["head.bias"]).argmax(1).numpy()
    assert (said == validation.labels).mean() > 0.8
    assert 1 <= done.steps[AVERAGE] <= 12


def test_settings_of_the_second_stage_share_the_first(given, short, monkeypatch):
    this, seen = given(USES), []
    monkeypatch.setattr(
        afr, "cross_entropy_loss", lambda model, batch: seen.append(batch.indices) or cross_entropy_loss(model, batch)
    )
    one = afr.train(this, short)
    batches, first = len(seen), afr.parts(70, 0.8, 21)[0]
    assert sorted(torch.cat(seen).tolist()) == sorted([*first, *first])  # two epochs
    other = afr.train(this, replace(short, gamma=0.0, regularisation=0.1))
    assert len(seen) == batches
    assert not torch.equal(one.weights[AVERAGE]["head.weight"], other.weights[AVERAGE]["head.weight"])
    theirs, base = (replace(each, uses=Uses.VALIDATION).validation_features for each in (this, given(USES)))
    assert torch.equal(theirs, base)  # what others are given is still of the base model
    afr.train(this, replace(short, first_share=0.7))
    assert len(seen) > batches
    batches = len(seen)
    afr.train(this, replace(short, learning_rate=1e-3))
    assert len(seen) > batches


def test_the_same_seed_gives_the_same_bits_and_the_base_model_has_no_part_in_it(given, short):
    one, other = afr.train(given(USES), short), given(USES)
    with torch.no_grad():
        other.base_model.head.weight.mul_(-1)
    same = afr.train(other, short)
    assert all(torch.equal(value, same.weights[AVERAGE][name]) for name, value in one.weights[AVERAGE].items())
    assert one.steps == same.steps

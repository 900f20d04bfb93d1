"""What a method is handed, and what it must not ask for."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods.method import AVERAGE, TRIALS, WORST_GROUP, Method, Times, Trained, Uses
from dbb.methods.registry import get_method, method_names
from dbb.models.classifier import Classifier
from dbb.transforms import evaluation_input

ASKED = {
    "groups": Uses.TRAINING,
    "validation_groups": Uses.VALIDATION,
    "validation_labels": Uses.VALIDATION,
    "validation_features": Uses.VALIDATION,
}


@pytest.mark.parametrize("what", ASKED)
def test_groups_that_are_not_declared_are_refused(given, what):
    for uses in (Uses.NOTHING, Uses.SELECTION, (Uses.TRAINING | Uses.VALIDATION) & ~ASKED[what]):
        with pytest.raises(InputError, match=f"does not declare them: add Uses.{ASKED[what].name}"):
            getattr(given(uses), what)
    assert len(getattr(given(ASKED[what]), what)) in (70, 40)


def test_a_benchmark_without_groups_has_none_to_give(given, few):
    with pytest.raises(InputError, match="knows no groups"):
        _ = given(benchmark=replace(few, attributes=("",), words=None)).groups


def test_features_and_logits_are_the_base_model_s_without_augmentation(given, few):
    this = given()
    pixels = evaluation_input(this.train_set.pixels(range(70), 16), few.input_format)
    with torch.inference_mode():
        features = this.base_model.features(pixels)
        logits = this.base_model(pixels)
    assert torch.allclose(this.features, features, atol=1e-5)
    assert torch.allclose(this.logits, logits, atol=1e-5)


def test_the_base_model_stays_as_it_is_whatever_is_done_to_a_copy(given):
    this = given()
    before = {name: value.clone() for name, value in this.base_model.state_dict().items()}
    copy = this.base()
    this.fit(copy, lambda model, batch: cross_entropy(model(batch.images), batch.labels), this.benchmark.erm)
    assert all(torch.equal(value, before[name]) for name, value in this.base_model.state_dict().items())
    assert not torch.equal(copy.head.weight, before["head.weight"])


def test_each_rule_selects_its_own_epoch_of_one_training(given, monkeypatch):
    from dbb.training import loop

    this, scores, real = given(), iter([(0.9, 0.1), (0.2, 0.8)]), loop.measure

    def measured(*arguments):
        worst, average = next(scores)
        return replace(real(*arguments), worst_group=worst, average=average)

    monkeypatch.setattr(loop, "measure", measured)
    done = this.fit(
        this.fresh(), lambda model, batch: cross_entropy(model(batch.images), batch.labels), few_epochs(this)
    )
    assert done.steps == {WORST_GROUP: 1, AVERAGE: 2} and len(done.measured["losses"]) == 2
    assert not torch.equal(done.weights[WORST_GROUP]["head.weight"], done.weights[AVERAGE]["head.weight"])


def few_epochs(this):
    return replace(this.benchmark.erm, epochs=2)


def test_a_head_is_selected_by_what_it_says_of_validation(given):
    this = given()
    features, labels = this.validation_features, torch.from_numpy(this.validation_set.labels)
    right = features.double().T @ torch.nn.functional.one_hot(labels, 2).double()
    heads = [torch.zeros(2, 16), (right - right.mean(1, keepdim=True)).T.float(), torch.ones(2, 16)]
    accuracy = [((features @ head.T).argmax(1) == labels).float().mean().item() for head in heads]
    chosen = this.select_head((step, head, torch.zeros(2)) for step, head in enumerate(heads))
    best = max(range(3), key=lambda step: (accuracy[step], step))
    assert chosen.steps[AVERAGE] == best
    assert torch.equal(chosen.weights[AVERAGE]["head.weight"], heads[best])
    model = Classifier(this.base().backbone, 16, 2)
    model.load_state_dict(chosen.weights[AVERAGE])
    with pytest.raises(InputError, match="no head to select from"):
        this.select_head(iter(()))


# ------------------------------------------------------------------------------------------------ methods


@dataclass(frozen=True)
class Knobs:
    rate: float = 0.1
    count: int = 2


def method(grid, uses=Uses.NOTHING):
    return Method("m", "M", "", "loss", uses, lambda bm: Knobs(), grid, lambda given, knobs: Trained({}))


def test_trials_are_all_combinations_of_the_grid():
    found = method({"rate": Times((1, 10)), "count": Times((1, 0.1))}).trials(get_benchmark("mini-waterbirds"))
    assert [(t.rate, t.count) for t in found] == [(0.1, 2), (0.1, 1), (1.0, 2), (1.0, 1)]
    assert method({"count": (1, 2, 3, 9)}).trials(get_benchmark("mini-waterbirds"))[3] == Knobs(count=9)


@pytest.mark.parametrize(
    "grid, message",
    [({"rate": (1, 2, 3)}, "has 3 combinations: give 4"), ({"rat": (1, 2, 3, 4)}, "names 'rat': choose among rate")],
)
def test_a_grid_that_gives_more_or_names_what_is_not_there_is_refused(grid, message):
    with pytest.raises(InputError, match=message):
        method(grid).trials(get_benchmark("mini-waterbirds"))


def test_the_rules_follow_from_what_a_method_sees():
    assert method({}).rules == (AVERAGE,)
    assert method({}, Uses.SELECTION | Uses.TRAINING).rules == (WORST_GROUP, AVERAGE)
    assert method({}, Uses.SELECTION | Uses.VALIDATION).rules == (WORST_GROUP,)


@pytest.mark.parametrize("benchmark", ["mini-waterbirds", "mini-metashift", "waterbirds", "celeba", "metashift"])
def test_every_method_has_its_trials_on_every_benchmark(benchmark):
    every = [get_method(name) for name in method_names()]
    for name, found in zip(method_names(), every, strict=True):
        assert len({repr(trial) for trial in found.trials(get_benchmark(benchmark))}) == TRIALS, name
        assert found.name == name
    with pytest.raises(InputError, match="unknown method 'erk'"):
        get_method("erk")
    assert len({found.title for found in every}) == len(every)

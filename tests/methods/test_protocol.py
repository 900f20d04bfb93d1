"""One protocol for all: trials on one seed's validation split, a choice by each rule, then the seeds; and the table."""

import json
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods import protocol
from dbb.methods.collect import collect
from dbb.methods.method import AVERAGE, TRIALS, WORST_GROUP
from dbb.methods.protocol import check, folder_of, train_once, train_seed, tune
from dbb.methods.registry import get_method
from dbb.stages.data import data
from dbb.stages.erm import erm
from dbb.stages.run import Run
from dbb.statistics import read_results, values

SIZES = {"train": 80, "val": 24, "test": 24}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of a few birds, whose base models stand."""
    own = get_benchmark("mini-waterbirds")
    benchmark = replace(own, erm=replace(own.erm, epochs=1, batch_size=40))
    folder = tmp_path_factory.mktemp("runs")
    made = [Run(benchmark, seed, folder, "cpu") for seed in (0, 1)]
    data(made[0], SIZES)
    for run in made:
        erm(run)
    return made


def test_each_rule_chooses_the_trial_of_the_highest_score_and_of_equal_ones_the_first(runs):
    method = get_method("jtt")
    chosen = tune(runs[0], method)
    trials = method.trials(runs[0].benchmark)
    for rule in (WORST_GROUP, AVERAGE):
        scores = [
            tuple(train_once(runs[0], method, trial, test=False).metrics["rules"][rule]["score"]) for trial in trials
        ]
        assert chosen[rule].trial == scores.index(max(scores)) and chosen[rule].score == max(scores)
        assert chosen[rule].settings == trials[chosen[rule].trial]


def test_a_second_time_nothing_is_trained_and_the_test_split_is_not_read_while_tuning(runs, monkeypatch):
    method = get_method("jtt")
    tune(runs[0], method)
    monkeypatch.setattr(protocol, "hand_over", lambda *given: pytest.fail("it trained again"))
    tune(runs[0], method)
    for path in folder_of(runs[0], method).glob("*/run.json"):
        record = json.loads(path.read_text())
        assert "data/test" not in record["made_from"]["inputs"]
        assert all("test" not in told for told in record["metrics"]["rules"].values())
    assert len(list(folder_of(runs[0], method).glob("*/run.json"))) == TRIALS


def test_seeds_are_trained_with_what_was_chosen_and_stand_in_one_table(runs, tmp_path):
    method = get_method("jtt")
    chosen = tune(runs[0], method)
    made = train_seed(runs[1], method, chosen)
    target = collect([method, get_method("erm")], runs[0], [runs[1]], tmp_path)
    table = read_results(target / "methods.csv")
    assert set(table["arm"]) == {"jtt", "jtt, average", "erm"} and set(table["seed"]) == {1}
    for rule, arm in ((WORST_GROUP, "jtt"), (AVERAGE, "jtt, average")):
        assert made[rule].record["made_from"]["settings"]["settings"] == asdict(chosen[rule].settings)
        measured = made[rule].metrics["rules"][rule]["test"]
        assert values(table, arm, "worst_group").tolist() == [pytest.approx(measured["worst_group"], rel=1e-5)]
    told = json.loads((target / "methods.json").read_text())["methods"]
    assert told["jtt"]["uses"] == ["SELECTION"] and told["erm"]["uses"] == []
    assert len(told["jtt"]["settings"]) == TRIALS and set(told["jtt"]["chosen"]) == {WORST_GROUP, AVERAGE}
    assert set(told["erm"]["chosen"]) == {AVERAGE}


def test_both_rules_share_a_training_where_they_choose_alike(runs):
    method = get_method("erm")
    chosen = tune(runs[0], method)[AVERAGE]
    made = train_seed(runs[1], method, {AVERAGE: chosen})
    assert made[AVERAGE].folder.parent == folder_of(runs[1], method)
    assert not train_once(runs[1], method, chosen.settings, test=True).new


def test_a_training_that_paints_is_made_from_the_words_and_sizes_that_it_paints_by_and_no_other_is(runs, monkeypatch):
    asked = []
    monkeypatch.setattr(Run, "make", lambda self, stage, settings, *how, **more: asked.append(settings["painting"]))
    own = runs[0].benchmark
    for name, benchmark in (("ffr", own), ("ffr", replace(own, words=None)), ("ffr", replace(own, generation_size=32))):
        train_once(replace(runs[0], benchmark=benchmark), get_method(name), get_method(name).settings(own), test=False)
    assert all(first != second for first, second in combinations(asked, 2))
    train_once(runs[0], get_method("dfr"), get_method("dfr").settings(own), test=False)
    assert asked[-1] is None


def test_what_a_method_needs_is_checked_before_any_training(runs, monkeypatch):
    monkeypatch.setattr(protocol, "hand_over", lambda *given: pytest.fail("it trained"))
    blind = replace(runs[0], benchmark=replace(runs[0].benchmark, attributes=("",), words=None))
    with pytest.raises(InputError, match="Group-DRO needs group labels, and mini-waterbirds has none"):
        check(get_method("group-dro"), blind)
    check(get_method("erm"), blind)
    whole = runs[0].split("val")
    lacking = replace(runs[0], _splits={**runs[0]._splits, "val": whole.subset(np.flatnonzero(whole.labels == 0))})
    one_less = replace(runs[0], _splits={**runs[0]._splits, "val": whole.subset(np.flatnonzero(whole.groups != 2))})
    with pytest.raises(InputError, match="has no image of waterbird on land, which the test split has"):
        check(get_method("jtt"), one_less)
    check(get_method("erm"), one_less)
    with pytest.raises(InputError, match="has no image of waterbird"):
        train_once(lacking, get_method("erm"), get_method("erm").trials(runs[0].benchmark)[0], test=False)

"""Arms train on what they say, and nothing is made twice."""

import shutil
from dataclasses import replace

import pytest

from dbb.errors import InputError
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.run import Run
from dbb.study import run as study_run
from dbb.study.arms import ARMS, METHOD, MORE_ARMS, Arm
from dbb.study.run import arm_run, make_arm, possible_arms, run_seed

ALL_ARMS = ARMS | MORE_ARMS


@pytest.fixture
def copied(study, tmp_path) -> Run:
    """The study in a folder of its own."""
    shutil.copytree(study.runs, tmp_path / "runs")
    return replace(study, runs=tmp_path / "runs")


def record(study, name):
    return arm_run(study, name, ALL_ARMS[name]).made("retrained").record


def kept(study, name):
    """The source and target of every picture that an arm kept."""
    rows = read_manifest(arm_run(study, name, ALL_ARMS[name]).folder("pruned") / MANIFEST)
    return {(row.source_id, row.target_class) for row in rows[rows["kept"].fillna(False)].itertuples()}


def test_a_second_run_makes_nothing(study):
    again = list(run_seed(study, more=True, closely=True))
    assert len(again) > 60 and not any(made.new for made in again)


def test_another_setting_of_an_arm_makes_this_arm_alone(copied, monkeypatch):
    monkeypatch.setitem(study_run.ARMS, "weights-0", replace(ARMS["weights-0"], weight=0.5))
    new = [made.folder for made in run_seed(copied, more=True, closely=True) if made.new]
    assert [folder.relative_to(copied.folder("erm").parent).as_posix() for folder in new] == [
        "arms/weights-0/retrained"
    ]


def test_an_arm_that_is_made_again_measures_the_same(copied):
    before = record(copied, "method-autoencoded")
    shutil.rmtree(arm_run(copied, "method-autoencoded", ARMS["method-autoencoded"]).folder("retrained"))
    new = [made for made in make_arm(copied, "method-autoencoded", ARMS["method-autoencoded"]) if made.new]
    assert len(new) == 1 and new[0].record["products"] == before["products"]
    assert all(new[0].metrics[split] == before["metrics"][split] for split in ("val", "test"))


def test_the_method_is_the_seed_s_own_stages(study):
    assert arm_run(study, METHOD, ARMS[METHOD]) is study
    for name in ("weights-0", "method-repeated"):
        assert set(arm_run(study, name, ARMS[name]).at) == {"retrained"}, "it trains on the method's kept pictures"


def test_arms_train_on_what_their_conditions_keep(study):
    everything = kept(study, "no-pruning")
    assert len(everything) == 10 and kept(study, "neither") == everything == kept(study, "blurred")
    assert kept(study, METHOD) <= kept(study, "psi-only") <= everything and kept(study, "rho-only") < everything
    for name in ("no-pruning", METHOD):
        counts = record(study, name)["counts"]
        assert counts["training images"] == 80
        assert counts["into class 0"] + counts["into class 1"] == len(kept(study, name))


def test_originals_join_the_training_images(study):
    for name, images in {"longer": 80, "repeated": 90, "autoencoded": 90, "method-repeated": 90}.items():
        counts = record(study, name)["counts"]
        assert counts["training images"] == images
        assert (counts["into class 0"] + counts["into class 1"] > 0) == (name == "method-repeated")


def test_without_pictures_the_weights_of_eq_8_mean_nothing(copied):
    one, two = (list(make_arm(copied, f"weight-{weight}", Arm("", None, weight=weight)))[-1] for weight in (0.0, 1.0))
    assert one.record["products"] == two.record["products"] == record(copied, "longer")["products"]


def test_what_a_benchmark_knows_nothing_of_is_left_out(study):
    train = study.split("train")
    plain = Run(study.benchmark, 1, study.runs, _splits={"train": replace(train, truth={})})
    assert set(ALL_ARMS) - set(possible_arms(plain, ALL_ARMS)) == {"renderer", "erased", "true-masks"}
    assert possible_arms(study, ALL_ARMS) == ALL_ARMS
    with pytest.raises(InputError, match="does not know the scene_seed"):
        list(make_arm(plain, "renderer", replace(ARMS["renderer"], pictures="erased")))

"""The committed results: one schema, whose numbers are those of the records."""

import numpy as np
import pandas as pd
import pytest

from dbb.errors import InputError
from dbb.metrics import GROUP_ACCURACY
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.run import TABLE
from dbb.statistics import COLUMNS, read_results, seeds_of
from dbb.store import read_json
from dbb.study.arms import ARMS, MORE_ARMS, arms_by_size
from dbb.study.collect import collect
from dbb.study.run import arm_run

ALL_ARMS = ARMS | MORE_ARMS


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    return collect([study], tmp_path_factory.mktemp("results"))


def test_every_arm_has_its_rows_and_they_are_the_record_s(study, folder):
    results = read_results(folder / "results.csv")
    assert list(results.columns) == COLUMNS and list(dict.fromkeys(results["arm"])) == ["erm", *ALL_ARMS]
    assert set(results["benchmark"]) == {"mini-waterbirds"} and set(results["seed"]) == {1}
    cells = results.set_index(["arm", "split", "measure"])["value"]
    for name, arm in ALL_ARMS.items():
        metrics = arm_run(study, name, arm).made("retrained").metrics
        for split in ("val", "test"):
            for measure in ("worst_group", "average", "weighted_average"):
                assert cells[name, split, measure] == pytest.approx(metrics[split][measure], rel=1e-5)
            groups = [cells[name, split, GROUP_ACCURACY + group] for group in study.benchmark.group_names]
            assert groups == pytest.approx(metrics[split]["group_accuracy"], rel=1e-5)
        assert cells[name, "train", "best_epoch"] == metrics["best_epoch"] == 1
        assert cells[name, "train", "seconds"] == pytest.approx(metrics["seconds"], rel=1e-5)
    erm = study.made("erm").metrics
    assert cells["erm", "test", "average"] == pytest.approx(erm["test"]["average"], rel=1e-5)
    assert ("erm", "train", "best_epoch") not in cells.index


def test_pictures_are_counted_by_the_class_they_are_labelled_with(study, folder):
    cells = read_results(folder / "results.csv").set_index(["arm", "measure"])["value"]
    for name in ("method", "size-20", "blurred"):
        manifest = read_manifest(arm_run(study, name, ALL_ARMS[name]).folder("pruned") / MANIFEST)
        kept = manifest[manifest["kept"].fillna(False)]
        for label, kind in enumerate(study.benchmark.classes):
            assert cells[name, f"generated/{kind}"] == (4, 6)[label]
            assert cells[name, f"kept/{kind}"] == (kept["target_class"] == label).sum()
    verdicts = pd.read_parquet(study.measured("verdicts-renderer") / TABLE)
    assert cells["renderer", "right"] == cells["renderer", "kept_right"] == pytest.approx(verdicts["right"].mean())
    assert not any(("longer", measure) in cells.index for measure in ("right", "generated/landbird"))


def test_the_tables_hold_what_was_measured(study, folder):
    inversion = pd.read_csv(folder / "inversion.csv")
    assert inversion.columns.tolist() == [
        "seed",
        "class",
        "size",
        "images",
        "seen_before",
        "seen_after",
        "unseen_before",
        "unseen_after",
        "nearest",
    ]
    assert inversion["size"].tolist() == [n for n in (4, 10, 20, 40) for _ in range(2)]
    scores = pd.read_parquet(folder / "scores.parquet")
    assert scores.groupby("pictures", sort=False).size().to_dict() == {"tokens": 10, "class word": 10}
    for name in ("low-loss.csv", "convergence.csv"):
        table = pd.read_csv(folder / name)
        assert (table["seed"] == 1).all() and len(table)
    assert pd.read_parquet(folder / "compositing.parquet")["seed"].eq(1).all()
    times = pd.read_csv(folder / "times.csv")
    assert times["stage"].tolist() == ["erm", "tokens", "masks", "generated", "pruned", "retrained"]
    assert times["seconds"].gt(0).all()


def test_samples_show_the_same_sources_in_every_set(study, folder):
    samples = np.load(folder / "samples.npz")
    names = {"original", "autoencoded", *(arm.pictures for arm in ALL_ARMS.values() if arm.pictures)}
    assert all(samples[name].shape == (10, 3, 64, 64) for name in names)
    assert samples["source_class"].tolist() == [0] * 6 + [1] * 4
    assert (samples["target_class"] == 1 - samples["source_class"]).all()
    outside = np.broadcast_to(~samples["mask"][:, None], samples["original"].shape)
    for name in ("tokens", "blurred", "autoencoded"):
        assert (samples[name] == samples["original"])[outside].all()
    pictures = sum(len(samples[f"caught: {name}"]) for name in ("eq. 3", "eq. 5", "kept"))
    assert pictures == 10 and all(
        len(samples[f"target: {n}"]) == len(samples[f"right: {n}"]) for n in ("eq. 3", "eq. 5", "kept")
    )


def test_the_study_s_settings_are_told(study, folder):
    told = read_json(folder / "study.json")
    assert told["seeds"] == [1] and told["machine"].endswith("one thread per seed")
    assert told["benchmark"]["inversion"]["steps"] == 2 and "data" not in told["benchmark"]


def test_arms_that_were_not_run_are_named(study, tmp_path, monkeypatch):
    record = arm_run(study, "renderer", ARMS["renderer"]).folder("retrained") / "run.json"
    aside = record.rename(record.with_name("aside.json"))
    try:
        with pytest.raises(InputError, match=r"the arm renderer of seed 1 was not made: run `python -m dbb\.s"):
            collect([study], tmp_path)
    finally:
        aside.rename(record)


def test_further_arms_are_collected_as_far_as_they_were_run(study, tmp_path):
    record = arm_run(study, "erased", MORE_ARMS["erased"]).folder("retrained") / "run.json"
    aside = record.rename(record.with_name("aside.json"))
    try:
        results = read_results(collect([study], tmp_path) / "results.csv")
    finally:
        aside.rename(record)
    assert seeds_of(results, "erased") == [] and seeds_of(results, "true-masks") == [1]


def test_the_arms_of_table_5_stand_by_size():
    assert list(arms_by_size(30).items()) == [
        (0, "no-inversion"),
        (10, "size-10"),
        (20, "size-20"),
        (30, "method"),
        (40, "size-40"),
    ]

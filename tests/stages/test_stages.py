"""The stages one after another: what makes which of them anew, going on where one was stopped, and arms beside them."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from data_standins import make_own, save

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.metrics import group_counts
from dbb.record import file_digest, require
from dbb.stages import painting
from dbb.stages.all import STAGES, make_stages
from dbb.stages.data import data
from dbb.stages.erm import erm
from dbb.stages.generated import generated
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS, SOURCES, load_masks
from dbb.stages.masks import masks
from dbb.stages.outputs import load_outputs
from dbb.stages.pruning import KEPT, LOOKS_LIKE_SOURCE, PSI, RHO, pruned
from dbb.stages.retraining import read_kept, retrained
from dbb.stages.run import Run
from dbb.stages.selection import lowest_loss
from dbb.stages.tokens import read_inversion, tokens


def made_anew(bm, runs, **how) -> set[str]:
    """The stages that a wave through all of them makes."""
    run = Run(bm, 0, runs, "cpu")
    return {name for name, stage in STAGES.items() if stage(run, **how.get(name, {})).new}


def run_of(bm, runs, seed=0) -> Run:
    return Run(bm, seed, runs, "cpu")


# ------------------------------------------------------------------------------------------------ what makes which anew


def test_what_stands_is_loaded_whatever_the_files_times(tiny, runs):
    rng = np.random.default_rng(0)
    for path in runs.rglob("*"):
        os.utime(path, (int(rng.integers(10**9)),) * 2)
    assert made_anew(tiny, runs) == set()


AFTER_GENERATION = {"generated", "pruned", "retrained"}
CHANGES = {
    "gammas": (lambda bm: replace(bm, retraining=replace(bm.retraining, gammas=(4.0, 5.0))), {"retrained"}),
    "quantile": (lambda bm: replace(bm, pruning=replace(bm.pruning, quantile=0.3)), {"pruned", "retrained"}),
    "painting": (lambda bm: replace(bm, generation=replace(bm.generation, guidance_scale=2.0)), AFTER_GENERATION),
    "K": (lambda bm: replace(bm, generation=replace(bm.generation, per_class=(3, 3))), {"masks", *AFTER_GENERATION}),
    "inversion": (
        lambda bm: replace(bm, inversion=replace(bm.inversion, learning_rate=1e-2)),
        {"tokens", *AFTER_GENERATION},
    ),
    "padding": (lambda bm: replace(bm, masks=replace(bm.masks, pad=6)), {"tokens", "masks", *AFTER_GENERATION}),
    "pairs": (
        lambda bm: replace(bm, generation=replace(bm.generation, pairs=((0, 1),))),
        {"tokens", "masks", *AFTER_GENERATION},
    ),
    # The test split is read by the classifiers alone, and the base model's weights and its words on the others stay.
    "test split": (
        lambda bm: replace(bm, data=replace(bm.data, sizes={**bm.data.sizes, "test": 24})),
        {"data", "erm", "retrained"},
    ),
    # Made anew they come out the same, and so nothing after them is.
    "smallest mask": (lambda bm: replace(bm, masks=replace(bm.masks, min_area=0.0101)), {"tokens", "masks"}),
    "title": (lambda bm: replace(bm, title="Birds", group_format="{} at {}", attributes=("earth", "sea")), set()),
    "oracle": (lambda bm: replace(bm, oracle=None), set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_its_stage_and_what_reads_what_came_out_otherwise(tiny, runs, change):
    changed, expected = CHANGES[change]
    assert made_anew(changed(tiny), runs) == expected
    assert made_anew(changed(tiny), runs) == set()


def test_a_change_says_what_changed(tiny, runs):
    bm = replace(tiny, pruning=replace(tiny.pruning, quantile=0.3), retraining=replace(tiny.retraining, epochs=1))
    said = [str(made) for made in make_stages(run_of(bm, runs))]
    loaded = "found, made from the same code, settings and inputs; loaded, not made again"
    assert said == [
        *(f"{stage}: {loaded}" for stage in [*STAGES][:5]),
        "pruned: made now, since settings.quantile changed",
        "retrained: made now, since settings.epochs, inputs.pruned/* changed",
    ]


def test_models_are_known_by_what_is_in_their_folders(tiny, runs, tmp_path):
    moved = replace(
        tiny,
        classifier=shutil.copytree(tiny.classifier, tmp_path / "moved"),
        inpainting=str(shutil.copytree(tiny.inpainting, tmp_path / "painter")),
    )
    moved = replace(moved, classifier=str(moved.classifier))
    assert made_anew(moved, runs) == set()
    scheduler = tmp_path / "painter/scheduler/scheduler_config.json"
    scheduler.write_text(scheduler.read_text().replace("0.012", "0.013"))
    assert made_anew(moved, runs) == {"tokens", *AFTER_GENERATION}


def test_a_picture_that_went_lost_is_painted_again_and_nothing_after_it(tiny, runs):
    run = run_of(tiny, runs)
    (run.folder("generated") / "images/000001.png").unlink()
    with pytest.raises(InputError, match=r"000001\.png is missing or not as it was written: run notebook 05-generate"):
        pruned(run)
    made = generated(run)
    assert made.new and made.why == "its files" and 0 < made.metrics["painted_now"] < made.counts["generated"]
    assert made_anew(tiny, runs) == set()


def test_pictures_that_come_out_the_same_under_another_stamp_stop_the_wave(tiny, runs):
    made = generated(run_of(tiny, runs), replace(tiny.generation, per_class=(9, 9)))  # its K are those of the masks
    assert made.metrics["painted_now"] == made.counts["generated"]
    assert not pruned(run_of(tiny, runs)).new and not retrained(run_of(tiny, runs)).new


def test_another_seed_shares_the_data_alone(tiny, runs):
    made = {made.record["stage"]: made for made in make_stages(run_of(tiny, runs, seed=1), last="erm")}
    assert [*made] == ["data", "erm"] and not made["data"].new and made["erm"].new
    own, other = (runs / tiny.name / f"seed{seed}/erm/model.safetensors" for seed in (0, 1))
    assert file_digest(own) != file_digest(other)


def test_a_stage_without_the_one_before_it_names_the_command_that_makes_it(tiny, tmp_path):
    run = run_of(tiny, tmp_path)
    for stage, before in ((erm, "data"), (masks, "data")):
        with pytest.raises(InputError, match=f"--seed 0 --to {before}\n"):
            stage(run)
    data(run)
    for stage, before in ((tokens, "erm"), (masks, "erm"), (generated, "masks"), (pruned, "erm")):
        with pytest.raises(InputError, match=f"--seed 0 --to {before}\n"):
            stage(run)


def test_a_token_that_was_not_learned_is_named(tiny, runs):
    one_way = replace(tiny, generation=replace(tiny.generation, pairs=((0, 1),)))
    tokens(run_of(one_way, runs))
    with pytest.raises(InputError, match=r"landbird\.safetensors is not among what the stage made: run notebook 03"):
        generated(run_of(tiny, runs))


# ------------------------------------------------------------------------------------------------ what is in the files


def test_the_files_of_a_run_hold_what_the_stages_say(tiny, finished):
    run = run_of(tiny, finished)
    train, said = run.split("train"), load_outputs(run.folder("erm") / "train.npz")
    assert np.array_equal(said.ids, train.ids) and np.array_equal(said.labels, train.labels)
    sources = pd.read_parquet(run.folder("masks") / SOURCES)
    expected = [
        n for label, k in enumerate(tiny.generation.per_class) for n in lowest_loss(said.losses, said.labels, label, k)
    ]
    assert sources["source_id"].tolist() == train.ids[expected].tolist()
    assert sources["source_class"].tolist() == train.labels[expected].tolist()
    np.testing.assert_array_equal(sources["loss"], said.losses[expected])
    table = load_masks(run.folder("masks") / MASKS)
    assert table.ids.tolist() == sorted(train.ids[expected]) and table.n_failed == run.made("masks").counts["failed"]

    manifest = read_manifest(run.folder("generated") / MANIFEST)
    assert manifest["source_id"].tolist() == table.ids.tolist()
    assert (manifest["target_class"] == 1 - train.labels[manifest["source_id"]]).all()
    assert [name == "generated" for name in manifest["status"]] == table.found.tolist()
    assert manifest["prompt"].tolist() == [tiny.prompt(label) for label in manifest["target_class"]]
    for label, name in enumerate(tiny.classes):
        digest = require(run.folder("tokens")).record["products"][f"{name}.safetensors"]
        assert set(manifest.loc[manifest["target_class"] == label, "token_sha256"]) == {digest}
        losses, snapshots = read_inversion(run.folder("tokens"), name)
        assert len(losses) == tiny.inversion.steps and sorted(snapshots) == [0, 1, 2]

    verdicts = read_manifest(run.folder("pruned") / MANIFEST)
    pd.testing.assert_frame_equal(verdicts[[*manifest.columns][:12]], manifest[[*manifest.columns][:12]])
    kept, images = read_kept(run)
    assert kept["image"].tolist() == verdicts.loc[verdicts["reason"] == KEPT, "image"].tolist()
    assert images.labels.tolist() == kept["target_class"].tolist()
    assert images.attributes.tolist() == train.attributes[kept["source_id"]].tolist()
    counts = run.made("retrained").counts
    assert counts["training images"] == 40
    assert sum(counts.values()) - 40 == len(kept)


def test_the_records_tell_accuracies_of_all_splits(tiny, finished):
    run = run_of(tiny, finished)
    told = run.made("erm").metrics
    for name in ("train", "val", "test"):
        said = load_outputs(run.folder("erm") / f"{name}.npz")
        right = said.logits.argmax(1) == run.split(name).labels
        assert told[name]["average"] == pytest.approx(right.mean())
        groups = run.split(name).groups
        assert told[name]["group_accuracy"] == pytest.approx([right[groups == g].mean() for g in range(4)])
    assert [entry["epoch"] for entry in told["history"]] == [1, 2]
    last = run.made("retrained").metrics
    assert {"val", "test", "before", "history", "best_epoch"} <= last.keys()
    assert last["before"]["val"]["group_accuracy"] == pytest.approx(told["val"]["group_accuracy"])
    assert group_counts(run.split("val").groups, 4).tolist() == [4] * 4


def test_nothing_but_products_and_locks_is_left_behind(tiny, finished):
    for stage in STAGES:
        folder = run_of(tiny, finished).folder(stage)
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert files == {*require(folder).record["products"], "run.json", ".lock"}


# ------------------------------------------------------------------------------------------------ settings of a call


def test_settings_of_a_call_take_the_place_of_the_benchmarks(tiny, runs):
    run = run_of(tiny, runs)
    assert pruned(run, replace(tiny.pruning, thresholds=(-9.0, None))).metrics["P"][0] == -9.0
    assert not pruned(run, replace(tiny.pruning, thresholds=(-9.0, None))).new
    many = masks(run, per_class=(4, 1))
    assert pd.read_parquet(run.folder("masks") / SOURCES)["source_class"].tolist() == [0, 0, 0, 0, 1]
    assert many.why == "settings.per_class"
    assert masks(run, per_class=(4, 1), ranking="batch loss", ranking_batch_size=4).why == "settings.ranking"
    assert made_anew(tiny, runs) == {"masks", "pruned"}  # the method's own come out as they were


@pytest.mark.parametrize(
    ("stage", "how", "message"),
    [
        (masks, {"per_class": (1,)}, r"per_class \(K\) has 1 values for 2 classes"),
        (
            pruned,
            {"settings": lambda bm: replace(bm.pruning, thresholds=(None,) * 3)},
            r"thresholds \(P\) has 3 values for 2 classes",
        ),
        (
            retrained,
            {"settings": lambda bm: replace(bm.retraining, gammas=(1.0,))},
            "gammas has 1 values for 2 classes",
        ),
    ],
)
def test_a_list_that_has_not_one_value_for_each_class_is_refused(tiny, finished, stage, how, message):
    how = {name: value(tiny) if callable(value) else value for name, value in how.items()}
    with pytest.raises(InputError, match=rf"mini-waterbirds: {message} \(landbird, waterbird\): give one for each"):
        stage(run_of(tiny, finished), **how)


def test_a_checkpoint_takes_the_place_of_training(tiny, runs, tmp_path):
    run = run_of(tiny, runs)
    trained = shutil.copy(run.folder("erm") / "model.safetensors", tmp_path / "mine.safetensors")
    before = run.made("erm").record
    made = erm(run, checkpoint=str(trained))
    assert made.why == "settings.checkpoint" and made.record["products"] == before["products"]
    with pytest.raises(InputError, match=r"nowhere\.pt is missing"):
        erm(run, checkpoint=str(tmp_path / "nowhere.pt"))
    assert made.metrics["test"] == before["metrics"]["test"] and "history" not in made.metrics
    assert "mine.safetensors" in made.metrics["checkpoint"]
    moved = shutil.move(trained, tmp_path / "moved.safetensors")
    assert not erm(run, checkpoint=str(moved)).new
    shutil.copy(run.folder("retrained") / "model.safetensors", moved)
    assert erm(run, checkpoint=str(moved)).record["products"] != before["products"]


def test_a_longer_earlier_plan_leaves_no_picture(tiny, runs):
    run = run_of(tiny, runs)
    masks(run, per_class=(1, 1))
    made = generated(run)
    assert {path.name for path in (run.folder("generated") / "images").iterdir()} == {
        name.removeprefix("images/") for name in made.record["products"] if name.startswith("images/")
    }
    assert made.counts["planned"] == 2


# ------------------------------------------------------------------------------------------------ pruning's conditions


def test_conditions_of_a_run(tiny, runs):
    run = run_of(tiny, runs)
    painted = int((read_manifest(run.folder("generated") / MANIFEST)["status"] == "generated").sum())
    assert pruned(run, conditions=()).counts[KEPT] == painted
    assert read_manifest(run.folder("pruned") / MANIFEST)["psi"].isna().all(), "nothing is computed for no condition"
    pruned(run, conditions=(PSI,))
    only_psi = read_manifest(run.folder("pruned") / MANIFEST)
    assert only_psi["rho"].isna().all() and set(only_psi["reason"]) <= {KEPT, LOOKS_LIKE_SOURCE, "no mask"}
    pruned(run, conditions=(RHO,))
    only_rho = read_manifest(run.folder("pruned") / MANIFEST)
    made = only_rho["status"] == "generated"
    assert only_rho.loc[made, "rho"].notna().all() and LOOKS_LIKE_SOURCE not in set(only_rho["reason"])
    pd.testing.assert_series_equal(only_rho["psi"], only_psi["psi"])
    assert pruned(run, conditions=(RHO, PSI)).why == "settings.conditions"
    assert not pruned(run).new, "their order means nothing"


# ------------------------------------------------------------------------------------------------ stopped and gone on


def test_a_generation_that_was_killed_goes_on(tiny, runs, monkeypatch):
    run, calls, real = run_of(tiny, runs), [], painting.inpaint
    undisturbed = {name: digest for name, digest in run.made("generated").record["products"].items()}
    shutil.rmtree(run.folder("generated"))

    def killed(*arguments):
        calls.append(len(arguments[2]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(painting, "inpaint", killed)
    with pytest.raises(KeyboardInterrupt):
        generated(run)
    with pytest.raises(InputError, match="lacks generated in"):
        run.made("generated")
    there = {path.name: path.stat().st_mtime_ns for path in (run.folder("generated") / "images").iterdir()}
    assert len(there) == calls[0]
    made = generated(run)
    assert made.metrics["painted_now"] == made.counts["generated"] - calls[0]
    assert made.record["products"] == undisturbed
    assert (
        there.items()
        <= {path.name: path.stat().st_mtime_ns for path in (run.folder("generated") / "images").iterdir()}.items()
    )


def test_a_generation_that_was_killed_does_not_go_on_with_other_settings(tiny, runs, monkeypatch):
    run, real = run_of(tiny, runs), painting.write_image
    shutil.rmtree(run.folder("generated"))

    def full(path, *rest):
        if path.stem == "000004":
            raise OSError("no space left")
        real(path, *rest)

    monkeypatch.setattr(painting, "write_image", full)
    with pytest.raises(OSError, match="no space left"):
        generated(run)
    monkeypatch.setattr(painting, "write_image", real)
    other = generated(run, replace(tiny.generation, steps=3))
    assert other.metrics["painted_now"] == other.counts["generated"]


# ------------------------------------------------------------------------------------------------ shards


def test_shards_of_a_stage_are_gathered_by_the_call_for_all(tiny, runs):
    run = run_of(tiny, runs)
    undisturbed = run.made("generated").record["products"]
    shutil.rmtree(run.folder("generated"))
    parts = [generated(run, shard=(number, 2)) for number in (1, 0)]
    assert sum(part.metrics["painted_now"] for part in parts) == len(undisturbed) - 1
    assert not (run.folder("generated") / "run.json").exists()
    whole = generated(run)
    assert whole.metrics["painted_now"] == 0 and whole.record["products"] == undisturbed
    assert not generated(run, shard=(0, 2)).new
    (run.folder("generated") / "images/000000.png").unlink()
    again = [generated(run, shard=(number, 2)) for number in (0, 1)]
    assert sorted(part.new for part in again) == [False, True], "the shard that painted it, and no other"
    assert not generated(run).new


# ------------------------------------------------------------------------------------------------ arms


def test_an_arm_stands_beside_the_method_and_reads_it(tiny, runs):
    run = run_of(tiny, runs)
    before = {stage: (run.folder(stage) / "run.json").read_bytes() for stage in STAGES}
    arm = run.elsewhere(pruned="no pruning", retrained="no pruning")
    assert pruned(arm, conditions=()).folder == runs / "mini-waterbirds/seed0/no pruning/pruned"
    made = retrained(arm)
    assert made.new and made.folder == runs / "mini-waterbirds/seed0/no pruning/retrained"
    assert made.counts["training images"] == 40
    assert sum(made.counts.values()) - 40 == pruned(arm, conditions=()).counts[KEPT]
    assert made_anew(tiny, runs) == set()
    assert {stage: (run.folder(stage) / "run.json").read_bytes() for stage in STAGES} == before


def test_controls_of_retraining(tiny, runs):
    run = run_of(tiny, runs)
    alone = run.elsewhere(retrained="originals alone")
    made = retrained(alone, without=True)
    assert sum(made.counts.values()) == 40 and "generated/*" not in made.record["made_from"]["inputs"]
    copies = run.elsewhere(generated="copies")
    shutil.copytree(run.folder("generated"), copies.folder("generated"))
    more = retrained(run.elsewhere(retrained="more"), originals=copies)
    painted = run.made("generated").counts["generated"]
    assert more.counts["training images"] == 40 + painted


# ------------------------------------------------------------------------------------------------ pictures in files


def test_pictures_that_changed_are_refused_until_they_are_read_again(tiny, tmp_path):
    path = make_own(tmp_path / "own", "erm: {epochs: 1, batch_size: 4}")
    bm = replace(get_benchmark(str(path)), classifier=tiny.classifier)
    run = run_of(bm, tmp_path / "runs")
    assert data(run).new and erm(run).new and not erm(run).new
    picture = next((tmp_path / "own/pictures").iterdir())
    os.utime(picture, (10**9, 10**9))
    assert not erm(run_of(bm, tmp_path / "runs")).new
    assert data(run_of(bm, tmp_path / "runs")).why == "settings.source.train"
    assert not erm(run_of(bm, tmp_path / "runs")).new, "its pictures are the same"

    save(picture, seed=99)
    fresh = run_of(bm, tmp_path / "runs")
    with pytest.raises(
        InputError,
        match="the pictures of own's split 'train' have changed since they were read: run notebook 01-data again",
    ):
        fresh.split("train")
    assert len(fresh.split("val")) == 4
    assert data(fresh).why == "settings.source.train" and len(fresh.split("train")) == 8
    assert erm(fresh).why == "inputs.data/train"


def test_one_more_attribute_is_one_more_group_in_every_accuracy(tiny, tmp_path):
    path = make_own(tmp_path / "own", "erm: {epochs: 1, batch_size: 4}")
    run = run_of(replace(get_benchmark(str(path)), classifier=tiny.classifier), tmp_path / "runs")
    data(run)
    assert len(erm(run).metrics["test"]["group_accuracy"]) == 4
    path.write_text(path.read_text().replace("[day, night]", "[day, night, dusk]"))
    more = run_of(replace(get_benchmark(str(path)), classifier=tiny.classifier), tmp_path / "runs")
    assert data(more).why == "settings.attributes"
    made = erm(more)
    assert made.why.startswith("settings.groups") and len(made.metrics["test"]["group_accuracy"]) == 6

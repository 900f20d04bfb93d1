"""A run: where its stages stand, what their records say they were made from, and what is refused."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dbb.benchmarks import get_benchmark
from dbb.code import code_digest
from dbb.errors import InputError
from dbb.record import digest_of, folder_digest
from dbb.stages.all import STAGES, make_stages
from dbb.stages.run import ALL, Run, model_identity, open_run
from dbb.store import NOTEBOOKS, resolve, write_json


def test_stages_stand_below_the_seed_and_the_data_beside_the_seeds(tiny, tmp_path):
    run = Run(tiny, 3, tmp_path)
    assert run.folder("erm") == tmp_path / "mini-waterbirds/seed3/erm"
    assert run.folder("data") == tmp_path / "mini-waterbirds/data"
    assert run.measured("scores") == tmp_path / "mini-waterbirds/seed3/measured/scores"
    assert Run(tiny).folder("erm") == resolve("runs/mini-waterbirds/seed0/erm")
    assert not list(tmp_path.iterdir()), "asking makes no folder"
    assert [*STAGES] == [*NOTEBOOKS]


def test_stages_elsewhere_leave_the_others(tiny, tmp_path):
    run = Run(tiny, 3, tmp_path, "cpu", 16)
    arm = run.elsewhere(pruned="no pruning")
    assert arm.folder("pruned") == tmp_path / "mini-waterbirds/seed3/no pruning/pruned"
    assert all(arm.folder(stage) == run.folder(stage) for stage in STAGES if stage != "pruned")
    both = arm.elsewhere(retrained="other", pruned="another")
    assert (both.at, arm.at, run.at) == ({"pruned": "another", "retrained": "other"}, {"pruned": "no pruning"}, {})
    assert (both.benchmark, both.seed, both.runs, both.device, both.memory) == (tiny, 3, tmp_path, "cpu", 16)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"seed": -1}, "seed -1 is negative"),
        ({"at": {"ermm": "x"}}, "unknown stage 'ermm': choose one of data, erm"),
        ({"at": {"data": "x"}}, "the data stand in one place for all runs of a benchmark"),
    ],
)
def test_what_is_no_run_is_refused(tiny, how, message):
    with pytest.raises(InputError, match=message):
        Run(tiny, **how)


def test_an_unknown_stage_is_refused_before_any_work(tiny, tmp_path):
    with pytest.raises(InputError, match="unknown stage 'ermm'"):
        Run(tiny, runs=tmp_path).folder("ermm")
    with pytest.raises(InputError, match="unknown stage 'ermm'"):
        Run(tiny, runs=tmp_path).elsewhere(ermm="x")


def test_a_run_is_opened_by_name_or_by_the_path_of_a_file(tmp_path):
    run = open_run("mini-waterbirds", 2, tmp_path, "cpu", segmenter="lang-sam", inpainting=None)
    assert run.benchmark == replace(get_benchmark("mini-waterbirds"), segmenter="lang-sam")
    assert (run.seed, run.runs, run.device, run.memory) == (2, tmp_path, "cpu", None)
    with pytest.raises(InputError, match="unknown benchmark 'birds'"):
        open_run("birds")


def test_what_a_run_lacks_is_named_with_the_one_command_that_makes_it_all(tiny, runs):
    run = Run(tiny, 0, runs, "cpu", 16)
    run.needs(*STAGES)
    for stage in ("tokens", "masks", "pruned"):
        (run.folder(stage) / "run.json").unlink()
    run.needs("data", "erm", "generated")
    command = (
        f"lacks tokens, masks in {runs}.*\n\n    python -m dbb.stages --benchmark mini-waterbirds --runs {runs} "
        "--device cpu --memory 16 --seed 0 --to masks\n$"
    )
    with pytest.raises(InputError, match="(?s)" + command):
        run.needs("masks", "data", "tokens")
    with pytest.raises(InputError, match=r"(?s)lacks pruned in .*--to pruned\n$"):
        Run(tiny, 0, runs).needs("pruned")


def test_a_command_names_a_benchmark_of_a_file_by_its_path(tiny):
    path = "data/example/example.yml"
    assert open_run(path, runs="my runs").options == f"--benchmark {path} --runs 'my runs'"
    assert open_run(path).elsewhere(pruned="x").options == f"--benchmark {path} --runs runs"


def test_a_command_names_the_models_that_were_given(tmp_path):
    run = open_run("mini-waterbirds", 3, tmp_path, inpainting="models/my pipeline", segmenter=None, classifier="net")
    assert run.options == (
        f"--benchmark mini-waterbirds --runs {tmp_path} --inpainting 'models/my pipeline' --classifier net"
    )
    with pytest.raises(InputError, match=r"--classifier net --seed 3 --to data\n$"):
        run.elsewhere(pruned="x").needs("data")


def test_an_unknown_stage_is_not_said_to_stand(tiny, finished):
    with pytest.raises(InputError, match="unknown stage 'mask': choose one of data, erm"):
        Run(tiny, 0, finished).needs("data", "mask")


def test_what_an_arm_lacks_is_not_said_to_be_made_by_the_method(tiny, tmp_path):
    with pytest.raises(InputError, match=r"other/pruned/run\.json is missing"):
        Run(tiny, 0, tmp_path).elsewhere(pruned="other").made("pruned")


def test_a_record_says_what_it_was_made_from(tiny, finished):
    run = Run(tiny, 0, finished, "cpu")
    told = run.made("masks").record["made_from"]
    assert [*told] == ["benchmark", "seed", "settings", "models", "inputs", "code"]
    assert (told["benchmark"], told["seed"]) == ("mini-waterbirds", 0)
    assert told["settings"].items() >= {"per_class": [3, 2], "pad": tiny.masks.pad, "prompt": "bird"}.items()
    assert told["models"] == {"segmenter": folder_digest(resolve(tiny.segmenter))}
    assert told["inputs"] == {
        "data/train": run.made("data").metrics["splits"]["train"],
        "erm/train.npz": run.made("erm").record["products"]["train.npz"],
    }
    assert told["code"] == code_digest(("dbb.stages.masks", "masks"), ("dbb.benchmarks.splits", "load_split"))
    assert "seed" not in run.made("data").record["made_from"]
    everything = run.made("pruned").record["made_from"]["inputs"]["generated/*"]
    assert everything == digest_of(run.made("generated").record["products"])


def test_what_a_stage_reads_is_listed_whole(tiny, finished):
    reads = {
        made.record["stage"]: {name.partition("/")[0] for name in made.record["made_from"]["inputs"]}
        for made in make_stages(Run(tiny, 0, finished, "cpu"))
    }
    assert reads == {
        "data": set(),
        "erm": {"data"},
        "tokens": {"data", "erm"},
        "masks": {"data", "erm"},
        "generated": {"data", "masks", "tokens"},
        "pruned": {"data", "erm", "masks", "generated"},
        "retrained": {"data", "erm", "generated", "pruned"},
    }


def test_a_split_is_read_once_and_by_all_arms(tiny, finished):
    run = Run(tiny, 0, finished)
    assert run.elsewhere(pruned="x").split("val") is run.split("val")
    with pytest.raises(KeyError):
        run.split("training")


def test_splits_that_were_written_otherwise_are_refused(tiny, runs):
    other = Run(tiny, 0, runs)
    record = other.folder("data") / "run.json"
    told = other.made("data").record
    write_json(record, {**told, "metrics": {"splits": {**told["metrics"]["splits"], "val": "another"}}})
    assert len(Run(tiny, 0, runs).split("train")) == 40
    with pytest.raises(InputError, match="the pictures of mini-waterbirds's split 'val' have changed"):
        Run(tiny, 0, runs).split("val")


def test_a_damaged_split_is_made_again(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    (run.folder("data") / "val.npz").write_bytes(b"PK cut off")
    with pytest.raises(InputError, match=r"val\.npz is missing or not as it was written: run notebook 01-data again"):
        run.split("train")
    made = [str(made) for made in make_stages(run, last="erm")]
    assert made[0] == "data: made now, since its files changed" and "found" in made[1]


def test_a_stage_from_other_files_than_stand_now_is_refused(tiny, runs):
    run = Run(tiny, 0, runs, "cpu")
    [*make_stages(replace(run, benchmark=replace(tiny, erm=replace(tiny.erm, learning_rate=1e-2))), "erm")]
    assert run.made("erm") and run.made("data")
    with pytest.raises(
        InputError,
        match=r"masks of seed 0 was made from another erm/train\.npz than the one that "
        "stands now: run notebook 04-masks again",
    ):
        run.made("masks")
    for stage in ("generated", "pruned", "retrained"):
        with pytest.raises(InputError, match=r"run notebook 0[3-7]"):
            run.made(stage)
    assert all(made for made in make_stages(run)) and run.made("retrained")


@pytest.mark.parametrize("memory", [12, 24])
def test_an_unknown_memory_is_refused(tiny, memory):
    with pytest.raises(InputError, match=f"memory = {memory}: choose 16, 40, 80 GiB, the next one below yours"):
        Run(tiny, memory=memory)


# ------------------------------------------------------------------------------------------------ make and measure

FACTOR = 2.0


def double(run: Run, seen: list[int]) -> pd.DataFrame:
    seen.append(1)
    return pd.DataFrame({"double": FACTOR * run.split("val").labels})


def measured(run: Run, seen: list[int], settings=None, reads=None):
    def table() -> pd.DataFrame:
        return double(run, seen)

    return run.measure("double", settings or {}, reads or {"data": ("val",), "pruned": ALL}, table)


def test_a_table_is_measured_once(tiny, runs):
    run, seen = Run(tiny, 0, runs, "cpu"), []
    made = measured(run, seen)
    assert made.new and made.folder == runs / "mini-waterbirds/seed0/measured/double"
    assert str(made) == "double: made now"
    assert np.array_equal(pd.read_parquet(made.folder / "table.parquet")["double"], 2 * run.split("val").labels)
    assert not measured(run, seen).new and len(seen) == 1
    assert measured(run, seen, {"k": 3}).why == "settings.k"
    assert measured(run, seen, {"k": 3}, {"data": ("test",), "pruned": ALL}).why == "inputs.data/val, inputs.data/test"
    arm = run.elsewhere(pruned="arm")
    shutil.copytree(run.folder("pruned"), arm.folder("pruned"))
    assert not measured(arm, seen, {"k": 3}, {"data": ("test",), "pruned": ALL}).new, "the same files elsewhere"


def test_work_that_stands_in_no_file_is_refused(tiny, runs):
    typed = {}
    exec("def table(): return None", {"__name__": "__main__"}, typed)
    with pytest.raises(InputError, match="table of __main__ stands at the top of no file"):
        Run(tiny, 0, runs).measure("typed", {}, {"data": ("val",)}, typed["table"])


# ------------------------------------------------------------------------------------------------ models


def test_a_model_is_known_by_content_or_by_its_pinned_name(tmp_path):
    for name in ("one", "two", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(name[:1].encode())
    first, same, other = (model_identity(str(tmp_path / name)) for name in ("one", "two", "other"))
    assert first != same and first == folder_digest(tmp_path / "one")
    (tmp_path / "two/model.safetensors").write_bytes(b"o")
    assert model_identity(str(tmp_path / "two")) == first == other
    for spec in ("torchvision:resnet50", "lang-sam", "grounded-sam", "owner/name@0123", ""):
        assert model_identity(spec) == spec


def test_a_spec_of_two_models_is_known_by_both(tmp_path):
    (tmp_path / "dino").mkdir()
    spec = f"grounded-sam:{tmp_path / 'dino'}, owner/sam@01"
    before = model_identity(spec)
    assert before == f"grounded-sam:{folder_digest(tmp_path / 'dino')},owner/sam@01"
    (tmp_path / "dino/model.safetensors").write_bytes(b"weights")
    assert model_identity(spec) != before
    assert model_identity("grounded-sam:a/b@1,") == "grounded-sam:a/b@1,"

"""`make paper`: what its configuration may hold, and what it gathers from the runs."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from dbb.errors import InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book/tools"))

import configuration
import paper

TEST = {"worst_group": 0.5, "average": 0.75, "weighted_average": None}


@pytest.mark.parametrize("given", [
    {}, {"benchmark": "waterbirds", "seeds": "0,1,2", "shards": 4, "memory": 40, "device": "cuda"}, {"seeds": 3},
    {"parameters": {"05-generate": {"steps": 20}}}, {"inpainting": "owner/name@abc"},
    {"classifier": "torchvision:resnet50"}])
def test_a_good_configuration_passes(given):
    configuration.check_config(given)


@pytest.mark.parametrize("given, message", [
    ({"memry": 40}, "unknown key 'memry'"),
    ({"memory": 24}, "memory = 24: choose 16, 40, 80"),
    ({"seeds": "0-4"}, "seeds = 0-4: give whole numbers"),
    ({"shards": "many"}, "shards = many"),
    ({"benchmark": "waterbird"}, "unknown benchmark 'waterbird'"),
    ({"parameters": {"05-generte": {}}}, "unknown notebook in parameters '05-generte'"),
    ({"inpainting": "./nowhere"}, "no inpainting pipeline at"),
    ({"classifier": "nowhere"}, "classifier = nowhere")])
def test_a_bad_one_is_refused_before_anything_runs(given, message):
    with pytest.raises(InputError, match=message):
        configuration.check_config(given)


def write(path: Path, **record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")


def make_run(folder: Path, painted: dict[str, int]) -> None:
    """A finished run of 10 images; painted: "whole" or a shard -> images that it painted, each in 360 s."""
    for stage in ("erm", "masks", "pruned", "retrained", "results"):
        write(folder / stage / "run.json", wall_s=3600.0, metrics={"test": TEST}, counts={"generated": 10, "kept": 4})
    for part, number in painted.items():
        where = folder / "generated" / ("run.json" if part == "whole" else f"shards/{part}/run.json")
        write(where, wall_s=360.0 * number, metrics={"painted_now": number}, counts={"generated": 10}, device="a card")


def test_every_finished_seed_has_its_rows_and_the_hours_of_all_shards(tmp_path):
    make_run(tmp_path / "waterbirds/seed10", {"whole": 10})
    make_run(tmp_path / "waterbirds/seed2", {"whole": 0, "0-of-2": 6, "1-of-2": 4})
    (tmp_path / "waterbirds/seed3").mkdir()
    table = paper.collect("waterbirds", str(tmp_path))
    assert table["seed"].tolist() == [2, 2, 10, 10] and table["model"].tolist() == ["ERM", "DBB"] * 2
    assert table["hours"].tolist() == [3.0] * 4, "an hour each of masks, generation and pruning"
    assert table["kept"].tolist() == [4] * 4 and set(table["device"]) == {"a card"}


def test_the_time_of_a_run_that_was_cut_off_is_not_made_up(tmp_path):
    make_run(tmp_path / "waterbirds/seed0", {"whole": 3})
    assert np.isnan(paper.collect("waterbirds", str(tmp_path))["hours"]).all()

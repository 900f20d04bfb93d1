"""Results from records: a row per number, for every finished seed, and no time that nobody measured."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.results import RESULTS, TIMES, collect_runs, finished_runs, main, picture_measures
from dbb.stages.manifest import COLUMNS as MANIFEST_COLUMNS
from dbb.stages.manifest import MANIFEST, write_manifest
from dbb.statistics import COLUMNS, read_results, values

WATERBIRDS = get_benchmark("waterbirds")
ACCURACIES = {
    "worst_group": 0.5,
    "average": 0.75,
    "weighted_average": None,
    "full_weighted_average": None,
    "group_accuracy": [0.5, 1.0, None, 0.75],
}
METRICS = {
    "val": ACCURACIES,
    "test": ACCURACIES,
    "seconds": 36.0,
    "best_epoch": 2,
    "images": {"val": [7, 7, 0, 7], "test": [8, 6, 0, 8]},
}


def manifest(targets, kept, status="generated") -> pd.DataFrame:
    """Pictures of two classes, one a row."""
    n = len(targets)
    rows = pd.DataFrame({name: [""] * n if kind == "str" else np.zeros(n) for name, kind in MANIFEST_COLUMNS.items()})
    return rows.assign(image=np.arange(n), target_class=targets, kept=pd.array(kept, "boolean"), status=status)


def write(path: Path, **record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"device": "a card", "threads": 4, "versions": {"torch": "2"}, **record}), encoding="utf-8"
    )


def make_run(folder: Path, painted: dict[str, int], finished: bool = True) -> None:
    """A run of 10 pictures; painted: "whole" or a shard -> pictures that it painted, each in 360 s."""
    for stage in ("erm", "tokens", "masks", "pruned", *(["retrained"] if finished else [])):
        write(
            folder / stage / "run.json",
            wall_s=3600.0,
            metrics=METRICS,
            counts={},
            made_from={"settings": {"without": False}},
        )
    write_manifest(folder / "pruned" / MANIFEST, manifest([0] * 4 + [1] * 6, [True] * 3 + [False] * 7))
    for part, number in painted.items():
        where = folder / "generated" / ("run.json" if part == "whole" else f"shards/{part}/run.json")
        write(
            where,
            wall_s=360.0 * number,
            metrics={"painted_now": number},
            counts={"generated": 10},
            made_from={"settings": {"steps": 10}},
        )


def test_every_finished_seed_has_its_rows_and_the_seconds_of_all_shards(tmp_path):
    make_run(tmp_path / "waterbirds/seed10", {"whole": 10})
    make_run(tmp_path / "waterbirds/seed2", {"whole": 0, "0-of-2": 6, "1-of-2": 4})
    make_run(tmp_path / "waterbirds/seed3", {"whole": 10}, finished=False)
    write(
        tmp_path / "waterbirds/seed2/generated/shards/0-of-3/run.json",
        wall_s=99.0,
        metrics={"painted_now": 3},
        counts={},
        made_from={"settings": {"steps": 9}},
    )  # left by an earlier making: it does not count
    results, times = collect_runs(WATERBIRDS, tmp_path)
    assert [run.seed for run in finished_runs(WATERBIRDS, tmp_path)] == [2, 10]
    assert list(results.columns) == COLUMNS and results["arm"].drop_duplicates().tolist() == ["erm", "method"]
    assert values(results, "method", "worst_group").to_dict() == {2: 0.5, 10: 0.5}
    assert values(results, "method", "kept/landbird", "train").to_dict() == {2: 3, 10: 3}
    assert values(results, "method", "generated/waterbird", "train").to_dict() == {2: 6, 10: 6}
    assert values(results, "erm", "seconds", "train").to_dict() == {2: 36.0, 10: 36.0}
    assert values(results, "erm", "group_images/landbird on water").to_dict() == {2: 6, 10: 6}
    seconds = times.pivot(index="stage", columns="seed", values="seconds")
    assert (seconds == 3600.0).all(axis=None) and set(times["device"]) == {"a card"}


def test_what_does_not_exist_has_no_row(tmp_path):
    make_run(tmp_path / "waterbirds/seed0", {"whole": 10})
    results, _ = collect_runs(WATERBIRDS, tmp_path)
    measures = set(results["measure"])
    assert "group_accuracy/waterbird on water" in measures and "group_accuracy/waterbird on land" not in measures
    assert not measures & {"weighted_average", "right", "kept_right"}


def test_the_time_of_a_run_that_was_cut_off_is_not_made_up(tmp_path):
    make_run(tmp_path / "waterbirds/seed0", {"whole": 3})
    times = collect_runs(WATERBIRDS, tmp_path)[1].set_index("stage")["seconds"]
    assert np.isnan(times["generated"]) and times.drop("generated").notna().all()


def test_right_pictures_are_counted_among_the_generated_and_among_the_kept():
    rows = pd.concat(
        [manifest([1, 0, 1, 1], [True, True, False, True]), manifest([0], [pd.NA], "no mask")], ignore_index=True
    )
    rows["image"] = [7, 5, 6, 2, 9]
    verdicts = pd.DataFrame({"image": [2, 5, 6, 7], "right": pd.array([False, True, False, True], "boolean")})
    found = picture_measures(rows, WATERBIRDS, verdicts)
    assert found == {
        "right": 0.5,
        "kept_right": pytest.approx(2 / 3),
        "generated/landbird": 1,
        "generated/waterbird": 3,
        "kept/landbird": 1,
        "kept/waterbird": 2,
    }
    verdicts.loc[0, "right"] = pd.NA
    assert picture_measures(rows, WATERBIRDS, verdicts)["right"] is None


def test_the_command_writes_both_tables(tmp_path, capsys):
    make_run(tmp_path / "runs/waterbirds/seed0", {"whole": 10})
    main(["waterbirds", "--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")])
    assert len(read_results(tmp_path / "results/waterbirds" / RESULTS)) > 10
    assert len(pd.read_csv(tmp_path / "results/waterbirds" / TIMES)) == 6
    assert RESULTS in capsys.readouterr().out


def test_without_a_finished_seed_the_remedy_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no seed of waterbirds .* is finished: run its stages first"):
        collect_runs(WATERBIRDS, tmp_path)

"""From the records of runs to results: the one long table, `dbb.statistics.COLUMNS`, that pages and figures read.

`python -m dbb.results waterbirds` gathers what every finished seed of a benchmark measured; the study gathers its arms
by the same functions (`python -m dbb.study collect`).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.errors import InputError
from dbb.metrics import GROUP_IMAGES, by_name
from dbb.record import RECORD
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.run import Run
from dbb.statistics import result_rows
from dbb.store import NOTEBOOKS, read_json, resolve, write_table

ERM, METHOD = "erm", "method"
"""The arms that every run has."""

MEASURED = ("val", "test")
"""The splits on which a classifier is measured."""

RESULTS, TIMES = "results.csv", "times.csv"


def collect_runs(benchmark: Benchmark, runs: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the results of every finished seed of a benchmark, the arms "erm" and "method", and its times
    (`stage_times`).

    Raises:
        InputError: when no seed is finished.
    """
    done = finished_runs(benchmark, runs)
    if not done:
        raise InputError(
            f"no seed of {benchmark.name} in {resolve(runs)} is finished: run its stages first, up to "
            f"{NOTEBOOKS['retrained']}"
        )
    return (
        pd.concat([run_rows(run) for run in done], ignore_index=True),
        pd.concat([stage_times(run) for run in done], ignore_index=True),
    )


def finished_runs(benchmark: Benchmark, runs: str | Path) -> list[Run]:
    """Return the runs of a benchmark in the folder ``runs`` whose last stage stands, by ascending seed."""
    records = (resolve(runs) / benchmark.name).glob(f"seed*/retrained/{RECORD}")
    names = (path.parts[-3].removeprefix("seed") for path in records)
    seeds = sorted(int(name) for name in names if name.isdecimal())
    return [Run(benchmark, seed, runs) for seed in seeds]


# ------------------------------------------------------------------------------------------------ accuracies


def run_rows(run: Run) -> pd.DataFrame:
    """Return the results of a run's own stages: the arms "erm" and "method"."""
    return pd.concat([erm_rows(run), retrained_rows(run, METHOD)], ignore_index=True)


def erm_rows(run: Run) -> pd.DataFrame:
    """Return the results of a run's base classifier, and how many images they were measured on."""
    metrics, names = stage_record(run, "erm")["metrics"], run.benchmark.group_names
    images = [
        result_rows(
            run.benchmark.name,
            ERM,
            run.seed,
            split,
            {GROUP_IMAGES + name: n for name, n in zip(names, metrics["images"][split], strict=True)},
        )
        for split in MEASURED
    ]
    return pd.concat([_rows(run, ERM, {"seconds": metrics.get("seconds")}, metrics), *images], ignore_index=True)


def retrained_rows(run: Run, arm: str, verdicts: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the results of a run's retraining under the name ``arm``.

    Args:
        verdicts: columns image, of the run's generated images, and right, whether it shows its class, <NA> where not
            known; None: nothing is known.
    """
    record = stage_record(run, "retrained")
    metrics = record["metrics"]
    training = {"best_epoch": metrics["best_epoch"], "seconds": metrics["seconds"]}
    if not record["made_from"]["settings"]["without"]:
        training |= picture_measures(read_manifest(run.folder("pruned") / MANIFEST), run.benchmark, verdicts)
    return _rows(run, arm, training, metrics)


def picture_measures(manifest: pd.DataFrame, benchmark: Benchmark, verdicts: pd.DataFrame | None) -> dict[str, Any]:
    """Return what a pruned ``manifest`` says of its pictures: "right", "kept_right", the shares of the generated and of
    the kept that show their class (None where not known), "generated/<class>" and "kept/<class>", by target class.
    """
    made = manifest[manifest["status"] == "generated"]
    kept = made[made["kept"].fillna(False)]
    parts = {"generated": made, "kept": kept}
    counts = {
        f"{part}/{name}": int((rows["target_class"] == label).sum())
        for part, rows in parts.items()
        for label, name in enumerate(benchmark.classes)
    }
    return {"right": _share_right(made, verdicts), "kept_right": _share_right(kept, verdicts)} | counts


def _share_right(rows: pd.DataFrame, verdicts: pd.DataFrame | None) -> float | None:
    if verdicts is None or len(rows) == 0:
        return None
    right = verdicts.set_index("image")["right"].loc[rows["image"]]
    return None if right.isna().any() else float(right.astype(bool).mean())


def _rows(run: Run, arm: str, training: Mapping[str, Any], metrics: Mapping[str, Any]) -> pd.DataFrame:
    names = run.benchmark.group_names
    splits = {"train": training} | {split: by_name(metrics[split], names) for split in MEASURED}
    return pd.concat(
        [result_rows(run.benchmark.name, arm, run.seed, split, measures) for split, measures in splits.items()],
        ignore_index=True,
    )


# ------------------------------------------------------------------------------------------------ times


def stage_times(run: Run) -> pd.DataFrame:
    """Return a row per stage of a run: benchmark, seed, stage, seconds (NaN where not known), device, threads, torch.

    The seconds of generation are those of all its shards, as if on one machine.
    """
    rows = []
    for stage in (name for name in NOTEBOOKS if name != "data"):  # which no seed owns
        record = stage_record(run, stage)
        seconds = generation_seconds(run.folder(stage)) if stage == "generated" else record["wall_s"]
        rows.append(
            {
                "benchmark": run.benchmark.name,
                "seed": run.seed,
                "stage": stage,
                "seconds": seconds,
                "device": record["device"],
                "threads": record["threads"],
                "torch": record["versions"]["torch"],
            }
        )
    return pd.DataFrame(rows)


def generation_seconds(folder: Path) -> float:
    """Return the seconds of generation over its shards and their merge; NaN when some images were painted in a run that
    was cut off, whose time nobody wrote down.
    """
    whole = read_json(folder / RECORD)
    shards = [
        record
        for path in folder.glob(f"shards/*/{RECORD}")
        if (record := read_json(path))["made_from"] == whole["made_from"]
    ]
    painted = sum(record["metrics"]["painted_now"] for record in (whole, *shards))
    seconds = sum(record["wall_s"] for record in (whole, *shards))
    return seconds if painted == whole["counts"]["generated"] else np.nan


def stage_record(run: Run, stage: str) -> dict[str, Any]:
    """Return the record of a stage as it stands; its files are not read.

    Raises:
        InputError: with what to run, when it was not made.
    """
    return read_json(run.folder(stage) / RECORD)


# ------------------------------------------------------------------------------------------------ files


def write_results(folder: Path, results: pd.DataFrame, times: pd.DataFrame) -> None:
    """Write both tables of a benchmark into its ``folder`` of results."""
    write_table(folder / RESULTS, results)
    write_table(folder / TIMES, times)


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, and write the results of the finished seeds of a benchmark."""
    parser = argparse.ArgumentParser(prog="python -m dbb.results", description=__doc__.splitlines()[0])
    parser.add_argument("benchmark", help="its name, or the path of your own .yml")
    parser.add_argument("--runs", default="runs", help="folder of all runs")
    parser.add_argument("--results", default="results", help="folder of all results")
    given = parser.parse_args(arguments)
    benchmark = get_benchmark(given.benchmark)
    folder = resolve(given.results) / benchmark.name
    write_results(folder, *collect_runs(benchmark, given.runs))
    print("wrote", folder / RESULTS)


if __name__ == "__main__":
    main()

"""From the seeds' folders to the committed results: a few small tables, and pictures for the figures."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dbb.benchmarks import Benchmark
from dbb.errors import InputError
from dbb.record import RECORD
from dbb.results import erm_rows, retrained_rows, stage_times, write_results
from dbb.stages.run import TABLE, Run
from dbb.store import atomic_path, resolve, write_json, write_table
from dbb.study.arms import ARMS, MORE_ARMS
from dbb.study.folder import STUDY
from dbb.study.run import arm_run, possible_arms
from dbb.study.samples import samples
from dbb.study.sets import CLASS_WORD, TOKENS, folder_name, set_size
from dbb.study.settings import CHOICE_SEED


def collect(seeds: Sequence[Run], results: str | Path) -> Path:
    """Write the results of all seeds, which must have been run, and return their folder ``results/<benchmark>``.

    results.csv, times.csv: as `dbb.results` has them, for the arms of `dbb.study.arms`, those of MORE_ARMS as far as
    they were run. inversion.csv: per seed, size of the inversion set and class. low-loss.csv, scores.parquet,
    compositing.parquet, convergence.csv: as `dbb.study` measures them, with the seed. choices.csv, where they were
    measured. samples.npz: pictures of the first seed. study.json: settings, seeds, machine.

    Raises:
        InputError: when an arm of a seed was not run.
    """
    target = resolve(results) / seeds[0].benchmark.name
    times = pd.concat([stage_times(run) for run in seeds], ignore_index=True)
    write_results(target, pd.concat([seed_rows(run) for run in seeds], ignore_index=True), times)
    write_table(target / "inversion.csv", pd.concat([_inversion_rows(run) for run in seeds], ignore_index=True))
    for name, suffix in (("low-loss", "csv"), ("convergence", "csv"), ("compositing", "parquet")):
        write_table(target / f"{name}.{suffix}", _stacked(seeds, name))
    write_table(
        target / "scores.parquet",
        pd.concat(
            [_stacked(seeds, f"scores-{folder_name(name)}").assign(pictures=name) for name in (TOKENS, CLASS_WORD)],
            ignore_index=True,
        ),
    )
    chosen = replace(seeds[0], seed=CHOICE_SEED)
    if _is_measured(chosen, "choices"):
        write_table(target / "choices.csv", _measured(chosen, "choices"))
    with atomic_path(target / "samples.npz") as temporary, temporary.open("wb") as file:
        arrays: dict[str, Any] = samples(seeds[0])
        np.savez_compressed(file, **arrays)
    write_json(
        target / STUDY,
        {
            "benchmark": settings_of(seeds[0].benchmark),
            "seeds": [run.seed for run in seeds],
            "torch": ", ".join(times["torch"].unique()),
            "machine": _machines(times),
        },
    )
    return target


def seed_rows(run: Run) -> pd.DataFrame:
    """Return the results of a seed: the base classifier, and each arm that was run.

    Raises:
        InputError: when one of `ARMS` that could be was not.
    """
    parts = [erm_rows(run)]
    for name, arm in possible_arms(run, ARMS | MORE_ARMS).items():
        here = arm_run(run, name, arm)
        if (here.folder("retrained") / RECORD).exists():
            known = None if arm.pictures is None else _measured(run, f"verdicts-{folder_name(arm.pictures)}")
            parts.append(retrained_rows(here, name, known))
        elif name in ARMS:
            raise _unfinished(run, f"arm {name}")
    return pd.concat(parts, ignore_index=True)


def settings_of(benchmark: Benchmark) -> dict[str, Any]:
    """Return all of a benchmark's entry but where its data come from, as JSON values."""
    nowhere: Any = None  # what data come from are functions, which JSON cannot hold
    return {name: value for name, value in asdict(replace(benchmark, data=nowhere)).items() if name != "data"}


def _inversion_rows(run: Run) -> pd.DataFrame:
    sizes = {run.benchmark.inversion.images: TOKENS} | {
        size: arm.pictures for arm in MORE_ARMS.values() if arm.pictures and (size := set_size(arm.pictures))
    }
    return pd.concat(_inversion_parts(run, sizes), ignore_index=True)


def _inversion_parts(run: Run, sizes: dict[int, str]) -> Iterator[pd.DataFrame]:
    for size, name in sorted(sizes.items()):
        if name == TOKENS or _is_measured(run, f"unseen-{folder_name(name)}"):
            table = _measured(run, f"unseen-{folder_name(name)}")
            table.insert(0, "seed", run.seed)
            table.insert(2, "size", size)
            yield table


def _stacked(seeds: Sequence[Run], name: str) -> pd.DataFrame:
    """The tables of those seeds on which ``name`` was measured."""
    tables = [_measured(run, name).assign(seed=run.seed) for run in seeds if _is_measured(run, name)]
    if not tables:
        raise _unfinished(seeds[0], f"table {name}")
    return pd.concat(tables, ignore_index=True)


def _is_measured(run: Run, name: str) -> bool:
    return (run.measured(name) / RECORD).exists()


def _measured(run: Run, name: str) -> pd.DataFrame:
    if not _is_measured(run, name):
        raise _unfinished(run, f"table {name}")
    return pd.read_parquet(run.measured(name) / TABLE)


def _unfinished(run: Run, what: str) -> InputError:
    return InputError(
        f"the {what} of seed {run.seed} was not made: run `python -m dbb.study seed {run.seed} {run.options}` first"
    )


def _machines(times: pd.DataFrame) -> str:
    """What the seeds ran on, e.g. "x86_64 CPU, 2 cores, one thread per seed"."""
    kinds = times[["device", "threads"]].drop_duplicates().itertuples(index=False)
    return "; ".join(
        f"{device}, {'one thread' if threads == 1 else f'{threads} threads'} per seed" for device, threads in kinds
    )

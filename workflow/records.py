"""The records of the runs' stages, as book/runs.json has them, and the numbers that a run is told by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plan import Plan

from dbb.metrics import MEASURES
from dbb.record import RECORD
from dbb.store import NOTEBOOKS, OTHERS, THREAD, project_root, read_json, resolve

Records = Sequence[Mapping[str, Any]]

KEPT = (
    "stage",
    "metrics",
    "counts",
    "versions",
    "git",
    "device",
    "threads",
    "started",
    "wall_s",
    "peak_memory_mb",
    "peak_gpu_memory_mb",
)
FROM = ("benchmark", "seed", "settings")
MODELS = {"ERM": "erm", "DBB": "retrained"}
BOOK = (THREAD, 0)
MOVES = {"ERM": (55, 62), "DBB": (93, 97)}
"""The book's run, and its worst group, in %, as far as other processors and numbers of threads were seen to move it:
57.0 -> 95.5 and 59.25 -> 94.00 where the book had 60.25 -> 95.75.
"""


def run_records(folder: Path, seed: int) -> list[dict[str, Any]]:
    """Return the stages' records, in order, without the digests of files. folder: of all runs of a benchmark.

    Raises InputError when a stage was not made.
    """
    records = []
    for stage in NOTEBOOKS:
        record = read_json((folder if stage == "data" else folder / f"seed{seed}") / stage / RECORD)
        made_from = {key: value for key, value in record["made_from"].items() if key in FROM}
        records.append({name: record[name] for name in KEPT} | made_from)
    return records


def book_records(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return benchmark -> the records of its run, of all runs in a book, the book's own first.

    Raises InputError as `run_records`.
    """
    return {of.benchmark.name: run_records(resolve(of.folder), of.seed) for of in (plan, *plan.others)}


def shown_records(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return the records of all runs that chapters of the book show: its own, and of the other benchmarks the committed
    ones where it has none.
    """
    own, committed = book_records(plan), read_json(project_root() / "book" / "runs.json")
    return own | {name: committed[name] for name in OTHERS.values() if name in committed and name not in own}


def measured(records: Records) -> dict[str, Mapping[str, Any]]:
    """Return model -> its measures on test, the base model first."""
    by_stage = {record["stage"]: record for record in records}
    return {model: by_stage[stage]["metrics"]["test"] for model, stage in MODELS.items()}


def headline(run: Records, committed: Records) -> str:
    """Return a run's worst group and average; beside those of the committed run, where both are of the same seed of one
    benchmark.
    """
    columns = {"this run": measured(run)}
    if committed and _of(run) == _of(committed):
        columns["the book"] = measured(committed)
    titles = [f"{model}, {column}" for column in columns for model in MODELS]
    lines = [f"{'accuracy on test':<18}" + "".join(f"{title:>15}" for title in titles)]
    for measure in ("worst_group", "average"):
        values = [said[model][measure] for said in columns.values() for model in MODELS]
        lines.append(f"  {MEASURES[measure]:<16}" + "".join(map(_percent, values)))
    if _of(run) == BOOK and _settings(run) == _settings(committed):
        ranges = " and of ".join(f"{model} from {low} to {high} %" for model, (low, high) in MOVES.items())
        lines.append(f"Another processor or number of threads gives others: the worst group of {ranges} has been seen.")
    return "\n".join(lines)


def _settings(records: Records) -> list[Any]:
    return [record["settings"] for record in records]


def _percent(value: float | None) -> str:
    return f"{'–':>15}" if value is None else f"{100 * value:14.1f}%"


def _of(records: Records) -> tuple[str, int]:
    (last,) = (record for record in records if record["stage"] == MODELS["DBB"])
    return last["benchmark"], last["seed"]

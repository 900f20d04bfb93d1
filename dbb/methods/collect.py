"""From the seeds' folders to the committed results of the methods: one long table, and what tuning tried and chose."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dbb.methods.method import TRIALS, Method, Rule
from dbb.methods.protocol import TUNING_SEED, Choice, choose, train_seed, try_all
from dbb.metrics import by_name
from dbb.record import Made
from dbb.stages.run import Run
from dbb.statistics import result_rows
from dbb.store import resolve, write_json, write_table

TABLE, TUNING = "methods.csv", "methods.json"


def arm_of(method: Method[Any], rule: Rule) -> str:
    """Return the name of a method's row in the table: its own, or "<name>, <rule>" for a second rule of selection."""
    return method.name if rule == method.rules[0] else f"{method.name}, {rule}"


def collect(methods: Sequence[Method[Any]], tuning: Run, seeds: Sequence[Run], results: str | Path) -> Path:
    """Write the results of all methods, making what is not made yet, and return their folder ``results/<benchmark>``.

    methods.csv: `dbb.statistics.COLUMNS`, the arms of `arm_of`, splits "val" and "test", and of "train" "seconds", of
    the training, and "step", the epoch or step that was selected. methods.json: method -> what it is, what it sees, the
    trials with their settings and scores, and which of them each rule chose.
    """
    target = resolve(results) / tuning.benchmark.name
    rows, told = [], {}
    for method in methods:
        tried = try_all(tuning, method)
        chosen = choose(tuning, method, tried)
        told[method.name] = _told(method, tried, chosen)
        for run in seeds:
            for rule, made in train_seed(run, method, chosen).items():
                rows += _rows(run, arm_of(method, rule), made, rule)
    write_table(target / TABLE, pd.concat(rows, ignore_index=True))
    write_json(target / TUNING, {"tuning seed": TUNING_SEED, "trials": TRIALS, "methods": told})
    return target


def _told(method: Method[Any], tried: Sequence[Made], chosen: Mapping[Rule, Choice]) -> dict[str, Any]:
    settings = [made.record["made_from"]["settings"]["settings"] for made in tried]
    return {
        "title": method.title,
        "cites": method.cites,
        "changes": method.changes,
        "uses": [use.name for use in method.uses],
        "grid": {name: [one[name] for one in settings] for name in method.grid},
        "settings": settings,
        "scores": {rule: [made.metrics["rules"][rule]["score"] for made in tried] for rule in method.rules},
        "chosen": {rule: choice.trial for rule, choice in chosen.items()},
        "seconds": [made.record["wall_s"] for made in tried],
    }


def _rows(run: Run, arm: str, made: Made, rule: Rule) -> list[pd.DataFrame]:
    metrics, names = made.metrics["rules"][rule], run.benchmark.group_names
    measures = {
        "train": {"seconds": made.record["wall_s"], "step": metrics["step"]},
        **{split: by_name(metrics[split], names) for split in ("val", "test")},
    }
    return [result_rows(run.benchmark.name, arm, run.seed, split, values) for split, values in measures.items()]

"""The measured runs of one of the paper's benchmarks, gathered into results/<benchmark>/paper.csv.

python book/tools/paper.py collect waterbirds runs results
"""

import argparse
from pathlib import Path

import pandas as pd

from dbb.store import read_json, resolve, write_table

MODELS = {"ERM": "erm", "DBB": "retrained"}
MEASURES = ("worst_group", "average", "weighted_average")


def collect(benchmark: str, runs: str) -> pd.DataFrame:
    """Return a row per finished seed and model: test accuracies (shares of 1), images generated and kept, where it was
    run, and the hours of masks, generation and pruning together, as Table 9 counts them (`generation_seconds`).
    """
    rows = []
    done = sorted((resolve(runs) / benchmark).glob("seed*/results/run.json"),
                  key=lambda path: int(path.parts[-3].removeprefix("seed")))
    for folder in (path.parents[1] for path in done):
        seed = int(folder.name.removeprefix("seed"))
        records = {stage: read_json(folder / stage / "run.json")
                   for stage in ("erm", "masks", "generated", "pruned", "retrained")}
        hours = (records["masks"]["wall_s"] + generation_seconds(folder / "generated")
                 + records["pruned"]["wall_s"]) / 3600
        for model, stage in MODELS.items():
            test = records[stage]["metrics"]["test"]
            rows.append({"seed": seed, "model": model, **{name: test[name] for name in MEASURES},
                         "generated": records["pruned"]["counts"]["generated"],
                         "kept": records["pruned"]["counts"].get("kept", 0), "hours": hours,
                         "device": records["generated"]["device"]})
    return pd.DataFrame(rows)


def generation_seconds(folder: Path) -> float:
    """Return the seconds of generation over its shards and their merge, as if on one machine; NaN when some images
    were painted in a run that was cut off, whose time nobody wrote down.
    """
    whole = read_json(folder / "run.json")
    shards = [read_json(path) for path in folder.glob("shards/*/run.json")]
    painted = sum(record["metrics"]["painted_now"] for record in (whole, *shards))
    seconds = sum(record["wall_s"] for record in (whole, *shards))
    return seconds if painted == whole["counts"]["generated"] else float("nan")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["collect"])
    parser.add_argument("benchmark")
    parser.add_argument("runs")
    parser.add_argument("results")
    given = parser.parse_args(arguments)
    path = resolve(given.results) / given.benchmark / "paper.csv"
    write_table(path, collect(given.benchmark, given.runs))
    print(path)


if __name__ == "__main__":
    main()

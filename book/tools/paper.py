"""The measured runs of one of the paper's benchmarks, gathered into results/<benchmark>/paper.csv.

python book/tools/paper.py collect waterbirds runs results 0 1 2
"""

import argparse

import pandas as pd

from dbb.store import read_json, resolve, write_table

MODELS = {"ERM": "erm", "DBB": "retrained"}
MEASURES = ("worst_group", "average", "weighted_average")


def collect(benchmark: str, runs: str, seeds: list[int]) -> pd.DataFrame:
    """Return a row per seed and model: test accuracies (shares of 1), images generated and kept, where it was run,
    and the hours of masks, generation and pruning together, as Table 9 counts them.
    """
    rows = []
    for seed in seeds:
        folder = resolve(runs) / benchmark / f"seed{seed}"
        records = {stage: read_json(folder / stage / "run.json")
                   for stage in ("erm", "masks", "generated", "pruned", "retrained")}
        hours = sum(records[stage]["wall_s"] for stage in ("masks", "generated", "pruned")) / 3600
        for model, stage in MODELS.items():
            test = records[stage]["metrics"]["test"]
            rows.append({"seed": seed, "model": model, **{name: test[name] for name in MEASURES},
                         "generated": records["pruned"]["counts"]["generated"],
                         "kept": records["pruned"]["counts"].get("kept", 0), "hours": hours,
                         "device": records["generated"]["device"]})
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["collect"])
    parser.add_argument("benchmark")
    parser.add_argument("runs")
    parser.add_argument("results")
    parser.add_argument("seeds", type=int, nargs="+")
    given = parser.parse_args(arguments)
    path = resolve(given.results) / given.benchmark / "paper.csv"
    write_table(path, collect(given.benchmark, given.runs, given.seeds))
    print(path)


if __name__ == "__main__":
    main()

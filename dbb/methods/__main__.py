"""Run the compared methods: `python -m dbb.methods tune jtt`, then `python -m dbb.methods seed jtt 1`, for every method
and seed, then `python -m dbb.methods collect`.

All of these may run beside each other, each goes on where it stopped, and each makes what it lacks of what stands
before it; `make methods` does it all.
"""

import argparse
import sys

from dbb.errors import InputError
from dbb.methods.collect import collect
from dbb.methods.protocol import TUNING_SEED, train_seed, tune
from dbb.methods.registry import get_method, method_names
from dbb.progress import show_lines
from dbb.stages.all import make_stages
from dbb.stages.run import Run, open_run
from dbb.study.settings import SEEDS


def main() -> None:
    """Parse the command line, and tune, train or write the results."""
    parser = argparse.ArgumentParser(prog="python -m dbb.methods", description=__doc__)
    parser.add_argument("what", choices=("list", "tune", "seed", "collect"))
    parser.add_argument("method", nargs="?", help="one of those that `list` lists")
    parser.add_argument("seed", type=int, nargs="?", help="0 or more")
    parser.add_argument("--benchmark", default="mini-waterbirds", help="its name, or the path of your own .yml")
    parser.add_argument("--methods", help="with commas between, for collect; by default all")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="with commas between, for collect")
    parser.add_argument("--runs", default="runs", help="folder of all runs")
    parser.add_argument("--results", default="results", help="folder of the committed results")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    show_lines()
    if given.what in ("tune", "seed") and given.method is None:
        parser.error(f"which method? e.g. python -m dbb.methods {given.what} jtt")
    if given.what == "seed" and given.seed is None:
        parser.error("which seed? e.g. python -m dbb.methods seed jtt 1")
    try:
        _do(given)
    except InputError as error:
        sys.exit(str(error))


def _do(given: argparse.Namespace) -> None:
    if given.what == "list":
        for name in method_names():
            print(f"{name:<20}{get_method(name).title}")
        return

    def run(seed: int) -> Run:
        return open_run(given.benchmark, seed, given.runs, given.device)

    if given.what == "collect":
        names = method_names() if given.methods is None else given.methods.split(",")
        seeds = [run(int(seed)) for seed in given.seeds.split(",")]
        print("wrote", collect([get_method(name) for name in names], run(TUNING_SEED), seeds, given.results))
        return
    method = get_method(given.method)
    needed = "pruned" if method.reads else "erm"
    for seed in {TUNING_SEED, TUNING_SEED if given.what == "tune" else given.seed}:
        for made in make_stages(run(seed), needed):
            print(f"seed {seed}, {made}", flush=True)
    chosen = tune(run(TUNING_SEED), method)
    for rule, choice in chosen.items():
        print(f"{method.title}, by {rule}: trial {choice.trial}, {choice.settings}", flush=True)
    if given.what == "seed":
        for rule, made in train_seed(run(given.seed), method, chosen).items():
            test = made.metrics["rules"][rule]["test"]
            print(f"seed {given.seed}, by {rule}: worst group {test['worst_group']:.1%}, average {test['average']:.1%}")


if __name__ == "__main__":
    main()

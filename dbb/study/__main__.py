"""Run the study: `python -m dbb.study seed 1`, for every seed, then `python -m dbb.study collect`.

`python -m dbb.study choices` measures, on seed 0, the rates, steps and vectors of textual inversion. `make results`
does it all. Seeds are independent and may run beside each other; each goes on where it stopped.
"""

import argparse

from dbb.benchmarks import get_benchmark
from dbb.data import SPLITS, load_split
from dbb.store import resolve, write_table
from dbb.study.choices import inversion_choices
from dbb.study.collect import collect
from dbb.study.products import Products
from dbb.study.run import products_of, run_seed
from dbb.study.settings import CHOICE_SEED, CLOSE_SEED, MORE_SEEDS, SEEDS


def main() -> None:
    """Parse the command line and run a seed, or write the results."""
    parser = argparse.ArgumentParser(prog="python -m dbb.study", description=__doc__)
    parser.add_argument("what", choices=("seed", "choices", "collect"))
    parser.add_argument("seed", type=int, nargs="?", choices=SEEDS, help="which seed")
    parser.add_argument("--benchmark", default="mini-waterbirds")
    parser.add_argument("--runs", default="runs", help="folder of all runs")
    parser.add_argument("--results", default="results", help="folder of the committed results")
    given = parser.parse_args()
    benchmark = get_benchmark(given.benchmark)
    splits = {split: load_split(benchmark, split, given.runs) for split in SPLITS}

    def products(seed: int) -> Products:
        return products_of(benchmark, seed, given.runs, splits)

    if given.what == "collect":
        print("wrote", collect([products(seed) for seed in SEEDS], given.results).name)
    elif given.what == "choices":
        path = resolve(given.results) / benchmark.name / "choices.csv"
        write_table(path, inversion_choices(products(CHOICE_SEED)))
        print("wrote", path.name)
    elif given.seed is None:
        parser.error("which seed? e.g. python -m dbb.study seed 1")
    else:
        run_seed(products(given.seed), given.seed in MORE_SEEDS, given.seed == CLOSE_SEED)


if __name__ == "__main__":
    main()

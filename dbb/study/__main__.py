"""Run the study: `python -m dbb.study seed 1`, for every seed, then `python -m dbb.study collect`.

`python -m dbb.study choices` measures, on seed 0, the rates, steps and vectors of textual inversion. `make results`
does it all. Seeds are independent and may run beside each other; each goes on where it stopped.
"""

import argparse

from dbb.progress import show_lines
from dbb.record import Made
from dbb.stages.all import make_stages
from dbb.stages.run import Run, open_run
from dbb.study.choices import choices
from dbb.study.collect import collect
from dbb.study.run import run_seed
from dbb.study.settings import CHOICE_SEED, CLOSE_SEED, MORE_SEEDS, SEEDS


def main() -> None:
    """Parse the command line and run a seed, or write the results."""
    parser = argparse.ArgumentParser(prog="python -m dbb.study", description=__doc__)
    parser.add_argument("what", choices=("seed", "choices", "collect"))
    parser.add_argument("seed", type=int, nargs="?", choices=SEEDS, help="which seed")
    parser.add_argument("--benchmark", default="mini-waterbirds", help="its name, or the path of your own .yml")
    parser.add_argument("--runs", default="runs", help="folder of all runs")
    parser.add_argument("--results", default="results", help="folder of the committed results")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--memory", type=int, help="GiB of the GPU to fit: 16, 40 or 80")
    given = parser.parse_args()
    show_lines()

    def run(seed: int) -> Run:
        return open_run(given.benchmark, seed, given.runs, given.device, given.memory)

    if given.what == "collect":
        print("wrote", collect([run(seed) for seed in SEEDS], given.results))
    elif given.what == "choices":
        chosen = run(CHOICE_SEED)
        for made in make_stages(chosen, "erm"):
            say(chosen, made)
        say(chosen, choices(chosen))
    elif given.seed is None:
        parser.error("which seed? e.g. python -m dbb.study seed 1")
    else:
        for made in run_seed(chosen := run(given.seed), given.seed in MORE_SEEDS, given.seed == CLOSE_SEED):
            say(chosen, made)


def say(run: Run, made: Made) -> None:
    """Print what became of a stage or a table, with its folder."""
    print(
        f"seed {run.seed}, {made.folder.relative_to(run.folder('data').parent)}: {str(made).partition(': ')[2]}",
        flush=True,
    )


if __name__ == "__main__":
    main()

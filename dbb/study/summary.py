"""The study in a few rows, for the first page of the book and README.md, from the committed results."""

from pathlib import Path

from dbb.benchmarks import get_benchmark
from dbb.report.effect import effect_table
from dbb.report.markdown import markdown_table
from dbb.results import ERM, METHOD, RESULTS
from dbb.statistics import read_results, seeds_of
from dbb.study.arms import TITLES
from dbb.study.settings import CHOICE_SEED

SHOWN = (ERM, METHOD, "no-pruning", "no-inversion", "longer", "blurred", "renderer")


def study_summary(results: Path, benchmark: str = "mini-waterbirds") -> str:
    """Return a sentence and a Markdown table: the mean over seeds and its 95 % interval, in %.

    Args:
        results: folder of all results.

    Raises:
        InputError: when the benchmark's are missing.
    """
    measured = read_results(results / benchmark / RESULTS)
    measured = measured[measured["seed"] != CHOICE_SEED]
    table = effect_table(measured, {arm: TITLES[arm] for arm in SHOWN}, ERM)
    columns = ["seeds", "worst group", "average", table.columns[-1]]
    rows = [[title, *map(_unbroken, row)] for title, row in zip(table.index, table[columns].to_numpy(), strict=True)]
    seeds = ", ".join(map(str, seeds_of(measured, METHOD)))
    caption = (
        f"Test accuracy on {get_benchmark(benchmark).title} over the seeds {seeds}, on which no setting was "
        "chosen: mean and 95 % interval over seeds, in %; the difference pairs each seed with its own base "
        "model, in points."
    )
    return f"{caption}\n\n{markdown_table(['', *columns], rows)}\n"


def _unbroken(cell: object) -> str:
    """An interval stays on one line, where its column is narrow."""
    return str(cell).replace(", ", ",\N{NO-BREAK SPACE}")

"""The study in a few rows, for the first page of the book and README.md, from the committed results."""

from pathlib import Path

from dbb.benchmarks import get_benchmark
from dbb.report.effect import effect_table
from dbb.report.markdown import markdown_table
from dbb.results import ERM, METHOD, RESULTS
from dbb.statistics import read_results
from dbb.study.arms import TITLES

SHOWN = (ERM, METHOD, "no-pruning", "no-inversion", "longer", "blurred", "renderer")
COLUMNS = ["seeds", "worst group", "average"]


def study_summary(results: Path, benchmark: str = "mini-waterbirds") -> str:
    """Return a sentence and a Markdown table: the mean over seeds and its 95 % interval, in %.

    results: folder of all results. Raises InputError when the benchmark's are missing.
    """
    table = effect_table(read_results(results / benchmark / RESULTS), {arm: TITLES[arm] for arm in SHOWN}, ERM)
    rows = [[title, *map(str, row)] for title, row in zip(table.index, table[COLUMNS].to_numpy(), strict=True)]
    caption = (f"Test accuracy on {get_benchmark(benchmark).title} over several other seeds: mean and 95 % interval, "
               "in %.")
    return f"{caption}\n\n{markdown_table(['', *COLUMNS], rows)}\n"

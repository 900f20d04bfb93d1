"""The study in a few rows, for the first page of the book and README.md, from the committed results."""

from pathlib import Path

import pandas as pd
from markdown_tables import markdown_table

from dbb.benchmarks import get_benchmark
from dbb.study.arms import METHOD, TITLES
from dbb.study.summary import effect_table

ARMS = ("erm", METHOD, "no-pruning", "no-inversion", "longer", "blurred", "renderer")
COLUMNS = ["seeds", "worst group", "average"]


def study_summary(results: Path, benchmark: str = "mini-waterbirds") -> str:
    """Return a sentence and a Markdown table: the mean over seeds and its 95 % interval, in %."""
    table = effect_table(pd.read_csv(results / benchmark / "arms.csv"), {arm: TITLES[arm] for arm in ARMS}, "erm")
    rows = [[title, *map(str, row)] for title, row in zip(table.index, table[COLUMNS].to_numpy(), strict=True)]
    caption = (f"Test accuracy on {get_benchmark(benchmark).title} over several other seeds: mean and 95 % interval, "
               "in %.")
    return f"{caption}\n\n{markdown_table(['', *COLUMNS], rows)}\n"

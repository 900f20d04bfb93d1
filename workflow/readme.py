"""What README.md says of a run, from its records, between two comments."""

import re
from pathlib import Path

from records import Records, measured

from dbb.benchmarks.entry import Benchmark
from dbb.report.markdown import markdown_table
from dbb.report.results import accuracy_table
from dbb.study.summary import study_summary

RESULTS = re.compile(r"(<!-- results: .*? -->\n).*?(<!-- end of results -->)", re.DOTALL)


def whole_text(records: Records, benchmark: Benchmark, results: Path) -> str:
    """Return all that stands between the two comments: the study in the folder ``results``, and the run in the book."""
    return f"{study_summary(results)}\n{run_table(records, benchmark)}"


def run_table(records: Records, benchmark: Benchmark) -> str:
    """Return the test accuracies of a run before and after, in Markdown."""
    seed = next(record["seed"] for record in records if "seed" in record)
    table = accuracy_table(measured(records), benchmark.group_names)
    rows = [[name, f"{row['ERM']:.1%}", f"{row['DBB']:.1%}", f"{row['change']:+.1f}"] for name, row in table.iterrows()]
    caption = (
        f"Test accuracy on {benchmark.title} in the run that the book shows, seed {seed}; change in points. The "
        "settings were chosen on this seed's validation split: the table above is the one to quote."
    )
    return f"{caption}\n\n{markdown_table(['', 'ERM', 'DBB', 'change'], rows)}\n"


def with_results(readme: str, text: str) -> str:
    """Return README.md with ``text`` between its two comments."""
    return RESULTS.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", readme)

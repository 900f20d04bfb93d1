"""Where the results of a study lie."""

import shlex
from pathlib import Path

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.errors import InputError
from dbb.store import THREAD, resolve

STUDY = "study.json"
"""Written last: a folder that holds it holds the other files too."""


def has_study(folder: Path) -> bool:
    """Return whether a benchmark's folder of results holds a study, and not single runs alone."""
    return (folder / STUDY).is_file()


def study_folder(results: str | Path, benchmark: str) -> Path:
    """Return the folder of a benchmark's study, by the benchmark's name or the path of its file.

    Raises:
        InputError: with the command that runs the study, where there is none.
    """
    folder = resolve(results) / get_benchmark(benchmark).name
    if not has_study(folder):
        given = shlex.join([f"benchmark={benchmark}", f"results={results}"])
        raise InputError(
            f"{folder} holds no study. This runs it, in hours:\n\n"
            f"    snakemake --cores all study_results --config {given}\n"
        )
    return folder


def note_on_prose(benchmark: Benchmark) -> None:
    """Show, on the page of another benchmark, that the text was written on mini-Waterbirds' results."""
    if benchmark.name != THREAD:
        from IPython.display import Markdown, display

        display(Markdown(f"*Tables and figures are of {benchmark.title}; what the text concludes is of {THREAD}.*"))

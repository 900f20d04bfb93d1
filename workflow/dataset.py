"""Get a benchmark's pictures and verify them: ``python workflow/dataset.py waterbirds REPORT``.

The report says what was counted, and of which files: while these are there unchanged, nothing is verified again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.benchmarks.splits import source_code, source_identity
from dbb.code import code_digest
from dbb.data.dataset import Files
from dbb.data.download import get
from dbb.data.layout import folder_of
from dbb.data.verify import verify
from dbb.errors import InputError
from dbb.progress import show_lines
from dbb.store import read_json, write_json


def can_be_got(benchmark: Benchmark) -> bool:
    """Whether a benchmark's pictures are files that can be downloaded."""
    return isinstance(benchmark.data, Files) and bool(benchmark.data.places)


def verified(benchmark: Benchmark, report: Path) -> bool:
    """Whether ``report`` is on the pictures that are there."""
    try:
        return read_json(report)["made_from"] == made_from(benchmark)
    except (InputError, KeyError, TypeError):
        return False


def made_from(benchmark: Benchmark) -> dict[str, Any]:
    """Return what a report is on. Raises InputError where there are no pictures."""
    return {"pictures": source_identity(benchmark), "code": code_digest(*source_code(benchmark))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit with 1 when something is wrong with the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark")
    parser.add_argument("report", type=Path)
    given = parser.parse_args(arguments)
    show_lines()
    benchmark = get_benchmark(given.benchmark)
    folder = folder_of(benchmark)
    try:
        get(benchmark, folder)
        found = verify(benchmark, folder)
    except InputError as error:
        sys.exit(str(error))
    print(found)
    if not found.ok:
        sys.exit(1)
    counts = {f"{count.split}, {count.group}": count.found for count in found.groups}
    write_json(given.report, {"made_from": made_from(benchmark), "pictures": found.images, "groups": counts})


if __name__ == "__main__":
    main()

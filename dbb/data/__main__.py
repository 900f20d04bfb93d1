"""Get a dataset, or verify one that is there: ``python -m dbb.data get|verify waterbirds``, ``verify mine.yml``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dbb.benchmarks import get_benchmark, known_benchmarks
from dbb.data.download import get
from dbb.data.layout import folder_of
from dbb.data.verify import verify
from dbb.errors import InputError
from dbb.progress import show_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 0, or 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m dbb.data", description=__doc__)
    parser.add_argument("what", choices=("get", "verify"), help="get: download what is not there, then verify")
    parser.add_argument("name", help=f"one of {', '.join(known_benchmarks())}, or your own dataset's file (.yml)")
    parser.add_argument(
        "--folder",
        type=Path,
        help="the dataset's folder; default: data/sets/NAME, or $DBB_DATA/NAME, or what the dataset's file says",
    )
    given = parser.parse_args(arguments)
    show_lines()
    try:
        benchmark = get_benchmark(given.name)
        folder = given.folder or folder_of(benchmark)
        if given.what == "get":
            get(benchmark, folder)
        report = verify(benchmark, folder)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())

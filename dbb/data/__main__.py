"""Get the paper's datasets, or verify those that are there: ``python -m dbb.data get|verify waterbirds``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from dbb.data import FILES
from dbb.data.download import get
from dbb.data.layout import dataset_folder
from dbb.data.verify import verify
from dbb.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 0, or 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m dbb.data", description=__doc__)
    parser.add_argument("what", choices=("get", "verify"), help="get: download what is not there, then verify")
    parser.add_argument("name", choices=tuple(FILES))
    parser.add_argument("--folder", type=Path, help="the dataset's folder; default: data/sets/NAME, or $DBB_DATA/NAME")
    given = parser.parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("dbb").setLevel("INFO")
    try:
        folder = given.folder or dataset_folder(given.name)
        if given.what == "get":
            get(given.name, folder)
        report = verify(given.name, folder)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())

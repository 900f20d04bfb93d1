"""Where a dataset lies: its folder, and the top folder of whatever was unpacked there."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from dbb.data.dataset import Files, HasData
from dbb.errors import InputError
from dbb.store import resolve

SPLIT_CODES = {"train": 0, "val": 1, "test": 2}
"""The numbers of the splits in the tables of most datasets."""


def dataset_folder(name: str) -> Path:
    """Return the folder of the dataset ``name``, in the folder that the environment variable DBB_DATA names, else in
    `data/sets` of the project.
    """
    return resolve(os.environ.get("DBB_DATA") or "data/sets") / name


def files_of(benchmark: HasData) -> Files:
    """Return where the pictures of a benchmark are.

    Raises:
        InputError: when it has none, as it is drawn.
    """
    if not isinstance(benchmark.data, Files):
        raise InputError(
            f"{benchmark.name} is drawn by notebook 01-data and has no files: there is nothing to get or to verify"
        )
    return benchmark.data


def folder_of(benchmark: HasData) -> Path:
    """Return the folder of a benchmark's pictures. Raises as `files_of`."""
    return files_of(benchmark).folder or dataset_folder(benchmark.name)


def find_top(name: str, folder: Path, inside: Sequence[str], holds: Callable[[Path], bool]) -> Path:
    """Return the first of ``folder`` and the folders ``inside`` it that ``holds`` the dataset: an archive brings a top
    folder of its own.

    Raises:
        InputError: with the command and the manual route, when there is none.
    """
    for top in (folder, *(folder / part for part in inside)):
        if holds(top):
            return top
    raise InputError(
        f"{folder} does not hold the dataset {name}: run `python -m dbb.data get {name}`, or place it "
        f"there by hand as data/{name}/README.md says (DBB_DATA may name another folder for all datasets)"
    )

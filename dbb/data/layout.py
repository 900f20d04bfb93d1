"""Where a dataset lies: its folder, the top folder of whatever was unpacked there, and its tables."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dbb.errors import InputError
from dbb.store import resolve

SPLIT_CODES = {"train": 0, "val": 1, "test": 2}
"""The numbers of the splits in the tables of Waterbirds and CelebA."""


def dataset_folder(name: str) -> Path:
    """Return the folder of the dataset ``name``, in the folder that the environment variable DBB_DATA names, else in
    `data/sets` of the project.
    """
    return resolve(os.environ.get("DBB_DATA") or "data/sets") / name


def find_top(name: str, folder: Path, inside: Sequence[str], holds: Callable[[Path], bool]) -> Path:
    """Return the first of ``folder`` and the folders ``inside`` it that ``holds`` the dataset: an archive brings a top
    folder of its own.

    Raises InputError, with the command and the manual route, when there is none.
    """
    for top in (folder, *(folder / part for part in inside)):
        if holds(top):
            return top
    raise InputError(f"{folder} does not hold the dataset {name}: run `python -m dbb.data get {name}`, or place it "
                     f"there by hand as data/{name}/README.md says (DBB_DATA may name another folder for all datasets)")


def read_columns(path: Path, values: dict[str, tuple[int, ...] | None], **options: Any) -> pd.DataFrame:
    """Return columns of a text table.

    values: column -> the numbers it may hold; None: text. options: of `pandas.read_csv`.

    Raises InputError naming the file, and the column that is missing or holds something else.
    """
    try:
        table = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a table ({error}): get it again") from error
    for column, allowed in values.items():
        if column not in table:
            raise InputError(f"{path} has no column {column!r}: get the file again")
        if allowed is not None and not table[column].isin(allowed).all():
            raise InputError(f"{path}: column {column!r} must hold {', '.join(map(str, allowed))} only, but holds "
                             f"{table[column][~table[column].isin(allowed)].iloc[0]!r}: get the file again")
    return table[list(values)]

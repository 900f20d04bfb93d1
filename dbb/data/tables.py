"""Tables of pictures as people have them: every value is text until a column is asked for as codes or as files."""

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dbb.errors import InputError

SEPARATORS = ",;\t"
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """Columns of a table.

    Attributes:
        columns: name -> object (N,) of str.
        rows: int64 (N,), where each row stands in the file, the header of a text file being line 1.
    """

    path: Path
    columns: Mapping[str, np.ndarray]
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, positions: np.ndarray) -> "Table":
        """Return the rows at ``positions`` (int64, or bool (N,)), in that order."""
        columns = {name: values[positions] for name, values in self.columns.items()}
        return Table(self.path, columns, self.rows[positions])

    def place(self, position: int) -> str:
        """Return in words where a row stands: "birds.csv, line 7"."""
        word = "row" if self.path.suffix.lower() in PARQUET else "line"
        return f"{self.path}, {word} {self.rows[position]}"

    def codes(self, column: str, meanings: Mapping[str, int]) -> np.ndarray:
        """Return a column as int64 (N,).

        Args:
            meanings: what a value may be -> its code; a number matches however it is spelled (1, 1.0, true).

        Raises:
            InputError: naming the row of the first value that means nothing.
        """
        values = self.columns[column]
        known = {value: _meaning(value, meanings) for value in dict.fromkeys(values)}
        codes = [known[value] for value in values]
        if None in codes:
            wrong = codes.index(None)
            raise InputError(
                f"{self.place(wrong)}: column {column!r} holds {values[wrong]!r}, which is none of "
                f"{', '.join(meanings)}: put one of them there"
            )
        return np.array(codes, np.int64)

    def files(self, column: str, folder: Path, positions: np.ndarray) -> tuple[Path, ...]:
        """Return the files that a column names in the rows at ``positions``, int64, each under ``folder``.

        Raises:
            InputError: naming the first row of all whose name is blank, leads out of ``folder``, or stands in an
                earlier row already.
        """
        names = [name.replace("\\", "/") for name in self.columns[column]]
        seen: dict[str, int] = {}
        for position, name in enumerate(names):
            if not name.strip():
                raise InputError(
                    f"{self.place(position)}: column {column!r} names no file: fill it in, or delete the row"
                )
            if name.startswith("/") or ".." in name:
                name = names[position] = _inside(name, folder)
                if name is None:
                    raise InputError(
                        f"{self.place(position)}: {self.columns[column][position]!r} leads out of "
                        f"{folder}: give the path of a picture inside that folder"
                    )
            name = names[position] = posixpath.normpath(name)  # ./a.jpg and b//a.jpg are other spellings
            if seen.setdefault(name, position) != position:
                raise InputError(
                    f"{self.place(position)}: {name!r} has a row already, {self.rows[seen[name]]}: delete "
                    "one of the two"
                )
        return tuple(folder / names[position] for position in positions)


def read_table(path: Path, columns: Sequence[str], remedy: str = "get the file again", **options: Any) -> Table:
    """Return ``columns`` of a table as text, without rows that are blank in all of them.

    Args:
        path: Parquet (.parquet, .pq), or text in UTF-8 with a header, its values parted by comma, semicolon or tab.
        **options: of `pandas.read_csv`, for text of another kind.

    Raises:
        InputError: naming the file that cannot be read, or the column that is missing; ``remedy`` ends the sentence.
    """
    read = _read_parquet if path.suffix.lower() in PARQUET else _read_text
    try:
        names, found, first = read(path, columns, options)
    except Exception as error:  # pandas and pyarrow fail in many ways
        raise InputError(
            f"{path} cannot be read as a table in UTF-8 ({' '.join(str(error).split())}): {remedy}"
        ) from error
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{path} has no column {missing[0]!r}; it has {_some(names)}: {remedy}")
    rows = first + np.arange(len(found[columns[0]]))
    written = np.any([values != "" for values in found.values()], axis=0)
    return Table(path, found, rows).at(np.flatnonzero(written))


Found = tuple[Sequence[str], dict[str, np.ndarray], int]
"""What a reader finds: the names of all columns, those that were asked for and are there, the number of the first row.
"""


def _read_text(path: Path, columns: Sequence[str], options: Mapping[str, Any]) -> Found:
    import pandas as pd

    options = {"sep": None, **options}
    if options["sep"] is None:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        options["sep"] = max(SEPARATORS, key=header.count)
    options |= {
        "dtype": str,
        "keep_default_na": False,
        "encoding": "utf-8-sig",
        "skip_blank_lines": False,
        "index_col": False,
    }
    names = [str(name).strip() for name in pd.read_csv(path, nrows=0, **options).columns]
    table = pd.read_csv(path, usecols=lambda name: str(name).strip() in columns, **options)
    table = table.rename(columns=str.strip).fillna("")  # a row may end early
    before = options.get("skiprows", 0) + (options.get("header", 0) is not None)
    return names, {name: table[name].to_numpy(object) for name in columns if name in table}, before + 1


def _read_parquet(path: Path, columns: Sequence[str], options: Mapping[str, Any]) -> Found:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        names = file.schema_arrow.names
        found = {name: file.read([name]).column(0).to_pylist() for name in columns if name in names}
    return names, {name: _texts(values) for name, values in found.items()}, 1


def _texts(values: Sequence[object]) -> np.ndarray:
    return np.array(["" if value is None else str(value) for value in values], object)


def _meaning(value: str, meanings: Mapping[str, int]) -> int | None:
    value = value.strip()
    if value in meanings:
        return meanings[value]
    number = {"true": "1", "false": "0"}.get(value.lower(), value)
    if re.fullmatch(r"[+-]?\d+(\.0*)?", number):
        return meanings.get(str(int(float(number))))
    return None


def _inside(name: str, folder: Path) -> str | None:
    """Return ``name`` relative to ``folder`` without steps upwards; None: it leads out of it."""
    relative = os.path.relpath(os.path.normpath(folder / name), os.path.normpath(folder))
    return None if relative.split(os.sep)[0] == ".." else relative


def _some(names: Iterable[str], most: int = 12) -> str:
    names = [repr(str(name)) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "none"

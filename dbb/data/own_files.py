"""Pictures of a user's own, listed by a table or by the folders that they lie in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbb.data.files import Listing, visible_files
from dbb.data.layout import SPLIT_CODES
from dbb.data.tables import Table, read_table
from dbb.errors import InputError

SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What a split may be called, in small letters, in a table or as a folder; a table may also say 0, 1, 2."""

SPLIT_MEANINGS = {word: code for split, code in SPLIT_CODES.items() for word in (*SPLIT_WORDS[split], str(code))}

ROLES = ("path", "label", "attribute", "split")
"""The columns of a table, each called by its role unless the dataset's file says otherwise."""

REMEDY = "say in the dataset's file under data.columns what its columns are called, or mend the table"


def meanings(values: Mapping[str, str]) -> dict[str, int]:
    """Return what a column or a folder may say -> its code: the names themselves mean the same, and the codes 0, 1,
    ... where ``values`` are the names.

    Args:
        values: what it says -> the name that is shown, in the order of the codes.
    """
    codes = {value: code for code, value in enumerate(values)}
    for code, name in enumerate(values.values()):
        codes.setdefault(name, code)
    if list(values) == list(values.values()):
        for code in range(len(values)):
            codes.setdefault(str(code), code)
    return codes


@dataclass(frozen=True)
class PictureTable:
    """Pictures that a table lists, CSV or Parquet.

    Attributes:
        table: its path.
        columns: role (`ROLES`) -> name of the column.
        classes, attributes: what their columns may say -> code (`meanings`); no attributes: all are 0.
    """

    table: Path
    columns: Mapping[str, str]
    classes: Mapping[str, int]
    attributes: Mapping[str, int] | None

    def list_split(self, folder: Path, split: str) -> Listing:
        """Return a split's pictures in the order of the table, their paths being relative to ``folder``.

        Raises:
            InputError: naming the table, and the column that is missing or the row that is wrong, in any split.
        """
        names = [self.columns[role] for role in ROLES if role != "attribute" or self.attributes is not None]
        table = read_table(self.table, names, REMEDY)
        chosen = np.flatnonzero(self._splits(table) == SPLIT_CODES[split])
        files = table.files(self.columns["path"], folder, chosen)
        labels = table.codes(self.columns["label"], self.classes)
        attributes = (
            np.zeros(len(table), np.int64)
            if self.attributes is None
            else table.codes(self.columns["attribute"], self.attributes)
        )
        return Listing(files, labels[chosen], attributes[chosen])

    def _splits(self, table: Table) -> np.ndarray:
        column = self.columns["split"]
        lowered = np.array([value.lower() for value in table.columns[column]], object)
        return Table(table.path, {column: lowered}, table.rows).codes(column, SPLIT_MEANINGS)


@dataclass(frozen=True)
class PictureTree:
    """Pictures in folders <split>/<class>/, or <split>/<class>/<attribute>/ where there are attributes.

    Attributes:
        classes, attributes: what the folders may be called -> code (`meanings`); no attributes: all are 0.
    """

    classes: Mapping[str, int]
    attributes: Mapping[str, int] | None

    def list_split(self, folder: Path, split: str) -> Listing:
        """Return a split's pictures by class, attribute and name.

        Raises:
            InputError: naming a folder that is missing or means nothing, or a file where folders belong.
        """
        paths: list[Path] = []
        labels: list[int] = []
        attributes: list[int] = []
        for label, class_folder in _subfolders(_split_folder(folder, split), self.classes):
            leaves = [(0, class_folder)] if self.attributes is None else _subfolders(class_folder, self.attributes)
            for attribute, leaf in leaves:
                found = _pictures(leaf)
                paths += found
                labels += [label] * len(found)
                attributes += [attribute] * len(found)
        return Listing(tuple(paths), np.array(labels, np.int64), np.array(attributes, np.int64))


def _split_folder(folder: Path, split: str) -> Path:
    found = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in SPLIT_WORDS[split]]
    if len(found) != 1:
        problem = "has no folder" if not found else f"has {' and '.join(path.name for path in found)}"
        raise InputError(
            f"{folder} {problem} for the split {split!r}: give it one, called "
            f"{' or '.join(SPLIT_WORDS[split])}, or list the pictures in a table (data.table)"
        )
    return found[0]


def _subfolders(folder: Path, known: Mapping[str, int]) -> Iterator[tuple[int, Path]]:
    """Yield the code and the path of each folder in ``folder``, by code."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in sorted(found):
        if not path.is_dir():
            raise InputError(f"{path} lies where only folders belong, named by {', '.join(known)}: move it into one")
        if path.name not in known:
            raise InputError(
                f"{path}: {path.name!r} is none of {', '.join(known)}: rename the folder, move it away, "
                "or name it in the dataset's file"
            )
    yield from sorted((known[path.name], path) for path in found)


def _pictures(folder: Path) -> list[Path]:
    deeper = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if deeper:
        raise InputError(
            f"{deeper[0]} is a folder among pictures: move its pictures up, or name the attributes in the "
            "dataset's file"
        )
    return visible_files(folder)

"""Copies of datasets on the Hugging Face Hub: Parquet tables that hold the pictures, to be written out as files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from dbb.data.transfer import TIMEOUT_S
from dbb.errors import InputError
from dbb.progress import track

PARTS = ("train", "validation", "test")  # numbered 0, 1, 2, as in most datasets' own tables
ROWS = 256  # pictures in memory at a time


def hub_tables(repository: str, revision: str, downloads: Path) -> dict[str, list[Path]]:
    """Download the Parquet tables of a dataset repository and return them by part, in order; a download that broke off
    is resumed.

    Raises:
        InputError: when the repository has no tables of a part.
        OSError: or what huggingface_hub raises, when it cannot be reached.
    """
    from huggingface_hub import constants, snapshot_download

    folder = downloads / repository.replace("/", "--")
    # Without a connection this fails at once; huggingface_hub tries for half a minute.
    urlopen(f"{constants.ENDPOINT}/api/datasets/{repository}", timeout=TIMEOUT_S).close()
    snapshot_download(repository, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns="*.parquet")
    return tables_by_part(folder)


def tables_by_part(folder: Path) -> dict[str, list[Path]]:
    """Return the Parquet files under ``folder`` by part, which the name of the file or of its folder starts with.

    Raises:
        InputError: when a part has none.
    """
    tables: dict[str, list[Path]] = {part: [] for part in PARTS}
    for path in sorted(folder.rglob("*.parquet")):
        for part in PARTS:
            if any(piece.startswith(part) for piece in path.relative_to(folder).parts):
                tables[part].append(path)
    for part, found in tables.items():
        if not found:
            raise InputError(f"{folder} has no Parquet table of the part {part!r}: delete it and get it again")
    return tables


def stored_pictures(paths: list[Path], columns: tuple[str, ...]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield every picture of tables with a column "image", encoded as it is stored, with its row of ``columns``.

    Raises:
        InputError: naming a table without one of the columns.
    """
    from pyarrow.parquet import ParquetFile

    for path in paths:
        with ParquetFile(path) as table:
            missing = {"image", *columns} - set(table.schema_arrow.names)
            if missing:
                raise InputError(f"{path} has no column {', '.join(sorted(missing))}: the repository has changed")
            batches = table.iter_batches(ROWS, columns=["image", *columns])
            for batch in track(batches, f"writing {path.stem}", total=-(-table.metadata.num_rows // ROWS)):
                for row in batch.to_pylist():
                    yield row["image"]["bytes"], row


def write_picture(path: Path, picture: bytes) -> None:
    """Write an encoded picture, and the folder that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)

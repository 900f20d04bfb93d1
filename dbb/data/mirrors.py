"""Copies of the datasets on the Hugging Face Hub: Parquet tables that hold the pictures, written out as files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pandas as pd
from huggingface_hub import constants, snapshot_download
from pyarrow.parquet import ParquetFile

from dbb.data import celeba, waterbirds
from dbb.data.transfer import TIMEOUT_S
from dbb.errors import InputError
from dbb.progress import track

PARTS = ("train", "validation", "test")  # numbered 0, 1, 2, as in the datasets' own tables
ROWS = 256  # pictures in memory at a time
MALE, BLOND_HAIR = 20, 9  # places among CelebA's 40 attributes, in the order of list_attr_celeba.txt


def hub_tables(repository: str, revision: str, downloads: Path) -> dict[str, list[Path]]:
    """Download the Parquet tables of a dataset repository and return them by part, in order.

    Raises InputError when the repository has no tables of a part, OSError or what huggingface_hub raises when it
    cannot be reached. A download that broke off is resumed.
    """
    folder = downloads / repository.replace("/", "--")
    # Without a connection this fails at once; huggingface_hub tries for half a minute.
    urlopen(f"{constants.ENDPOINT}/api/datasets/{repository}", timeout=TIMEOUT_S).close()
    snapshot_download(repository, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns="*.parquet")
    return tables_by_part(folder)


def tables_by_part(folder: Path) -> dict[str, list[Path]]:
    """Return the Parquet files under ``folder`` by part, which the name of the file or of its folder starts with."""
    tables = {part: [] for part in PARTS}
    for path in sorted(folder.rglob("*.parquet")):
        for part in PARTS:
            if any(piece.startswith(part) for piece in path.relative_to(folder).parts):
                tables[part].append(path)
    for part, found in tables.items():
        if not found:
            raise InputError(f"{folder} has no Parquet table of the part {part!r}: delete it and get it again")
    return tables


def write_waterbirds(tables: dict[str, list[Path]], target: Path) -> None:
    """Write tables with the columns image, label and place in the layout of the Stanford archive."""
    rows = []
    for code, part in enumerate(PARTS):
        for number, (picture, row) in enumerate(_pictures(tables[part], ("label", "place"))):
            name = f"{part}/{number:05d}.jpg"
            _write(target / name, picture)
            rows.append({"img_filename": name, "y": row["label"], "split": code, "place": row["place"]})
    pd.DataFrame(rows).to_csv(target / waterbirds.METADATA, index=False)


def write_celeba(tables: dict[str, list[Path]], target: Path) -> None:
    """Write tables with the columns image and attributes (40 numbers each) as pictures and celeba_split.csv.

    The original names are not in the tables. The official parts follow one another in the order of the names, so the
    pictures are numbered through.
    """
    rows = []
    for code, part in enumerate(PARTS):
        for picture, row in _pictures(tables[part], ("attributes",)):
            name = f"{len(rows) + 1:06d}.jpg"
            _write(target / "img_align_celeba" / name, picture)
            male, blond = (int(row["attributes"][place] > 0) for place in (MALE, BLOND_HAIR))
            rows.append({"image_id": name, "Male": male, "Blond_Hair": blond, "split": code})
    pd.DataFrame(rows).to_csv(target / celeba.ONE_TABLE, index=False)


def _pictures(paths: list[Path], columns: tuple[str, ...]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield every picture, encoded as it is stored, with its row of ``columns``."""
    for path in paths:
        with ParquetFile(path) as table:
            missing = {"image", *columns} - set(table.schema_arrow.names)
            if missing:
                raise InputError(f"{path} has no column {', '.join(sorted(missing))}: the repository has changed")
            batches = table.iter_batches(ROWS, columns=["image", *columns])
            for batch in track(batches, f"writing {path.stem}", total=-(-table.metadata.num_rows // ROWS)):
                for row in batch.to_pylist():
                    yield row["image"]["bytes"], row


def _write(path: Path, picture: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)

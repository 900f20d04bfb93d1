"""What the places of the paper's datasets bring is written out in a layout that the listing reads."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torchvision.datasets.utils
from data_standins import picture

from dbb.benchmarks import celeba, waterbirds
from dbb.data import mirrors
from dbb.data.dataset import SPLITS
from dbb.data.download import get
from dbb.errors import InputError


def encoded(seed: int) -> dict:
    written = io.BytesIO()
    picture(seed).save(written, "JPEG")
    return {"bytes": written.getvalue(), "path": None}


def write_tables(folder, columns):
    """The tables of a Hub repository, training in two files; columns: number of rows -> the columns of a file."""
    sizes = {
        "train-00000-of-00002": 5,
        "train-00001-of-00002": 3,
        "validation-00000-of-00001": 2,
        "test-00000-of-00001": 4,
    }
    (folder / "data").mkdir(parents=True)
    for number, (name, rows) in enumerate(sizes.items()):
        table = {"image": [encoded(100 * number + row) for row in range(rows)], **columns(rows)}
        pa.parquet.write_table(pa.table(table), folder / "data" / f"{name}.parquet")
    return mirrors.tables_by_part(folder)


def test_waterbirds_is_written_out_from_the_hubs_tables(tmp_path):
    tables = write_tables(tmp_path / "hub", lambda n: {"label": [i % 2 for i in range(n)], "place": [1] * n})
    waterbirds.write_tables(tables, tmp_path / "birds")
    train = waterbirds.list_split(tmp_path / "birds", "train")
    assert train.labels.tolist() == [0, 1, 0, 1, 0, 0, 1, 0] and train.attributes.tolist() == [1] * 8
    assert [len(waterbirds.list_split(tmp_path / "birds", split).paths) for split in SPLITS] == [8, 2, 4]
    # the second picture of the second file is the seventh of the split
    assert train.paths[6].read_bytes() == encoded(101)["bytes"]


def test_celeba_is_written_out_from_the_hubs_tables(tmp_path):
    def attributes(n):
        rows = np.zeros((n, 40), np.int8)
        rows[:, 9], rows[1:, 20] = np.arange(n) % 2, 1
        return {"attributes": rows.tolist(), "identity": list(range(n))}

    celeba.write_tables(write_tables(tmp_path / "hub", attributes), tmp_path / "faces")
    listing = celeba.list_split(tmp_path / "faces", "train")
    assert [path.name for path in listing.paths] == [f"{i:06d}.jpg" for i in range(1, 9)]
    assert listing.labels.tolist() == [0, 1, 0, 1, 0, 0, 1, 0]
    assert listing.attributes.tolist() == [0, 1, 1, 1, 1, 0, 1, 1]
    assert [path.name for path in celeba.list_split(tmp_path / "faces", "val").paths] == ["000009.jpg", "000010.jpg"]


def test_tables_that_are_not_what_they_were_are_refused(tmp_path):
    tables = write_tables(tmp_path / "hub", lambda n: {"y": [0] * n})
    with pytest.raises(InputError, match="no column label, place"):
        waterbirds.write_tables(tables, tmp_path / "birds")
    next((tmp_path / "hub" / "data").glob("test-*")).unlink()
    with pytest.raises(InputError, match="no Parquet table of the part 'test'"):
        mirrors.tables_by_part(tmp_path / "hub")


def test_torchvisions_files_of_celeba_are_the_ones_that_are_asked_for(tmp_path, monkeypatch):
    """The Drive ids are torchvision's own; what comes is unpacked into a layout that the loader reads."""
    asked = []

    def from_drive(file_id, root, name, md5):
        asked.append((name, len(md5)))
        if name.endswith(".zip"):
            with zipfile.ZipFile(root / name, "w") as zipped:
                zipped.writestr("img_align_celeba/000001.jpg", encoded(0)["bytes"])
        else:
            rows = {
                "list_attr_celeba.txt": "1\nBlond_Hair Male\n000001.jpg  1 -1\n",
                "list_eval_partition.txt": "000001.jpg 0\n",
            }
            (root / name).write_text(rows[name])

    monkeypatch.setattr(torchvision.datasets.utils, "download_file_from_google_drive", from_drive)
    get(celeba.BENCHMARK, tmp_path / "faces")
    listing = celeba.list_split(tmp_path / "faces", "train")
    assert listing.labels.tolist() == [1] and listing.attributes.tolist() == [0] and listing.paths[0].is_file()
    assert sorted(asked) == [
        ("img_align_celeba.zip", 32),
        ("list_attr_celeba.txt", 32),
        ("list_eval_partition.txt", 32),
    ]

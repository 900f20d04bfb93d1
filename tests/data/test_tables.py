"""Tables as people have them are read as text, and what is wrong in them is named by file and row."""

import numpy as np
import pandas as pd
import pytest

from dbb.data.tables import read_table
from dbb.errors import InputError

COLUMNS = ("file", "y")


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def names(table):
    return table.columns["file"].tolist()


@pytest.mark.parametrize(
    "text",
    [
        "file,y\nNA,0\n001,1\nnull,1\n",
        "y;file;z\n0;NA;5\n1;001;5\n1;null;\n",
        "file\ty\nNA\t0\n001\t1\nnull\t1\n",
        " file , y\r\nNA,0\r\n001,1\r\nnull,1\r\n",
        "\ufefffile,y\nNA,0\n001,1\nnull,1\n",
        "file,y\nNA,0\n\n001,1\nnull,1\n,\n\n",
        '"file","y"\n"NA","0"\n"001","1"\n"null","1"',
    ],
)
def test_text_is_text_however_it_is_written(tmp_path, text):
    table = read_table(write(tmp_path / "t.csv", text), COLUMNS)
    assert names(table) == ["NA", "001", "null"]
    assert table.codes("y", {"0": 0, "1": 1}).tolist() == [0, 1, 1]
    assert table.files("file", tmp_path, np.array([2, 0])) == (tmp_path / "null", tmp_path / "NA")


def test_parquet_is_read_as_text_too(tmp_path):
    frame = pd.DataFrame({"file": ["a", None, "007"], "y": [0.0, 1.0, None], "z": 1})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", COLUMNS)
    assert names(table) == ["a", "", "007"]
    with pytest.raises(InputError, match=r"t\.parquet, row 3: column 'y' holds ''"):
        table.codes("y", {"0": 0, "1": 1})
    with pytest.raises(InputError, match=r"t\.parquet, row 2: column 'file' names no file"):
        table.files("file", tmp_path, np.arange(3))


@pytest.mark.parametrize("value", ["1", "1.0", " 1", "true", "True", "+1", "01"])
def test_a_code_is_known_however_it_is_spelled(tmp_path, value):
    table = read_table(write(tmp_path / "t.csv", f"file,y\na,{value}\n"), COLUMNS)
    assert table.codes("y", {"0": 5, "1": 6}).tolist() == [6]


@pytest.mark.parametrize("value", ["2", "0.5", "yes", "", "nan", "1e0"])
def test_another_code_is_named_with_its_line(tmp_path, value):
    table = read_table(write(tmp_path / "t.csv", f"file,y\na,0\n\nb,{value}\n"), COLUMNS)
    with pytest.raises(InputError, match=rf"t\.csv, line 4: column 'y' holds '{value}', which is none of 0, 1"):
        table.codes("y", {"0": 0, "1": 1})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "line 3: column 'file' names no file"),
        ("  ", "line 3: column 'file' names no file"),
        ("../b.jpg", "line 3: '../b.jpg' leads out of"),
        ("x/../../b.jpg", "line 3: 'x/../../b.jpg' leads out of"),
        ("/etc/passwd", "line 3: '/etc/passwd' leads out of"),
        ("..\\b.jpg", "leads out of"),
        ("a.jpg", "line 3: 'a.jpg' has a row already, 2: delete one"),
        ("x/../a.jpg", "line 3: 'a.jpg' has a row already, 2"),
        ("./a.jpg", "line 3: 'a.jpg' has a row already, 2"),
        (".//a.jpg", "line 3: 'a.jpg' has a row already, 2"),
    ],
)
def test_a_file_that_cannot_be_meant_is_named_with_its_line(tmp_path, name, message):
    table = read_table(write(tmp_path / "t.csv", f"file,y\na.jpg,0\n{name},1\n"), COLUMNS)
    with pytest.raises(InputError) as raised:
        table.files("file", tmp_path / "pictures", np.array([0]))
    assert message in str(raised.value)


def test_paths_inside_the_folder_are_taken_as_they_are_meant(tmp_path):
    text = f"file,y\n{tmp_path}/x/a.jpg,0\nx/..b.jpg,0\nx\\c.jpg,1\n"
    files = read_table(write(tmp_path / "t.csv", text), COLUMNS).files("file", tmp_path, np.arange(3))
    assert files == (tmp_path / "x/a.jpg", tmp_path / "x/..b.jpg", tmp_path / "x/c.jpg")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a table in UTF-8"),
        ("file,y\nö,0\n".encode("latin-1"), "cannot be read as a table in UTF-8"),
        ("file,y\na,0\n".encode("utf-16"), "cannot be read as a table in UTF-8"),
        (b"name,y\na,0\n", "has no column 'file'; it has 'name', 'y': mend it"),
    ],
)
def test_another_table_is_refused_with_the_remedy(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"t\.csv.*mend it") as raised:
        read_table(tmp_path / "t.csv", COLUMNS, "mend it")
    assert message in str(raised.value)


def test_a_missing_or_broken_parquet_is_refused(tmp_path):
    with pytest.raises(InputError, match="gone"):
        read_table(tmp_path / "gone.parquet", COLUMNS)
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"t\.parquet cannot be read"):
        read_table(tmp_path / "t.parquet", COLUMNS)

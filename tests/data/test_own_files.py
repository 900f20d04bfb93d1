"""A user's own pictures are listed from a table or from folders, alike."""

import numpy as np
import pytest
from data_standins import save

from dbb.data.own_files import PictureTable, PictureTree, meanings
from dbb.errors import InputError

CLASSES, PLACES = meanings({"cat": "cat", "dog": "dog"}), meanings({"day": "day", "night": "night"})
COLUMNS = {"path": "path", "label": "label", "attribute": "attribute", "split": "split"}


def test_what_a_value_may_mean():
    assert CLASSES == {"cat": 0, "dog": 1, "0": 0, "1": 1}
    assert meanings({"-1": "female", "1": "male"}) == {"-1": 0, "1": 1, "female": 0, "male": 1}
    assert meanings({"1": "1", "0": "0"}) == {"1": 0, "0": 1}, "a name goes before a place in the list"


@pytest.mark.parametrize(
    "table",
    [
        "path,label,attribute,split\na,cat,night,train\nb,dog,day,val\nc,dog,night,train\n",
        "path,label,attribute,split\na,0,1,0\nb,1,0,1\nc,1,1,0\n",
        "path,label,attribute,split\na,0.0,1.0,Training\nb,1.0,0.0,VALID\nc,1.0,1.0,train\n",
    ],
)
def test_names_and_codes_mean_the_same(tmp_path, table):
    (tmp_path / "t.csv").write_text(table)
    pictures = PictureTable(tmp_path / "t.csv", COLUMNS, CLASSES, PLACES)
    train = pictures.list_split(tmp_path, "train")
    assert train.paths == (tmp_path / "a", tmp_path / "c")
    assert train.labels.tolist() == [0, 1] and train.attributes.tolist() == [1, 1]
    assert pictures.list_split(tmp_path, "val").paths == (tmp_path / "b",)
    assert pictures.list_split(tmp_path, "test").labels.shape == (0,)


def test_the_waterbirds_metadata_is_read_by_naming_its_columns(tmp_path):
    (tmp_path / "metadata.csv").write_text(
        "img_id,img_filename,y,split,place,place_filename\n1,001.B/x.jpg,0,0,1,/o/ocean/1.jpg\n2,001.B/z.jpg,1,2,0,/f/2\n"
    )
    columns = {"path": "img_filename", "label": "y", "attribute": "place", "split": "split"}
    listing = PictureTable(tmp_path / "metadata.csv", columns, CLASSES, PLACES).list_split(tmp_path, "train")
    assert listing.paths == (tmp_path / "001.B/x.jpg",) and listing.attributes.tolist() == [1]


def test_a_table_without_attributes_needs_no_such_column(tmp_path):
    (tmp_path / "t.csv").write_text("path,label,split\na,cat,train\n")
    listing = PictureTable(tmp_path / "t.csv", COLUMNS, CLASSES, None).list_split(tmp_path, "train")
    assert listing.attributes.tolist() == [0] and listing.attributes.dtype == np.int64


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,bird,day,train", "line 2: column 'label' holds 'bird', which is none of cat, dog, 0, 1"),
        ("a,cat,dusk,train", "line 2: column 'attribute' holds 'dusk', which is none of day, night, 0, 1"),
        ("a,cat,,train", "line 2: column 'attribute' holds ''"),
        ("a,cat,day,extra", "line 2: column 'split' holds 'extra', which is none of train, training, 0, val"),
        ("a,2,day,test", "line 2: column 'label' holds '2'"),
    ],
)
def test_a_row_that_means_nothing_is_named_whatever_the_split(tmp_path, row, message):
    (tmp_path / "t.csv").write_text(f"path,label,attribute,split\n{row}\n")
    with pytest.raises(InputError) as raised:
        PictureTable(tmp_path / "t.csv", COLUMNS, CLASSES, PLACES).list_split(tmp_path, "val")
    assert message in str(raised.value)


def test_a_missing_column_is_named_with_the_key_that_maps_it(tmp_path):
    (tmp_path / "t.csv").write_text("file,label,attribute,split\n")
    with pytest.raises(InputError, match=r"no column 'path'; it has 'file', .*data\.columns"):
        PictureTable(tmp_path / "t.csv", COLUMNS, CLASSES, PLACES).list_split(tmp_path, "val")


@pytest.fixture
def tree(tmp_path):
    for split in ("training", "valid", "test"):
        for name in ("cat/night/b.jpg", "cat/day/c.jpg", "dog/day/a.png", "dog/day/.DS_Store"):
            save(tmp_path / split / "x.png").replace(tmp_path / split / "x")
            (tmp_path / split / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / split / "x").replace(tmp_path / split / name)
    return tmp_path


def test_folders_are_listed_by_class_attribute_and_name(tree):
    listing = PictureTree(CLASSES, PLACES).list_split(tree, "train")
    assert [path.relative_to(tree).as_posix() for path in listing.paths] == [
        "training/cat/day/c.jpg",
        "training/cat/night/b.jpg",
        "training/dog/day/a.png",
    ]
    assert listing.labels.tolist() == [0, 0, 1] and listing.attributes.tolist() == [0, 1, 0]


def test_a_tree_without_attributes(tmp_path):
    for name in ("train/0/b.jpg", "train/1/a.jpg", "train/0/a.jpg"):
        save(tmp_path / name)
    listing = PictureTree(CLASSES, None).list_split(tmp_path, "train")
    assert [path.name for path in listing.paths] == ["a.jpg", "b.jpg", "a.jpg"]
    assert listing.labels.tolist() == [0, 0, 1] and listing.attributes.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: (t / "valid").rename(t / "rest"), "has no folder for the split 'val'"),
        (lambda t: (t / "val").mkdir(), "has val and valid for the split 'val'"),
        (lambda t: (t / "valid/bird").mkdir(), "valid/bird: 'bird' is none of cat, dog, 0, 1"),
        (lambda t: (t / "valid/cat/dusk").mkdir(), "cat/dusk: 'dusk' is none of day, night"),
        (lambda t: (t / "valid/cat/x.jpg").touch(), "cat/x.jpg lies where only folders belong"),
        (lambda t: (t / "valid/x.jpg").touch(), "valid/x.jpg lies where only folders belong"),
        (lambda t: (t / "valid/cat/day/more").mkdir(), "day/more is a folder among pictures"),
    ],
)
def test_folders_that_mean_nothing_are_named(tree, change, message):
    change(tree)
    with pytest.raises(InputError) as raised:
        PictureTree(CLASSES, PLACES).list_split(tree, "val")
    assert message in str(raised.value)

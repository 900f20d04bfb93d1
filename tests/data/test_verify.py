"""Verification names every wrong group and every file that cannot be used, and says nothing of a right dataset."""

import numpy as np
import pandas as pd
import pytest
from data_standins import ODD_NAME, celeba_table, make_celeba, make_metashift, make_waterbirds, truncate

from dbb.benchmarks import celeba, get_benchmark, metashift, waterbirds
from dbb.data import __main__, verify
from dbb.data.dataset import SPLITS
from dbb.errors import InputError

GROUPS = (3, 2, 1, 2)


@pytest.fixture
def birds(tmp_path, monkeypatch):
    """The top folder of a small Waterbirds, which has the groups that it should have."""
    for split in SPLITS:
        monkeypatch.setitem(waterbirds.COUNTS, split, GROUPS)
    return make_waterbirds(tmp_path, GROUPS)


def test_a_right_dataset_passes(birds, capsys):
    report = verify.verify(waterbirds.BENCHMARK, birds)
    assert report.ok and not report.files and report.images == 24
    assert len(report.groups) == 12 and all(count.found == count.expected for count in report.groups)
    assert __main__.main(["verify", "waterbirds", "--folder", str(birds)]) == 0
    printed = capsys.readouterr().out
    assert "24 pictures" in printed and "all pictures decode" in printed and "WRONG" not in printed


def test_files_that_cannot_be_used_are_listed_each_with_what_is_wrong(birds, capsys):
    paths = waterbirds.list_split(birds, "test").paths
    (birds / "000.Bird" / ODD_NAME).unlink()
    paths[1].write_bytes(b"")
    truncate(paths[2])
    paths[3].write_text("<html>quota exceeded</html>")
    report = verify.verify(waterbirds.BENCHMARK, birds)
    assert not report.ok
    found = {path.name: what for path, what in report.files}
    assert found.keys() == {ODD_NAME, paths[1].name, paths[2].name, paths[3].name}
    assert found[ODD_NAME] == "is missing"
    assert found[paths[1].name] == "is empty (0 bytes)"
    assert found[paths[2].name].startswith("is truncated or damaged")
    assert found[paths[3].name] == "is not a picture"
    assert __main__.main(["verify", "waterbirds", "--folder", str(birds)]) == 1
    printed = capsys.readouterr().out
    assert "0 groups and 4 files are wrong" in printed and f"{ODD_NAME} is missing" in printed


def test_a_picture_that_lacks_only_its_end_is_found(birds):
    """The header and most of the pixels are there, so opening it is not enough."""
    path = waterbirds.list_split(birds, "val").paths[0]
    path.write_bytes(path.read_bytes()[:-60])
    assert [found for found, _ in verify.verify(waterbirds.BENCHMARK, birds).files] == [path]


def test_a_wrong_count_is_told_by_split_and_group(birds, capsys):
    table = pd.read_csv(birds / "metadata.csv")
    last = table.index[(table["split"] == 0) & (table["y"] == 1) & (table["place"] == 1)][-1]
    table.drop(index=last).to_csv(birds / "metadata.csv", index=False)
    wrong = [c for c in verify.verify(waterbirds.BENCHMARK, birds).groups if c.found != c.expected]
    assert wrong == [verify.GroupCount("train", "waterbird on water", expected=2, found=1)]
    assert __main__.main(["verify", "waterbirds", "--folder", str(birds)]) == 1
    assert "WRONG: expected 2" in capsys.readouterr().out


def test_a_group_that_should_be_empty_is_told(tmp_path, monkeypatch):
    for split in SPLITS:
        monkeypatch.setitem(waterbirds.COUNTS, split, (3, 2, 0, 2))
    report = verify.verify(waterbirds.BENCHMARK, make_waterbirds(tmp_path, GROUPS))
    assert [(c.group, c.expected, c.found) for c in report.groups if c.found != c.expected] == [
        ("waterbird on land", 0, 1)
    ] * 3


@pytest.mark.parametrize("layout", ["kaggle", "torchvision", "group_DRO", "DDB", "DaC"])
def test_celeba_is_verified_before_the_draw(tmp_path, monkeypatch, layout):
    table = celeba_table()
    for split, code in (("train", 0), ("val", 1), ("test", 2)):
        part = table[table["split"] == code]
        groups = 2 * (part["Blond_Hair"] == 1) + (part["Male"] == 1)
        monkeypatch.setitem(celeba.COUNTS, split, tuple(np.bincount(groups, minlength=4).tolist()))
    folder = make_celeba(tmp_path, layout, table)
    report = verify.verify(celeba.BENCHMARK, folder)
    assert report.ok and report.images == 60
    gone = celeba.list_split(folder, "train").paths[5]
    gone.unlink()
    assert verify.verify(celeba.BENCHMARK, folder).files == ((gone, "is missing"),)


def test_metashift_is_verified_by_its_folders(tmp_path, monkeypatch):
    top = make_metashift(tmp_path)
    monkeypatch.setitem(metashift.COUNTS, "train", (3, 2, 0, 0, 0, 0, 0, 1, 4, 0))
    monkeypatch.setitem(metashift.COUNTS, "val", (0, 0, 0, 0, 1, 0, 0, 0, 0, 2))
    monkeypatch.setitem(metashift.COUNTS, "test", (0, 0, 0, 0, 7, 0, 0, 0, 0, 10))
    assert verify.verify(metashift.BENCHMARK, tmp_path).ok
    (top / "train" / "dog" / "dog(bike)" / "notes.txt").write_text("not a picture")
    report = verify.verify(metashift.BENCHMARK, tmp_path)
    assert [(path.name, what) for path, what in report.files] == [("notes.txt", "is not a picture")]
    assert [(c.group, c.found) for c in report.groups if c.found != c.expected] == [("dog with bike", 5)]


def test_nothing_to_verify_is_one_clear_error(tmp_path, capsys):
    assert __main__.main(["verify", "celeba", "--folder", str(tmp_path / "none")]) == 1
    assert "python -m dbb.data get celeba" in capsys.readouterr().err
    assert __main__.main(["verify", "birds"]) == 1
    assert "unknown benchmark 'birds'" in capsys.readouterr().err
    with pytest.raises(InputError, match="mini-waterbirds is drawn"):
        verify.verify(get_benchmark("mini-waterbirds"), tmp_path)


def test_a_long_list_of_files_is_cut_in_print_but_not_in_the_report(birds, monkeypatch):
    monkeypatch.setattr(verify, "MOST_LISTED", 3)
    for path in waterbirds.list_split(birds, "train").paths:
        path.unlink()
    report = verify.verify(waterbirds.BENCHMARK, birds)
    assert len(report.files) == 8
    assert str(report).count("is missing") == 3 and "and 5 more" in str(report)

"""mini-waterbirds: Waterbirds' ratios, the same bytes from the same recipe, and files that are whole or refused."""

from dataclasses import replace

import numpy as np
import pytest

from dbb import data
from dbb.benchmarks import get_benchmark
from dbb.data import load_split, make_data
from dbb.data.mini_waterbirds import WATERBIRDS_COUNTS, group_counts, make_split
from dbb.errors import InputError
from dbb.mini.scenes import LANDBIRDS, WATER_PLACES


def test_training_ratios_are_those_of_waterbirds():
    shares = group_counts("train", 2400) / 2400
    assert np.allclose(shares, WATERBIRDS_COUNTS / WATERBIRDS_COUNTS.sum(), atol=1e-3)
    assert group_counts("train", 2400).sum() == 2400


def test_validation_is_balanced():
    assert group_counts("val", 600).tolist() == [150] * 4


def test_a_split_too_small_for_four_groups_is_refused():
    with pytest.raises(InputError, match="at least 8"):
        group_counts("val", 3)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    make_split(runs / "mini-waterbirds" / "data", "val", 16)
    return runs


def test_a_split_is_labelled_by_what_it_shows(runs):
    images = load_split(get_benchmark("mini-waterbirds"), "val", runs)
    assert np.array_equal(images.labels == 0, np.isin(images.truth["species"], LANDBIRDS))
    assert np.array_equal(images.attributes == 1, np.isin(images.truth["place"], WATER_PLACES))
    assert images.pixels([0, 3], 64).shape == (2, 3, 64, 64)
    assert images.truth["mask"].any((1, 2)).all()


def test_the_same_recipe_gives_the_same_bytes_and_is_made_once(runs, tmp_path):
    first = runs / "mini-waterbirds" / "data" / "val.npz"
    again = make_split(tmp_path, "val", 16)
    with np.load(first) as a, np.load(again) as b:
        assert all(np.array_equal(a[name], b[name]) for name in a.files)
    changed = again.stat().st_mtime_ns
    assert make_split(tmp_path, "val", 16).stat().st_mtime_ns == changed


def test_another_size_or_a_broken_file_is_made_again(tmp_path):
    path = make_split(tmp_path, "val", 8)
    make_split(tmp_path, "val", 12)
    with np.load(path) as stored:
        assert len(stored["group"]) == 12
    path.write_bytes(b"broken")
    with np.load(make_split(tmp_path, "val", 12)) as stored:
        assert len(stored["group"]) == 12


def test_missing_and_broken_files_are_named(tmp_path):
    benchmark = get_benchmark("mini-waterbirds")
    with pytest.raises(InputError, match=r"train\.npz is missing: run notebook 01-data"):
        load_split(benchmark, "train", tmp_path)
    path = tmp_path / "mini-waterbirds" / "data" / "train.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"train\.npz cannot be read"):
        load_split(benchmark, "train", tmp_path)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"unknown benchmark 'birds': choose one of celeba, metashift, mini-"):
        get_benchmark("birds")
    with pytest.raises(InputError, match="unknown split 'dev'"):
        load_split(get_benchmark("mini-waterbirds"), "dev", tmp_path)


def test_all_splits_are_made_in_the_sizes_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(data.SIZES, "mini-waterbirds", {"train": 24, "val": 8, "test": 8})
    splits = make_data(get_benchmark("mini-waterbirds"), tmp_path, {"val": 12, "test": None})
    assert {name: len(images) for name, images in splits.items()} == {"train": 24, "val": 12, "test": 8}
    with pytest.raises(InputError, match="unknown split 'dev'"):
        make_data(get_benchmark("mini-waterbirds"), tmp_path, {"dev": 8})


def test_a_benchmark_without_a_maker_is_only_loaded(tmp_path, monkeypatch):
    own = replace(get_benchmark("mini-waterbirds"), name="own")
    monkeypatch.setitem(data.LOADERS, "own", lambda directory, split: (directory, split))
    folder = tmp_path / "own" / "data"
    assert make_data(own, tmp_path, {"train": None}) == {s: (folder, s) for s in data.SPLITS}
    with pytest.raises(InputError, match="its size is not free: leave out train"):
        make_data(own, tmp_path, {"train": 8})

"""mini-waterbirds: Waterbirds' ratios, the same bytes from the same scenes, and files that are whole or refused."""

import numpy as np
import pytest

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.mini_waterbirds import WATERBIRDS_COUNTS, group_counts, load_split, make_split
from dbb.errors import InputError
from dbb.worlds.waterbirds.scenes import LANDBIRDS, WATER_PLACES, WATERBIRDS


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
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_split(folder, "val", 16)
    return folder


def test_a_split_is_labelled_by_what_it_shows(folder):
    images = load_split(folder, "val")
    assert np.array_equal(images.labels == 0, np.isin(images.truth["species"], LANDBIRDS))
    assert np.array_equal(images.attributes == 1, np.isin(images.truth["place"], WATER_PLACES))
    assert images.pixels([0, 3], 64).shape == (2, 3, 64, 64)
    assert images.truth["mask"].any((1, 2)).all()


def test_the_same_size_gives_the_same_bytes(folder, tmp_path):
    make_split(tmp_path, "val", 16)
    assert (tmp_path / "val.npz").read_bytes() == (folder / "val.npz").read_bytes()
    make_split(tmp_path, "val", 8)
    assert len(load_split(tmp_path, "val")) == 8


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"train\.npz is missing: run notebook 01-data"):
        load_split(tmp_path, "train")
    (tmp_path / "train.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"train\.npz cannot be read"):
        load_split(tmp_path, "train")


def test_the_oracle_knows_every_species_of_both_classes():
    assert get_benchmark("mini-waterbirds").oracle_labels == (LANDBIRDS, WATERBIRDS)

"""Splits are drawn or decoded, checked before anything is computed, and known by their content."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from data_standins import make_waterbirds, save

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.splits import load_split, make_splits, split_digest
from dbb.benchmarks.waterbirds import list_split
from dbb.data.cache import CachedPixels
from dbb.data.dataset import SPLITS, Drawn
from dbb.data.files import FilePixels
from dbb.data.images import ArrayPixels, ImageSet, resized
from dbb.errors import InputError

MINI = get_benchmark("mini-waterbirds")


def drawn_set(n: int, seed: int = 0) -> ImageSet:
    """``n`` random images of two classes, of which only the species is known."""
    rng = np.random.default_rng(seed)
    pixels = ArrayPixels(rng.integers(0, 256, (n, 64, 64, 3), np.uint8))
    return ImageSet(
        pixels, np.arange(n) % 2, np.zeros(n, np.int64), 2, np.arange(n), {"species": np.array(["robin"] * n)}
    )


@pytest.fixture
def waterbirds(tmp_path, monkeypatch):
    """The top folder of a small Waterbirds that is the one of the entry."""
    monkeypatch.setenv("DBB_DATA", str(tmp_path / "sets"))
    return make_waterbirds(tmp_path / "sets" / "waterbirds")


def test_all_splits_are_drawn_in_the_sizes_asked_for(tmp_path):
    made = {}
    drawn = Drawn(
        lambda folder, split, size: made.update({split: (folder, size)}),
        lambda folder, split: split,
        {"train": 24, "val": 8, "test": 8},
    )
    bm = replace(MINI, data=drawn)
    make_splits(bm, tmp_path, {"val": 12, "test": None})
    assert made == {"train": (tmp_path, 24), "val": (tmp_path, 12), "test": (tmp_path, 8)}
    assert load_split(bm, "val", tmp_path) == "val"


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown split 'dev'"):
        make_splits(MINI, tmp_path, {"dev": 8})
    with pytest.raises(InputError, match="unknown split 'dev'"):
        load_split(MINI, "dev", tmp_path)


def test_the_size_of_files_is_not_free(tmp_path):
    with pytest.raises(InputError, match="its size is not free: leave out train"):
        make_splits(get_benchmark("waterbirds"), tmp_path, {"train": 8, "val": None})


@pytest.mark.parametrize("name", ["waterbirds", "celeba", "metashift"])
def test_missing_data_names_the_command_and_the_manual_route(tmp_path, monkeypatch, name):
    monkeypatch.setenv("DBB_DATA", str(tmp_path))
    with pytest.raises(InputError, match=rf"python -m dbb\.data get {name}.*data/{name}/README\.md"):
        load_split(get_benchmark(name), "train", tmp_path / "runs")


def test_files_are_decoded_at_their_read_size_and_once(tmp_path, waterbirds, monkeypatch):
    bm, folder = get_benchmark("waterbirds"), tmp_path / "data"
    make_splits(bm, folder, {"train": None})
    assert sorted(path.name for path in folder.glob("*.npy")) == ["test-256.npy", "train-256.npy", "val-256.npy"]
    train = load_split(bm, "train", folder)
    assert isinstance(train.source, CachedPixels) and train.n_attributes == 2
    files = list_split(waterbirds, "train").image_set(2, "stretch")
    generated = files.pixels([4, 1], bm.generation_size).permute(0, 2, 3, 1).numpy()
    by_way_of = np.stack([resized(picture, 256) for picture in generated])
    assert (files.pixels([4, 1], 256).permute(0, 2, 3, 1).numpy() != by_way_of).any()
    assert train.pixels([0], 512).shape == (1, 3, 512, 512)
    monkeypatch.setattr(FilePixels, "read", lambda *_: pytest.fail("decoded a second time"))
    pixels = train.subset([4, 1]).pixels([0, 1], bm.read_size)
    assert (pixels.permute(0, 2, 3, 1).numpy() == by_way_of).all(), "as sharp as a generated picture"


def without(waterbirds, rows):
    """Rewrite metadata.csv without the ``rows`` that a function of the table picks."""
    table = pd.read_csv(waterbirds / "metadata.csv")
    table[~rows(table)].to_csv(waterbirds / "metadata.csv", index=False)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda t: (t["split"] == 0) & (t["y"] == 1), "train has no picture of the class 'waterbird'"),
        (lambda t: (t["split"] == 1) & (t["y"] == 0), "val has no picture of the class 'landbird'"),
        (lambda t: (t["split"] == 2) & (t["y"] == 0), "test has no picture of the class 'landbird'"),
        (
            lambda t: (t["split"] == 1) & (t["y"] == 1) & (t["place"] == 0),
            "test has pictures of the group 'waterbird on land' and val has none",
        ),
        (lambda t: t["split"] == 1, "no pictures of waterbirds are listed for the split 'val'"),
    ],
)
def test_a_class_or_a_group_that_a_split_lacks_is_told_before_anything_is_decoded(tmp_path, waterbirds, rows, message):
    without(waterbirds, rows)
    with pytest.raises(InputError, match=message):
        make_splits(get_benchmark("waterbirds"), tmp_path / "data", {})
    assert not (tmp_path / "data").exists()


def test_a_group_that_only_training_lacks_is_what_the_method_is_for(tmp_path, waterbirds):
    without(waterbirds, lambda t: (t["split"] == 0) & (t["y"] == 1) & (t["place"] == 0))
    make_splits(get_benchmark("waterbirds"), tmp_path / "data", {})


def test_the_digest_is_of_the_content_whatever_the_files_times(tmp_path, waterbirds):
    bm = get_benchmark("waterbirds")
    first = split_digest(bm, load_split(bm, "val", tmp_path / "a"))
    for path in waterbirds.rglob("*.jpg"):
        os.utime(path, (1, 1))
    assert split_digest(bm, load_split(bm, "val", tmp_path / "b")) == first
    assert split_digest(bm, load_split(bm, "val", tmp_path / "a")) == first, "times changed, content did not"
    assert split_digest(bm, load_split(bm, "test", tmp_path / "a")) != first
    save(list_split(waterbirds, "val").paths[3], seed=99)
    assert split_digest(bm, load_split(bm, "val", tmp_path / "a")) != first


def test_the_digest_of_files_is_read_from_the_record_and_equals_the_one_computed(tmp_path, waterbirds, monkeypatch):
    bm = get_benchmark("waterbirds")
    images = load_split(bm, "val", tmp_path)
    in_memory = images.pixels(range(len(images)), 256).permute(0, 2, 3, 1).numpy()
    computed = split_digest(bm, replace(images, source=ArrayPixels(in_memory)))
    assert split_digest(bm, images) == computed
    again = load_split(bm, "val", tmp_path)
    monkeypatch.setattr(CachedPixels, "read", lambda *_: pytest.fail("read the pixels"))
    assert split_digest(bm, again) == computed


def test_the_digest_changes_with_pixels_labels_attributes_and_what_is_known():
    images = drawn_set(6)
    digests = [
        split_digest(MINI, changed)
        for changed in (
            images,
            drawn_set(6, seed=1),
            replace(images, labels=1 - images.labels),
            replace(images, attributes=1 - images.attributes),
            images.subset([1, 0, 2, 3, 4, 5]),
            images.subset(range(5)),
            replace(images, truth={"species": np.array(["heron"] * 6)}),
        )
    ]
    assert len(set(digests)) == len(digests) and split_digest(MINI, drawn_set(6)) == digests[0]


def test_every_split_has_a_digest_of_its_own(tmp_path, waterbirds):
    bm = get_benchmark("waterbirds")
    make_splits(bm, tmp_path, {})
    assert len({split_digest(bm, load_split(bm, split, tmp_path)) for split in SPLITS}) == 3

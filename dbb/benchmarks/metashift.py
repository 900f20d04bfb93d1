"""MetaShift's cats and dogs (Liang and Zou 2022), as the folder MetaDatasetCatDog of Wuyxin/DISC.

Training has cats with sofas and beds, dogs with benches and bikes; validation and test have both with shelves.
"""

import math
from functools import partial
from pathlib import Path

import numpy as np

from dbb.benchmarks.entry import IMAGENET_MEAN, IMAGENET_STD, Benchmark
from dbb.benchmarks.published import (
    published,
    published_erm,
    published_generation,
    published_pruning,
    published_retraining,
)
from dbb.benchmarks.published_words import PET_WORDS
from dbb.data.dataset import Files, Place
from dbb.data.download import from_archive
from dbb.data.files import Listing, visible_files
from dbb.data.layout import find_top
from dbb.errors import InputError
from dbb.input_format import InputFormat

CLASSES, THINGS = ("cat", "dog"), ("sofa", "bed", "bench", "bike", "shelf")
TRAINING, SHELVES = ("cat(sofa)", "cat(bed)", "dog(bench)", "dog(bike)"), ("cat(shelf)", "dog(shelf)")

COUNTS = {
    "train": (231, 380, 0, 0, 0, 0, 0, 145, 367, 0),
    "val": (0, 0, 0, 0, 34, 0, 0, 0, 0, 47),
    "test": (0, 0, 0, 0, 201, 0, 0, 0, 0, 259),
}
"""Images per group g = 5 y + a (Table 8 of the paper)."""

TEST_SHARE, SPLIT_SEED = 0.85, 0
TOPS = ("MetaDatasetCatDog", "metashifts", "metashifts/MetaDatasetCatDog")


def list_split(folder: Path, split: str) -> Listing:
    """Return a split's files, by group and then by name: y = cat, dog; a = sofa, bed, bench, bike, shelf.

    Raises:
        InputError: when the folder holds no MetaShift or lacks one of its groups.
    """
    top = find_top("metashift", folder, TOPS, lambda place: (place / "train").is_dir() and (place / "test").is_dir())
    if split == "train":
        return _list(top / "train", TRAINING)
    shelves = _list(top / "test", SHELVES)
    validation = validation_positions(len(shelves.paths))
    return shelves.at(validation if split == "val" else np.setdiff1d(np.arange(len(shelves.paths)), validation))


def validation_positions(n: int) -> np.ndarray:
    """Return the sorted positions, int64, of the validation images among ``n`` images with shelves, cats first.

    The training part of scikit-learn's train_test_split(arange(n), test_size=0.85, random_state=0), as DISC, DaC and
    DDB call it: what a permutation leaves over after ceil(0.85 n) images. They list the folders unsorted, so which
    pictures these are depends on their file system; how many are cats and how many dogs does not, as cats come first.
    """
    order = np.random.RandomState(SPLIT_SEED).permutation(n)
    return np.sort(order[math.ceil(TEST_SHARE * n) :])


def _list(part: Path, groups: tuple[str, ...]) -> Listing:
    paths: list[Path] = []
    labels, attributes = [], []
    for group in groups:
        animal, thing = group.rstrip(")").split("(")
        folder = part / animal / group
        if not folder.is_dir():
            raise InputError(f"{folder} is missing: get MetaShift again, as data/metashift/README.md says")
        found = visible_files(folder)
        paths += found
        labels += [CLASSES.index(animal)] * len(found)
        attributes += [THINGS.index(thing)] * len(found)
    return Listing(tuple(paths), np.array(labels, np.int64), np.array(attributes, np.int64))


GOOGLE_DRIVE_ID = "1WySOxBRkxAUlSokgZrC-0JaWZwcG5UMT"  # named by Wuyxin/DISC and fhn98/DaC

PLACES = (
    # confirm=t passes the page that says that the file is too large to be scanned for viruses.
    Place(
        "Google Drive",
        partial(
            from_archive,
            f"https://drive.usercontent.google.com/download?id={GOOGLE_DRIVE_ID}&export=download&confirm=t",
        ),
    ),
)

BENCHMARK = Benchmark(
    name="metashift",
    title="MetaShift",
    data=Files(list_split, fit="stretch", counts=COUNTS, places=PLACES),
    classes=CLASSES,
    attributes=THINGS,
    group_format="{} with {}",
    input_format=InputFormat(224, IMAGENET_MEAN, IMAGENET_STD, margin=32),
    erm=published_erm(100, 16, weight_decay=1e-4, augmentation="none"),
    generation=published_generation((400, 400)),
    pruning=published_pruning((0.3, 2.0)),
    retraining=published_retraining(16, 5e-5, (1.0, 4.0), augmentation="none"),
    words=PET_WORDS,
    **published("animal"),
)

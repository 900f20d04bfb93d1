"""MetaShift's cats and dogs (Liang and Zou 2022), as the folder MetaDatasetCatDog of Wuyxin/DISC.

Training has cats with sofas and beds, dogs with benches and bikes; validation and test have both with shelves.
"""

import math
from pathlib import Path

import numpy as np

from dbb.data.files import Listing
from dbb.data.images import ImageSet
from dbb.data.layout import find_top
from dbb.errors import InputError

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
    """Return a split's files, by group and then by name.

    Raises InputError when the folder holds no MetaShift or lacks one of its groups.
    """
    top = find_top("metashift", folder, TOPS, lambda place: (place / "train").is_dir() and (place / "test").is_dir())
    if split == "train":
        return _list(top / "train", TRAINING)
    shelves = _list(top / "test", SHELVES)
    validation = validation_positions(len(shelves.paths))
    return shelves.at(validation if split == "val" else np.setdiff1d(np.arange(len(shelves.paths)), validation))


def load_split(folder: Path, split: str) -> ImageSet:
    """Return a split: y = cat, dog; a = sofa, bed, bench, bike, shelf. Raises as `list_split`."""
    return list_split(folder, split).image_set(n_attributes=len(THINGS), fit="stretch")


def validation_positions(n: int) -> np.ndarray:
    """Return the sorted positions, int64, of the validation images among ``n`` images with shelves, cats first.

    The training part of scikit-learn's train_test_split(arange(n), test_size=0.85, random_state=0), as DISC, DaC and
    DDB call it: what a permutation leaves over after ceil(0.85 n) images. They list the folders unsorted, so which
    pictures these are depends on their file system; how many are cats and how many dogs does not, as cats come first.
    """
    order = np.random.RandomState(SPLIT_SEED).permutation(n)
    return np.sort(order[math.ceil(TEST_SHARE * n):])


def _list(part: Path, groups: tuple[str, ...]) -> Listing:
    paths: list[Path] = []
    labels, attributes = [], []
    for group in groups:
        animal, thing = group.rstrip(")").split("(")
        found = _files(part / animal / group)
        paths += found
        labels += [CLASSES.index(animal)] * len(found)
        attributes += [THINGS.index(thing)] * len(found)
    return Listing(tuple(paths), np.array(labels, np.int64), np.array(attributes, np.int64))


def _files(folder: Path) -> list[Path]:
    """Return the files of a group by name, but not what a system hides beside them (.DS_Store, ._name.jpg)."""
    if not folder.is_dir():
        raise InputError(f"{folder} is missing: get MetaShift again, as data/metashift/README.md says")
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))

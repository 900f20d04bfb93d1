"""CelebA (Liu et al. 2015): blond hair against gender, with the training split that the paper draws from it.

Read from any of the layouts in use: Kaggle's and group_DRO's tables (.csv), the original ones that torchvision
downloads (.txt), and the one table celeba_split.csv of fhn98/DaC and ArianYp/DDB.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from dbb.data.files import Listing
from dbb.data.images import ImageSet
from dbb.data.layout import SPLIT_CODES, find_top, read_columns
from dbb.errors import InputError

COUNTS = {"train": (71629, 66874, 22880, 1387), "val": (8535, 8276, 2874, 182), "test": (9767, 7535, 2480, 180)}
"""Images per group g = 2 y + a of the official splits, before the draw (Sagawa et al. 2020, Table 7 of the paper)."""

DRAW_SEED = 17226
"""Freezes the training draw: the same in every stage and run. The paper's own draw is not known; its non-blond half has
12,426 women and 11,841 men.
"""

TOPS = ("celeba", "celebA", "data", "celeba/data", "celebA/data")
IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba")
ATTRIBUTES, PARTITION, ONE_TABLE = "list_attr_celeba", "list_eval_partition", "celeba_split.csv"
BOTH, SPLITS = (-1, 0, 1), (0, 1, 2)


def list_split(folder: Path, split: str) -> Listing:
    """Return the files of an official split, whole, by name.

    Raises InputError when the folder holds no CelebA or its tables are not the right ones.
    """
    top = find_top("celeba", folder, TOPS, _holds)
    images = next(top / place for place in IMAGES if (top / place).is_dir())
    table = _table(top).sort_values("image_id")
    table = table[table["split"] == SPLIT_CODES[split]]
    # Some tables say -1 and 1, others 0 and 1.
    return Listing(tuple(images / name for name in table["image_id"]), (table["Blond_Hair"] > 0).to_numpy(np.int64),
                   (table["Male"] > 0).to_numpy(np.int64))


def load_split(folder: Path, split: str) -> ImageSet:
    """Return a split: y = non-blond, blond; a = female, male. Of training the class-balanced draw, validation and test
    whole. Raises as `list_split`.
    """
    listing = list_split(folder, split)
    if split == "train":
        listing = listing.at(balanced_draw(listing.labels))
    return listing.image_set(n_attributes=2, fit="centre")


def balanced_draw(labels: np.ndarray) -> np.ndarray:
    """Return the sorted positions, int64, of as many images of each class as the smaller class has: of that one all,
    of the other drawn without replacement by `DRAW_SEED`.

    labels: int64 (N,), 0 or 1, of images sorted by file name.
    """
    rng = np.random.default_rng(DRAW_SEED)
    members = [np.flatnonzero(labels == y) for y in (0, 1)]
    size = min(len(positions) for positions in members)
    return np.sort(np.concatenate([rng.choice(positions, size, replace=False) for positions in members]))


def _holds(top: Path) -> bool:
    tables = [(top / f"{ATTRIBUTES}.csv").is_file(), (top / f"{ATTRIBUTES}.txt").is_file(), (top / ONE_TABLE).is_file()]
    return any(tables) and any((top / place).is_dir() for place in IMAGES)


def _table(top: Path) -> pd.DataFrame:
    """Return image_id, Male, Blond_Hair and split of all images."""
    text = top / f"{ATTRIBUTES}.txt"
    if (top / f"{ATTRIBUTES}.csv").is_file():
        attributes = read_columns(top / f"{ATTRIBUTES}.csv", {"image_id": None, "Male": BOTH, "Blond_Hair": BOTH})
        partition = read_columns(top / f"{PARTITION}.csv", {"image_id": None, "partition": SPLITS})
    elif text.is_file():
        # A line with the number of images, a line with the names of the attributes, then a name and 40 numbers a line.
        with text.open(encoding="utf-8", errors="replace") as file:
            names = [file.readline(), file.readline()][1].split()
        attributes = read_columns(text, {"image_id": None, "Male": BOTH, "Blond_Hair": BOTH}, sep=r"\s+", skiprows=2,
                                  header=None, names=["image_id", *names])
        partition = read_columns(top / f"{PARTITION}.txt", {"image_id": None, "partition": SPLITS}, sep=r"\s+",
                                 header=None, names=["image_id", "partition"])
    else:
        return read_columns(top / ONE_TABLE, {"image_id": None, "Male": BOTH, "Blond_Hair": BOTH, "split": SPLITS})
    table = attributes.merge(partition.rename(columns={"partition": "split"}), on="image_id")
    if not len(table) == len(attributes) == len(partition):
        raise InputError(f"{ATTRIBUTES} and {PARTITION} in {top} do not list the same images: get both files again")
    return table

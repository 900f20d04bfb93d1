"""CelebA (Liu et al. 2015): blond hair against gender, with the training split that the paper draws from it.

Read from any of the layouts in use: Kaggle's and group_DRO's tables (.csv), the original ones that torchvision
downloads (.txt), and the one table celeba_split.csv of fhn98/DaC and ArianYp/DDB.
"""

import csv
import shutil
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
from dbb.benchmarks.published_words import HAIR_WORDS
from dbb.data.dataset import Files, Place
from dbb.data.files import Listing
from dbb.data.layout import SPLIT_CODES, find_top
from dbb.data.mirrors import PARTS, hub_tables, stored_pictures, write_picture
from dbb.data.tables import Table, read_table
from dbb.data.unpack import unpack
from dbb.errors import InputError
from dbb.input_format import InputFormat

COUNTS = {"train": (71629, 66874, 22880, 1387), "val": (8535, 8276, 2874, 182), "test": (9767, 7535, 2480, 180)}
"""Images per group g = 2 y + a of the official splits, before the draw (Sagawa et al. 2020, Table 7 of the paper)."""

DRAW_SEED = 17226
"""Freezes the training draw: the same in every stage and run. The paper's own draw is not known; its non-blond half has
12,426 women and 11,841 men.
"""

TOPS = ("celeba", "celebA", "data", "celeba/data", "celebA/data")
IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba")
ATTRIBUTES, PARTITION, ONE_TABLE = "list_attr_celeba", "list_eval_partition", "celeba_split.csv"
LABELS, ONE_TABLE_COLUMNS = ("image_id", "Male", "Blond_Hair"), ("image_id", "Male", "Blond_Hair", "split")
BOTH, SPLITS = {"-1": 0, "0": 0, "1": 1}, {"0": 0, "1": 1, "2": 2}  # some tables say -1 and 1, others 0 and 1

HUB = ("eurecom-ds/celeba", "e9092e921951927418a9e8f87822020206b292ce")
MALE, BLOND_HAIR = 20, 9  # places among the 40 attributes, in the order of list_attr_celeba.txt


def list_split(folder: Path, split: str) -> Listing:
    """Return the files of an official split, whole, by name: y = non-blond, blond; a = female, male.

    Raises:
        InputError: when the folder holds no CelebA or its tables are not the right ones.
    """
    top = find_top("celeba", folder, TOPS, _holds)
    images = next(top / place for place in IMAGES if (top / place).is_dir())
    table, splits = _table(top)
    chosen = np.flatnonzero(splits == SPLIT_CODES[split])
    labels, attributes = table.codes("Blond_Hair", BOTH), table.codes("Male", BOTH)
    return Listing(table.files("image_id", images, chosen), labels[chosen], attributes[chosen])


def balanced(listing: Listing) -> Listing:
    """Return the class-balanced training split of the paper, drawn from the official one."""
    return listing.at(balanced_draw(listing.labels))


def balanced_draw(labels: np.ndarray) -> np.ndarray:
    """Return the sorted positions, int64, of as many images of each class as the smaller class has: of that one all,
    of the other drawn without replacement by `DRAW_SEED`.

    Args:
        labels: int64 (N,), 0 or 1, of images sorted by file name.
    """
    rng = np.random.default_rng(DRAW_SEED)
    members = [np.flatnonzero(labels == y) for y in (0, 1)]
    size = min(len(positions) for positions in members)
    return np.sort(np.concatenate([rng.choice(positions, size, replace=False) for positions in members]))


def _holds(top: Path) -> bool:
    tables = [(top / f"{ATTRIBUTES}.csv").is_file(), (top / f"{ATTRIBUTES}.txt").is_file(), (top / ONE_TABLE).is_file()]
    return any(tables) and any((top / place).is_dir() for place in IMAGES)


def _table(top: Path) -> tuple[Table, np.ndarray]:
    """Return image_id, Male and Blond_Hair of all images by name, and their splits, int64 (N,)."""
    text = top / f"{ATTRIBUTES}.txt"
    if (top / f"{ATTRIBUTES}.csv").is_file():
        labels = read_table(top / f"{ATTRIBUTES}.csv", LABELS)
        splits = read_table(top / f"{PARTITION}.csv", ("image_id", "partition"))
    elif text.is_file():
        # A line with the number of images, a line with the names of the attributes, then a name and 40 numbers a line.
        with text.open(encoding="utf-8", errors="replace") as file:
            names = [file.readline(), file.readline()][1].split()
        labels = read_table(text, LABELS, sep=r"\s+", skiprows=2, header=None, names=["image_id", *names])
        splits = read_table(
            top / f"{PARTITION}.txt",
            ("image_id", "partition"),
            sep=r"\s+",
            header=None,
            names=["image_id", "partition"],
        )
    else:
        table = _by_name(read_table(top / ONE_TABLE, ONE_TABLE_COLUMNS))
        return table, table.codes("split", SPLITS)
    labels, splits = _by_name(labels), _by_name(splits)
    if not np.array_equal(labels.columns["image_id"], splits.columns["image_id"]):
        raise InputError(f"{ATTRIBUTES} and {PARTITION} in {top} do not list the same images: get both files again")
    return labels, splits.codes("partition", SPLITS)


def _by_name(table: Table) -> Table:
    return table.at(np.argsort(table.columns["image_id"], kind="stable"))


def from_drive(downloads: Path, target: Path) -> None:
    """Fill ``target`` with torchvision's downloader, which checks MD5 sums and needs the package gdown.

    Only the three files that are used, and unpacked by us: torchvision takes a half unpacked folder for a whole one.
    """
    from torchvision.datasets import CelebA, utils

    tables = ("list_attr_celeba.txt", "list_eval_partition.txt")
    for file_id, md5, name in CelebA.file_list:
        if name in (*tables, "img_align_celeba.zip"):
            utils.download_file_from_google_drive(file_id, downloads, name, md5)
    unpack(downloads / "img_align_celeba.zip", target)
    for name in tables:
        shutil.copyfile(downloads / name, target / name)


def from_hub(downloads: Path, target: Path) -> None:
    """Fill ``target`` from the copy on the Hugging Face Hub."""
    write_tables(hub_tables(*HUB, downloads), target)


def write_tables(tables: dict[str, list[Path]], target: Path) -> None:
    """Write tables with the columns image and attributes (40 numbers each) as pictures and celeba_split.csv.

    The original names are not in the tables. The official parts follow one another in the order of the names, so the
    pictures are numbered through.
    """
    rows: list[tuple[str, int, int, int]] = []
    for code, part in enumerate(PARTS):
        for picture, row in stored_pictures(tables[part], ("attributes",)):
            name = f"{len(rows) + 1:06d}.jpg"
            write_picture(target / "img_align_celeba" / name, picture)
            male, blond = (int(row["attributes"][place] > 0) for place in (MALE, BLOND_HAIR))
            rows.append((name, male, blond, code))
    with (target / ONE_TABLE).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([ONE_TABLE_COLUMNS, *rows])


PLACES = (
    Place("Google Drive, by torchvision", from_drive),
    Place("eurecom-ds/celeba on the Hugging Face Hub", from_hub),
)

BENCHMARK = Benchmark(
    name="celeba",
    title="CelebA",
    data=Files(list_split, fit="centre", counts=COUNTS, places=PLACES, draw=balanced),
    classes=("non-blond", "blond"),
    attributes=("female", "male"),
    group_format="{} {}",
    input_format=InputFormat(224, IMAGENET_MEAN, IMAGENET_STD),
    erm=published_erm(50, 128, weight_decay=1e-4, augmentation="crop"),
    generation=published_generation((12000, 2000)),
    pruning=published_pruning((2.0, 0.3)),
    retraining=published_retraining(64, 1e-5, (2.0, 7.0), augmentation="crop"),
    words=HAIR_WORDS,
    **published("hair"),
)

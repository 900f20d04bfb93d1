"""Waterbirds (Sagawa et al. 2020): birds of CUB-200-2011 before backgrounds of Places, as the folder that
kohpangwei/group_DRO distributes.
"""

import csv
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
from dbb.benchmarks.published_words import BIRD_WORDS
from dbb.data.dataset import Files, Place
from dbb.data.download import from_archive
from dbb.data.files import Listing
from dbb.data.layout import SPLIT_CODES, find_top
from dbb.data.mirrors import PARTS, hub_tables, stored_pictures, write_picture
from dbb.data.tables import read_table
from dbb.input_format import InputFormat

COUNTS = {"train": (3498, 184, 56, 1057), "val": (467, 466, 133, 133), "test": (2255, 2255, 642, 642)}
"""Images per group g = 2 y + a. Table 6 of the paper prints 1,018 for the last of training; the files, and the paper's
Table 4, say 1,057.
"""

TOPS = ("waterbird_complete95_forest2water2",)
METADATA = "metadata.csv"
COLUMNS = ("img_filename", "y", "place", "split")
BINARY, SPLITS = {"0": 0, "1": 1}, {"0": 0, "1": 1, "2": 2}

ARCHIVE = "data/dro/waterbird_complete95_forest2water2.tar.gz"
HUB = ("grodino/waterbirds", "e9856c710d0da2e4029d116cdd9d5fce7cc2bc80")
"""A copy whose group counts are those of the Stanford archive."""


def list_split(folder: Path, split: str) -> Listing:
    """Return a split's files, in the order of metadata.csv: y = landbird, waterbird; a = land, water.

    Raises:
        InputError: when the folder holds no Waterbirds or its metadata.csv is not the right one.
    """
    top = find_top("waterbirds", folder, TOPS, lambda place: (place / METADATA).is_file())
    table = read_table(top / METADATA, COLUMNS)
    chosen = np.flatnonzero(table.codes("split", SPLITS) == SPLIT_CODES[split])
    labels, places = table.codes("y", BINARY), table.codes("place", BINARY)
    return Listing(table.files("img_filename", top, chosen), labels[chosen], places[chosen])


def from_hub(downloads: Path, target: Path) -> None:
    """Fill ``target`` from the copy on the Hugging Face Hub."""
    write_tables(hub_tables(*HUB, downloads), target)


def write_tables(tables: dict[str, list[Path]], target: Path) -> None:
    """Write tables with the columns image, label and place in the layout of the Stanford archive."""
    rows = []
    for code, part in enumerate(PARTS):
        for number, (picture, row) in enumerate(stored_pictures(tables[part], ("label", "place"))):
            name = f"{part}/{number:05d}.jpg"
            write_picture(target / name, picture)
            rows.append((name, row["label"], row["place"], code))
    with (target / METADATA).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


PLACES = (
    Place("nlp.stanford.edu", partial(from_archive, f"https://nlp.stanford.edu/{ARCHIVE}")),
    Place("downloads.cs.stanford.edu", partial(from_archive, f"https://downloads.cs.stanford.edu/nlp/{ARCHIVE}")),
    Place("grodino/waterbirds on the Hugging Face Hub", from_hub),
)

BENCHMARK = Benchmark(
    name="waterbirds",
    title="Waterbirds",
    data=Files(list_split, fit="stretch", counts=COUNTS, places=PLACES),
    classes=("landbird", "waterbird"),
    attributes=("land", "water"),
    group_format="{} on {}",
    input_format=InputFormat(224, IMAGENET_MEAN, IMAGENET_STD, margin=32),
    erm=published_erm(100, 128, weight_decay=1e-3, augmentation="none"),
    generation=published_generation((1300, 1112)),
    pruning=published_pruning((1.0, 1.0)),
    retraining=published_retraining(32, 5e-6, (6.0, 10.0), augmentation="crop"),
    words=BIRD_WORDS,
    **published("bird"),
)

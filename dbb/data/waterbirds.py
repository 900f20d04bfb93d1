"""Waterbirds (Sagawa et al. 2020): birds of CUB-200-2011 before backgrounds of Places, as the folder that
kohpangwei/group_DRO distributes.
"""

from pathlib import Path

import numpy as np

from dbb.data.files import Listing
from dbb.data.images import ImageSet
from dbb.data.layout import SPLIT_CODES, find_top, read_columns

COUNTS = {"train": (3498, 184, 56, 1057), "val": (467, 466, 133, 133), "test": (2255, 2255, 642, 642)}
"""Images per group g = 2 y + a. Table 6 of the paper prints 1,018 for the last of training; the files, and the paper's
Table 4, say 1,057.
"""

TOPS = ("waterbird_complete95_forest2water2",)
METADATA = "metadata.csv"


def list_split(folder: Path, split: str) -> Listing:
    """Return a split's files, in the order of metadata.csv.

    Raises InputError when the folder holds no Waterbirds or its metadata.csv is not the right one.
    """
    top = find_top("waterbirds", folder, TOPS, lambda place: (place / METADATA).is_file())
    table = read_columns(top / METADATA, {"img_filename": None, "y": (0, 1), "place": (0, 1), "split": (0, 1, 2)})
    table = table[table["split"] == SPLIT_CODES[split]]
    return Listing(tuple(top / name for name in table["img_filename"]), table["y"].to_numpy(np.int64, copy=True),
                   table["place"].to_numpy(np.int64, copy=True))


def load_split(folder: Path, split: str) -> ImageSet:
    """Return a split: y = landbird, waterbird; a = land, water. Raises as `list_split`."""
    return list_split(folder, split).image_set(n_attributes=2, fit="stretch")

"""Splits that a run could only fail on: told before anything is computed."""

from collections.abc import Mapping

import numpy as np

from dbb.data.dataset import SPLITS, HasData
from dbb.data.files import Listing
from dbb.errors import InputError


def group_counts(benchmark: HasData, listing: Listing) -> np.ndarray:
    """Return how many pictures of each group g = A y + a are listed, int64 (G,)."""
    groups = len(benchmark.attributes) * listing.labels + listing.attributes
    return np.bincount(groups, minlength=len(benchmark.group_names))


def check_groups(benchmark: HasData, listings: Mapping[str, Listing]) -> None:
    """Raise InputError, with all that is missing, when a split has no picture of a class, or validation none of a group
    that is tested: settings are chosen on validation.

    Args:
        listings: of all three splits.
    """
    counts = {split: group_counts(benchmark, listings[split]) for split in SPLITS}
    lacking = [
        f"{split} has no picture of the class {benchmark.classes[y]!r}"
        for split in SPLITS
        for y in np.flatnonzero(counts[split].reshape(len(benchmark.classes), -1).sum(axis=1) == 0)
    ]
    if not lacking:
        lacking = [
            f"test has pictures of the group {benchmark.group_names[g]!r} and val has none"
            for g in np.flatnonzero((counts["test"] > 0) & (counts["val"] == 0))
        ]
    if lacking:
        raise InputError(
            f"{benchmark.name}: {'; '.join(lacking)}: move pictures between the splits, or leave the "
            "class or the group out of all of them"
        )

"""Is a dataset the paper's? Every group counted, every picture decoded; what is wrong, by group and by file."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dbb.benchmarks import get_benchmark
from dbb.data import FILES, SPLITS
from dbb.data.files import decode, flaw
from dbb.errors import InputError
from dbb.progress import track

CHUNK = 1024  # pictures handed to the threads at a time
MOST_LISTED = 200


@dataclass(frozen=True)
class GroupCount:
    """How many images of a group a split must have (tables 6-8 of the paper) and has."""

    split: str
    group: str
    expected: int
    found: int


@dataclass(frozen=True)
class Report:
    """What was found. images: pictures listed; groups: those that should have or do have images; files: each picture
    that cannot be used, with what is wrong.
    """

    title: str
    folder: Path
    images: int
    groups: tuple[GroupCount, ...]
    files: tuple[tuple[Path, str], ...]

    @property
    def ok(self) -> bool:
        """Whether every count is right and every picture decodes."""
        return not self.files and all(count.found == count.expected for count in self.groups)

    def __str__(self) -> str:
        lines = [f"{self.title} in {self.folder}: {self.images:,} pictures"]
        for count in self.groups:
            wrong = "" if count.found == count.expected else f"   WRONG: expected {count.expected:,}"
            lines.append(f"  {count.split:5}  {count.group:20} {count.found:7,}{wrong}")
        lines += [f"  {path} {what}" for path, what in self.files[:MOST_LISTED]]
        if len(self.files) > MOST_LISTED:
            lines.append(f"  and {len(self.files) - MOST_LISTED:,} more")
        lines.append("all groups as in the paper, all pictures decode" if self.ok else
                     f"{sum(c.found != c.expected for c in self.groups)} groups and {len(self.files)} files are wrong: "
                     "put the right files there, or move the folder away and get the dataset again")
        return "\n".join(lines)


def verify(name: str, folder: Path) -> Report:
    """Check the dataset ``name`` in ``folder``, in any of its layouts; CelebA's training split before the draw.

    Raises InputError when there is no such dataset, or its tables cannot be read.
    """
    if name not in FILES:
        raise InputError(f"unknown dataset {name!r}: choose one of {', '.join(FILES)}")
    benchmark = get_benchmark(name)
    groups: list[GroupCount] = []
    paths: list[Path] = []
    for split in SPLITS:
        listing = FILES[name].list_split(folder, split)
        paths += listing.paths
        numbers = len(benchmark.attributes) * listing.labels + listing.attributes
        found = np.bincount(numbers, minlength=len(benchmark.group_names)).tolist()
        groups += [GroupCount(split, group, expected, here) for group, expected, here
                   in zip(benchmark.group_names, FILES[name].COUNTS[split], found, strict=True) if expected or here]
    return Report(benchmark.title, folder, len(paths), tuple(groups), tuple(_flawed(paths)))


def _flawed(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in track(range(0, len(paths), CHUNK), "decoding every picture"):
            chunk = paths[start:start + CHUNK]
            yield from ((path, what) for path, what in zip(chunk, pool.map(_flaw, chunk), strict=True) if what)


def _flaw(path: Path) -> str | None:
    """Return what is wrong with a picture; None: it decodes."""
    try:
        decode(path)
    except InputError as error:
        return flaw(path, error.__cause__)
    return None

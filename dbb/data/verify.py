"""Is a dataset whole? Every group counted, every picture decoded; what is wrong, by group and by file."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dbb.data.checks import check_groups, group_counts
from dbb.data.dataset import SPLITS, HasData
from dbb.data.files import Listing, decode, flaw
from dbb.data.layout import files_of
from dbb.errors import InputError
from dbb.progress import track

CHUNK = 1024  # pictures handed to the threads at a time
MOST_LISTED = 200


@dataclass(frozen=True)
class GroupCount:
    """How many images of a group a split must have, None where that is not known, and has."""

    split: str
    group: str
    expected: int | None
    found: int

    @property
    def ok(self) -> bool:
        """Whether the count is not known to be wrong."""
        return self.expected in (None, self.found)


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        images: pictures listed.
        groups: those that should have or do have images.
        files: each picture that cannot be used, with what is wrong.
        lacking: a sentence on classes or groups that a split lacks, or "".
    """

    title: str
    folder: Path
    images: int
    groups: tuple[GroupCount, ...]
    files: tuple[tuple[Path, str], ...]
    lacking: str = ""

    @property
    def ok(self) -> bool:
        """Whether every count is right, no split lacks anything, and every picture decodes."""
        return not self.files and not self.lacking and all(count.ok for count in self.groups)

    def __str__(self) -> str:
        lines = [f"{self.title} in {self.folder}: {self.images:,} pictures"]
        for count in self.groups:
            wrong = "" if count.ok else f"   WRONG: expected {count.expected:,}"
            lines.append(f"  {count.split:5}  {count.group:20} {count.found:7,}{wrong}")
        lines += [f"  {path} {what}" for path, what in self.files[:MOST_LISTED]]
        if len(self.files) > MOST_LISTED:
            lines.append(f"  and {len(self.files) - MOST_LISTED:,} more")
        lines += [self.lacking] if self.lacking else []
        if not self.files and all(count.ok for count in self.groups):
            counted = any(count.expected is not None for count in self.groups)
            lines.append("all groups as in the paper, all pictures decode" if counted else "all pictures decode")
        else:
            lines.append(
                f"{sum(not c.ok for c in self.groups)} groups and {len(self.files)} files are wrong: "
                "put the right files there, or move the folder away and get the dataset again"
            )
        return "\n".join(lines)


def verify(benchmark: HasData, folder: Path) -> Report:
    """Check a benchmark's pictures in ``folder``, in any of its layouts; where training is drawn, before the draw.

    Raises:
        InputError: when there is no such dataset, or its tables cannot be read.
    """
    files = files_of(benchmark)
    listings = {split: files.list_split(folder, split) for split in SPLITS}
    groups: list[GroupCount] = []
    for split, listing in listings.items():
        expected = (None,) * len(benchmark.group_names) if files.counts is None else files.counts[split]
        groups += [
            GroupCount(split, group, want, found)
            for group, want, found in zip(
                benchmark.group_names, expected, group_counts(benchmark, listing).tolist(), strict=True
            )
            if want or found
        ]
    paths = [path for listing in listings.values() for path in listing.paths]
    return Report(
        benchmark.title, folder, len(paths), tuple(groups), tuple(_flawed(paths)), _lacking(benchmark, listings)
    )


def _lacking(benchmark: HasData, listings: dict[str, Listing]) -> str:
    try:
        check_groups(benchmark, listings)
    except InputError as error:
        return str(error)
    return ""


def _flawed(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in track(range(0, len(paths), CHUNK), "decoding every picture"):
            chunk = paths[start : start + CHUNK]
            yield from ((path, what) for path, what in zip(chunk, pool.map(_flaw, chunk), strict=True) if what)


def _flaw(path: Path) -> str | None:
    """Return what is wrong with a picture; None: it decodes."""
    try:
        decode(path)
    except InputError as error:
        return flaw(path, error.__cause__ or error)
    return None

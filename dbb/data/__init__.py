"""Making and reading a benchmark's data: one loader per benchmark, the same `ImageSet` from each."""

from pathlib import Path

from dbb.benchmarks import Benchmark
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.mini import waterbirds

LOADERS = {"mini-waterbirds": waterbirds.load_split}
SPLITS = ("train", "val", "test")


def data_dir(benchmark: Benchmark, runs: Path) -> Path:
    """Where a benchmark's data lie: they do not depend on the run's seed."""
    return Path(runs) / benchmark.name / "data"


def load_split(benchmark: Benchmark, split: str, runs: Path) -> ImageSet:
    """Return the split "train", "val" or "test" of a benchmark.

    Raises InputError for an unknown split, a missing or an unreadable file.
    """
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")
    return LOADERS[benchmark.name](data_dir(benchmark, runs), split)

"""Making and reading a benchmark's data: one maker and one loader per benchmark, the same `ImageSet` from each."""

from collections.abc import Mapping
from pathlib import Path

from dbb import store
from dbb.benchmarks import Benchmark
from dbb.data import mini_waterbirds
from dbb.data.images import ImageSet
from dbb.errors import InputError

SPLITS = ("train", "val", "test")
LOADERS = {"mini-waterbirds": mini_waterbirds.load_split}
MAKERS = {"mini-waterbirds": mini_waterbirds.make_split}
SIZES = {"mini-waterbirds": mini_waterbirds.SIZES}


def make_data(benchmark: Benchmark, runs: str | Path, sizes: Mapping[str, int | None]) -> dict[str, ImageSet]:
    """Make the splits of a benchmark that is rendered here, and return all of them, loaded.

    sizes: split -> images to render; None, or a split left out: the benchmark's own size. A benchmark without a
    maker has its files already, in the size they have: it is only loaded.

    Raises InputError for an unknown split, a size that is given where nothing is rendered, or a missing file.
    """
    for split in sizes:
        _check_split(split)
    given = {split: size for split, size in sizes.items() if size is not None}
    maker = MAKERS.get(benchmark.name)
    if maker is None and given:
        raise InputError(f"{benchmark.name} is read, not rendered, so its size is not free: leave out "
                         f"{', '.join(given)}")
    if maker is not None:
        directory = store.data_dir(runs, benchmark.name)
        for split, size in {**SIZES[benchmark.name], **given}.items():
            maker(directory, split, size)
    return {split: load_split(benchmark, split, runs) for split in SPLITS}


def load_split(benchmark: Benchmark, split: str, runs: str | Path) -> ImageSet:
    """Return the split "train", "val" or "test" of a benchmark.

    Raises InputError for an unknown split, a missing or an unreadable file.
    """
    _check_split(split)
    return LOADERS[benchmark.name](store.resolve(runs) / benchmark.name / "data", split)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")

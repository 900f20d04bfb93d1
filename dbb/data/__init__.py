"""Making and reading a benchmark's data: the same `ImageSet` from each, rendered here or read from files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dbb import store
from dbb.benchmarks import Benchmark
from dbb.data import celeba, metashift, mini_waterbirds, waterbirds
from dbb.data.cache import CachedPixels
from dbb.data.images import ImageSet, Resampled
from dbb.data.layout import dataset_folder
from dbb.errors import InputError

SPLITS = ("train", "val", "test")
LOADERS = {"mini-waterbirds": mini_waterbirds.load_split}
MAKERS = {"mini-waterbirds": mini_waterbirds.make_split}
SIZES = {"mini-waterbirds": mini_waterbirds.SIZES}

FILES = {"waterbirds": waterbirds, "celeba": celeba, "metashift": metashift}
"""The datasets that come as files, each with its module: `list_split`, `load_split` and the `COUNTS` to be found."""


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

    Pictures in files are decoded once, at the size at which the classifier's are read, into `runs/<benchmark>/data`;
    at every size they are resampled from the size of generation, as generated pictures are.

    Raises InputError for an unknown split, a missing or an unreadable file.
    """
    _check_split(split)
    made = store.resolve(runs) / benchmark.name / "data"
    if benchmark.name in LOADERS:
        return LOADERS[benchmark.name](made, split)
    images = FILES[benchmark.name].load_split(dataset_folder(benchmark.name), split)
    if not len(images):
        raise InputError(f"{dataset_folder(benchmark.name)} lists no pictures of the split {split!r}: run "
                         f"`python -m dbb.data verify {benchmark.name}`")
    size, first = benchmark.read_size, benchmark.generation_size
    cache = CachedPixels(Resampled(images.source, first), made / f"{split}-{size}.npy", len(images), size)
    return replace(images, source=cache)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")

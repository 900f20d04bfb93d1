"""Making and reading a benchmark's splits: the same `ImageSet` from each, drawn here or read from files."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dbb.benchmarks.entry import Benchmark
from dbb.code import Definition, definition_of
from dbb.data.cache import CachedPixels
from dbb.data.checks import check_groups
from dbb.data.dataset import SPLITS, Drawn
from dbb.data.files import FilePixels, Fit, Listing
from dbb.data.images import ImageSet, Resampled, pixel_digest
from dbb.data.layout import files_of, folder_of
from dbb.errors import InputError


def make_splits(benchmark: Benchmark, folder: Path, sizes: Mapping[str, int | None]) -> None:
    """Make all splits of a benchmark: draw them into ``folder``; or list and check its files, and decode them there.

    Args:
        folder: of the benchmark's data, ``runs/<benchmark>/data``.
        sizes: split -> images to draw; None, or a split left out: the benchmark's own size.

    Raises:
        InputError: for an unknown split, a size that is given where nothing is drawn, a missing or damaged file, or
            splits that lack a class or a group (`dbb.data.checks.check_groups`).
    """
    for split in sizes:
        _check_split(split)
    given = {split: size for split, size in sizes.items() if size is not None}
    if isinstance(benchmark.data, Drawn):
        for split, size in {**benchmark.data.sizes, **given}.items():
            benchmark.data.make_split(folder, split, size)
        return
    if given:
        raise InputError(f"{benchmark.name} is read, not drawn, so its size is not free: leave out {', '.join(given)}")
    listings = {split: _listing(benchmark, split) for split in SPLITS}
    check_groups(benchmark, listings)
    for split, listing in listings.items():
        _cache(benchmark, split, listing, folder).make()


def load_split(benchmark: Benchmark, split: str, folder: Path) -> ImageSet:
    """Return the split "train", "val" or "test" of a benchmark, from its data folder ``folder``.

    Pictures in files are decoded once, at the size at which the classifier's are read; at every size they are resampled
    from the size of generation, as generated pictures are. Without attributes all of them are 0, of 1.

    Raises:
        InputError: for an unknown split, a missing or an unreadable file.
    """
    _check_split(split)
    if isinstance(benchmark.data, Drawn):
        return benchmark.data.load_split(folder, split)
    listing = _listing(benchmark, split)
    images = listing.image_set(len(benchmark.attributes), files_of(benchmark).fit)
    return replace(images, source=_cache(benchmark, split, listing, folder))


def split_digest(benchmark: Benchmark, images: ImageSet) -> str:
    """Return a hash, 64 hexadecimal digits, of what is in a split, wherever and whenever it was written: its pixels at
    the size at which the classifier's are read, labels, attributes, and what else is known of each image, in order.
    """
    digest = hashlib.sha256(_pixels(images, benchmark.read_size).encode())
    columns = {"labels": images.labels, "attributes": images.attributes, **images.truth}
    for name, values in sorted(columns.items()):
        digest.update(f"\0{name} {values.dtype.str} {values.shape}\0".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def source_identity(benchmark: Benchmark) -> dict[str, str]:
    """Return split -> what tells its files from others without reading them; nothing for splits that are drawn."""
    if isinstance(benchmark.data, Drawn):
        return {}
    return {split: _identity(_listing(benchmark, split), files_of(benchmark).fit) for split in SPLITS}


def source_code(benchmark: Benchmark) -> list[Definition]:
    """Return the functions of the benchmark's own by which its splits come to be, for `dbb.code.code_digest`."""
    own = benchmark.data
    functions: list[Any] = [own.make_split, own.load_split] if isinstance(own, Drawn) else [own.list_split, own.draw]
    return [definition_of(getattr(function, "func", function)) for function in functions if function is not None]


def drawn_files(benchmark: Benchmark) -> list[str]:
    """Return the files that drawn splits are written into, in the data folder; none for pictures in files."""
    return [f"{split}.npz" for split in SPLITS] if isinstance(benchmark.data, Drawn) else []


def _identity(listing: Listing, fit: Fit) -> str:
    digest = hashlib.sha256(FilePixels(listing.paths, fit).digest().encode())
    for values in (listing.labels, listing.attributes):
        digest.update(values.tobytes())
    return digest.hexdigest()


def _pixels(images: ImageSet, size: int) -> str:
    source = images.source
    if isinstance(source, CachedPixels) and source.size == size and np.array_equal(images.ids, np.arange(source.n)):
        return source.content()
    return pixel_digest(images, size)


def _listing(benchmark: Benchmark, split: str) -> Listing:
    files, folder = files_of(benchmark), folder_of(benchmark)
    listing = files.list_split(folder, split)
    if not len(listing.paths):
        raise InputError(
            f"{folder}: no pictures of {benchmark.name} are listed for the split {split!r}: run "
            "`python -m dbb.data verify` on it, and list some"
        )
    return files.draw(listing) if split == "train" and files.draw is not None else listing


def _cache(benchmark: Benchmark, split: str, listing: Listing, folder: Path) -> CachedPixels:
    source = Resampled(FilePixels(listing.paths, files_of(benchmark).fit), benchmark.generation_size)
    size = benchmark.read_size
    return CachedPixels(source, folder / f"{split}-{size}.npy", len(listing.paths), size)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}")

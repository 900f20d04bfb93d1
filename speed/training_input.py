"""What feeds ResNet-50: a plain DataLoader that decodes every JPEG in every epoch, against pictures decoded once into
a cache and augmented as whole batches. One run measures all ways, on made-up photographs of Waterbirds' sizes.

    python speed/training_input.py                         a minute on two cores; prints a table
    python speed/training_input.py --out results            writes training-input.json there too, for the book

The first two give normalised float32 batches (32, 3, 224, 224), randomly cropped and mirrored, on the CPU; the third
stops before the augmentation, which `dbb.training.fit` does on the GPU where there is one. ResNet-50 does not run.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from made_up_waterbirds import write_waterbirds
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dbb.benchmarks.waterbirds import BENCHMARK, list_split
from dbb.data.cache import CachedPixels
from dbb.data.files import FilePixels
from dbb.data.images import ImageSet, Resampled
from dbb.data.layout import files_of
from dbb.store import write_json
from dbb.training import Examples, shuffled_batches
from dbb.transforms import AREAS, training_input

BATCH = 32
EPOCHS = 3


class Photographs(Dataset[torch.Tensor]):
    """One picture at a time, as the usual training scripts read them."""

    def __init__(self, source: FilePixels) -> None:
        self._paths = source.paths
        fmt = BENCHMARK.input_format
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(fmt.size, scale=AREAS),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(fmt.mean, fmt.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._transform(Image.open(self._paths[index]).convert("RGB"))


def plain_epoch(source: FilePixels, workers: int) -> Iterator[torch.Tensor]:
    """Yield one epoch's batches from a DataLoader."""
    yield from DataLoader(Photographs(source), batch_size=BATCH, shuffle=True, num_workers=workers)


def cached_epoch(examples: Examples, seed: int) -> Iterator[torch.Tensor]:
    """Yield one epoch's batches as `dbb.training.fit` makes them."""
    generator = torch.Generator().manual_seed(seed)
    for positions in shuffled_batches(len(examples), BATCH)(generator):
        yield training_input(examples.pixels(positions), BENCHMARK.input_format, "crop", generator)


def read_epoch(examples: Examples) -> Iterator[torch.Tensor]:
    """Yield one epoch's uint8 batches: all that is left to the CPU when a GPU crops and normalises them."""
    order = torch.randperm(len(examples)).numpy()
    for positions in np.array_split(order, -(-len(order) // BATCH)):
        yield examples.pixels(positions)


def seconds(epoch: Callable[[], Iterator[torch.Tensor]]) -> float:
    """Return what going through an epoch's batches takes, s."""
    start = time.perf_counter()
    for _ in epoch():
        pass
    return time.perf_counter() - start


def photographs(folder: Path, per_group: int) -> ImageSet:
    """Return the training split of a made-up Waterbirds, with ``per_group`` photographs of each group."""
    written = write_waterbirds(folder, {"train": per_group, "val": 1, "test": 1})
    return list_split(written, "train").image_set(len(BENCHMARK.attributes), files_of(BENCHMARK).fit)


def measure(folder: Path, per_group: int, workers: int) -> pd.DataFrame:
    """Return images per second of each way, with ``per_group`` photographs of each group made up in ``folder``."""
    images = photographs(folder, per_group)
    n, size, files = len(images), BENCHMARK.read_size, images.source
    assert isinstance(files, FilePixels)
    cache = CachedPixels(Resampled(files, BENCHMARK.generation_size), folder / "train.npy", n, size)
    start = time.perf_counter()
    cache.read([0], size)
    filling = n / (time.perf_counter() - start)
    examples = Examples([replace(images, source=cache)], [np.zeros(n)], size)
    ways = {
        f"DataLoader, {workers} workers": lambda: plain_epoch(files, workers),
        "cache, whole batches": lambda: cached_epoch(examples, 0),
        "cache, read only": lambda: read_epoch(examples),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways} | {"filling the cache, once": [filling]}
    for _ in range(EPOCHS):  # in turns, so that a slow moment of the machine falls on both
        for name, epoch in ways.items():
            rates[name].append(n / seconds(epoch))
    table = pd.DataFrame(
        {
            "images per second": {name: median(r) for name, r in rates.items()},
            "least": {name: min(r) for name, r in rates.items()},
            "most": {name: max(r) for name, r in rates.items()},
        }
    )
    table["times the DataLoader"] = table["images per second"] / table["images per second"].iloc[0]
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--per-group", type=int, default=100, help="photographs of each of the four groups")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of the DataLoader")
    parser.add_argument("--out", type=Path, help="folder to write training-input.json into")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), given.per_group, given.workers)
    print(table.round(2).to_string())
    if given.out:
        write_json(
            given.out / "training-input.json",
            {
                "machine": f"{platform.machine()} CPU, {os.cpu_count()} cores",
                "torch": torch.__version__,
                "images": 4 * given.per_group,
                "rates": table.reset_index(names="what").to_dict("records"),
            },
        )


if __name__ == "__main__":
    main()

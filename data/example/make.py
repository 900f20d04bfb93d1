"""Draws the pictures of the example dataset and writes their table: ``python data/example/make.py``.

Robins stand before a forest and herons before a lake in nearly all of the training pictures; in validation and test
they stand before either equally often. The scenes are of a block of seeds that no model of the project was trained on.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dbb.worlds.base import scene_seed
from dbb.worlds.waterbirds.scenes import COLOURS, Scene, render

SPECIES, PLACES = ("robin", "heron"), {"forest": "broadleaf forest", "lake": "lake"}
COUNTS = {"train": (36, 4, 4, 36), "val": (5, 5, 5, 5), "test": (5, 5, 5, 5)}
"""Pictures of each group, in the order robin before forest, robin before lake, heron before forest, heron before lake.
"""

FIRST = 9_000_000  # of the block's numbers: the others that use it start at 0
COLUMNS = ("file", "species", "place", "part")


def rows() -> list[tuple[Scene, str, str, str]]:
    """Return each picture's scene with its species, place and split, shuffled."""
    rng = np.random.default_rng(scene_seed("held-out", FIRST))
    groups = [(species, place) for species in SPECIES for place in PLACES]
    wanted = [
        (*group, split)
        for split, counts in COUNTS.items()
        for group, count in zip(groups, counts, strict=True)
        for _ in range(count)
    ]
    made = []
    for number, which in enumerate(rng.permutation(len(wanted))):
        species, place, split = wanted[which]
        scene = Scene(species, str(rng.choice(COLOURS)), PLACES[place], scene_seed("held-out", FIRST + number))
        made.append((scene, species, place, split))
    return made


def write(folder: Path) -> None:
    """Write pictures/0001.jpg, ... of 64 x 64 px and birds.csv into ``folder``."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    with (folder / "birds.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for number, (scene, species, place, split) in enumerate(rows(), start=1):
            name = f"{number:04d}.jpg"
            Image.fromarray(render(scene)[0]).save(folder / "pictures" / name, quality=90)
            table.writerow((name, species, place, split))


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    write(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()

"""A made-up Waterbirds: drawn birds in the files and folders of the real dataset, for runs that need no download.

    python speed/made_up_waterbirds.py FOLDER
    python speed/made_up_waterbirds.py FOLDER --train 8 --val 4 --test 4      images per group

FOLDER/waterbird_complete95_forest2water2/ then holds metadata.csv and a folder of JPEGs per species, of about 500x375
pixels like the photographs of CUB-200-2011, some of them upright and one of them in shades of grey, as there. Layout:
kohpangwei/group_DRO, dataset_scripts/generate_waterbirds.py.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from dbb.benchmarks.waterbirds import METADATA, TOPS
from dbb.data.layout import SPLIT_CODES
from dbb.errors import InputError
from dbb.store import atomic_path, write_table
from dbb.worlds.base import scene_seed
from dbb.worlds.waterbirds.scenes import (
    COLOURS,
    LAND_PLACES,
    LANDBIRDS,
    SPECIES,
    WATER_PLACES,
    WATERBIRDS,
    Scene,
    render,
)

PER_GROUP = {"train": 6, "val": 3, "test": 3}
DRAWN = 125  # px a side of what is drawn, before it is enlarged
LONG_SIDE, SHORT_SIDE = (440, 501), (320, 376)  # px, from and below


def write_waterbirds(folder: str | Path, per_group: Mapping[str, int] = PER_GROUP) -> Path:
    """Write the dataset under ``folder`` and return its own folder. The same numbers give the same files.

    per_group: split -> images of each of its four groups, at least 1.

    Raises InputError for an unknown or missing split, or fewer images than 1.
    """
    if set(per_group) != set(SPLIT_CODES) or min(per_group.values()) < 1:
        raise InputError(
            f"{dict(per_group)} is no size of Waterbirds: give at least 1 image per group to each of "
            f"{', '.join(SPLIT_CODES)}"
        )
    top = Path(folder) / TOPS[0]
    table = _table(per_group)
    for name, scene, number in zip(table["img_filename"], table["scene"], table["img_id"], strict=True):
        with atomic_path(top / name) as temporary:
            _picture(scene, upright=number % 5 == 2, grey=number == 1).save(temporary, quality=90)
    write_table(top / METADATA, table.drop(columns="scene"))
    return top


def _table(per_group: Mapping[str, int]) -> pd.DataFrame:
    """Return metadata.csv, species after species as in the real one, with a column of scenes beside."""
    rng = np.random.default_rng(scene_seed("held-out", 0))
    rows: list[dict[str, Any]] = []
    for split, count in per_group.items():
        for y, a in np.ndindex(2, 2):
            for _ in range(count):
                species = str(rng.choice(WATERBIRDS if y else LANDBIRDS))
                place = str(rng.choice(WATER_PLACES if a else LAND_PLACES))
                scene = Scene(species, str(rng.choice(COLOURS)), place, scene_seed("held-out", len(rows)))
                rows.append({"y": y, "split": SPLIT_CODES[split], "place": a, "scene": scene})
    rows.sort(key=lambda row: SPECIES.index(row["scene"].species))
    table = pd.DataFrame(rows)
    table["img_id"] = np.arange(1, len(table) + 1)
    table["img_filename"] = [_bird_file(scene, i) for scene, i in zip(table["scene"], table["img_id"], strict=True)]
    table["place_filename"] = [_place_file(scene, i) for scene, i in zip(table["scene"], table["img_id"], strict=True)]
    return table[["img_id", "img_filename", "y", "split", "place", "place_filename", "scene"]]


def _bird_file(scene: Scene, number: int) -> str:
    name = str(scene.species).capitalize()
    return f"{SPECIES.index(str(scene.species)) + 1:03d}.{name}/{name}_{number:04d}_{scene.seed}.jpg"


def _place_file(scene: Scene, number: int) -> str:
    place = scene.place.replace(" ", "_")
    return f"/{place[0]}/{place}/{number:08d}.jpg"


def _picture(scene: Scene, upright: bool, grey: bool) -> Image.Image:
    rng = np.random.default_rng(scene.seed)
    size = int(rng.integers(*LONG_SIDE)), int(rng.integers(*SHORT_SIDE))
    drawn = Image.fromarray(render(scene, DRAWN)[0]).resize(size[::-1] if upright else size, Image.Resampling.BICUBIC)
    return drawn.convert("L") if grey else drawn


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for split, count in PER_GROUP.items():
        parser.add_argument(f"--{split}", type=int, default=count, help=f"images per group ({count})")
    given = parser.parse_args(arguments)
    print(write_waterbirds(given.folder, {split: getattr(given, split) for split in PER_GROUP}))


if __name__ == "__main__":
    main()

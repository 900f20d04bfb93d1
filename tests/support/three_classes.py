"""A miniature of three classes at three places, as a user's own dataset: songbirds, wading birds and swimmers."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dbb.worlds.base import scene_seed
from dbb.worlds.waterbirds.scenes import COLOURS, LANDBIRDS, Scene, render

KINDS = {"Songbird": LANDBIRDS, "wading bird": ("gull", "heron", "pelican"), "swimmer": ("duck", "swan", "goose")}
"""Class -> its species. One name has a capital letter and one has two words, as users' names have."""

PLACES = ("bamboo forest", "ocean", "lake")
USUAL, UNUSUAL = (9, 7, 6), 1
"""Training pictures of each class at the place of its number, and at each of the others."""

FEW = 2  # pictures of each group of validation and of test

SETTINGS = f"""\
title: Three kinds of birds
extends: mini-waterbirds
classes: {list(KINDS)}
attributes: {list(PLACES)}
group_format: "{{}} at {{}}"
data: {{pictures: pictures, table: birds.csv}}
models: {{oracle: data/mini/oracle, oracle_labels: {[list(species) for species in KINDS.values()]}}}
erm: {{epochs: 1, batch_size: 16}}
inversion: {{images: 2, steps: 2, batch_size: 2}}
masks: {{min_area: 0.001}}
generation: {{per_class: [3, 2, 4], steps: 2, batch_size: 8}}
pruning: {{quantile: 0.4, thresholds: [null, -1.0, null], steps: 6}}
retraining: {{epochs: 1, batch_size: 16, gammas: [0.5, 2.0, 3.0]}}
"""


def write_three_classes(folder: Path, more: str = "") -> Path:
    """Write the pictures, their table and three.yml into ``folder``; returns the last.

    more: further lines of the file; one that sets a key again takes its place.
    """
    rows = []
    for split in ("train", "val", "test"):
        for label, (kind, members) in enumerate(KINDS.items()):
            for place in PLACES:
                usual = PLACES.index(place) == label
                for _ in range(FEW if split != "train" else USUAL[label] if usual else UNUSUAL):
                    rows.append((split, kind, members, place))
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rng, table = np.random.default_rng(0), []
    for number, which in enumerate(rng.permutation(len(rows))):
        split, kind, members, place = rows[which]
        scene = Scene(str(rng.choice(members)), str(rng.choice(COLOURS)), place, scene_seed("held-out", number))
        Image.fromarray(render(scene)[0]).save(folder / "pictures" / f"{number:03d}.png")
        table.append({"path": f"{number:03d}.png", "label": kind, "attribute": place, "split": split})
    pd.DataFrame(table).to_csv(folder / "birds.csv", index=False)
    return write_settings(folder, more)


def write_settings(folder: Path, more: str = "", name: str = "three") -> Path:
    """Write ``name``.yml into ``folder``, beside the pictures that are there; ``more`` as in `write_three_classes`."""
    lines = dict(line.split(": ", 1) for line in (SETTINGS + more).splitlines())
    path = folder / f"{name}.yml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
    return path

"""A dataset of a few of the example's pictures, on which every stage takes a second: what commands are tried on."""

from pathlib import Path

import pandas as pd

from dbb.store import project_root

SETTINGS = """\
title: A few birds
extends: mini-waterbirds
classes: [robin, heron]
attributes: [forest, lake]
group_format: "{{}} before a {{}}"
data: {{pictures: {pictures}, table: birds.csv, columns: {{path: file, label: species, attribute: place, split: part}}}}
models: {{oracle: data/mini/oracle, oracle_labels: [[robin], [heron]]}}
erm: {{epochs: 1, batch_size: 16}}
inversion: {{images: 2, steps: 1, batch_size: 2}}
masks: {{min_area: 0.001}}
generation: {{per_class: [2, 2], steps: 1, batch_size: 4}}
pruning: {{steps: 2}}
retraining: {{epochs: 1, batch_size: 16, gammas: [1, 1]}}
"""
FEW = 3
"""Pictures of each split, class and place."""


def write_few_birds(folder: Path) -> Path:
    """Write birds.csv and few-birds.yml into ``folder``; returns the path of the latter."""
    example = project_root() / "data/example"
    table = pd.read_csv(example / "birds.csv")
    table.groupby(["part", "species", "place"]).head(FEW).to_csv(folder / "birds.csv", index=False)
    path = folder / "few-birds.yml"
    path.write_text(SETTINGS.format(pictures=example / "pictures"), encoding="utf-8")
    return path

"""Table 4: counts of the groups among the lowest losses."""

import numpy as np
import pandas as pd

from dbb.metrics import group_counts
from dbb.stages.outputs import load_outputs
from dbb.stages.run import TABLE


def test_counts_are_those_of_the_lowest_losses(study):
    table = pd.read_parquet(study.measured("low-loss") / TABLE)
    train, outputs = study.split("train"), load_outputs(study.folder("erm") / "train.npz")
    assert (table["majority"] + table["minority"] == table["k"]).all()
    counts = group_counts(train.groups, 4)
    whole = table[table["k"] == table.groupby("label")["k"].transform("max")]
    assert sorted(whole["minority"].unique()) == sorted([counts[1], counts[2]])
    for row in table[table["ranking"] == "own loss"].itertuples():
        members = np.flatnonzero(train.labels == row.label)
        lowest = members[np.argsort(outputs.losses[members], kind="stable")[:row.k]]
        assert row.minority == (train.groups[lowest] == (1, 2)[row.label]).sum()

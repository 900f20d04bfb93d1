"""Table 4: counts of the groups among the lowest losses."""

import numpy as np
import pandas as pd
import pytest

from dbb.metrics import group_counts
from dbb.report.erm import ranking_table
from dbb.stages.outputs import Outputs, load_outputs
from dbb.stages.run import TABLE
from dbb.stages.selection import lowest_loss_by_batch
from dbb.study.low_loss import minority_taken


def test_counts_are_those_of_the_lowest_losses(study):
    table = pd.read_parquet(study.measured("low-loss") / TABLE)
    train, outputs = study.split("train"), load_outputs(study.folder("erm") / "train.npz")
    assert np.allclose(table["majority"] + table["minority"], table["k"])
    counts = group_counts(train.groups, 4)
    whole = table[table["k"] == table.groupby("label")["k"].transform("max")]
    assert sorted(whole["minority"].unique()) == sorted([counts[1], counts[2]])
    for row in table[table["ranking"] == "own loss"].itertuples():
        members = np.flatnonzero(train.labels == row.label)
        lowest = members[np.argsort(outputs.losses[members], kind="stable")[: row.k]]
        assert row.minority == (train.groups[lowest] == (1, 2)[row.label]).sum()


def outputs_with(losses: list[float], labels: list[int]) -> Outputs:
    n = len(losses)
    return Outputs(np.arange(n), np.array(labels), np.zeros((n, 2), np.float32), np.full((n, 2), 0.5), np.array(losses))


def test_the_minority_is_told_by_the_training_split_and_not_by_what_was_chosen():
    """Of 30 chosen, 20 are minority images: two thirds, though they are the larger part."""
    groups = np.array([1] * 20 + [0] * 10 + [0] * 70)
    minority = minority_taken(outputs_with([0.1] * 30 + [5.0] * 70, [0] * 100), groups, 0, 0, "own loss")
    assert minority[29] == 20 and minority[-1] == 20 and len(minority) == 100
    table = ranking_table({"own loss": minority}, 30)
    assert table.loc["own loss"].tolist() == [30, 20, pytest.approx(2 / 3)]
    assert table.loc["at random, on average", "minority"] == pytest.approx(6)


def test_the_batch_ranking_is_counted_over_many_shuffles_of_the_released_batch():
    rng = np.random.default_rng(0)
    outputs, groups = outputs_with(rng.exponential(size=96).tolist(), [0] * 96), rng.integers(0, 2, 96)
    counted = minority_taken(outputs, groups, 0, 0, "batch loss")
    expected = np.mean(
        [
            (groups[lowest_loss_by_batch(outputs.losses, outputs.labels, 0, 40, 16, shuffle)] == 1).sum()
            for shuffle in range(200)
        ]
    )
    assert counted[39] == pytest.approx(expected) and counted[-1] == groups.sum()

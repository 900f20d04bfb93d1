"""The counts of the splits, and a check for a second shortcut."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dbb.report.data import balance_table, counts_table, describe_balance, describe_majority, group_captions


def test_groups_without_images_are_left_out():
    counts = {"train": np.array([6, 2, 0, 0]), "val": np.array([1, 1, 0, 0]), "test": np.array([1, 1, 0, 3])}
    table = counts_table(counts, ("a", "b", "c", "d"))
    assert table.index.tolist() == ["a", "b", "d"] and table["training share"].tolist() == [0.75, 0.25, 0.0]
    assert table["test"].tolist() == [1, 1, 3]


def test_each_class_has_its_majority():
    names = [f"{c} {a}" for c in "xyz" for a in "pq"]
    captions = group_captions(np.array([60, 10, 5, 15, 9, 1]), 3, names)
    assert captions[0] == "x p\n60.0%\nmajority" and captions[3] == "y q\n15.0%\nmajority"
    assert [text.split("\n")[-1] for text in captions] == [
        "majority",
        "minority",
        "minority",
        "majority",
        "majority",
        "minority",
    ]


def test_without_attributes_no_group_is_a_minority():
    assert group_captions(np.array([3, 1]), 2, ["cat", "dog"]) == ["cat\n75.0%", "dog\n25.0%"]


def test_two_classes_are_compared_as_before():
    found, labels = np.array(["red"] * 3 + ["blue"] + ["red"] + ["blue"] * 3), np.repeat([0, 1], 4)
    table = balance_table(found, labels, ("a", "b"), ("red", "blue", "green"))
    assert table.loc["red", ["a", "b", "difference"]].tolist() == [0.75, 0.25, 0.5]
    assert table.loc["red", "two standard errors"] == pytest.approx(2 * np.sqrt(0.25 * (1 / 4 + 1 / 4)))
    assert table.loc["green"].tolist() == [0, 0, 0, 0]


def test_of_three_classes_the_two_farthest_are_compared():
    found, labels = np.array(["r", "r", "r", "b", "b", "b", "b", "r", "b"]), np.array([0, 0, 1, 1, 2, 2, 2, 2, 2])
    table = balance_table(found, labels, ("x", "y", "z"), ("r", "b"))
    assert table.loc["r", ["x", "y", "z", "difference"]].tolist() == pytest.approx([1.0, 0.5, 0.2, 0.8])
    assert table.loc["r", "two standard errors"] == pytest.approx(2 * np.sqrt(4 / 9 * 5 / 9 * (1 / 2 + 1 / 5)))


def test_the_majority_is_told_with_its_share():
    text = describe_majority(np.array([70, 10, 5, 15]), 2, ("a on x", "a on y", "b on x", "b on y"))
    assert "(*a on x*, *b on y*), hold 85.0% of the training split; the others, the *minority*, 15.0%" in text
    assert "no group is a minority" in describe_majority(np.array([3, 1]), 2, ("cat", "dog"))


@pytest.mark.parametrize(("reds", "verdict"), [((50, 52), "**no more than chance"), ((50, 75), "**more than chance")])
def test_balance_is_told_by_the_test_of_independence(reds, verdict):
    found = np.array([colour for n in reds for colour in ["red"] * n + ["blue"] * (100 - n)])
    labels = np.repeat([0, 1], 100)
    theirs = stats.chi2_contingency(pd.crosstab(found, labels), correction=False).pvalue
    text = describe_balance(found, labels)
    assert verdict in text and f"p = {theirs:.2g})" in text

"""Kinds of pictures: shares counted by hand."""

import numpy as np
import pytest

from dbb.report.directions import TOGETHER
from dbb.report.kinds import masks_by_kind, pictures_by_kind, some_of_each

KINDS = np.array(["far", "far", "near", "near", "near"])


def test_masks_are_counted_by_kind_and_overlaps_only_where_there_is_one():
    found = np.array([True, False, True, True, True])
    table = masks_by_kind(KINDS, np.ones(5, bool), found, np.array([0.4, np.nan, 0.9, 0.6, 0.3]))
    assert list(table.index) == ["far", "near", TOGETHER]
    assert table["sources"].tolist() == [2, 3, 5] and table["missed"].tolist() == [1, 0, 1]
    assert table["mean overlap"].tolist() == pytest.approx([0.4, 0.6, 0.55])
    assert table["overlap below 0.5"].tolist() == pytest.approx([1, 1 / 3, 0.5])


def test_pictures_are_counted_by_kind():
    kept, right = np.array([True, False, True, True, False]), np.array([False, False, True, False, True])
    table = pictures_by_kind(KINDS, kept, right)
    assert table["pictures"].tolist() == [2, 3, 5]
    assert table["right"].tolist() == pytest.approx([0, 2 / 3, 0.4])
    assert table["kept"].tolist() == pytest.approx([0.5, 2 / 3, 0.6])
    assert table["right among the kept"].tolist() == pytest.approx([0, 0.5, 1 / 3])
    assert table["wrong ones pruned"].tolist() == pytest.approx([0.5, 0, 1 / 3])


def test_a_kind_without_a_mask_has_no_overlap():
    table = masks_by_kind(KINDS[:2], np.array([True, True]), np.array([False, False]), np.full(2, np.nan))
    assert np.isnan(table.loc["far", "mean overlap"])


def test_no_mask_where_nothing_is_to_be_seen_is_no_miss():
    there, found = np.array([True, False, True, False, True]), np.array([True, False, True, True, False])
    table = masks_by_kind(KINDS, there, found, np.array([0.4, np.nan, 0.8, 0.0, np.nan]))
    assert table["missed"].tolist() == [0, 1, 1] and table["found in vain"].tolist() == [0, 1, 1]
    assert table["mean overlap"].tolist() == pytest.approx([0.4, 0.8, 0.6])


def test_the_first_of_each_kind_are_taken_in_order():
    assert [part.tolist() for part in some_of_each(KINDS, ["near", "none", "far"], 2)] == [[2, 3], [], [0, 1]]

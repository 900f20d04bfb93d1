"""Pictures painted again with their own class: what is said of them. (The page itself is made in tests/product.)"""

import numpy as np
import pytest

from dbb.report.own_class import AGAIN, DRAWN, again_table, describe_again

GROUPS = np.array(["cat"] * 8 + ["dog"] * 8)


def right(cats_drawn, cats_again, dogs_drawn, dogs_again):
    """Answers of which the first so many of each eight are right."""

    def first(cats, dogs):
        return np.concatenate([np.arange(8) < cats, np.arange(8) < dogs])

    return {"DBB": {DRAWN: first(cats_drawn, dogs_drawn), AGAIN: first(cats_again, dogs_again)}}


def test_the_table_pairs_each_picture_with_itself():
    table = again_table(right(8, 8, 2, 7), GROUPS)
    dogs = table.loc[("DBB", "dog")]
    assert (dogs[DRAWN], dogs[AGAIN], dogs["pictures"]) == (25, 87.5, 8)
    changes = np.array([0, 0, 1, 1, 1, 1, 1, 0.0]) * 100
    half = 2.3646 * changes.std(ddof=1) / np.sqrt(8)  # Student's t, 7 degrees of freedom
    assert (dogs["low"], dogs["high"]) == pytest.approx((62.5 - half, min(100, 62.5 + half)), abs=1e-2)


def test_a_group_is_named_where_the_interval_excludes_zero():
    told = describe_again(again_table(right(8, 8, 2, 7), GROUPS), "DBB")
    assert "*dog*, 25 % as drawn and 88 % painted again" in told and "*cat*" not in told


def test_a_loss_is_told_as_well_as_a_gain():
    assert "*cat*" in describe_again(again_table(right(8, 1, 3, 3), GROUPS), "DBB")


def test_chance_is_said_to_be_chance():
    assert "beyond chance" in describe_again(again_table(right(5, 6, 4, 3), GROUPS), "DBB")
    assert "*" not in describe_again(again_table(right(5, 6, 4, 3), GROUPS), "DBB")

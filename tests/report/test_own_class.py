"""Pictures painted again with their own class: what is said of them. (The page itself is made in tests/product.)"""

import pandas as pd

from dbb.report.own_class import AGAIN, AS_DRAWN, describe_again


def table(cats, dogs):
    """Accuracies of one model, (as drawn, painted again) of each group."""
    columns = pd.MultiIndex.from_product([["DBB"], [AS_DRAWN, AGAIN]])
    return pd.DataFrame([cats, dogs], ["cat", "dog"], columns)


def test_the_group_that_changes_most_is_named_with_both_numbers():
    told = describe_again(table((0.9, 0.8), (0.3, 0.75)), "DBB")
    assert "*dog*" in told and told.index("30.0%") < told.index("75.0%") and "80" not in told


def test_a_loss_is_told_as_well_as_a_gain():
    assert "*cat*: **90.0%**" in describe_again(table((0.9, 0.2), (0.3, 0.5)), "DBB")


def test_no_change_is_said_to_be_none():
    assert "no difference" in describe_again(table((0.9, 0.9), (0.3, 0.3)), "DBB")

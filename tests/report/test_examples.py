"""The pictures that stand for a run are what they are called."""

import numpy as np
import pandas as pd
import pytest

from dbb.report.examples import beside, from_common_groups, most_convincing

# Of training images 0 to 7: class 0 is common in group 0, class 1 in group 3.
GROUPS, MAJORITY = np.array([0, 0, 0, 1, 3, 3, 3, 2]), np.array([0, 3])


@pytest.fixture
def painted() -> pd.DataFrame:
    """Source, its class, the target, verdict, rho, change, psi: rho says otherwise than the change."""
    rows = [
        (0, 0, 1, True, 0.9, 0.90, 0.1),
        (1, 0, 1, True, 1.1, 0.80, 0.2),  # the integral's error
        (2, 0, 1, False, 0.1, 0.10, 0.9),
        (3, 0, 1, True, 2.0, 0.99, 0.0),  # of a rare group
        (4, 1, 0, True, 0.7, 0.70, 0.3),
        (2, 0, 1, False, 0.2, 0.20, 0.95),
    ]
    columns = ["source_id", "source_class", "target_class", "kept", "rho", "change", "psi"]
    table = pd.DataFrame(rows, columns=columns, index=[10, 11, 12, 13, 14, 15])
    return table.astype({"kept": "boolean"})


def test_the_headline_is_of_common_groups_and_of_the_largest_change(painted):
    common = from_common_groups(painted, GROUPS, MAJORITY)
    assert common.index.tolist() == [10, 11, 12, 14, 15]
    assert most_convincing(common).index.tolist() == [10, 11, 14]


def test_the_flow_chart_s_kept_and_pruned_are_of_the_same_direction_and_group(painted):
    common = from_common_groups(painted, GROUPS, MAJORITY)
    kept, pruned = beside(common.loc[10], common, None)
    assert kept.index.tolist() == [11] and pruned.index.tolist() == [15, 12]


def test_where_the_truth_is_known_a_right_picture_is_not_shown_as_pruned(painted):
    right = pd.Series({10: True, 11: False, 12: False, 13: True, 14: True, 15: True})
    common = from_common_groups(painted, GROUPS, MAJORITY)
    kept, pruned = beside(common.loc[10], common, right)
    assert kept.empty and pruned.index.tolist() == [12]

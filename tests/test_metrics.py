"""Group accuracies against a table worked by hand, and what any averages must obey."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbb.errors import InputError
from dbb.metrics import confusions, evaluate, group_accuracies, group_counts

# label, group, prediction: groups 0, 1, 3 have 4, 2, 2 images, group 2 none; right: 3, 1, 2.
TABLE = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 3, 1], [1, 3, 1]])
LABELS, GROUPS, PREDICTIONS = TABLE.T


def test_a_table_worked_by_hand():
    metrics = evaluate(PREDICTIONS, LABELS, GROUPS, 4, np.array([60, 20, 100, 20]))
    np.testing.assert_array_equal(metrics.group_accuracy, [0.75, 0.5, np.nan, 1.0])
    assert metrics.worst_group == 0.5
    assert metrics.average == 6 / 8
    assert metrics.weighted_average == pytest.approx((60 * 0.75 + 20 * 0.5 + 20 * 1.0) / 100)
    assert metrics.as_dict().keys() == {"group_accuracy", "worst_group", "average", "weighted_average"}


@st.composite
def evaluations(draw):
    n = draw(st.integers(1, 60))
    column = st.lists(st.integers(0, 1), min_size=n, max_size=n)
    labels, attributes, predictions = (np.array(draw(column)) for _ in range(3))
    counts = np.array(draw(st.lists(st.integers(1, 5000), min_size=4, max_size=4)))
    return predictions, labels, 2 * labels + attributes, counts


@settings(deadline=None)
@given(evaluations())
def test_every_average_lies_between_the_worst_and_the_best_group(case):
    predictions, labels, groups, counts = case
    metrics = evaluate(predictions, labels, groups, 4, counts)
    best = np.nanmax(metrics.group_accuracy)
    for average in (metrics.average, metrics.weighted_average):
        assert metrics.worst_group - 1e-12 <= average <= best + 1e-12
    own_shares = evaluate(predictions, labels, groups, 4, group_counts(groups, 4))
    assert own_shares.weighted_average == pytest.approx(own_shares.average)


@settings(deadline=None)
@given(evaluations(), st.randoms())
def test_order_does_not_matter_and_flipping_predictions_flips_accuracies(case, random):
    predictions, labels, groups, _ = case
    order = list(range(len(labels)))
    random.shuffle(order)
    straight = group_accuracies(predictions, labels, groups, 4)
    shuffled = group_accuracies(predictions[order], labels[order], groups[order], 4)
    np.testing.assert_array_equal(straight, shuffled)
    np.testing.assert_allclose(group_accuracies(1 - predictions, labels, groups, 4), 1 - straight)


def test_nothing_to_evaluate_is_refused():
    empty = np.array([], dtype=int)
    with pytest.raises(InputError, match="no images"):
        evaluate(empty, empty, empty, 4, np.ones(4))


def test_groups_that_training_never_saw_have_no_weighted_average():
    """MetaShift: the places of the test split are none of the training split's."""
    measured = evaluate(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0, 2, 2]), 4, np.array([0, 5, 0, 5]))
    assert np.isnan(measured.weighted_average)
    assert measured.worst_group == 0.5 and measured.average == pytest.approx(2 / 3)


def test_confusions_count_every_image_once():
    predictions, groups = np.array([0, 1, 1, 0, 1]), np.array([0, 0, 3, 3, 3])
    assert confusions(predictions, groups, n_groups=4, n_classes=2).tolist() == [[1, 1], [0, 0], [0, 0], [1, 2]]

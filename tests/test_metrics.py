"""Group accuracies against a table worked by hand, and what any averages must obey."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.metrics import (
    MEASURES,
    GroupMetrics,
    by_name,
    confusions,
    evaluate,
    group_accuracies,
    group_counts,
    majority_groups,
)

# label, group, prediction: groups 0, 1, 3 have 4, 2, 2 images, group 2 none; right: 3, 1, 2.
TABLE = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 3, 1], [1, 3, 1]])
LABELS, GROUPS, PREDICTIONS = TABLE.T


def test_a_table_worked_by_hand():
    metrics = evaluate(PREDICTIONS, LABELS, GROUPS, 4, np.array([60, 20, 100, 20]))
    np.testing.assert_array_equal(metrics.group_accuracy, [0.75, 0.5, np.nan, 1.0])
    assert metrics.worst_group == 0.5
    assert metrics.average == 6 / 8
    assert metrics.weighted_average == pytest.approx((60 * 0.75 + 20 * 0.5 + 20 * 1.0) / 100)
    assert metrics.as_dict().keys() == {
        "group_accuracy",
        "worst_group",
        "average",
        "weighted_average",
        "full_weighted_average",
    }


@st.composite
def evaluations(draw):
    """Predictions, labels, groups and training counts, of 2 to 4 classes with 1 to 3 attributes."""
    n, n_classes, n_attributes = draw(st.integers(1, 60)), draw(st.integers(2, 4)), draw(st.integers(1, 3))
    label, attribute = st.integers(0, n_classes - 1), st.integers(0, n_attributes - 1)
    labels, predictions, attributes = (
        np.array(draw(st.lists(kind, min_size=n, max_size=n))) for kind in (label, label, attribute)
    )
    n_groups = n_classes * n_attributes
    counts = np.array(draw(st.lists(st.integers(1, 5000), min_size=n_groups, max_size=n_groups)))
    return predictions, labels, n_attributes * labels + attributes, counts


@settings(deadline=None)
@given(evaluations())
def test_every_average_lies_between_the_worst_and_the_best_group(case):
    predictions, labels, groups, counts = case
    metrics = evaluate(predictions, labels, groups, len(counts), counts)
    best = np.nanmax(metrics.group_accuracy)
    for average in (metrics.average, metrics.weighted_average):
        assert metrics.worst_group - 1e-12 <= average <= best + 1e-12
    own_shares = evaluate(predictions, labels, groups, len(counts), group_counts(groups, len(counts)))
    assert own_shares.weighted_average == pytest.approx(own_shares.average)


@settings(deadline=None)
@given(evaluations(), st.randoms())
def test_order_does_not_matter_and_a_right_answer_is_the_own_class(case, random):
    predictions, labels, groups, counts = case
    order = list(range(len(labels)))
    random.shuffle(order)
    straight = group_accuracies(predictions, labels, groups, len(counts))
    shuffled = group_accuracies(predictions[order], labels[order], groups[order], len(counts))
    np.testing.assert_array_equal(straight, shuffled)
    assert np.nanmin(group_accuracies(labels, labels, groups, len(counts))) == 1
    cells = confusions(predictions, groups, len(counts), labels.max() + predictions.max() + 1)
    own = [cells[group, labels[groups == group][0]] for group in np.unique(groups)]
    np.testing.assert_allclose(straight[np.unique(groups)], own / cells.sum(axis=1)[np.unique(groups)])


def test_nothing_to_evaluate_is_refused():
    empty = np.array([], dtype=int)
    with pytest.raises(InputError, match="no images"):
        evaluate(empty, empty, empty, 4, np.ones(4, int))


def test_groups_that_training_never_saw_have_no_weighted_average():
    """MetaShift: the places of the test split are none of the training split's."""
    measured = evaluate(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0, 2, 2]), 4, np.array([0, 5, 0, 5]))
    assert np.isnan(measured.weighted_average)
    assert measured.worst_group == 0.5 and measured.average == pytest.approx(2 / 3)


def test_a_split_drawn_from_a_larger_one_has_both_weighted_averages():
    """CelebA: the paper trains on a class-balanced draw, the literature weights by the whole training split."""
    groups, n = np.repeat(np.arange(4), 100), (99, 99, 85, 42)
    right = np.concatenate([np.arange(100) < share for share in n])
    labels = groups // 2
    predictions = np.where(right, labels, 1 - labels)
    drawn, full = np.array([12426, 11841, 22880, 1387]), np.array(get_benchmark("celeba").full_train_counts)
    measured = evaluate(predictions, labels, groups, 4, drawn, full)
    assert measured.weighted_average == pytest.approx(0.908, abs=5e-4)
    assert measured.full_weighted_average == pytest.approx(0.965, abs=5e-4)
    assert evaluate(predictions, labels, groups, 4, drawn).full_weighted_average is None
    assert [get_benchmark(name).full_train_counts for name in ("waterbirds", "metashift", "mini-waterbirds")] == [
        None
    ] * 3


@pytest.mark.parametrize(
    ("counts", "n_classes", "expected"),
    [([10, 2, 3, 40], 2, [0, 3]), ([10, 20, 3, 40, 5, 5], 3, [1, 3, 4]), ([1, 2, 3, 4, 5, 0], 2, [2, 4])],
)
def test_a_class_s_majority_is_its_largest_group_in_training(counts, n_classes, expected):
    assert majority_groups(np.array(counts), n_classes).tolist() == expected


def test_confusions_count_every_image_once():
    predictions, groups = np.array([0, 1, 1, 0, 1]), np.array([0, 0, 3, 3, 3])
    assert confusions(predictions, groups, n_groups=4, n_classes=2).tolist() == [[1, 1], [0, 0], [0, 0], [1, 2]]


def test_a_table_of_results_names_every_measure_and_group():
    metrics = GroupMetrics((0.75, float("nan"), 1.0), 0.75, 0.9, 0.95)
    assert list(by_name(metrics.as_dict(), ("a", "b on x", "c"))) == [
        *MEASURES,
        "group_accuracy/a",
        "group_accuracy/b on x",
        "group_accuracy/c",
    ]
    assert by_name(metrics.as_dict(), ("a", "b", "c"))["group_accuracy/c"] == 1.0
    with pytest.raises(ValueError, match="zip"):
        by_name(metrics.as_dict(), ("a", "b"))


def test_a_group_without_images_is_no_division_by_zero():
    with np.errstate(all="raise"):
        found = group_accuracies(np.array([0, 1]), np.array([0, 0]), np.array([0, 0]), 3)
    np.testing.assert_array_equal(found, [0.5, np.nan, np.nan])


def test_a_table_of_results_has_each_measure_s_own_value():
    measured = by_name(GroupMetrics((0.75, 1.0), 0.1, 0.2, 0.3, 0.4).as_dict(), ("a", "b"))
    assert [measured[name] for name in ("worst_group", "average", "weighted_average")] == [0.1, 0.2, 0.3]
    assert [measured[f"group_accuracy/{group}"] for group in "ab"] == [0.75, 1.0]

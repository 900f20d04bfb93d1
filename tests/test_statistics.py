"""The statistics are the textbook's, and a table of results says each thing once."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dbb.errors import InputError
from dbb.statistics import (
    COLUMNS,
    PERCENT,
    POINTS,
    Interval,
    complete,
    interval,
    paired,
    percent,
    precision_recall,
    precision_recall_curve,
    read_results,
    result_rows,
    seeds_of,
    share,
    values,
    wilson,
)

NUMBERS = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


def table(*rows: tuple[str, int, float], measure: str = "worst_group", split: str = "test") -> pd.DataFrame:
    """Results of one measure from (arm, seed, value)."""
    return pd.concat([result_rows("b", arm, seed, split, {measure: value}) for arm, seed, value in rows])


# ------------------------------------------------------------------------------------------------ intervals


def test_the_interval_is_student_s():
    half = 2.7764451 * np.sqrt(2.5 / 5)  # the 0.975 quantile of t with 4 degrees of freedom
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.low, found.high) == pytest.approx((3.0, 3 - half, 3 + half))
    assert found.excludes_zero and str(found) == "3.0 [1.0, 5.0]"
    assert not interval([-1.0, 1.0]).excludes_zero


@given(NUMBERS)
def test_the_interval_is_scipy_s(numbers):
    found = interval(numbers)
    spread = stats.sem(numbers)
    low, high = stats.t.interval(0.95, len(numbers) - 1, np.mean(numbers), spread) if spread else (found.mean,) * 2
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@given(NUMBERS, st.floats(-50, 50), st.floats(0.1, 10))
def test_the_interval_moves_and_stretches_with_its_numbers(numbers, shift, scale):
    one, other = interval(numbers), interval([shift + scale * number for number in numbers])
    assert (other.low, other.mean, other.high) == pytest.approx(
        tuple(shift + scale * end for end in (one.low, one.mean, one.high)), abs=1e-6
    )
    assert one.low <= one.mean <= one.high


def test_the_interval_of_shares_stays_in_their_range():
    """Two seeds at 92 and 95.5 %: Student's own would end at 116."""
    found, free = interval([92.0, 95.5], PERCENT), interval([92.0, 95.5])
    assert found.high == 100 < free.high and (found.mean, found.low) == (free.mean, free.low)
    assert interval([-99.0, 50.0], POINTS).low == -100
    results = table(("one", 1, 0.99), ("one", 2, 0.6), ("other", 1, 0.02), ("other", 2, 0.3))
    assert percent(results, "one", "worst_group").high == 100 == paired(results, "one", "other").high


def test_a_stricter_level_is_wider():
    numbers = [1.0, 2.0, 4.0, 7.0]
    low, high = stats.t.interval(0.99, 3, 3.5, stats.sem(numbers))
    found = interval(numbers, level=0.99)
    assert (found.low, found.high) == pytest.approx((low, high))


@given(st.integers(1, 1000), st.data())
def test_the_interval_of_one_share_is_scipy_s_wilson(n, data):
    hits = data.draw(st.integers(0, n))
    theirs = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    found = wilson(hits / n, n, scale=100)
    assert (found.low, found.high) == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=1e-9)
    assert -1e-9 <= found.low <= found.mean + 1e-9 and found.mean - 1e-9 <= found.high <= 100 + 1e-9


def test_one_value_has_no_interval_and_none_has_no_mean():
    one, none = interval([4.0]), interval([])
    assert one.mean == 4.0 and np.isnan([one.low, one.high]).all() and str(one) == "4.0" and not one.excludes_zero
    assert np.isnan(none.mean) and str(none) == "–" and not none.excludes_zero
    assert Interval(-2.0, -3.0, -1.0).excludes_zero


# ------------------------------------------------------------------------------------------------ tables of results


def test_differences_are_paired_by_seed():
    results = table(("one", 1, 0.8), ("one", 2, 0.9), ("one", 3, 0.7), ("other", 3, 0.5), ("other", 1, 0.7))
    found = paired(results, "one", "other")
    expected = stats.ttest_rel([80, 70], [70, 50]).confidence_interval(0.95)
    assert (found.low, found.mean, found.high) == pytest.approx((expected.low, 15.0, expected.high))
    assert paired(results, "one", "one") == Interval(0.0, 0.0, 0.0)
    assert np.isnan(paired(results, "one", "absent").mean)


def test_values_come_by_seed_of_one_split_and_measure():
    results = pd.concat(
        [
            table(("a", 2, 0.25), ("a", 1, 0.5)),
            table(("a", 1, 0.9), split="val"),
            table(("a", 1, 7.0), measure="seconds", split="train"),
        ]
    )
    assert values(results, "a", "worst_group", scale=100).to_dict() == {1: 50.0, 2: 25.0}
    assert values(results, "a", "worst_group").index.tolist() == [1, 2]
    assert values(results, "a", "seconds", "train").to_dict() == {1: 7.0}
    assert values(results, "a", "seconds").empty and values(results, "b", "worst_group").empty


def test_two_benchmarks_in_one_table_are_refused_where_they_would_mix():
    results = pd.concat([result_rows(name, "a", 1, "test", {"average": 0.5}) for name in ("x", "y")])
    with pytest.raises(InputError, match="one benchmark of x, y"):
        values(results, "a", "average")


def test_complete_seeds_ran_every_arm():
    results = table(("a", 1, 0.1), ("a", 2, 0.1), ("b", 2, 0.1), ("b", 3, 0.1), ("c", 1, 0.1))
    assert seeds_of(results, "a") == [1, 2] and seeds_of(results, "a", "b") == [2] and seeds_of(results, "a", "z") == []
    assert complete(results, ["a", "b"])["arm"].tolist() == ["a", "b"]
    assert complete(results, ["a", "z"]).empty and complete(results, []).empty


def test_what_was_not_measured_has_no_row():
    rows = result_rows("b", "erm", 3, "val", {"average": 0.5, "weighted_average": float("nan"), "right": None})
    assert rows.columns.tolist() == COLUMNS and rows.to_numpy().tolist() == [["b", "erm", 3, "val", "average", 0.5]]
    assert result_rows("b", "erm", 3, "val", {}).dtypes["value"] == "float64"


def test_a_table_is_read_as_it_was_written(tmp_path):
    results = result_rows("b", "null", 3, "test", {"average": 0.5, 'group_accuracy/a, on "b"': 1 / 3})
    results.to_csv(tmp_path / "results.csv", index=False)
    pd.testing.assert_frame_equal(read_results(tmp_path / "results.csv"), results, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("benchmark,arm,seed,split,measure\n", "lacks value"),
        ("benchmark,arm,seed,split,measure,value\nb,a,1,test,m,\n", "line 2.*no number"),
        ("benchmark,arm,seed,split,measure,value\nb,a,one,test,m,1\n", "line 2.*no number"),
        ("benchmark,arm,seed,split,measure,value\nb,a,1,test,m,1\nb,a,1,test,m,2\n", "line 3.*says again"),
    ],
)
def test_a_faulty_table_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_results(path)


def test_names_of_digits_stay_text_and_a_fault_is_named_with_its_own_line(tmp_path):
    head, path = "benchmark,arm,seed,split,measure,value\n", tmp_path / "results.csv"
    path.write_text(head + "01,007,1,test,10,0.5\n")
    assert read_results(path)[["benchmark", "arm", "measure"]].values.tolist() == [["01", "007", "10"]]
    path.write_text(head + "b,a,1,test,m,1\nb,a,2,test,m,much\n")
    with pytest.raises(InputError, match=r"line 3: 'b, a, 2, test, m, much' has a seed or a value that is no number$"):
        read_results(path)
    path.write_text(head + "b,a,1,test,m,1\nb,a,2,test,m,1\nb,a,2,test,m,1\n")
    with pytest.raises(InputError, match=r"line 4: 'b, a, 2, test, m, 1' says again what an earlier row says$"):
        read_results(path)


def test_shares_are_told_in_percent_of_the_split_and_at_the_level_that_is_asked():
    results = pd.concat(
        [
            table(("one", 1, 0.2), ("one", 2, 0.3), ("other", 1, 0.19), ("other", 2, 0.3)),
            table(("one", 1, 0.5), ("one", 2, 0.6), ("other", 1, 0.2), ("other", 2, 0.1), split="val"),
        ]
    )
    assert percent(results, "one", "worst_group").mean == pytest.approx(25)
    assert percent(results, "one", "worst_group", "val").mean == pytest.approx(55)
    assert paired(results, "one", "other", split="val").mean == pytest.approx(40)
    usual, strict = (paired(results, "one", "other", level=level) for level in (0.95, 0.99))
    assert strict.high - strict.low > usual.high - usual.low
    assert wilson(0.5, 10).mean == 0.5 and wilson(0.5, 10, 100).mean == 50


def test_missing_results_are_named(tmp_path):
    with pytest.raises(InputError, match=r"results\.csv is missing.*make results"):
        read_results(tmp_path / "results.csv")


# ------------------------------------------------------------------------------------------------ choices


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_precision_and_recall_count(pairs):
    keep, right = np.array(pairs, dtype=bool).reshape(-1, 2).T
    precision, recall = precision_recall(keep, right)
    hits = sum(k and r for k, r in pairs)
    assert np.isnan(precision) if not keep.any() else precision == hits / sum(keep)
    assert np.isnan(recall) if not right.any() else recall == hits / sum(right)


SCORED = st.lists(st.tuples(st.integers(0, 10), st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(SCORED, st.sampled_from(["below", "above"]))
def test_a_curve_is_its_points(rows, keeps):
    scores, right, among = (np.array(column) for column in zip(*rows, strict=True))
    scores, bounds = scores / 10, np.linspace(0, 1, 6)
    precision, recall = precision_recall_curve(scores, right, bounds, keeps, among)
    for bound, p, r in zip(bounds, precision, recall, strict=True):
        keep = np.array(
            [a and (s < bound if keeps == "below" else s > bound) for s, a in zip(scores, among, strict=True)]
        )
        assert np.array_equal([p, r], precision_recall(keep, right), equal_nan=True)
    steps = np.diff(recall) * (1 if keeps == "below" else -1)
    assert (np.isnan(steps) | (steps >= 0)).all()


def test_a_score_that_is_not_known_is_never_kept():
    both = np.array([True, True])
    precision, recall = precision_recall_curve(np.array([0.5, np.nan]), both, np.array([0.0]), "above")
    assert precision.tolist() == [1.0] and recall.tolist() == [0.5]


def test_a_share_of_nothing_is_not_known():
    assert share(np.array([True, False])) == 0.5
    assert np.isnan(share(np.zeros(0, bool))) and np.isnan(share(np.array([1.0, np.nan])))

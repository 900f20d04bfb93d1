"""The study's tables and strips are the statistics of its results."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dbb.metrics import by_name
from dbb.report import effect
from dbb.report.style import BASE_COLOUR, METHOD_COLOUR
from dbb.statistics import interval, result_rows

GROUPS = ("a on x", "a on y", "b on x")
TITLES = {"erm": "ERM", "method": "the method", "size-10": "ten", "size-40": "forty", "never": "never run"}


def worst(arm: str, seed: int) -> float:
    return {"erm": 0.6, "method": 0.8 + 0.01 * seed, "size-10": 0.7, "size-40": 0.75}[arm] + 0.02 * seed


@pytest.fixture
def results() -> pd.DataFrame:
    """Three seeds of four arms; seed 3 lacks the largest inversion set. Three groups, of which one has no image."""
    parts = []
    for seed in (1, 2, 3):
        for arm in ("erm", "method", "size-10", "size-40")[: 4 if seed < 3 else 3]:
            metrics = {
                "group_accuracy": (1.0, worst(arm, seed), None),
                "worst_group": worst(arm, seed),
                "average": 0.9,
                "weighted_average": None,
                "full_weighted_average": None,
            }
            parts.append(result_rows("b", arm, seed, "test", by_name(metrics, GROUPS)))
            pictures = {"generated/a": 10, "generated/b": 20, "kept/a": 9, "kept/b": 15, "right": 0.9}
            parts.append(result_rows("b", arm, seed, "train", {} if arm == "erm" else pictures))
    return pd.concat(parts, ignore_index=True)


def test_titles_are_of_what_was_run(results):
    assert effect.titles_of(results, TITLES, "method", "never", "erm") == {"method": "the method", "erm": "ERM"}


def test_the_effect_is_told_with_intervals_and_paired(results):
    table = effect.effect_table(results, {"erm": "ERM", "method": "the method"}, "erm")
    assert table.columns.tolist() == [
        "seeds",
        "worst group",
        "average",
        "weighted average",
        effect.TEST_ERROR,
        "worst group less ERM's",
    ]
    low, high = stats.t.interval(0.95, 2, 64.0, stats.sem([62, 64, 66]))
    assert table.loc["ERM"].tolist() == [3, f"64.0 [{low:.1f}, {high:.1f}]", "90.0 [90.0, 90.0]", "–", "–", "–"]
    low, high = stats.t.interval(0.95, 2, 22.0, stats.sem([21, 22, 23]))
    assert table.loc["the method", "worst group less ERM's"] == f"22.0 [{low:.1f}, {high:.1f}]"


def test_the_test_split_s_own_error_is_that_of_its_smallest_group(results):
    sizes = result_rows("b", "erm", 1, "test", {"group_images/a on x": 400, "group_images/b": 50, "group_images/c": 0})
    found = effect.split_error(pd.concat([results, sizes]), "erm")
    theirs = stats.binomtest(32, 50).proportion_ci(0.95, "wilson")  # ERM: 64 % in the mean
    assert (found.low, found.high) == pytest.approx((100 * theirs.low, 100 * theirs.high))
    assert effect.split_error(results, "erm").ends == "–"


def test_rows_looked_at_together_need_a_stricter_level():
    parts = [
        result_rows("b", arm, seed, "test", {"worst_group": share})
        for arm, shares in {
            "one": (0.8, 0.81, 0.83, 0.8),
            "other": (0.79, 0.78, 0.81, 0.791),
            "far": (0.1, 0.1, 0.1, 0.1),
        }.items()
        for seed, share in enumerate(shares)
    ]
    table = effect.differences_table(pd.concat(parts), "one", {"other": "other", "far": "far"})
    assert table.loc["other", ["without 0", "without 0, all 2 at once"]].tolist() == ["yes", "no"]
    assert table.loc["far", ["without 0", "without 0, all 2 at once"]].tolist() == ["yes", "yes"]


def test_differences_say_on_how_many_seeds_and_whether_they_could_be_nothing(results):
    table = effect.differences_table(results, "method", {"erm": "ERM", "size-40": "forty", "method": "itself"})
    assert table.loc["ERM", ["seeds", "without 0"]].tolist() == [3, "yes"]
    assert table.loc["forty"].tolist() == [2, str(interval([6.0, 7.0])), "yes", "no"]
    assert table.loc["itself"].tolist() == [3, "0.0 [0.0, 0.0]", "no", "no"]


def test_groups_have_their_means_and_those_without_images_no_column(results):
    table = effect.group_table(results, {"erm": "ERM", "size-40": "forty"}, GROUPS)
    assert table.columns.tolist() == ["seeds", "a on x", "a on y"]
    assert table.loc["ERM"].tolist() == pytest.approx([3, 100.0, 64.0])
    assert table.loc["forty"].tolist() == pytest.approx([2, 100.0, 78.0])


def test_table_5_takes_the_seeds_that_ran_all_sizes(results):
    titles = effect.size_titles({40: "size-40", 10: "size-10", 30: "method"})
    assert list(titles) == ["size-10", "method", "size-40"] and titles["method"] == "inversion set of 30"
    table = effect.size_table(results, titles)
    assert table["size"].tolist() == list(titles.values()) and set(table["seeds"]) == {2}
    assert set(table["generated"]) == {30} and set(table["pruned"]) == {6}
    assert table["right before pruning (%)"].tolist() == ["90.0 [90.0, 90.0]"] * 3
    assert table["worst group (%)"].iloc[0] == str(interval([72.0, 74.0]))
    assert effect.size_table(results[results["arm"] != "size-10"], titles).empty


def test_inversion_is_told_by_its_change_on_unseen_images():
    rows = pd.DataFrame(
        {
            "class": ["a", "b", "c"] * 2,
            "unseen_before": [1.0, 2.0, 4.0] * 2,
            "unseen_after": [0.9, 2.0, 4.0, 0.7, 2.2, 4.0],
        }
    )
    table = effect.inversion_table(rows)
    assert table.index.tolist() == ["a", "b", "c"] and table["seeds"].tolist() == [2, 2, 2]
    assert table["after"].tolist() == pytest.approx([0.8, 2.1, 4.0])
    assert table["change (%)"].tolist() == [str(interval([-10.0, -30.0])), str(interval([0.0, 10.0])), "0.0 [0.0, 0.0]"]


def test_strips_show_every_seed_mean_and_interval(results):
    titles = {"erm": "ERM", "method": "the method", "size-40": "long " * 30}
    figure = effect.arms_figure(results, titles, "erm", "method")
    [axes] = figure.axes
    dots = [collection.get_offsets()[:, 0].tolist() for collection in axes.collections]
    assert [sorted(row) for row in dots] == [
        pytest.approx([62, 64, 66]),
        pytest.approx([83, 86, 89]),
        pytest.approx([77, 79]),
    ]
    bars = {tuple(np.round(line.get_xdata(), 6)) for line in axes.lines if len(line.get_xdata()) == 2}
    found = interval([83.0, 86.0, 89.0])
    assert tuple(np.round((found.low, found.high), 6)) in bars
    assert [text.get_text() for text in axes.texts] == ["64.0", "86.0", "78.0"]
    assert [line.get_color() for line in axes.lines[:2]] == [BASE_COLOUR, METHOD_COLOUR]
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels[:2] == ["ERM", "the method"] and labels[2].replace("\n", " ").endswith("(2 seeds)")


def test_an_arm_of_one_seed_has_a_mean_and_no_interval(results):
    figure = effect.arms_figure(results[results["seed"] == 1], {"erm": "ERM", "method": "the method"}, "erm", "method")
    assert [text.get_text() for text in figure.axes[0].texts] == ["62.0", "83.0"]
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_groups_are_compared_with_the_reference_seed_by_seed(results):
    table = effect.group_differences_table(results, {"erm": "ERM", "method": "the method"}, "erm", GROUPS)
    assert table.index.tolist() == ["the method"] and table.columns.tolist() == ["seeds", "a on x", "a on y"]
    assert table.loc["the method"].tolist() == [3, "0.0 [0.0, 0.0]", str(interval([21.0, 22.0, 23.0]))]


def test_two_arms_are_compared_on_the_seeds_that_ran_both(results):
    table = effect.pairs_table(results, [("size-40", "size-10"), ("method", "method"), ("method", "never")], TITLES)
    assert table.iloc[0].tolist() == ["forty", "ten", 2, str(interval([5.0, 5.0])), "yes"]
    assert table.iloc[1, -2:].tolist() == ["0.0 [0.0, 0.0]", "no"] and len(table) == 2


def test_a_difference_is_told_with_its_side_and_its_doubt(results):
    told = {
        pair: effect.describe_difference(results, *pair, TITLES)
        for pair in (("method", "erm"), ("erm", "method"), ("method", "method"))
    }
    up, down = interval([21.0, 22.0, 23.0]), interval([-21.0, -22.0, -23.0])
    assert told["method", "erm"] == f"The worst group of “the method” less that of “ERM”: **+22.0 points**, {up.ends}."
    assert f"less that of “the method”: **-22.0 points**, {down.ends}." in told["erm", "method"]
    assert told["method", "method"].endswith("[0.0, 0.0], which 3 seeds cannot tell from nothing.")
    one = effect.describe_difference(results[results["seed"] == 1], "method", "erm", TITLES)
    assert one.endswith("**+21.0 points** in the one seed that ran both.")

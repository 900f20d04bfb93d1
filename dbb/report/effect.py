"""Chapters 09, 10 and 12: the arms of a study over its seeds, in tables and as strips with intervals.

An arm is a way to train, by its name in a table of results; ``titles``, arm -> title, says which are shown, in which
order, and what they are called. Accuracies are written in %, differences in percentage points.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dbb.metrics import FULL, GROUP_ACCURACY, GROUP_IMAGES, MEASURES
from dbb.report.style import BASE_COLOUR, INK, METHOD_COLOUR, WIDTH, Figure, fold
from dbb.statistics import LEVEL, PERCENT, Interval, complete, interval, paired, percent, seeds_of, values, wilson

TEST_ERROR = "worst group, test split's error"


def titles_of(results: pd.DataFrame, titles: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return arm -> title for those of ``names`` that were run."""
    return {name: titles[name] for name in names if (results["arm"] == name).any()}


# ------------------------------------------------------------------------------------------------ tables


def effect_table(results: pd.DataFrame, titles: Mapping[str, str], reference: str) -> pd.DataFrame:
    """Return a row per arm: worst group and averages as "mean [low, high]" over the seeds, "–" where one does not
    exist; about how well the test split tells the worst group (`split_error`); and the worst group's paired
    difference with the arm ``reference`` ("–" for itself).
    """
    rows = {}
    for arm, title in titles.items():
        measures = {name: str(percent(results, arm, measure)) for measure, name in MEASURES.items()}
        difference = "–" if arm == reference else str(paired(results, arm, reference))
        rows[title] = {
            "seeds": len(seeds_of(results, arm)),
            **measures,
            TEST_ERROR: split_error(results, arm).ends,
            f"worst group less {titles[reference]}'s": difference,
        }
    table = pd.DataFrame(rows).T
    return table.drop(columns=[MEASURES[FULL]]) if (table[MEASURES[FULL]] == "–").all() else table


def split_error(results: pd.DataFrame, arm: str) -> Interval:
    """Return Wilson's interval about an arm's mean worst group, in %: where the accuracy of its classifiers on all
    images of the kind lies, as far as a test split of this size can tell. It is approximate: it takes the size of the
    smallest group, since the worst one need not be the same in every seed, and a mean over classifiers for one.
    All seeds are measured on the same images, so no number of seeds narrows it.
    """
    shares = values(results, arm, "worst_group")
    sizes = results[results["measure"].str.startswith(GROUP_IMAGES) & (results["split"] == "test")]["value"]
    if shares.empty or sizes.empty:
        return Interval(np.nan, np.nan, np.nan)
    return wilson(shares.mean(), sizes[sizes > 0].min(), scale=100)


def differences_table(results: pd.DataFrame, one: str, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return a row per arm: how far the worst group of ``one`` stands above it, paired by seed; whether the interval
    leaves out 0; and whether it does so at the level that n rows looked at together need (Bonferroni's, 1 - 0.05 / n).
    """
    rows = {}
    together = f"without 0, all {len(titles)} at once"
    for arm, title in titles.items():
        difference = paired(results, one, arm)
        strict = paired(results, one, arm, level=1 - (1 - LEVEL) / len(titles))
        rows[title] = {
            "seeds": len(seeds_of(results, one, arm)),
            "points above": str(difference),
            "without 0": _yes(difference),
            together: _yes(strict),
        }
    return pd.DataFrame(rows).T


def _yes(difference: Interval) -> str:
    return "yes" if difference.excludes_zero else "no"


def group_table(results: pd.DataFrame, titles: Mapping[str, str], group_names: Sequence[str]) -> pd.DataFrame:
    """Return a row per arm: the number of seeds, and the mean accuracy of every group; groups without images are left
    out.
    """
    rows = {}
    for arm, title in titles.items():
        means = {name: values(results, arm, GROUP_ACCURACY + name, scale=100).mean() for name in group_names}
        rows[title] = {"seeds": len(seeds_of(results, arm)), **means}
    return pd.DataFrame(rows).T.dropna(axis="columns", how="all")


def group_differences_table(
    results: pd.DataFrame, titles: Mapping[str, str], reference: str, group_names: Sequence[str]
) -> pd.DataFrame:
    """Return a row per arm but ``reference``: how far every group's accuracy stands above that of the reference, as
    "mean [low, high]" in points, paired by seed; groups without images are left out.
    """
    present = [name for name in group_names if len(values(results, reference, GROUP_ACCURACY + name))]
    rows = {
        title: {
            "seeds": len(seeds_of(results, arm, reference)),
            **{name: str(paired(results, arm, reference, GROUP_ACCURACY + name)) for name in present},
        }
        for arm, title in titles.items()
        if arm != reference
    }
    return pd.DataFrame(rows).T


def pairs_table(results: pd.DataFrame, pairs: Sequence[tuple[str, str]], titles: Mapping[str, str]) -> pd.DataFrame:
    """Return a row per pair of arms that were both run: how far the worst group of the first stands above that of the
    second, paired by seed, and whether the interval leaves out 0.
    """
    rows = []
    for one, other in pairs:
        if seeds := seeds_of(results, one, other):
            difference = paired(results, one, other)
            rows.append(
                {
                    "worst group of": titles[one],
                    "less that of": titles[other],
                    "seeds": len(seeds),
                    "points": str(difference),
                    "without 0": _yes(difference),
                }
            )
    return pd.DataFrame(rows)


def describe_difference(results: pd.DataFrame, one: str, other: str, titles: Mapping[str, str]) -> str:
    """Return a sentence, in Markdown, on how far the worst group of ``one`` stands above or below that of ``other``,
    paired by seed, with its interval; and whether that could be nothing.
    """
    difference, n = paired(results, one, other), len(seeds_of(results, one, other))
    told = f"The worst group of “{titles[one]}” less that of “{titles[other]}”: **{difference.mean:+.1f} points**"
    if n == 1:
        return f"{told} in the one seed that ran both."
    unsure = "" if difference.excludes_zero else f", which {n} seeds cannot tell from nothing"
    return f"{told}, {difference.ends}{unsure}."


def size_titles(arms: Mapping[int, str]) -> dict[str, str]:
    """Return arm -> title of Table 5's rows, smallest set first.

    Args:
        arms: images in the inversion set -> arm.
    """
    return {arm: f"inversion set of {n}" for n, arm in sorted(arms.items())}


def size_table(results: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return Table 5: per arm, over the seeds that ran all of them, the pictures made and pruned (means per seed), the
    share of them right, and the worst group. Without such a seed it is empty.
    """
    results, rows = complete(results, titles), []
    for arm, title in titles.items() if len(results) else ():
        made, kept = (pictures(results, arm, what).mean() for what in ("generated", "kept"))
        rows.append(
            {
                "size": title,
                "seeds": len(seeds_of(results, arm)),
                "generated": round(made),
                "pruned": round(made - kept),
                "right before pruning (%)": str(percent(results, arm, "right", "train")),
                "worst group (%)": str(percent(results, arm, "worst_group")),
            }
        )
    return pd.DataFrame(rows)


def pictures(results: pd.DataFrame, arm: str, what: str) -> pd.Series:
    """Return how many pictures of all classes an arm had, by seed.

    Args:
        what: "generated" or "kept".
    """
    rows = results[(results["arm"] == arm) & results["measure"].str.startswith(f"{what}/")]
    return rows.groupby("seed")["value"].sum()


def inversion_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per class, the mean loss on unseen images before and after inversion, and its change in %.

    Args:
        rows: of inversion.csv, columns class, unseen_before, unseen_after, a row per seed.
    """
    table = {}
    for name, part in rows.groupby("class", sort=False):
        change = interval(100 * (part["unseen_after"] / part["unseen_before"] - 1))
        table[name] = {
            "seeds": len(part),
            "before": part["unseen_before"].mean(),
            "after": part["unseen_after"].mean(),
            "change (%)": str(change),
        }
    return pd.DataFrame.from_dict(table, orient="index")


# ------------------------------------------------------------------------------------------------ figure


def arms_figure(
    results: pd.DataFrame, titles: Mapping[str, str], reference: str, method: str, measure: str = "worst_group"
) -> Figure:
    """Return a row per arm: every seed a dot, the mean a diamond and a number, and its 95 % interval.

    The means of the arms ``reference`` and ``method`` are drawn as lines through all rows.
    """
    import seaborn as sns

    seeds = {arm: len(seeds_of(results, arm)) for arm in titles}
    few = {arm: f" ({n} seed{'s' * (n != 1)})" if n < max(seeds.values()) else "" for arm, n in seeds.items()}
    colours = {arm: {reference: BASE_COLOUR, method: METHOD_COLOUR}.get(arm, INK) for arm in titles}
    dots = pd.DataFrame(
        [(arm, value) for arm in titles for value in values(results, arm, measure, scale=100)], columns=["arm", "value"]
    )
    figure = Figure((WIDTH, 0.8 + 0.34 * len(titles)))
    axes = figure.subplots()
    for arm, colour in ((reference, BASE_COLOUR), (method, METHOD_COLOUR)):
        mean = values(results, arm, measure, scale=100).mean()
        axes.axvline(mean, color=colour, linestyle="--", linewidth=1, zorder=1)
    shown = {
        "x": "value",
        "y": "arm",
        "order": list(titles),
        "hue": "arm",
        "hue_order": list(titles),
        "palette": colours,
        "legend": False,
        "ax": axes,
    }
    sns.stripplot(dots, **shown, jitter=False, size=4, alpha=0.55)
    for drawn in axes.collections:
        drawn.set_offsets(np.asarray(drawn.get_offsets()) - (0, 0.24))  # above the interval, which would hide them
    sns.pointplot(dots, **shown, errorbar=ends, linestyle="none", marker="D", markersize=4, err_kws={"linewidth": 2})
    for place, arm in enumerate(titles):
        mean = interval(dots.loc[dots["arm"] == arm, "value"]).mean
        axes.annotate(
            f"{mean:.1f}", (1.005, place), xycoords=("axes fraction", "data"), va="center", color=colours[arm]
        )
    axes.set_yticks(range(len(titles)), [fold(title + few[arm], 2.6, lines=2, size=8) for arm, title in titles.items()])
    axes.set(xlabel=f"{MEASURES.get(measure, measure)} accuracy on test (%)", xlim=(None, 100.5), ylabel="")
    axes.grid(False, axis="y")
    figure.tight_layout()
    return figure


def ends(shown: pd.Series) -> tuple[float, float]:
    """Return the ends of the 95 % interval of ``shown``, as seaborn asks for them."""
    found = interval(shown, PERCENT)
    return found.low, found.high

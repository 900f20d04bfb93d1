"""Chapters 09, 10 and 12: the arms of a study over its seeds, in tables and as strips with intervals.

An arm is a way to train, by its name in a table of results; ``titles``, arm -> title, says which are shown, in which
order, and what they are called. Accuracies are written in %, differences in percentage points.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from dbb.metrics import GROUP_ACCURACY, MEASURES
from dbb.report.style import BASE_COLOUR, INK, METHOD_COLOUR, WIDTH, Figure, fold
from dbb.statistics import complete, interval, paired, seeds_of, values


def titles_of(results: pd.DataFrame, titles: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return arm -> title for those of ``names`` that were run."""
    return {name: titles[name] for name in names if (results["arm"] == name).any()}


# ------------------------------------------------------------------------------------------------ tables


def effect_table(results: pd.DataFrame, titles: Mapping[str, str], reference: str) -> pd.DataFrame:
    """Return a row per arm: worst group and both averages as "mean [low, high]", "–" where one does not exist, and the
    worst group's paired difference with the arm ``reference`` ("–" for itself).
    """
    rows = {}
    for arm, title in titles.items():
        measures = {name: str(interval(values(results, arm, measure, scale=100))) for measure, name in MEASURES.items()}
        difference = "–" if arm == reference else str(paired(results, arm, reference, scale=100))
        rows[title] = {"seeds": len(seeds_of(results, arm)), **measures,
                       f"worst group less {titles[reference]}'s": difference}
    return pd.DataFrame(rows).T


def differences_table(results: pd.DataFrame, one: str, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return a row per arm: how far the worst group of ``one`` stands above it, paired by seed, and whether the
    interval leaves out 0.
    """
    rows = {}
    for arm, title in titles.items():
        difference = paired(results, one, arm, scale=100)
        rows[title] = {"seeds": len(seeds_of(results, one, arm)), "points above": str(difference),
                       "without 0": "yes" if difference.excludes_zero else "no"}
    return pd.DataFrame(rows).T


def group_table(results: pd.DataFrame, titles: Mapping[str, str], group_names: Sequence[str]) -> pd.DataFrame:
    """Return a row per arm: the number of seeds, and the mean accuracy of every group; groups without images are left
    out.
    """
    rows = {}
    for arm, title in titles.items():
        means = {name: values(results, arm, GROUP_ACCURACY + name, scale=100).mean() for name in group_names}
        rows[title] = {"seeds": len(seeds_of(results, arm)), **means}
    return pd.DataFrame(rows).T.dropna(axis="columns", how="all")


def size_titles(arms: Mapping[int, str]) -> dict[str, str]:
    """Return arm -> title of Table 5's rows, smallest set first. arms: images in the inversion set -> arm."""
    return {arm: f"inversion set of {n}" for n, arm in sorted(arms.items())}


def size_table(results: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return Table 5: per arm, over the seeds that ran all of them, the pictures made and pruned (means per seed), the
    share of them right, and the worst group. Without such a seed it is empty.
    """
    results, rows = complete(results, titles), []
    for arm, title in titles.items() if len(results) else ():
        made, kept = (pictures(results, arm, what).mean() for what in ("generated", "kept"))
        rows.append({"size": title, "seeds": len(seeds_of(results, arm)), "generated": round(made),
                     "pruned": round(made - kept),
                     "right before pruning (%)": str(interval(values(results, arm, "right", "train", scale=100))),
                     "worst group (%)": str(interval(values(results, arm, "worst_group", scale=100)))})
    return pd.DataFrame(rows)


def pictures(results: pd.DataFrame, arm: str, what: str) -> pd.Series:
    """Return how many pictures of all classes an arm had, by seed. what: "generated" or "kept"."""
    rows = results[(results["arm"] == arm) & results["measure"].str.startswith(f"{what}/")]
    return rows.groupby("seed")["value"].sum()


def inversion_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per class, the mean loss on unseen images before and after inversion, and its change in %.

    rows: of inversion.csv, columns class, unseen_before, unseen_after, a row per seed.
    """
    table = {}
    for name, part in rows.groupby("class", sort=False):
        change = interval(100 * (part["unseen_after"] / part["unseen_before"] - 1))
        table[name] = {"seeds": len(part), "before": part["unseen_before"].mean(), "after": part["unseen_after"].mean(),
                       "change (%)": str(change)}
    return pd.DataFrame.from_dict(table, orient="index")


# ------------------------------------------------------------------------------------------------ figure


def arms_figure(results: pd.DataFrame, titles: Mapping[str, str], reference: str, method: str,
                measure: str = "worst_group") -> Figure:
    """Return a row per arm: every seed a dot, the mean a diamond and a number, and its 95 % interval.

    The means of the arms ``reference`` and ``method`` are drawn as lines through all rows.
    """
    import seaborn as sns

    seeds = {arm: len(seeds_of(results, arm)) for arm in titles}
    few = {arm: f" ({n} seed{'s' * (n != 1)})" if n < max(seeds.values()) else "" for arm, n in seeds.items()}
    colours = {arm: {reference: BASE_COLOUR, method: METHOD_COLOUR}.get(arm, INK) for arm in titles}
    dots = pd.DataFrame([(arm, value) for arm in titles for value in values(results, arm, measure, scale=100)],
                        columns=["arm", "value"])
    figure = Figure((WIDTH, 0.8 + 0.34 * len(titles)))
    axes = figure.subplots()
    for arm, colour in ((reference, BASE_COLOUR), (method, METHOD_COLOUR)):
        mean = values(results, arm, measure, scale=100).mean()
        axes.axvline(mean, color=colour, linestyle="--", linewidth=1, zorder=1)
    shown = {"x": "value", "y": "arm", "order": list(titles), "hue": "arm", "hue_order": list(titles),
             "palette": colours, "legend": False, "ax": axes}
    sns.stripplot(dots, **shown, jitter=False, size=4, alpha=0.55)
    for drawn in axes.collections:
        drawn.set_offsets(drawn.get_offsets() - (0, 0.24))  # above the interval, which would hide them
    sns.pointplot(dots, **shown, errorbar=ends, linestyle="none", marker="D", markersize=4, err_kws={"linewidth": 2})
    for place, arm in enumerate(titles):
        mean = interval(dots.loc[dots["arm"] == arm, "value"]).mean
        axes.annotate(f"{mean:.1f}", (1.005, place), xycoords=("axes fraction", "data"), va="center",
                      color=colours[arm])
    axes.set_yticks(range(len(titles)), [fold(title + few[arm], 2.6, lines=2, size=8) for arm, title in titles.items()])
    axes.set(xlabel=f"{MEASURES.get(measure, measure)} accuracy on test (%)", xlim=(None, 100.5), ylabel="")
    axes.grid(False, axis="y")
    figure.tight_layout()
    return figure


def ends(shown: pd.Series) -> tuple[float, float]:
    """Return the ends of the 95 % interval of ``shown``, as seaborn asks for them."""
    found = interval(shown)
    return found.low, found.high

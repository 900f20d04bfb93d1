"""Means over seeds, their 95 % intervals, and paired differences: Student's t on one value per seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from dbb.study.arms import METHOD, SET_SIZES, TITLES

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval; low and high are NaN for a single value."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = f" [{self.low:.1f}, {self.high:.1f}]" if np.isfinite(self.low) else ""
        return f"{self.mean:.1f}{spread}"

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of 0."""
        return bool(self.low > 0 or self.high < 0)


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of ``values``, one per seed, with its 95 % t-interval."""
    values = np.asarray(values, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)


def per_seed(arms: pd.DataFrame, arm: str, measure: str) -> pd.Series:
    """Return the ``measure`` of an arm in %, by seed."""
    return 100 * arms.loc[arms["arm"] == arm].set_index("seed")[measure].sort_index()


def paired(arms: pd.DataFrame, one: str, other: str, measure: str = "worst_group") -> Interval:
    """Return the difference ``one`` - ``other`` in percentage points, over the seeds that both ran."""
    difference = (per_seed(arms, one, measure) - per_seed(arms, other, measure)).dropna()
    return interval(difference.to_numpy())


def titles_of(arms: pd.DataFrame, *names: str) -> dict[str, str]:
    """Return arm -> title for those of ``names`` that were run."""
    return {name: TITLES[name] for name in names if (arms["arm"] == name).any()}


def effect_table(arms: pd.DataFrame, titles: dict[str, str], reference: str) -> pd.DataFrame:
    """Return a row per arm of ``titles`` (arm -> title): worst group and both averages as "mean [low, high]" in %, and
    the worst group's paired difference with the arm ``reference``, in points ("–" for itself).
    """
    rows = {}
    for arm, title in titles.items():
        measures = {name.replace("_", " "): str(interval(per_seed(arms, arm, name).to_numpy()))
                    for name in ("worst_group", "average", "weighted_average")}
        difference = "–" if arm == reference else str(paired(arms, arm, reference))
        rows[title] = {"seeds": int((arms["arm"] == arm).sum()), **measures,
                       f"worst group less {titles[reference]}'s": difference}
    return pd.DataFrame(rows).T


def differences_table(arms: pd.DataFrame, one: str, titles: dict[str, str]) -> pd.DataFrame:
    """Return a row per arm of ``titles``: how many points the worst group of ``one`` stands above it, paired by seed,
    and whether the interval leaves out 0.
    """
    rows = {}
    for arm, title in titles.items():
        difference = paired(arms, one, arm)
        both = set(arms.loc[arms["arm"] == one, "seed"]) & set(arms.loc[arms["arm"] == arm, "seed"])
        rows[title] = {"seeds": len(both), "points above": str(difference),
                       "without 0": "yes" if difference.excludes_zero else "no"}
    return pd.DataFrame(rows).T


def group_table(arms: pd.DataFrame, titles: dict[str, str], group_names: Sequence[str]) -> pd.DataFrame:
    """Return a row per arm of ``titles``: the number of seeds, and the mean accuracy of every group, in %."""
    return pd.DataFrame({title: {"seeds": (arms["arm"] == arm).sum()} |
                         {name: per_seed(arms, arm, f"group_{g}").mean() for g, name in enumerate(group_names)}
                         for arm, title in titles.items()}).T


def size_titles(own: int) -> dict[str, str]:
    """Return arm -> title of Table 5's rows by size of the inversion set; ``own``: the size that the method uses."""
    sizes = {0: "no-inversion", own: METHOD, **{n: f"size-{n}" for n in SET_SIZES}}
    return {arm: f"inversion set of {n}" for n, arm in sorted(sizes.items())}


def size_table(arms: pd.DataFrame, own: int) -> pd.DataFrame:
    """Return Table 5: per size, over the seeds that ran all sizes, the pictures made and pruned (means per seed), the
    share of them right, and the worst group.
    """
    titles, rows = size_titles(own), []
    complete = arms[arms["arm"].isin(titles)].groupby("seed")["arm"].nunique()
    arms = arms[arms["seed"].isin(complete.index[complete == len(titles)])]
    for arm, title in titles.items() if len(arms) else ():
        part = arms[arms["arm"] == arm]
        made, kept = (part.filter(regex=f"^{what}_into").sum(axis=1).mean() for what in ("generated", "kept"))
        rows.append({"size": title, "seeds": len(part), "generated": round(made), "pruned": round(made - kept),
                     "right before pruning (%)": str(interval(100 * part["right"])),
                     "worst group (%)": str(interval(per_seed(arms, arm, "worst_group")))})
    return pd.DataFrame(rows)


def inversion_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, per class, the mean loss on unseen images before and after inversion, and its change in %.

    rows: of inversion.csv.
    """
    table = {}
    for name, part in rows.groupby("class", sort=False):
        change = interval(100 * (part["unseen_after"] / part["unseen_before"] - 1))
        table[name] = {"seeds": len(part), "before": part["unseen_before"].mean(), "after": part["unseen_after"].mean(),
                       "change (%)": str(change)}
    return pd.DataFrame.from_dict(table, orient="index")

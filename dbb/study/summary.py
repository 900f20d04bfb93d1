"""Means over seeds, their 95 % intervals, and paired differences: Student's t on one value per seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

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

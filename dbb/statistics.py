"""Means over seeds with their intervals, paired differences, and precision and recall; on arrays, or on the long table
that every result of this project is in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64
from scipy.special import ndtri, stdtrit

from dbb.errors import InputError

LEVEL = 0.95
PERCENT, POINTS = (0.0, 100.0), (-100.0, 100.0)
"""What shares in %, and their differences, lie within."""

KEYS = ["benchmark", "arm", "seed", "split", "measure"]
COLUMNS = [*KEYS, "value"]
"""A table of results, a row per number. arm: a way to train: the base model, a compared method, an ablation, a control.
split: "train", "val" or "test"; what describes the training itself (seconds, pictures made) stands at "train".
measure: the fields of `dbb.metrics.by_name`, or another name. value: a share of 1, a count, or seconds.
"""


# ------------------------------------------------------------------------------------------------ intervals


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, in the unit of the values; low and high are NaN for a single value, and
    all three of none.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.mean):
            return "–"
        return f"{self.mean:.1f} {self.ends}" if np.isfinite(self.low) else f"{self.mean:.1f}"

    @property
    def ends(self) -> str:
        """The interval alone, as text; "–" where there is none."""
        return f"[{self.low:.1f}, {self.high:.1f}]" if np.isfinite(self.low) else "–"

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of 0."""
        return bool(self.low > 0 or self.high < 0)


def interval(
    values: Sequence[float] | pd.Series, within: tuple[float, float] = (-np.inf, np.inf), level: float = LEVEL
) -> Interval:
    """Return the mean of ``values``, one per seed, with its interval by Student's t.

    It covers the mean over all seeds, on the same splits, with probability ``level`` where values are normal. A mean
    of shares cannot leave 0..1: of the interval the part ``within`` the range is given, which covers it as often.
    """
    found = np.asarray(values, dtype=np.float64)
    nothing = float("nan")
    if len(found) == 0:
        return Interval(nothing, nothing, nothing)
    mean = float(found.mean())
    if len(found) == 1:
        return Interval(mean, nothing, nothing)
    half = float(stdtrit(len(found) - 1, (1 + level) / 2) * found.std(ddof=1) / np.sqrt(len(found)))
    return Interval(mean, max(mean - half, within[0]), min(mean + half, within[1]))


def wilson(share: float, n: float, scale: float = 1.0) -> Interval:
    """Return Wilson's 95 % interval (1927) of a share that was measured on ``n`` images, for the share of all images of
    the kind. It lies within 0..1; a ``scale`` of 100 gives %.
    """
    z = ndtri((1 + LEVEL) / 2)
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Interval(scale * share, scale * float(middle - half), scale * float(middle + half))


# ------------------------------------------------------------------------------------------------ tables of results


def result_rows(benchmark: str, arm: str, seed: int, split: str, measures: Mapping[str, float | None]) -> pd.DataFrame:
    """Return the rows of a table of results, `COLUMNS`, for ``measures``, name -> value; None and NaN, which stand for
    what was not measured or does not exist, get no row.
    """
    known = {name: float(value) for name, value in measures.items() if value is not None and not np.isnan(value)}
    rows = [(benchmark, arm, seed, split, name, value) for name, value in known.items()]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"seed": "int64", "value": "float64"})


def read_results(path: str | Path) -> pd.DataFrame:
    """Return a table of results from a CSV file: `COLUMNS`, text but for seed, int64, and value, float64.

    Raises:
        InputError: when the file is missing, lacks a column, has a seed or a value that is no number, or says one thing
            twice; with its line, for the last two.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing: `make results` makes it")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{path} is no table of results: it lacks {', '.join(missing)}, of {', '.join(COLUMNS)}")
    written = table[COLUMNS]
    table = written.assign(**{name: pd.to_numeric(written[name], errors="coerce") for name in ("seed", "value")})
    for wrong, what in (
        (table.isna().any(axis=1), "has a seed or a value that is no number"),
        (table.duplicated(KEYS), "says again what an earlier row says"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(f"{path}, line {row + 2}: {', '.join(written.iloc[row].astype(str))!r} {what}")
    return table.astype({"seed": "int64", "value": "float64"})


def values(results: pd.DataFrame, arm: str, measure: str, split: str = "test", scale: float = 1.0) -> pd.Series:
    """Return a measure of an arm, float64, by seed in ascending order; empty where it was not measured.

    Args:
        scale: factor on every value; 100 gives shares in %.

    Raises:
        InputError: when a seed has two values: the table then holds several benchmarks.
    """
    rows = results[(results["arm"] == arm) & (results["measure"] == measure) & (results["split"] == split)]
    if rows["seed"].duplicated().any():
        raise InputError(
            f"{measure} of {arm!r} on {split} has several values for one seed: give the results of one "
            f"benchmark of {', '.join(rows['benchmark'].unique())}"
        )
    return scale * rows.set_index("seed")["value"].astype("float64").sort_index()


def percent(results: pd.DataFrame, arm: str, measure: str, split: str = "test") -> Interval:
    """Return the mean of a share over an arm's seeds with its interval, in %."""
    return interval(values(results, arm, measure, split, scale=100), PERCENT)


def paired(
    results: pd.DataFrame, one: str, other: str, measure: str = "worst_group", split: str = "test", level: float = LEVEL
) -> Interval:
    """Return the mean difference ``one`` - ``other`` of a share over the seeds that both ran, in percentage points."""
    first, second = (values(results, arm, measure, split, scale=100) for arm in (one, other))
    return interval((first - second).dropna(), POINTS, level)


def seeds_of(results: pd.DataFrame, *arms: str) -> list[int]:
    """Return the seeds, in ascending order, that ran all of ``arms``."""
    ran = [set(results.loc[results["arm"] == arm, "seed"]) for arm in arms]
    return sorted(set.intersection(*ran)) if ran else []


def complete(results: pd.DataFrame, arms: Iterable[str]) -> pd.DataFrame:
    """Return the rows of those seeds that ran all of ``arms``, which alone compare arms on the same seeds."""
    return results[results["seed"].isin(seeds_of(results, *arms))]


# ------------------------------------------------------------------------------------------------ choices


def precision_recall(keep: Bool[np.ndarray, " N"], right: Bool[np.ndarray, " N"]) -> tuple[float, float]:
    """Return the share of the kept that is right, NaN when none is kept, and the share of the right that is kept, NaN
    when none is right.
    """
    return share(right[keep]), share(keep[right])


def share(chosen: Bool[np.ndarray, " N"] | Float[np.ndarray, " N"]) -> float:
    """Return the share of True; NaN of nothing, and where the array holds a NaN for "not known"."""
    return float(np.mean(chosen)) if len(chosen) else float("nan")


def precision_recall_curve(
    scores: Float[np.ndarray, " N"],
    right: Bool[np.ndarray, " N"],
    bounds: Float[np.ndarray, " T"],
    keeps: Literal["below", "above"],
    among: Bool[np.ndarray, " N"] | None = None,
) -> tuple[Float64[np.ndarray, " T"], Float64[np.ndarray, " T"]]:
    """Return `precision_recall` at each of ``bounds``.

    Args:
        scores: kept where they lie strictly below, or above, the bound; a NaN is kept nowhere.
        among: what another condition keeps, None for all.
    """
    keep = scores < bounds[:, None] if keeps == "below" else scores > bounds[:, None]
    if among is not None:
        keep = keep & among
    pairs = np.array([precision_recall(row, right) for row in keep]).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]

"""Precision and recall of the pruning conditions against the truth, at every threshold."""

import numpy as np
import pandas as pd

from dbb.study.arms import BOTH, PSI, RHO
from dbb.study.scores import kept


def precision_recall(keep: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Return the share of the kept that is right, NaN when none is kept, and the share of the right that is kept.

    keep, right: bool (N,).
    """
    both = np.count_nonzero(keep & right)
    return (both / keep.sum() if keep.any() else float("nan")), (both / right.sum() if right.any() else float("nan"))


def curve(scores: pd.DataFrame, condition: str, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall, float64 (T,) each, of a condition at each of ``bounds``.

    scores: columns psi, Psi, rho, right. condition: "psi", keep psi < bound; "rho", keep rho > bound; "both", keep
    psi < Psi and rho > bound.
    """
    right = scores["right"].to_numpy(bool)
    keep = {"psi": lambda bound: scores["psi"] < bound,
            "rho": lambda bound: scores["rho"] > bound,
            "both": lambda bound: (scores["psi"] < scores["Psi"]) & (scores["rho"] > bound)}[condition]
    values = np.array([precision_recall(keep(bound).to_numpy(bool), right) for bound in bounds])
    return values[:, 0], values[:, 1]


def condition_shares(scores: pd.DataFrame, quantile: float) -> pd.DataFrame:
    """Return, for each way of pruning, what it keeps: shares "kept", "precision" and "recall" over all seeds.

    scores: rows of `dbb.study.scores.scored` with a "seed"; P is chosen in each seed by itself, as the study did.
    """
    right, rows = scores["right"].to_numpy(bool), {}
    for name, conditions in {"no pruning": (), "eq. 3": (PSI,), "eq. 5": (RHO,), "both": BOTH}.items():
        keep = pd.concat([pd.Series(kept(part, conditions, quantile), part.index)
                          for _, part in scores.groupby("seed")]).reindex(scores.index).to_numpy(bool)
        precision, recall = precision_recall(keep, right)
        rows[name] = {"kept": keep.mean(), "precision": precision, "recall": recall}
    return pd.DataFrame(rows).T

"""Which pictures stand for a run in its headline and its flow chart: by rule, from the manifest."""

import numpy as np
import pandas as pd

PAIR = ["source_class", "target_class"]


def from_common_groups(rows: pd.DataFrame, groups: np.ndarray, majority: np.ndarray) -> pd.DataFrame:
    """Return those manifest rows whose original is of its class's largest training group.

    Args:
        groups: int64 (N,), of the training images.
        majority: int64 (C,), as `dbb.metrics.majority_groups` gives it.
    """
    return rows[groups[rows["source_id"]] == majority[rows["source_class"]]]


def most_convincing(common: pd.DataFrame) -> pd.DataFrame:
    """Return the kept rows of a judged manifest, first those whose score of the new class rose most.

    By the change of the score and not by rho, which is that change and the error of an integral.
    """
    return common[common["kept"].fillna(False)].sort_values("change", ascending=False, kind="stable")


def beside(shown: pd.Series, common: pd.DataFrame, right: pd.Series | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what else was kept of the direction of the row ``shown``, the most convincing first, and what was pruned,
    first what looks most like its source class: where the truth is known, pictures that show the new class among the
    kept ones, and ones that do not among the pruned.

    Args:
        right: bool, by the index of ``common``: whether a picture shows its target class; None: not known.
    """
    same = common[(common[PAIR] == shown[PAIR]).all(axis=1)].drop(index=shown.name)
    pruned = same[~same["kept"].fillna(False).astype(bool)]
    kept = most_convincing(same)
    if right is not None:
        kept, pruned = kept[right.loc[kept.index]], pruned[~right.loc[pruned.index]]
    return kept, pruned.sort_values("psi", ascending=False, kind="stable")

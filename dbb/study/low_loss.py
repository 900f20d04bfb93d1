"""Table 4 in miniature: which groups the images of lowest loss belong to, by their own loss and by their batch's."""

import numpy as np
import pandas as pd

from dbb.metrics import group_counts, majority_groups
from dbb.record import Made
from dbb.stages.outputs import Outputs, load_outputs
from dbb.stages.run import Run
from dbb.stages.selection import BATCH_LOSS, OWN_LOSS, RELEASED_BATCH, easiest

SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)  # of a class's training images

SHUFFLES = 200
"""The batches' ranking is a draw: its counts are means over so many."""


RANKINGS = {"own loss, the paper's": OWN_LOSS, f"batches of {RELEASED_BATCH}, the released code's": BATCH_LOSS}
"""What tables call the rankings."""


def low_loss(run: Run) -> Made:
    """Make or load the table, a row per ranking, class and K: label, ranking, k, majority, minority (images of the
    class's largest group in the training split, and of its others, as `minority_taken` counts them).
    """
    bm = run.benchmark

    def table() -> pd.DataFrame:
        train, outputs, rows = run.split("train"), load_outputs(run.folder("erm") / "train.npz"), []
        majority = majority_groups(group_counts(train.groups, len(bm.group_names)), len(bm.classes))
        for label in range(len(bm.classes)):
            for ranking in (OWN_LOSS, BATCH_LOSS):
                minority = minority_taken(outputs, train.groups, label, majority[label], ranking)
                ks = sorted({max(1, round(share * len(minority))) for share in SHARES})
                rows += [
                    {
                        "label": label,
                        "ranking": ranking,
                        "k": k,
                        "majority": k - minority[k - 1],
                        "minority": minority[k - 1],
                    }
                    for k in ks
                ]
        return pd.DataFrame(rows)

    settings = {"groups": len(bm.group_names), "classes": len(bm.classes)}
    return run.measure("low-loss", settings, {"data": ("train",), "erm": ("train.npz",)}, table)


def minority_taken(outputs: Outputs, groups: np.ndarray, label: int, majority: int, ranking: str) -> np.ndarray:
    """Return how many images outside the group ``majority`` are among the first 1, 2, ... of class ``label``, float64
    (images of the class,); by batches the mean over `SHUFFLES`.

    Args:
        groups: int (N,), of the training images.
        ranking: as `dbb.stages.selection.easiest` takes it.
    """
    size, shuffles = int((outputs.labels == label).sum()), SHUFFLES if ranking == BATCH_LOSS else 1
    ranked = np.stack([easiest(outputs, label, size, ranking, RELEASED_BATCH, shuffle) for shuffle in range(shuffles)])
    return (groups[ranked] != majority).cumsum(axis=1).mean(axis=0)

"""Table 4 in miniature: which groups the images of lowest loss belong to, by their own loss and by their batch's."""

import numpy as np
import pandas as pd

from dbb.metrics import group_counts
from dbb.record import Made
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run
from dbb.stages.selection import BATCH_LOSS, OWN_LOSS, easiest

SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)  # of a class's training images


def low_loss(run: Run) -> Made:
    """Make or load the table, a row per ranking, class and K: label, ranking, k, majority, minority (images of the
    class's groups).
    """
    bm = run.benchmark

    def table() -> pd.DataFrame:
        train, outputs, rows = run.split("train"), load_outputs(run.folder("erm") / "train.npz"), []
        for label in range(len(bm.classes)):
            own = group_counts(train.groups[train.labels == label], len(bm.group_names))
            for k in sorted({max(1, round(share * own.sum())) for share in SHARES}):
                for ranking in (OWN_LOSS, BATCH_LOSS):
                    chosen = easiest(outputs, label, k, ranking, bm.erm.batch_size, run.seed)
                    majority = int((train.groups[chosen] == np.argmax(own)).sum())
                    rows.append({"label": label, "ranking": ranking, "k": k, "majority": majority,
                                 "minority": k - majority})
        return pd.DataFrame(rows)

    settings = {"groups": len(bm.group_names), "classes": len(bm.classes), "batch_size": bm.erm.batch_size}
    return run.measure("low-loss", settings, {"data": ("train",), "erm": ("train.npz",)}, table)

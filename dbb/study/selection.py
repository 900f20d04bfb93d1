"""Table 4 in miniature: which groups the images of lowest loss belong to, by their own loss and by their batch's."""

import numpy as np
import pandas as pd

from dbb.erm import easiest
from dbb.metrics import group_counts
from dbb.study.products import Products

SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)  # of a class's training images


def low_loss_groups(products: Products) -> pd.DataFrame:
    """Return a row per ranking, class and K: label, ranking, k, majority, minority (images of the class's groups)."""
    benchmark, outputs, rows = products.benchmark, products.outputs, []
    for label in range(len(benchmark.classes)):
        members = int((products.train.labels == label).sum())
        for k in sorted({max(1, round(share * members)) for share in SHARES}):
            for ranking in ("own loss", "batch loss"):
                chosen = easiest(outputs, label, k, ranking, benchmark.erm.batch_size, products.seed)
                counts = group_counts(products.train.groups[chosen], len(benchmark.group_names))
                counts = counts.reshape(len(benchmark.classes), -1)[label]
                majority = int(np.argmax(products.train_counts.reshape(len(benchmark.classes), -1)[label]))
                rows.append({"label": label, "ranking": ranking, "k": k, "majority": int(counts[majority]),
                             "minority": int(k - counts[majority])})
    return pd.DataFrame(rows)

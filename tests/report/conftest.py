"""Manifests of two and of three classes, after pruning, for the tests of the report."""

import numpy as np
import pandas as pd
import pytest

from dbb.stages.pruning import decide


@pytest.fixture
def two() -> pd.DataFrame:
    """Eight originals of two classes, four of each; the fifth has no mask.

    The seven generated rows: kept, like its source, low attribution, kept | kept, kept, low attribution.
    """
    made = [True] * 4 + [False] + [True] * 3
    return decide(
        pd.DataFrame(
            {
                "source_class": [0] * 4 + [1] * 4,
                "target_class": [1] * 4 + [0] * 4,
                "mask_found": made,
                "status": np.where(made, "generated", "no mask"),
                "psi": [0.1, 0.99, 0.2, 0.3, np.nan, 0.1, 0.2, 0.3],
                "Psi": [0.9] * 4 + [np.nan] + [0.9] * 3,
                "rho": [0.8, np.nan, 0.1, 0.9, np.nan, 0.7, 0.6, 0.05],
                "P": [0.2] * 4 + [np.nan] + [0.2] * 3,
            }
        )
    )


@pytest.fixture
def three() -> pd.DataFrame:
    """Nine originals of three classes, painted into both others, but the third class into the first alone; the second
    has no mask.

    The eight generated rows: 0->1 kept; 0->2 kept, low; 1->0 like its source, kept; 1->2 kept; 2->0 kept, low.
    """
    made = [True, False] + [True] * 7
    return decide(
        pd.DataFrame(
            {
                "source_class": [0, 0, 0, 0, 1, 1, 1, 2, 2],
                "target_class": [1, 1, 2, 2, 0, 0, 2, 0, 0],
                "mask_found": made,
                "status": np.where(made, "generated", "no mask"),
                "psi": [0.1, np.nan, 0.1, 0.2, 0.95, 0.3, 0.4, 0.1, 0.2],
                "Psi": [0.9, np.nan] + [0.9] * 7,
                "rho": [0.8, np.nan, 0.7, 0.1, np.nan, 0.6, 0.5, 0.9, 0.1],
                "P": [0.2, np.nan] + [0.2] * 7,
            }
        )
    )

"""Chapter 05: how many images were made in each direction, how many are right, and what eq. 2 makes of one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dbb.report.directions import TOGETHER, by_source, by_target, with_sum
from dbb.report.pictures import Pictures, image_grid
from dbb.report.style import Figure
from dbb.statistics import share


def generation_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return, per row of `by_source`, how many images were planned, lacked a mask, and were generated."""
    rows = {name: _statuses(manifest.loc[here, "status"]) for name, here in by_source(manifest, classes).items()}
    return with_sum(rows, _statuses(manifest["status"]), "source class")


def _statuses(status: pd.Series) -> dict[str, int]:
    counts = {name: int((status == name).sum()) for name in ("no mask", "generated")}
    return {"planned": len(status), **counts}


def direction_table(manifest: pd.DataFrame, right: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return, per row of `by_target`, how many images were generated and the share that shows the target class.

    Args:
        right: bool (B,), for the generated rows of ``manifest`` in their order.
    """
    truth = np.full(len(manifest), np.nan)
    made = (manifest["status"] == "generated").to_numpy()
    truth[made] = right
    directions = {**by_target(manifest, classes), TOGETHER: np.ones(len(manifest), dtype=bool)}
    rows = {
        name: {"generated": int((here & made).sum()), "right class": share(truth[here & made])}
        for name, here in directions.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"generated": "int64"})


def noising_figure(images: Pictures, timesteps: Sequence[int]) -> Figure:
    """Return what eq. 2 makes of one image: a picture per timestep, uint8 (T, 3, S, S)."""
    return image_grid([list(images)], column_labels=[f"$t$ = {int(t)}" for t in timesteps])

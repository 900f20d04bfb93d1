"""What the study's controls must know of a picture beside its label."""

import numpy as np

from dbb.data.dataset import Drawn, Redrawn
from dbb.errors import InputError
from dbb.stages.run import Run


def known(run: Run, name: str) -> np.ndarray:
    """Return what the training split knows by ``name``, an array of first dimension N (`ImageSet.truth`).

    Raises:
        InputError: where it does not know it.
    """
    truth = run.split("train").truth
    if name not in truth:
        raise InputError(
            f"{run.benchmark.name} does not know the {name} of its pictures: arms of the study that need "
            "it run on drawn benchmarks alone"
        )
    return truth[name]


def redrawn(run: Run) -> Redrawn:
    """Return what controls do to the benchmark's drawn pictures.

    Raises:
        InputError: where pictures are not drawn.
    """
    known(run, "scene_seed")
    data = run.benchmark.data
    if not isinstance(data, Drawn) or data.redrawn is None:
        raise InputError(f"{run.benchmark.name} does not say how its pictures are redrawn, as drawn benchmarks do")
    return data.redrawn

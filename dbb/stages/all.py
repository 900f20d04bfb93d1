"""All stages in their order, as a run without notebooks makes them."""

from collections.abc import Callable, Iterator

from dbb.record import Made
from dbb.stages.data import data
from dbb.stages.erm import erm
from dbb.stages.generated import generated
from dbb.stages.masks import masks
from dbb.stages.pruning import pruned
from dbb.stages.retraining import retrained
from dbb.stages.run import Run
from dbb.stages.tokens import tokens

STAGES: dict[str, Callable[[Run], Made]] = {
    "data": data,
    "erm": erm,
    "tokens": tokens,
    "masks": masks,
    "generated": generated,
    "pruned": pruned,
    "retrained": retrained,
}


def make_stages(run: Run, last: str = "retrained") -> Iterator[Made]:
    """Make or load every stage up to ``last``, with the benchmark's own settings, and yield each as it stands."""
    for name, stage in STAGES.items():
        yield stage(run)
        if name == last:
            return

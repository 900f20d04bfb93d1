"""What the oracle says of the pictures of a set: whether each shows the class that it is labelled with."""

import pandas as pd
from pandas.arrays import BooleanArray

from dbb.benchmarks import Benchmark
from dbb.data.images import ImageSet
from dbb.models.oracle import load_oracle
from dbb.record import Made
from dbb.stages.retraining import read_all
from dbb.stages.run import ALL, Run
from dbb.study.sets import folder_name, set_run


def verdicts(run: Run, name: str) -> Made:
    """Make or load the table of the set ``name``, a row per picture: image, right (<NA> without an oracle)."""
    here, bm = set_run(run, name), run.benchmark

    def table() -> pd.DataFrame:
        images = read_all(here)
        return pd.DataFrame({"image": images.ids, "right": judged(bm, images)})

    settings = {"labels": bm.oracle_labels, "size": bm.image_size}
    models = {} if bm.oracle is None else {"oracle": bm.oracle}
    return here.measure(f"verdicts-{folder_name(name)}", settings, {"generated": ALL}, table, models)


def judged(benchmark: Benchmark, images: ImageSet) -> BooleanArray:
    """Return whether the oracle sees each image's class, nullable booleans (N,): <NA> where there is no oracle."""
    oracle = load_oracle(benchmark)
    if oracle is None:
        return pd.array([pd.NA] * len(images), "boolean")
    seen = oracle.judge(images.pixels(range(len(images)), benchmark.image_size))
    return pd.array(seen.classes == images.labels, "boolean")

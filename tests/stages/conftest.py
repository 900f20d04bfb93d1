"""A run of all stages on forty pictures and tiny random models: made once, and copied for each test that changes it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from standins import make_backbone, make_inpainting

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.stages.all import make_stages
from dbb.stages.run import Run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Benchmark:
    """mini-waterbirds on few pictures, with little done in each stage; the segmenter is the embedded one."""
    folder = tmp_path_factory.mktemp("models")
    bm = get_benchmark("mini-waterbirds", classifier=make_backbone(folder / "backbone"),
                       inpainting=str(make_inpainting(folder / "inpainting")))
    return replace(
        bm, data=replace(bm.data, sizes={"train": 40, "val": 16, "test": 16}),
        erm=replace(bm.erm, epochs=2, batch_size=16),
        inversion=replace(bm.inversion, images=2, steps=2, batch_size=2),
        generation=replace(bm.generation, per_class=(3, 2), steps=2, batch_size=2),
        pruning=replace(bm.pruning, quantile=0.4, steps=4),
        retraining=replace(bm.retraining, epochs=2, batch_size=16))


@pytest.fixture(scope="session")
def finished(tiny, tmp_path_factory) -> Path:
    """The folder of runs in which all stages of seed 0 stand; not to be written to."""
    runs = tmp_path_factory.mktemp("finished")
    assert all(made.new for made in make_stages(Run(tiny, 0, runs, "cpu")))
    return runs


@pytest.fixture
def runs(finished, tmp_path) -> Path:
    """A copy of `finished`."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))

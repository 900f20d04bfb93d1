"""A tiny study: one seed, all of whose arms and tables are made once for every test."""

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from standins import make_inpainting
from transformers import ResNetConfig, ResNetModel

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.stages.run import Run
from dbb.study.run import run_seed

FEWER = {
    ("dbb.stages.inversion", "HELD_OUT_TIMES"): 1,
    ("dbb.study.compositing", "PAINTED"): 2,
    ("dbb.study.convergence", "PAIRS"): 3,
    ("dbb.study.convergence", "STEPS"): (4, 16),
    ("dbb.study.choices", "RATES"): (1e-2,),
    ("dbb.study.choices", "VECTORS"): (2,),
}
"""What is measured less often here, for time."""


@pytest.fixture(scope="session", autouse=True)
def fewer():
    """Measure as little as the tests need."""
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in FEWER.items():
            patch.setattr(import_module(module), name, value)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Benchmark:
    """mini-waterbirds with the smallest of sizes, steps and models; segmenter and oracle are its own."""
    bm, models = get_benchmark("mini-waterbirds"), tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    ResNetModel(
        ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic")
    ).save_pretrained(models / "backbone")
    return replace(
        bm,
        classifier=str(models / "backbone"),
        inpainting=str(make_inpainting(models / "inpainting")),
        data=replace(bm.data, sizes={"train": 80, "val": 180, "test": 24}),
        erm=replace(bm.erm, epochs=1),
        inversion=replace(bm.inversion, images=4, steps=2, batch_size=2),
        generation=replace(bm.generation, per_class=(6, 4), steps=2),
        pruning=replace(bm.pruning, steps=16),
        retraining=replace(bm.retraining, epochs=1),
    )


@pytest.fixture(scope="session")
def study(tiny, fewer, tmp_path_factory) -> Run:
    """Seed 1, which was run with all arms and tables. Leave its files as they are."""
    run = Run(tiny, 1, tmp_path_factory.mktemp("runs"))
    for _ in run_seed(run, more=True, closely=True):
        pass
    return run

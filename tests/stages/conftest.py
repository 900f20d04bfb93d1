"""A run of all stages on forty pictures and tiny random models: made once, and copied for each test that changes it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from standins import make_backbone, make_inpainting

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.record import Made
from dbb.stages.all import make_stages
from dbb.stages.run import Run


@cache
def _kept() -> TemporaryDirectory[str]:
    """A folder that stands as long as this process. A mutation tester forks one for each mutant, in which a session
    begins anew: what the tests of a stage read of the stages before it is not made again, by the mutant least of all.
    """
    return TemporaryDirectory(prefix="dbb-")


@cache
def _tiny() -> Benchmark:
    folder = Path(_kept().name)
    bm = get_benchmark(
        "mini-waterbirds",
        classifier=make_backbone(folder / "backbone"),
        inpainting=str(make_inpainting(folder / "inpainting")),
    )
    return replace(
        bm,
        data=replace(bm.data, sizes={"train": 40, "val": 16, "test": 16}),
        erm=replace(bm.erm, epochs=2, batch_size=16, learning_rate=4e-3),
        inversion=replace(bm.inversion, images=2, steps=2, batch_size=2),
        generation=replace(bm.generation, per_class=(3, 2), steps=2, batch_size=2),
        pruning=replace(bm.pruning, quantile=0.4, steps=4),
        retraining=replace(bm.retraining, epochs=2, batch_size=16, gammas=(2.0, 3.0)),
    )


@cache
def _finished() -> Path:
    runs = Path(_kept().name, "runs")
    assert all(made.new for made in make_stages(Run(_tiny(), 0, runs, "cpu")))
    return runs


@pytest.fixture(scope="session")
def tiny() -> Benchmark:
    """mini-waterbirds on few pictures, with little done in each stage; the segmenter is the embedded one."""
    return _tiny()


@pytest.fixture(scope="session")
def finished() -> Path:
    """The folder of runs in which all stages of seed 0 stand; not to be written to."""
    return _finished()


@pytest.fixture
def runs(finished, tmp_path) -> Path:
    """A copy of `finished`."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))


@pytest.fixture
def anew(tiny, runs) -> Callable[..., tuple[Run, Made]]:
    """Make a stage again, by the code that is tested, on what the stages before it left."""

    def make(stage: Callable[..., Made], **how: Any) -> tuple[Run, Made]:
        run = Run(tiny, 0, runs, "cpu")
        shutil.rmtree(run.folder(stage.__name__))
        made = stage(run, **how)
        assert made.new
        return run, made

    return make


@pytest.fixture
def kill(monkeypatch) -> Callable[..., list[int]]:
    """Let a function of a module be killed at a call of it, once; gives the list that grows with its calls."""

    def at(module: Any, name: str, call: int) -> list[int]:
        calls: list[int] = []
        real = getattr(module, name)

        def killed(*given: Any) -> Any:
            calls.append(len(calls))
            if len(calls) == call:
                raise KeyboardInterrupt
            return real(*given)

        monkeypatch.setattr(module, name, killed)
        return calls

    return at

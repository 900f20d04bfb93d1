"""Stages and chapters run on the paper's three benchmarks: their true entries and file layouts with made-up pictures,
at a small size with the embedded models. (At true size: test_true_size.py.)
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from chapters import FEW, run_notebook
from data_standins import celeba_table, make_celeba, make_metashift, make_waterbirds

from dbb import benchmarks
from dbb.benchmarks import Benchmark, get_benchmark
from dbb.stages.all import STAGES, make_stages
from dbb.stages.run import open_run
from dbb.store import NOTEBOOKS, RESULTS

CHAPTERS = {
    "waterbirds": (NOTEBOOKS["pruned"], NOTEBOOKS["retrained"]),
    "celeba": (),
    "metashift": (*NOTEBOOKS.values(), RESULTS),
}
"""Benchmark -> the chapters that are run on it: on Waterbirds, whose pictures lose a margin, those that show what the
classifier is given; on MetaShift, whose groups are not in every split, all.
"""


def small(benchmark: Benchmark) -> Benchmark:
    """The entry with the embedded models, whose only class word is "bird", and next to no work."""
    mini = get_benchmark("mini-waterbirds")
    taken = ("classifier", "inpainting", "segmenter", "class_word", "mask_prompt", "templates", "generation_size")
    margin = 16 if benchmark.input_format.margin else 0
    return replace(
        benchmark,
        **{name: getattr(mini, name) for name in taken},
        input_format=replace(benchmark.input_format, size=48, margin=margin),
        erm=replace(benchmark.erm, epochs=1, batch_size=8),
        inversion=replace(benchmark.inversion, images=2, steps=1, batch_size=2, initial_word="bird"),
        masks=replace(benchmark.masks, threshold=0.01),
        generation=replace(benchmark.generation, per_class=(2, 2), steps=2, batch_size=2),
        pruning=replace(benchmark.pruning, steps=4),
        retraining=replace(benchmark.retraining, epochs=1, batch_size=8),
    )


def make(name: str, folder: Path) -> None:
    match name:
        case "waterbirds":
            make_waterbirds(folder)
        case "celeba":
            make_celeba(folder, "kaggle", celeba_table())
        case "metashift":
            make_metashift(folder)


@pytest.fixture(params=CHAPTERS)
def small_benchmark(request, tmp_path, monkeypatch) -> Benchmark:
    """One of the three, made small wherever its entry is looked up, its data in the folder that DBB_DATA names."""
    name = request.param
    entry = small(get_benchmark(name))
    monkeypatch.setattr(import_module(f"dbb.benchmarks.{name}"), "BENCHMARK", entry)
    monkeypatch.setattr(benchmarks, "_entry", benchmarks._entry.__wrapped__)  # the true one is remembered
    monkeypatch.setenv("DBB_DATA", str(tmp_path / "sets"))
    make(name, tmp_path / "sets" / name)
    return entry


def test_every_stage_runs_on_the_files(small_benchmark, tmp_path):
    name, runs = small_benchmark.name, str(tmp_path / "runs")
    run = open_run(name, 1, runs)
    assert [made.record["stage"] for made in make_stages(run)] == list(STAGES)
    for notebook in CHAPTERS[name]:
        seed = {} if notebook == "01-data" else {"seed": 1}
        run_notebook(notebook, {"benchmark": name, "runs": runs, **seed, **FEW.get(notebook, {})}, drawn=False)
    metrics = run.made("retrained").metrics["test"]
    accuracies = np.array(metrics["group_accuracy"], dtype=float)
    assert len(accuracies) == len(small_benchmark.group_names)
    assert metrics["worst_group"] == np.nanmin(accuracies)
    counts = run.made("generated").counts
    assert counts["generated"] + counts["no mask"] == counts["planned"] > 0
    assert run.made("pruned").counts.get("kept", 0) <= counts["generated"]
    assert all(run.made(stage).record["wall_s"] > 0 for stage in NOTEBOOKS)

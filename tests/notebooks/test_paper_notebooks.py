"""The stages' notebooks run on the paper's three benchmarks: their true entries and file layouts with made-up pictures,
at a small size with the embedded models. (At true size: test_true_size.py.)
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from data_standins import celeba_table, make_celeba, make_metashift, make_waterbirds
from IPython.core.inputtransformer2 import TransformerManager
from IPython.display import display
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from dbb.benchmarks import BENCHMARKS, CELEBA, METASHIFT, MINI_WATERBIRDS, WATERBIRDS, Benchmark
from dbb.store import NOTEBOOKS, project_root

sys.path.insert(0, str(project_root() / "book/tools"))

import paper

TINY = {
    "01-data": {"shown": 2},
    "03-tokens": {"sampling_steps": 2, "drawn": 2, "shown": 2},
    "04-masks": {"shown": 2},
    "05-generate": {"slow_steps": 3, "compared": 1, "shown": 2},
    "06-prune": {"ig_steps": 4, "shown": 2},
}


def small(benchmark: Benchmark) -> Benchmark:
    """The entry with the embedded models, whose only class word is "bird", and next to no work."""
    margin = 16 if benchmark.input_format.margin else 0
    mini = {name: getattr(MINI_WATERBIRDS, name) for name in ("classifier", "inpainting", "segmenter", "class_word",
                                                              "templates", "generation_size")}
    return replace(
        benchmark, **mini, input_format=replace(benchmark.input_format, size=48, margin=margin),
        erm=replace(benchmark.erm, epochs=1, batch_size=8),
        inversion=replace(benchmark.inversion, images=2, steps=1, batch_size=2, initial_word="bird"),
        masks=replace(benchmark.masks, threshold=0.01),
        generation=replace(benchmark.generation, per_class=(3, 3), steps=2, batch_size=2),
        retraining=replace(benchmark.retraining, epochs=1, batch_size=8))


def make(name: str, folder: Path) -> None:
    match name:
        case "waterbirds":
            make_waterbirds(folder)
        case "celeba":
            make_celeba(folder, "kaggle", celeba_table())
        case "metashift":
            make_metashift(folder)


def run(notebook: str, parameters: dict) -> None:
    """Run a notebook's cells as a kernel does, in this process, so that the entry stays replaced."""
    path = project_root() / "notebooks" / f"{notebook}.ipynb"
    node = parameterize_notebook(load_notebook_node(str(path)), parameters)
    transform = TransformerManager().transform_cell
    namespace = {"In": [""], "display": display}
    for cell in node.cells:
        if cell.cell_type == "code":
            namespace["In"].append(cell.source)
            exec(transform(cell.source), namespace)


@pytest.mark.parametrize("benchmark", [WATERBIRDS, CELEBA, METASHIFT], ids=lambda bm: bm.name)
def test_every_stage_runs_on_the_files(benchmark, tmp_path, monkeypatch, capsys):
    matplotlib.use("Agg")
    name = benchmark.name
    monkeypatch.setenv("DBB_DATA", str(tmp_path / "sets"))
    monkeypatch.setitem(BENCHMARKS, name, small(benchmark))
    make(name, tmp_path / "sets" / name)
    for notebook in NOTEBOOKS.values():
        seed = {} if notebook == "01-data" else {"seed": 1}
        run(notebook, {"benchmark": name, "runs": str(tmp_path / "runs"), **seed, **TINY.get(notebook, {})})
    folder = tmp_path / "runs" / name / "seed1"
    metrics = json.loads((folder / "retrained/run.json").read_text(encoding="utf-8"))["metrics"]["test"]
    accuracies = np.array(metrics["group_accuracy"], dtype=float)
    assert len(accuracies) == len(benchmark.group_names)
    assert metrics["worst_group"] == np.nanmin(accuracies)
    counts = json.loads((folder / "generated/run.json").read_text(encoding="utf-8"))["counts"]
    assert counts["generated"] + counts["no mask"] == counts["planned"] > 0
    table = paper.collect(name, str(tmp_path / "runs")).set_index("model")
    assert table.loc["DBB", "worst_group"] == metrics["worst_group"] and list(table.index) == ["ERM", "DBB"]
    assert (table["kept"] <= table["generated"]).all() and (table["hours"] > 0).all()

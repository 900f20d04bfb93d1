"""The notebooks run from end to end on tiny parameters, and refuse a parameter they do not know."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from dbb.errors import InputError
from dbb.store import READINGS

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_TIMEOUT_S = 300

TINY: dict[str, dict] = {
    "01-data": {"train_size": 160, "val_size": 64, "test_size": 64, "shown": 2},
    "02-erm": {"epochs": 1, "k": 40, "shown": 2},
    "03-tokens": {"images": 4, "steps": 4, "batch_size": 2, "sampling_steps": 2, "drawn": 2, "shown": 2},
    "04-masks": {"per_class": 10, "shown": 2},
    "05-generate": {"steps": 2, "slow_steps": 3, "compared": 2, "shown": 2},
    "06-prune": {"ig_steps": 8, "shown": 2},
    "07-retrain": {"epochs": 1},
}
"""Notebook -> the parameters that make it tiny, beside a `runs` folder of its own."""


def parameterized(path: Path, parameters: dict) -> nbformat.NotebookNode:
    """Return a notebook with a cell of parameters injected, as papermill does it."""
    return parameterize_notebook(load_notebook_node(str(path)), parameters)


@pytest.fixture
def tiny_notebooks(tmp_path: Path) -> list[Path]:
    """Copies of all notebooks, in order, with tiny parameters."""
    copies = []
    for path in NOTEBOOKS:
        copies.append(tmp_path / path.name)
        parameters = {} if path.stem in READINGS else {"runs": str(tmp_path / "runs"), **TINY.get(path.stem, {})}
        nbformat.write(parameterized(path, parameters), copies[-1])
    return copies


def test_every_tiny_entry_names_a_notebook():
    assert NOTEBOOKS
    assert set(TINY) <= {path.stem for path in NOTEBOOKS}


def test_all_run_on_tiny_parameters(tiny_notebooks):
    folder = tiny_notebooks[0].parent
    (folder / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(ROOT / "notebooks" / "conftest.py", folder)
    options = ["--nbval-lax", f"--nbval-cell-timeout={CELL_TIMEOUT_S}", "-x", "-q"]
    command = [sys.executable, "-m", "pytest", *options, *(path.name for path in tiny_notebooks)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, (run.stdout + run.stderr)[-5000:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_unknown_parameter_is_refused_before_anything_runs(path):
    """Runs the first cells as a kernel does: imports, parameters, the injected ones, and the check."""
    code = [cell.source for cell in parameterized(path, {"no_such": 1}).cells if cell.cell_type == "code"]
    check = next(i for i, source in enumerate(code) if "check_parameters(" in source)
    assert check == 3, "its code must begin: imports, parameters, check_parameters"
    transform = TransformerManager().transform_cell
    namespace = {"In": ["", *code[: check + 1]]}
    for source in code[:check]:
        exec(transform(source), namespace)
    with pytest.raises(InputError, match="unknown parameter 'no_such'"):
        exec(transform(code[check]), namespace)

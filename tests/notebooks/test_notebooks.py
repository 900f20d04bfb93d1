"""The notebooks refuse a parameter they do not know. (From end to end they run in tests/product.)"""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from chapters import NOTEBOOKS, parameterized
from IPython.core.inputtransformer2 import TransformerManager

from dbb.errors import InputError
from dbb.store import NOTEBOOKS as STAGES
from dbb.store import OTHERS, READINGS, RESULTS

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
CELL_TIMEOUT_S = 300

DATA = {"train_size": 80, "val_size": 24, "test_size": 24, "shown": 2}


def test_there_is_a_notebook_for_every_stage_and_no_other():
    assert NAMES == sorted([*STAGES.values(), RESULTS, *READINGS, *OTHERS])


def test_a_kernel_runs_them_as_nbval_does(tmp_path):
    """One of them: all would wait for a dozen kernels to start."""
    parameters = {"runs": str(tmp_path / "runs"), **DATA}
    nbformat.write(parameterized(NOTEBOOKS / "01-data.ipynb", parameters), tmp_path / "01-data.ipynb")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_bytes((Path(__file__).parent / "nbval_conftest.py").read_bytes())
    options = ["--nbval-lax", f"--nbval-cell-timeout={CELL_TIMEOUT_S}", "-x", "-q"]
    run = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and " passed" in run.stdout, (run.stdout + run.stderr)[-5000:]


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused_before_anything_runs(name):
    """Runs the first cells as a kernel does: imports, parameters, the injected ones, and the check."""
    cells = parameterized(NOTEBOOKS / f"{name}.ipynb", {"no_such": 1}).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    check = next(i for i, source in enumerate(code) if "check_parameters(" in source)
    assert check == 3, "its code must begin: imports, parameters, check_parameters"
    transform = TransformerManager().transform_cell
    namespace = {"In": ["", *code[: check + 1]]}
    for source in code[:check]:
        exec(transform(source), namespace)
    with pytest.raises(InputError, match="unknown parameter 'no_such'"):
        exec(transform(code[check]), namespace)

"""The parameter check refuses what a notebook does not declare, before anything runs."""

import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dbb.errors import InputError
from dbb.notebook import check_parameters, parameter_table

PARAMETERS = """\
benchmark: str = "mini-waterbirds"  # which dataset, by name
learning_rate: float = 1e-3  # of AdamW
epochs: int | None = None  # passes over the data; None: the benchmark's own # of them
sizes: list[int] = [1, 2]  # images per class
"""


def run_cells(*cells: str) -> dict:
    """Run cells as a kernel does, and check the parameters in the last one."""
    inputs, namespace = [""], {}
    for source in cells:
        inputs.append(source)
        exec(source, namespace)
    return check_parameters([*inputs, "params = check_parameters(In, globals())"], namespace)


def test_defaults():
    expected = {"benchmark": "mini-waterbirds", "learning_rate": 1e-3, "epochs": None, "sizes": [1, 2]}
    assert run_cells("import os", PARAMETERS) == expected


def test_injected_values_win_and_an_int_will_do_for_a_float():
    params = run_cells(PARAMETERS, "# Parameters\nlearning_rate = 1\nepochs = 3\nsizes = [4]\n")
    assert (params["learning_rate"], params["epochs"], params["sizes"]) == (1.0, 3, [4])
    assert isinstance(params["learning_rate"], float)


def test_unknown_name_is_refused_with_the_closest_known():
    with pytest.raises(InputError, match=r"parameter 'epoch': did you mean 'epochs'\?.*benchmark, learning"):
        run_cells(PARAMETERS, "# Parameters\nepoch = 3\n")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('epochs = "3"', "epochs"),
        ("epochs = 2.5", "epochs"),
        ("epochs = True", "epochs"),
        ("benchmark = None", "benchmark"),
        ('learning_rate = "fast"', "learning_rate"),
        ("sizes = [1, 2.5]", "sizes"),
        ("sizes = 3", "sizes"),
    ],
)
def test_wrong_type_is_refused(line, name):
    with pytest.raises(InputError, match=f"parameter '{name}' must be"):
        run_cells(PARAMETERS, f"# Parameters\n{line}\n")


def test_no_parameters_cell():
    with pytest.raises(InputError, match="no parameters cell"):
        run_cells("import os", "x = 1")


def test_rerunning_an_edited_parameters_cell_forgets_what_was_injected_before():
    params = run_cells(PARAMETERS, "# Parameters\nepochs = 3\n", "epochs: int = 5  # passes")
    assert params == {"epochs": 5}


@pytest.fixture
def three_cells(tmp_path):
    cells = [
        new_code_cell("from dbb.notebook import check_parameters"),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        new_code_cell("params = check_parameters(In, globals())\nprint(params)"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = tmp_path / "three.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def test_parameter_table(three_cells):
    rows = parameter_table(three_cells)
    assert [row["name"] for row in rows] == ["benchmark", "learning_rate", "epochs", "sizes"]
    assert rows[2] == {
        "name": "epochs",
        "type": "int | None",
        "default": "None",
        "meaning": "passes over the data; None: the benchmark's own # of them",
    }


def test_parameter_table_needs_one_commented_cell(tmp_path):
    path = tmp_path / "bare.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("nothing")]), path)
    with pytest.raises(InputError, match="0 cells tagged"):
        parameter_table(path)
    cell = new_code_cell("epochs: int = 3", metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell]), path)
    with pytest.raises(InputError, match="'epochs' has no comment"):
        parameter_table(path)


@pytest.mark.parametrize(("name", "value", "accepted"), [("epochs", "3", True), ("epocks", "3", False)])
def test_under_papermill(three_cells, name, value, accepted):
    out = three_cells.with_name("out.ipynb")
    command = [sys.executable, "-m", "papermill", three_cells, out, "-p", name, value, "--no-progress-bar"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode == 0) is accepted
    if accepted:
        assert "'epochs': 3" in nbformat.read(out, 4).cells[-1].outputs[0].text
    else:
        assert "did you mean 'epochs'" in run.stderr

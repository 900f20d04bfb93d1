"""A page is executed where what it was made from is another, with parameters of any type, whole or not at all."""

import json
from pathlib import Path

import nbformat
import page as pages
import papermill
import pytest
from notebook_cells import cells_digest, code_of, read_notebook

from dbb.errors import InputError

DECLARED = (
    "from typing import Optional\n",
    'benchmark: str = "mini-waterbirds"  # b\nresults: str = "results"  # r\n'
    'sizes: Optional[list[int]] = None  # s\ndevice: str = "auto"  # d',
)

LOOP = "from dbb.progress import track\nfor _ in track(range(3), 'images'): pass"

PARTING = """
import atexit, time
from multiprocessing.resource_tracker import ensure_running
ensure_running()  # as a pool does: a child that ignores signals
kernel = get_ipython().kernel
last = kernel.post_handler_hook
kernel.post_handler_hook = lambda: (time.sleep(0.3), last())  # here the interrupt hits it
_ = atexit.register(time.sleep, 0.2)  # meanwhile it answers that it ends, and waits for the child
"""
"""What makes a kernel that is asked to end warn of a task that was destroyed."""


@pytest.fixture
def page(tmp_path):
    """A page of a notebook that makes no stage."""
    return written(tmp_path, "print(sizes, device)\n" + LOOP + PARTING)


def written(folder: Path, code: str) -> pages.Page:
    new = nbformat.v4
    cells = [
        new.new_code_cell(DECLARED[0]),
        new.new_code_cell(DECLARED[1], metadata={"tags": ["parameters"]}),
        new.new_markdown_cell("Words."),
        new.new_code_cell(code),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new.new_notebook(cells=cells, metadata=kernel), folder / "09-effect.ipynb")
    return pages.Page(
        folder / "09-effect.ipynb",
        folder / "runs" / "09-effect.ipynb",
        {"benchmark": "mini-waterbirds", "results": str(folder), "sizes": [3, 4]},
    )


def printed(page: pages.Page) -> str:
    return "".join(
        output["text"]
        for cell in nbformat.read(page.path, 4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


def test_it_is_executed_with_typed_parameters_and_found_thereafter(page, capfd):
    assert pages.make(page, device="cpu") == ["page"]
    assert printed(page) == "[3, 4] cpu\n", "of its loop nothing stands on the page"
    before = page.path.read_bytes()
    assert pages.make(page, device="cuda:7") == [] == page.changes(), "another device makes nothing anew"
    assert page.path.read_bytes() == before
    assert capfd.readouterr() == ("", ""), "a kernel warns of TCP, of debuggers, and of its end"
    record = pages.read_record(page.path)
    assert record["seconds"] > 0 and record["made"].endswith("+00:00")


def test_a_cell_that_fails_leaves_the_earlier_page(page):
    page.path.parent.mkdir()
    page.path.write_text("earlier")
    with pytest.raises(pages.FailedCell, match="ZeroDivisionError"):
        pages.make(written(page.source.parent, "1 / 0"))
    assert page.path.read_text() == "earlier"
    assert [path.name for path in page.path.parent.iterdir() if path.suffix == ".ipynb"] == ["09-effect.ipynb"]


# ------------------------------------------------------------------------------------------------ without a kernel


@pytest.fixture
def call(page, monkeypatch):
    """The command line for the page."""
    given = ["--place", "9/12", "--parameters", json.dumps(page.parameters)]
    monkeypatch.setattr("sys.argv", ["page.py", str(page.source), str(page.path), *given])
    return pages.main


@pytest.mark.parametrize(
    "changes, told",
    [
        ([], "found as it is"),
        (["page"], "executed in 0 s, since it was not there"),
        (["cells", "code"], "executed in 0 s, since cells, code changed"),
    ],
)
def test_a_line_tells_what_became_of_it(call, monkeypatch, capsys, changes, told):
    monkeypatch.setattr(pages, "make", lambda page, device: changes)
    call()
    assert capsys.readouterr().out == f"[9/12] 09-effect: {told}\n"


@pytest.mark.parametrize("name, whole", [("InputError", "seed -1 is negative"), ("KeyError", "in cell 4")])
def test_of_bad_input_the_sentence_is_told_and_of_other_failures_the_cell(call, monkeypatch, name, whole):
    def fail(*arguments, **options):
        raise papermill.PapermillExecutionError(3, 4, "code", name, "seed -1 is negative", ["in cell 4"])

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(SystemExit) as ended:
        call()
    told = str(ended.value).removeprefix("[9/12] 09-effect: ")
    assert told == whole if name == "InputError" else whole in told


@pytest.fixture
def made(page, monkeypatch):
    """A page that was executed without a kernel."""
    monkeypatch.setattr(pages, "_execute", lambda page, target, more: target.write_bytes(page.source.read_bytes()))
    pages.make(page)
    assert page.changes() == []
    return page


def test_each_thing_that_it_is_made_from_is_named_when_it_changes(made, tmp_path):
    other = pages.Page(made.source, made.path, {**made.parameters, "sizes": [3, 5]})
    assert other.changes() == ["parameters.sizes"]
    (tmp_path / "mini-waterbirds").mkdir()
    (tmp_path / "mini-waterbirds" / "results.csv").write_text("a")
    assert made.changes() == ["results.results.csv"]
    pages.make(made)
    (tmp_path / "mini-waterbirds" / "results.csv").write_text("b")
    assert made.changes() == ["results.results.csv"]


def test_cells_count_with_their_tags_and_outputs_do_not(made):
    notebook = nbformat.read(made.source, 4)
    notebook.cells[3].outputs = [nbformat.v4.new_output("stream", text="old")]
    nbformat.write(notebook, made.source)
    assert made.changes() == []
    notebook.cells[3].metadata["tags"] = ["hide-input"]
    nbformat.write(notebook, made.source)
    assert made.changes() == ["cells"]


def test_code_that_it_imports_counts(made):
    notebook = nbformat.read(made.source, 4)
    notebook.cells[3].source += "\nfrom dbb.report.tables import styled"
    nbformat.write(notebook, made.source)
    assert made.changes() == ["cells", "code"]


def test_a_page_of_another_making_does_not_stand(made):
    notebook = json.loads(made.path.read_text(encoding="utf-8"))
    del notebook["metadata"]["dbb"]  # as papermill leaves it
    made.path.write_text(json.dumps(notebook), encoding="utf-8")
    assert made.changes() == ["page"]
    made.path.write_text("{}")
    assert made.changes() == ["page"]


def test_magics_are_no_python():
    cell = {"cell_type": "code", "source": "%matplotlib inline\n!ls\nx = 1\n", "metadata": {}}
    assert code_of({"cells": [cell]}) == "x = 1"
    lines = {**cell, "source": cell["source"].splitlines(True)}  # as a file has them
    assert cells_digest({"cells": [cell]}) == cells_digest({"cells": [lines]})


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "a.ipynb").write_text("{}")
    for name in ("a.ipynb", "b.ipynb"):
        with pytest.raises(InputError, match=rf"{name} is missing, or no notebook"):
            read_notebook(tmp_path / name)

"""Runs a notebook's cells as a kernel does, but in this process, and keeps what they show."""

import ast
import contextlib
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from PIL import Image

from dbb.store import project_root

NOTEBOOKS = project_root() / "notebooks"


@dataclass
class Shown:
    """What a run of a notebook left.

    names: its globals. figures: name of a figure, or number of its cell -> PNG. pages: all else that it showed, HTML,
    Markdown or text, in order; printed: what it printed.
    """

    names: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, bytes] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)
    printed: str = ""

    @property
    def page(self) -> str:
        """All that can be read on it."""
        return "\n".join([self.printed, *self.pages])


def parameterized(path: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
    """Return a notebook with a cell of parameters injected, as papermill does it."""
    return parameterize_notebook(load_notebook_node(str(path)), parameters)


def run_notebook(name: str, parameters: dict[str, Any]) -> Shown:
    """Run the notebook ``name`` with ``parameters``, and write every figure and table that it shows."""
    matplotlib.use("Agg")
    shown, transform = Shown(), TransformerManager().transform_cell
    node = parameterized(NOTEBOOKS / f"{name}.ipynb", parameters)
    shown.names |= {"In": [""], "__name__": "__main__"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for number, cell in enumerate(node.cells):
            if cell.cell_type == "code":
                place = cell.metadata.get("mystnb", {}).get("figure", {}).get("name", str(number))
                shown.names["In"].append(cell.source)
                shown.names["display"] = lambda *values, place=place: [_write(value, place, shown) for value in values]
                _run(transform(cell.source), f"{name}[{number}]", place, shown)
    shown.printed = printed.getvalue()
    return shown


def _run(source: str, where: str, place: str, shown: Shown) -> None:
    """Run one cell; the value of an expression that ends it is shown."""
    body = ast.parse(source).body
    last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), where, "exec"), shown.names)
    if last is not None:
        _write(eval(compile(last, where, "eval"), shown.names), place, shown)


def _write(value: Any, place: str, shown: Shown) -> None:
    if hasattr(value, "_repr_png_"):
        shown.figures[place] = value._repr_png_()
    elif value is not None:
        written = next((made for kind in ("_repr_html_", "_repr_markdown_")
                        if (made := getattr(value, kind, lambda: None)()) is not None), None)
        shown.pages.append(repr(value) if written is None else written)


def check_figures(notebook: Path, shown: Shown, without: Collection[str] = ()) -> None:
    """Assert that all of a notebook's named figures but ``without`` were shown, each about a page wide and not endless.
    """
    named = {name for cell in nbformat.read(notebook, 4).cells
             if (name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))}
    assert set(shown.figures) == named - set(without)
    for name, png in shown.figures.items():
        width, height = Image.open(io.BytesIO(png)).size
        assert 250 < width < 1100 and height < 4000, f"{name} has {width} x {height} pixels"

"""Runs a notebook's cells as a kernel does, but in this process, and keeps what they show."""

import ast
import base64
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
DPI = 40  # a figure of the book has 100, which takes longer to write
FEW = {
    "01-data": {"shown": 2},
    "02-erm": {"shown": 2},
    "03-tokens": {"sampling_steps": 1, "drawn": 1, "shown": 1},
    "04-masks": {"shown": 2},
    "05-generate": {"slow_steps": 1, "compared": 1, "shown": 1},
    "06-prune": {"shown": 3},
}
"""Notebook -> the parameters that keep small what no stage makes."""


@dataclass
class Shown:
    """What a run of a notebook left.

    names: its globals. figures: name of a figure, or number of its cell -> PNG, of ``dpi`` pixels an inch, empty unless
    ``drawn``. pages: all else that it showed, HTML, Markdown or text, in order; printed: what it printed.
    """

    drawn: bool = True
    dpi: int = DPI

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


def run_notebook(name: str, parameters: dict[str, Any], drawn: bool = True) -> Shown:
    """Run the notebook ``name`` with ``parameters``; write every table and, where ``drawn``, figure that it shows."""
    matplotlib.use("Agg")
    shown, transform = Shown(drawn=drawn), TransformerManager().transform_cell
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


def shown_on(page: Path) -> Shown:
    """Return what stands on an executed page."""
    shown = Shown(dpi=100)
    for number, cell in enumerate(nbformat.read(page, 4).cells):
        place = cell.metadata.get("mystnb", {}).get("figure", {}).get("name", str(number))
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                shown.figures[place] = base64.b64decode(data["image/png"])
            shown.pages += [data[kind] for kind in ("text/html", "text/markdown") if kind in data]
            shown.printed += output.get("text", "")
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
        written = io.BytesIO()
        if shown.drawn:
            value.savefig(written, format="png", dpi=DPI)
        shown.figures[place] = written.getvalue()
    elif value is not None:
        written = next(
            (
                made
                for kind in ("_repr_html_", "_repr_markdown_")
                if (made := getattr(value, kind, lambda: None)()) is not None
            ),
            None,
        )
        shown.pages.append(repr(value) if written is None else written)


def check_figures(name: str, shown: Shown, without: Collection[str] = ()) -> None:
    """Assert that all named figures of the notebook ``name`` were shown, of ``without`` maybe some, each about as wide
    as a page and not endless.
    """
    named = {
        figure
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells
        if (figure := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))
    }
    assert named - set(without) <= set(shown.figures) <= named
    for figure, png in shown.figures.items() if shown.drawn else ():
        width, height = (pixels / shown.dpi for pixels in Image.open(io.BytesIO(png)).size)
        assert 2 < width < 11 and height < 40, f"{figure} is {width} x {height} inches"

"""Turn a page, an executed notebook, into a chapter of the book.

A chapter keeps the outputs and drops what only a machine cares about: papermill's metadata and times, stderr,
widget state, addresses in memory. It carries the hash of the source notebook's cells, by which a test finds a stale
chapter.
"""

import ast
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from notebook_cells import cells_digest

from dbb.errors import InputError
from dbb.store import project_root

MAX_BYTES = 1_750_000
ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # in memory, another at every run


def clean(executed: NotebookNode, source: NotebookNode) -> NotebookNode:
    """Return the chapter made of an executed notebook, marked with the hash of its source."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "source_sha256": cells_digest(source)}
    cells = [_clean_cell(cell) for cell in executed.cells if not _repeats_defaults(cell, executed)]
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _clean_cell(cell: NotebookNode) -> NotebookNode:
    cell.metadata = {key: cell.metadata[key] for key in ("tags", "mystnb") if cell.metadata.get(key)}
    if cell.cell_type == "code":
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        for data in (out["data"] for out in cell.outputs if "text/html" in out.get("data", {})):
            data["text/plain"] = ADDRESS.sub("", data.get("text/plain", ""))
    return cell


def _repeats_defaults(cell: NotebookNode, notebook: NotebookNode) -> bool:
    """Whether a cell was injected by papermill, and says only what the parameters cell says already."""
    if "injected-parameters" not in cell.metadata.get("tags", []):
        return False
    declared = next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    return _values(cell.source).items() <= _values(declared).items()


def _values(source: str) -> dict[str, str]:
    """Return name -> value, as Python writes it, of the assignments in a cell."""
    values = {}
    for node in ast.parse(source).body:
        match node:
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.Assign(targets=[target], value=value):
                values[ast.unparse(target)] = ast.unparse(value)
    return values


def chapter_text(source: Path, page: Path) -> str:
    """Return the chapter made of a page of the notebook ``source``, as it is written."""
    return nbformat.writes(clean(nbformat.read(page, 4), nbformat.read(source, 4)), 4) + "\n"


def check_chapter(text: str, page: Path) -> None:
    """Raise InputError for a chapter over 1 MB, or with an output that names this machine's copy of the project."""
    size = len(text.encode())
    if size > MAX_BYTES:
        raise InputError(f"{page} makes a chapter of {size:,} bytes, over {MAX_BYTES:,}: draw smaller figures")
    if str(project_root()) in text:
        raise InputError(f"{page} shows the path {project_root()}: print paths relative to the project")

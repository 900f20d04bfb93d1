"""The cells of a notebook: what tells one version from another, and the code in them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.errors import InputError
from dbb.record import digest_of


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook as it is written.

    Raises InputError when it is missing or no notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"], notebook["metadata"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is missing, or no notebook ({error}): give the path of an .ipynb") from error
    return notebook


def cells_digest(notebook: Mapping[str, Any]) -> str:
    """Return a hash of the cells' types, sources and tags, 64 hexadecimal digits."""
    return digest_of([[cell["cell_type"], "".join(cell["source"]), sorted(cell["metadata"].get("tags", []))]
                      for cell in notebook["cells"]])


def code_of(notebook: Mapping[str, Any]) -> str:
    """Return the code of all cells, without the lines that are no Python (magics)."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return "\n".join(line for source in sources for line in source.splitlines() if line[:1] not in ("%", "!"))

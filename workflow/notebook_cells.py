"""The cells of a notebook: what tells one version from another, the code in them, the pictures that they left."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.errors import InputError
from dbb.record import digest_of

PICTURES = ("headline", "pipeline")
"""The pictures of the book's first page: the results chapter glues each as ``<name>_figure``."""


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
    return digest_of(
        [
            [cell["cell_type"], "".join(cell["source"]), sorted(cell["metadata"].get("tags", []))]
            for cell in notebook["cells"]
        ]
    )


def code_of(notebook: Mapping[str, Any]) -> str:
    """Return the code of all cells, without the lines that are no Python (magics)."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return "\n".join(line for source in sources for line in source.splitlines() if line[:1] not in ("%", "!"))


def glued_png(chapter: Path, key: str) -> bytes:
    """Return the PNG that a chapter glued under ``key``. Raises InputError when there is none."""
    for cell in read_notebook(chapter)["cells"]:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == key:
                png = [data for mime, data in output["data"].items() if mime.endswith("image/png")]
                return base64.b64decode("".join(png[0]))
    raise InputError(f"{chapter} glues no picture as {key!r}: execute its notebook again")

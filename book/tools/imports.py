"""Which files of ``dbb`` a notebook depends on, so that a stage runs again only when its code changed."""

import ast
import json
from pathlib import Path


def dbb_files(notebook: str, root: str = ".") -> list[str]:
    """Return the files of ``dbb`` that a notebook imports, directly or not, relative to ``root``, sorted."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    todo = set()
    for cell in cells:
        if cell["cell_type"] == "code":
            todo |= _imported("".join(cell["source"]), Path(root))
    found = set()
    while todo:
        path = todo.pop()
        found.add(path)
        todo |= _imported(Path(root, path).read_text(encoding="utf-8"), Path(root)) - found
    return sorted(found)


def _imported(code: str, root: Path) -> set[str]:
    """Return the files that the imports in ``code`` name, with each package's __init__ on the way."""
    modules = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = set()
    for module in modules:
        parts = module.split(".")
        if parts[0] == "dbb":
            for end in range(1, len(parts) + 1):
                stem = "/".join(parts[:end])
                files |= {name for name in (f"{stem}.py", f"{stem}/__init__.py") if (root / name).is_file()}
    return files

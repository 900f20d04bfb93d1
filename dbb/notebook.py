"""The parameters of a notebook: what its ``parameters`` cell declares, and a check that no other is given.

A parameters cell holds only lines ``name: type = default  # what it means, its unit``. papermill writes the
values it was given into a cell of its own just below, and merely warns about a name that nobody declared;
here such a name is an error, raised before any work.
"""

import ast
import difflib
import io
import json
import tokenize
import types
import typing
from pathlib import Path
from typing import Any

from dbb.errors import InputError

INJECTED = "# Parameters"  # the first line of the cell that papermill injects


def check_parameters(In: list[str], namespace: dict[str, Any]) -> dict[str, Any]:
    """Check the parameters, from the first cell after them: ``params = check_parameters(In, globals())``.

    Args:
        In: the inputs executed so far, as Jupyter keeps them.
        namespace: the notebook's globals.

    Returns:
        Name -> value for every declared parameter, in order; an int given for a float becomes a float.

    Raises:
        InputError: for a name that is not declared, and for a value that is not of the declared type.
    """
    position = max((i for i, source in enumerate(In) if _declarations(source)), default=None)
    if position is None:
        raise InputError("no parameters cell was run: run the `name: type = default` cell before this one")
    declared = {ast.unparse(node.target): node.annotation for node in _declarations(In[position])}
    for source in In[position + 1 :]:
        if source.lstrip().startswith(INJECTED):
            _refuse_unknown(_assigned_names(source), list(declared))
    return {name: _checked(name, namespace[name], kind, namespace) for name, kind in declared.items()}


def parameter_table(notebook: Path | str) -> list[dict[str, str]]:
    """Return the manual of a notebook: a row with name, type, default and meaning for each parameter.

    All four are text from the cell tagged ``parameters``; the meaning is the comment that ends the line.

    Raises:
        InputError: naming the notebook when it has not exactly one such cell, or a line lacks its comment.
    """
    path = Path(notebook)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]
    if len(sources) != 1:
        raise InputError(f"{path} has {len(sources)} cells tagged `parameters`: it needs exactly one")
    declarations = _declarations(sources[0])
    if not declarations:
        raise InputError(f"{path}: its parameters cell must hold only `name: type = value  # meaning` lines")
    comments = _comments(sources[0])
    rows = []
    for node in declarations:
        name, meaning = ast.unparse(node.target), comments.get(node.end_lineno or 0)
        if meaning is None:
            raise InputError(f"{path}: parameter {name!r} has no comment that says what it means")
        rows.append(
            {
                "name": name,
                "type": ast.unparse(node.annotation),
                "default": ast.unparse(node.value) if node.value else "",
                "meaning": meaning,
            }
        )
    return rows


def _declarations(source: str) -> list[ast.AnnAssign]:
    """Return the declarations of a parameters cell; an empty list if ``source`` is anything else."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a cell with magics
        return []
    declared = [n for n in body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and n.value]
    return declared if len(declared) == len(body) else []


def _assigned_names(source: str) -> list[str]:
    """Return the names that the plain assignments of an injected cell set."""
    assignments = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return [target.id for node in assignments for target in node.targets if isinstance(target, ast.Name)]


def _comments(source: str) -> dict[int, str]:
    """Return line number -> text of the comment on that line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _refuse_unknown(given: list[str], declared: list[str]) -> None:
    for name in given:
        if name not in declared:
            close = difflib.get_close_matches(name, declared, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(f"unknown parameter {name!r}: {hint}This notebook knows {', '.join(declared)}")


def _checked(name: str, value: Any, annotation: ast.expr, namespace: dict[str, Any]) -> Any:
    written = ast.unparse(annotation)
    expected = eval(written, namespace)  # the annotation is the notebook's own code, which has just run
    if expected is float and type(value) is int:
        return float(value)
    if not _is_of(value, expected):
        raise InputError(f"parameter {name!r} must be {written}, not {value!r} ({type(value).__name__})")
    return value


def _is_of(value: Any, expected: Any) -> bool:
    """Whether ``value`` is of type ``expected``: plain, None, a union, ``list[X]`` or ``tuple[X, ...]``."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (types.UnionType, typing.Union):
        return any(_is_of(value, option) for option in arguments)
    if origin in (list, tuple):
        items = [a for a in arguments if a is not Ellipsis]
        return isinstance(value, origin) and all(_is_of(v, items[0]) for v in value)
    if expected in (None, type(None)):
        return value is None
    if expected is float:
        return type(value) in (float, int)
    return type(value) is expected

"""A digest of the code that makes something: what a change of comments, prose or anything unrelated leaves alone.

From a function the digest follows every name that it uses to its definition in the package, and from there on: the
functions, classes and constants that can have a part in the result, and nothing else of the files that they stand in.
Comments, docstrings, annotations and layout do not count. Code is read and never run, so what is only found while
running (a module imported by a computed name, an attribute of a variable) is not seen: whoever uses such a thing names
it as one more root.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.name
ROOT = Path(__file__).parents[1]

SILENT = frozenset({"dbb.errors", "dbb.progress", "dbb.record", "dbb.code"})
"""Modules that report or keep books, and have no part in what is made."""

Definition = tuple[str, str]  # module, name at its top level


def code_digest(*roots: Definition) -> str:
    """Return a hash, 16 hexadecimal digits, of the definitions ``roots`` and all of the package that they use."""
    digest = hashlib.sha256()
    for module, name in sorted(reached(roots)):
        digest.update(f"{module}.{name}\0{_text(module, name)}\0".encode())
    return digest.hexdigest()[:16]


def definition_of(function: object) -> Definition:
    """Return the module and the name, at its top level, of a function or class."""
    return function.__module__, function.__qualname__.partition(".")[0]


def reached(roots: Iterable[Definition]) -> set[Definition]:
    """Return every definition of the package that ``roots`` use, themselves included; what is defined nowhere is left
    out.
    """
    todo, found = {end for root in roots for end in _definition(*root)}, set()
    while todo:
        module, name = todo.pop()
        found.add((module, name))
        todo |= _uses(module, name) - found
    return found


def imported(source: str) -> set[Definition]:
    """Return what the imports in some ``source`` code bring from the package, each as (module, name); of a module that
    is imported whole, all that it defines.
    """
    brought = {target for node in ast.walk(ast.parse(source)) for target in _imported(node).values()}
    whole = {(module, name) for module, nothing in brought if not nothing for name in _module(module).nodes}
    return whole | {target for target in brought if target[1]}


class _Module:
    """A module's top level: the syntax trees that define each name, and what each imported name stands for."""

    def __init__(self, path: Path | None) -> None:
        self.nodes: dict[str, list[ast.stmt]] = {}
        self.imports: dict[str, Definition] = {}
        self.effects: list[ast.stmt] = []  # what it does when it is imported: it belongs to each of its names
        for node in ast.parse(path.read_text(encoding="utf-8")).body if path else ():
            for defined in _defined(node):
                self.nodes.setdefault(defined, []).append(node)
            self.imports |= _imported(node)
            if not _defined(node) and not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
                self.effects.append(node)


@cache
def _module(name: str) -> _Module:
    return _Module(_path(name))


def _path(module: str) -> Path | None:
    """Return the file of a module of the package; None where there is none."""
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _imported(node: ast.stmt) -> dict[str, Definition]:
    """Return local name -> (module, name) of what an import brings from the package; the name is "" for a module."""
    match node:
        case ast.Import(names=names):
            return {(alias.asname or alias.name.partition(".")[0]):
                    (alias.name if alias.asname else alias.name.partition(".")[0], "")
                    for alias in names if alias.name.partition(".")[0] == PACKAGE}
        case ast.ImportFrom(module=str(module), names=names, level=0) if module.partition(".")[0] == PACKAGE:
            return {alias.asname or alias.name: _found(module, alias.name) for alias in names}
    return {}


def _found(module: str, name: str) -> Definition:
    """Return where ``from module import name`` leads: another module, or a definition in it."""
    return (f"{module}.{name}", "") if _path(f"{module}.{name}") else (module, name)


@cache
def _uses(module: str, name: str) -> frozenset[Definition]:
    """Return the definitions that one definition names, in its own module and in those that it imports from."""
    here = _module(module)
    imports = dict(here.imports)
    nodes = [*here.nodes[name], *here.effects]
    for node in nodes:
        for inner in ast.walk(node):
            imports |= _imported(inner) if isinstance(inner, ast.Import | ast.ImportFrom) else {}
    used: set[Definition] = set()
    for node in nodes:
        for chain in _chains(node):
            used |= _target(module, imports, chain)
    return frozenset(used - {(module, name)})


def _chains(node: ast.AST) -> Iterator[list[str]]:
    """Yield each name that is used, with the attributes that are asked of it: ``a.b.c`` -> ["a", "b", "c"]."""
    for inner in ast.walk(node):
        parts: list[str] = []
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield [inner.id, *reversed(parts)]


def _target(module: str, imports: dict[str, Definition], chain: list[str]) -> set[Definition]:
    first, *rest = chain
    if first not in imports:
        return {(module, first)} if first in _module(module).nodes else set()
    origin, name = imports[first]
    while not name and rest:  # a module: its attribute is what is meant
        origin, name = _found(origin, rest.pop(0))
    return _definition(origin, name) if name else set()


def _definition(module: str, name: str) -> set[Definition]:
    """Follow a name that a package's front only passes on to where it is defined."""
    if module in SILENT:
        return set()
    if name in _module(module).nodes:
        return {(module, name)}
    passed_on = _module(module).imports.get(name)
    return _definition(*passed_on) if passed_on and passed_on[1] else set()


@cache
def _text(module: str, name: str) -> str:
    """Return a definition as Python would write it, without docstrings and annotations."""
    here = _module(module)
    return "\n".join(ast.dump(_Bare().visit(ast.parse(ast.unparse(node))))
                     for node in [*here.nodes[name], *here.effects])


class _Bare(ast.NodeTransformer):
    """Drops what has no part in the result: docstrings, other bare strings, annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

"""A digest of the code that makes something: what a change of comments, prose or anything unrelated leaves alone.

From a function the digest follows every name that it uses to its definition in the package, and from there on: the
functions, classes and constants that can have a part in the result, and nothing else of the files that they stand in.
Comments, docstrings, layout, what an `InputError` says and the text of annotations do not count; the classes that
annotations name do, since their methods are called. Code is read, as it was when this module was imported, and never
run, so what is only found while running (a module imported by a computed name, an attribute of an object of unknown
class, another package) is not seen: whoever uses such a thing names it as one more root.
"""

import ast
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from dbb.errors import InputError

PACKAGE = Path(__file__).parent.name
ROOT = Path(__file__).parents[1]

SILENT = frozenset(
    {"dbb.errors", "dbb.progress", "dbb.record", "dbb.code", "dbb.store", "dbb.stages.run", "dbb.benchmarks.entry"}
)
"""Modules that report, keep books, or hold what stands in a stage's record by its value: settings, folders."""

# Read now: a file that is edited while a kernel runs is not the code that this kernel runs.
_SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / PACKAGE).rglob("*.py")}

Definition = tuple[str, str]  # module, name at its top level
Imports = dict[str, set[Definition]]  # local name -> where it may lead; the name there is "" for a module


def code_digest(*roots: Definition) -> str:
    """Return a hash, 16 hexadecimal digits, of the definitions ``roots`` and all of the package that they use."""
    digest = hashlib.sha256()
    for module, name in sorted(reached(roots)):
        digest.update(f"{module}.{name}\0{_text(module, name)}\0".encode())
    return digest.hexdigest()[:16]


def definition_of(function: Callable[..., Any]) -> Definition:
    """Return the module and the name, at its top level, of a function or class.

    Raises:
        InputError: for one that stands in no file, whose changes could not be seen.
    """
    module, name = function.__module__, function.__qualname__.partition(".")[0]
    if name not in _module(module).names:
        raise InputError(
            f"{name} of {module} stands at the top of no file that can be read, so a change of it would "
            "go unnoticed: define it in a module"
        )
    return module, name


def reached(roots: Iterable[Definition]) -> set[Definition]:
    """Return every definition of the package that ``roots`` use, themselves included; what is defined nowhere is left
    out.
    """
    todo, found = {end for root in roots for end in _follow(*root)}, set()
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
    whole = {(module, name) for module, nothing in brought if not nothing for name in _module(module).names}
    return whole | {target for target in brought if target[1]}


class _Statement:
    """A statement at the top of a module."""

    def __init__(self, node: ast.stmt) -> None:
        self._node = node

    @cached_property
    def content(self) -> tuple[list[list[str]], Imports, str]:
        """The names that it uses, what it imports itself, and how Python would write what counts of it."""
        node: ast.stmt = _Wordless().visit(self._node)
        imports: Imports = {}
        inside = list(ast.walk(node))
        _add_imports(imports, inside)
        chains, bare = list(_chains(inside)), _Bare().visit(node)
        return chains, imports, ast.dump(bare) if bare else ""


class _Module:
    """A module's top level: the statements that define each name, and what each imported name stands for."""

    def __init__(self, path: Path | None) -> None:
        self.names: dict[str, list[_Statement]] = {}
        self.imports: Imports = {}
        self.effects: list[_Statement] = []  # what it does when it is imported: it belongs to each of its names
        for node in ast.parse(_source(path)).body if path else ():
            statement, inside = _Statement(node), list(_run_with(node))
            for defined in dict.fromkeys(name for inner in inside for name in _defined(inner)):
                self.names.setdefault(defined, []).append(statement)
            _add_imports(self.imports, inside)
            if not (_defined(node) or _is_silent(node)):
                self.effects.append(statement)

    def making(self, name: str) -> list[_Statement]:
        """Return the statements that can have a part in what ``name`` is."""
        return self.names[name] + self.effects


@cache
def _module(name: str) -> _Module:
    return _Module(_path(name))


def _source(path: Path) -> str:
    return _SOURCES[path] if path in _SOURCES else path.read_text(encoding="utf-8")


def _path(module: str) -> Path | None:
    """Return the file of a module of the package, or of another one that was imported; None where there is none."""
    if module.partition(".")[0] != PACKAGE:
        file = getattr(sys.modules.get(module), "__file__", None)
        return Path(file) if file and file.endswith(".py") else None
    place = ROOT.joinpath(*module.split("."))
    places = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in places if path in _SOURCES or path.is_file()), None)


def _run_with(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement and those inside it that run when it runs: not the bodies of functions and classes."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
                yield from _run_with(inner)


def _defined(node: ast.AST) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _is_silent(node: ast.stmt) -> bool:
    """Whether a statement that defines nothing does nothing either: an import, a bare string, names for types alone."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=[]):
            return True
    return False


def _imported(node: ast.AST) -> dict[str, Definition]:
    """Return local name -> (module, name) of what an import brings from the package; the name is "" for a module.

    Raises:
        InputError: for an import of all names, or by a relative name, which would be lost.
    """
    match node:
        case ast.Import(names=names):
            return {
                (alias.asname or alias.name.partition(".")[0]): (
                    alias.name if alias.asname else alias.name.partition(".")[0],
                    "",
                )
                for alias in names
                if alias.name.partition(".")[0] == PACKAGE
            }
        case ast.ImportFrom(module=named, names=names, level=level):
            module = named or ""  # None: `from . import`
            ours = level > 0 or module.partition(".")[0] == PACKAGE
            if ours and (level or names[0].name == "*"):
                raise InputError(f"{ast.unparse(node)!r} cannot be followed: import each name, from its module in full")
            return {alias.asname or alias.name: _found(module, alias.name) for alias in names} if ours else {}
    return {}


def _add_imports(imports: Imports, nodes: Iterable[ast.AST]) -> None:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, target in _imported(node).items():
                imports.setdefault(name, set()).add(target)


def _found(module: str, name: str) -> Definition:
    """Return where ``from module import name`` leads: another module, or a definition in it."""
    return (f"{module}.{name}", "") if _path(f"{module}.{name}") else (module, name)


@cache
def _uses(module: str, name: str) -> frozenset[Definition]:
    """Return the definitions that one definition names, in its own module and in those that it imports from."""
    here, used = _module(module), set()
    for chains, imports, _ in (statement.content for statement in here.making(name)):
        for first, *attributes in chains:
            used |= {(module, first)} if first in here.names else set()
            for target in here.imports.get(first, set()) | imports.get(first, set()):
                used |= _follow(*target, attributes)
    return frozenset(used - {(module, name)})


def _chains(nodes: Iterable[ast.AST]) -> Iterator[list[str]]:
    """Yield each name that is used, with the attributes that are asked of it: ``a.b.c`` -> ["a", "b", "c"].

    Args:
        nodes: as `ast.walk` gives them, outer ones first.
    """
    inside: set[ast.AST] = set()  # of a chain that was gone along already
    for node in nodes:
        if isinstance(node, ast.Attribute | ast.Name) and node not in inside:
            parts = []
            while isinstance(node, ast.Attribute):
                parts.append(node.attr)
                node = node.value
                inside.add(node)
            if isinstance(node, ast.Name):
                yield [node.id, *reversed(parts)]


def _follow(
    module: str, name: str, attributes: Iterable[str] = (), passed: frozenset[Definition] = frozenset()
) -> set[Definition]:
    """Return the definitions that a name in a module leads to, with the attributes that are asked of it: through the
    fronts of packages, which only pass names on; of a module that is used as a whole, all.
    """
    attributes = list(attributes)
    if module in SILENT or (module, name) in passed:
        return set()
    passed |= {(module, name)}
    here = _module(module)
    if not name and attributes:  # a module: its attribute is what is meant
        return _follow(*_found(module, attributes[0]), attributes[1:], passed)
    if not name:
        return {(module, every) for every in here.names}
    found = {(module, name)} if name in here.names else set()
    return found.union(*(_follow(*target, attributes, passed) for target in here.imports.get(name, ())))


def _text(module: str, name: str) -> str:
    return "\n".join(text for _, _, text in (statement.content for statement in _module(module).making(name)))


class _Wordless(ast.NodeTransformer):
    """Drops docstrings and other bare strings, and what an `InputError` says."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        silent = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if silent else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        match node.exc:
            case ast.Call(func=(ast.Name(id="InputError") | ast.Attribute(attr="InputError")) as kind):
                return ast.copy_location(ast.Raise(exc=kind, cause=None), node)
        return self.generic_visit(node)


class _Bare(ast.NodeTransformer):
    """Drops annotations; of a class it stays known which fields it has."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        inside: list[Any] = [
            self._field(inner) if isinstance(inner, ast.AnnAssign) else self.visit(inner) for inner in node.body
        ]
        node.body = [inner for inner in inside if inner is not None]
        return node

    def _field(self, node: ast.AnnAssign) -> ast.AST:
        if not any(kind in ast.unparse(node.annotation) for kind in ("ClassVar", "InitVar", "KW_ONLY")):
            node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return ast.Assign(targets=[node.target], value=self.visit(node.value)) if node.value else None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    visit_AsyncFunctionDef: Callable[..., ast.AST] = visit_FunctionDef

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

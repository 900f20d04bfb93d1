"""A Sphinx extension: two corrections to how autodoc and Napoleon read the package's docstrings."""

import inspect

from sphinx.application import Sphinx


def keep_prose(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Begin the docstring of a constant or property with an empty comment, which nobody sees: Napoleon would take what
    stands before the first colon for a type.
    """
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def skip_foreign(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out methods that another package put into our classes (matplotlib gives a Figure its own `set`)."""
    foreign = inspect.isroutine(obj) and not (getattr(obj, "__module__", None) or "dbb").startswith("dbb")
    return True if foreign else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", keep_prose, priority=400)  # before Napoleon, at 500
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

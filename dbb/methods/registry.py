"""Which methods there are: a file of this package that assigns METHOD is one, and is called as the method, _ for -."""

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbb.errors import InputError

if TYPE_CHECKING:
    from dbb.methods.method import Method


@cache
def method_names() -> tuple[str, ...]:
    """Return the methods' names, sorted; nothing is imported, so that a command line answers at once."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple(
        path.stem.replace("_", "-")
        for path in files
        if re.search(r"^METHOD = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    )


def get_method(name: str) -> "Method[Any]":
    """Return a method by its name.

    Raises:
        InputError: for an unknown one.
    """
    if name not in method_names():
        raise InputError(f"unknown method {name!r}: choose one of {', '.join(method_names())}")
    return import_module(f"dbb.methods.{name.replace('-', '_')}").METHOD

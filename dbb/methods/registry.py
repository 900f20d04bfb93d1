"""Which methods there are: a file of this package that holds a METHOD is one."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

import dbb.methods
from dbb.errors import InputError
from dbb.methods.method import Method


@cache
def methods() -> dict[str, Method[Any]]:
    """Return name -> method, by name."""
    modules = (import_module(f"dbb.methods.{found.name}") for found in pkgutil.iter_modules(dbb.methods.__path__))
    found = (module.METHOD for module in modules if hasattr(module, "METHOD"))
    return {method.name: method for method in sorted(found, key=lambda method: method.name)}


def get_method(name: str) -> Method[Any]:
    """Return a method by its name.

    Raises:
        InputError: for an unknown one.
    """
    if name not in methods():
        raise InputError(f"unknown method {name!r}: choose one of {', '.join(methods())}")
    return methods()[name]

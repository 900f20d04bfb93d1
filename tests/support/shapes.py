"""The checker of array shapes that tests/conftest.py puts behind every call of the maths."""

from collections.abc import Callable
from typing import Any, get_args

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand for a float


def arrays_checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function``, its arrays checked at every call; all else may be a stand-in."""
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if _holds_array(hint)}
    return _check(function)


def _holds_array(hint: Any) -> bool:
    return (isinstance(hint, type) and issubclass(hint, AbstractArray)) or any(map(_holds_array, get_args(hint)))

"""The keys of a YAML file, each read as what it must be or refused in a sentence with its file and its name."""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dbb.errors import InputError

MISSING = object()
"""The fallback of a key that must be there."""

Kind = Callable[[Any], Any]
"""Returns a value as what a key must hold; raises `Wrong` in words that follow "must be"."""


class Wrong(Exception):
    """What a value must be, in words."""


@dataclass(frozen=True)
class Section:
    """A mapping in a file: the whole (``where`` is "") or the one under the key ``where``."""

    file: Path
    where: str
    values: dict[str, Any]

    def error(self, key: str, problem: str) -> InputError:
        """Return the error on a key, which names the file too."""
        return InputError(f"{self.file}: {self._full(key)}{problem}")

    def check_keys(self, known: Sequence[str]) -> None:
        """Raise InputError for a key that is not known, with the one that was perhaps meant."""
        for key in self.values:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(known)}"
                raise self.error(str(key), f" is no key that is known here: {hint}")

    def has(self, key: str) -> bool:
        """Whether the file says something under ``key``, be it null."""
        return key in self.values

    def read(self, key: str, kind: Kind, fallback: Any = MISSING) -> Any:
        """Return the value of ``key`` as ``kind`` makes it; where the file does not have the key, ``fallback``.

        Raises:
            InputError: for a value of another kind, or a key that is missing and has no fallback.
        """
        if key not in self.values:
            if fallback is MISSING:
                raise self.error(key, " is missing: add it, or say with `extends` which benchmark's to take")
            return fallback
        try:
            return kind(self.values[key])
        except Wrong as wrong:
            raise self.error(key, f" must be {wrong}, but is {self.values[key]!r}") from None

    def section(self, key: str) -> "Section":
        """Return the mapping under ``key``; an empty one where the file has none."""
        values = self.values.get(key)
        if not isinstance(values, dict | None):
            raise self.error(key, f" must hold keys of its own, indented below it, but is {values!r}")
        return Section(self.file, self._full(key), values or {})

    def _full(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def read_yaml(path: Path) -> Section:
    """Return the mapping that a YAML file holds.

    Raises:
        InputError: for a file that cannot be read, is not YAML, wants more than plain values, holds no mapping, or says
            a key twice.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): save it as text in UTF-8") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not right as YAML ({' '.join(str(error).split())}): mend that line") from error
    if not isinstance(values, dict):
        raise InputError(f'{path} must hold lines `key: value`, as the page "Your own dataset" shows')
    return Section(path, "", values)


class _Loader(yaml.SafeLoader):
    """Plain values only, no key twice, and true and false as the only truth values: YAML 1.1 would read the key ``on``
    and a class called "no" as such.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^([Tt]rue|TRUE|[Ff]alse|FALSE)$"), list("tTfF"))


# ---------------------------------------------------------------------------------------------------- kinds of values


def text(value: Any) -> str:
    """A text that is not blank."""
    if not isinstance(value, str):
        raise Wrong('a text (put it in quotes: "...")')
    if not value.strip():
        raise Wrong("a text that is not blank")
    return value


def truth(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def whole(value: Any) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong("a whole number")
    return value


def number(value: Any) -> float:
    """A finite number; also 1e-4, which YAML takes for a text as it has no point."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise Wrong("a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Wrong("a number")
    return float(value)


def or_none(kind: Kind) -> Kind:
    """``kind``, or null."""
    return lambda value: None if value is None else kind(value)


def one_of(*choices: str) -> Kind:
    """One of some texts."""

    def kind(value: Any) -> str:
        if value not in choices:
            raise Wrong(f"one of {', '.join(choices)}")
        return value

    return kind


def within(kind: Kind, low: float, high: float = math.inf, above: bool = False) -> Kind:
    """A number of ``kind`` from ``low`` (or ``above`` it) to ``high``."""
    words = f"{'above' if above else 'from'} {low:g}" + ("" if high == math.inf else f" to {high:g}")

    def bounded(value: Any) -> Any:
        value = kind(value)
        if not (low < value if above else low <= value) or value > high:
            raise Wrong(f"{words}{'' if above or high < math.inf else ' on'}")
        return value

    return bounded


def listed(kind: Kind, n: int | None = None) -> Kind:
    """A list of one or more values of ``kind``, of ``n`` where that is given."""

    def several(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value or n not in (None, len(value)):
            raise Wrong("a list of " + ("one or more" if n is None else str(n)))
        return tuple(kind(item) for item in value)

    return several


def for_each(kind: Kind, n: int) -> Kind:
    """One value for each of ``n`` classes: a list of them, or one value for all."""

    def each(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            return (kind(value),) * n
        if len(value) != n:
            raise Wrong(f"one value, or a list with one for each of the {n} classes")
        return tuple(kind(item) for item in value)

    return each

"""The benchmarks: one module a dataset, found by its name, and the users' own, found by the path of their file.

A module ``dbb/benchmarks/<name>.py`` (with _ for -) whose constant BENCHMARK is the entry is a benchmark; nothing else
has to know of it.
"""

from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from dbb.benchmarks.entry import (
    HIGH_LOSS,
    IMAGENET_MEAN,
    IMAGENET_STD,
    SOURCES,
    VALIDATION_MINORITY,
    Benchmark,
    GenerationSettings,
    InversionSettings,
    MaskSettings,
    PruningSettings,
    RetrainingSettings,
    TrainingSettings,
    templates,
)
from dbb.errors import InputError

__all__ = [
    "HIGH_LOSS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "SOURCES",
    "VALIDATION_MINORITY",
    "Benchmark",
    "GenerationSettings",
    "InversionSettings",
    "MaskSettings",
    "PruningSettings",
    "RetrainingSettings",
    "TrainingSettings",
    "get_benchmark",
    "is_own",
    "known_benchmarks",
    "templates",
]


def known_benchmarks() -> tuple[str, ...]:
    """Return the names of the benchmarks that come with the project, sorted."""
    entries = (_entry(module.name) for module in iter_modules(__path__))
    return tuple(sorted(entry.name for entry in entries if entry is not None))


def is_own(name: str) -> bool:
    """Whether ``name`` is the path of a user's own dataset file."""
    return name.lower().endswith((".yml", ".yaml"))


def get_benchmark(name: str, **models: str | None) -> Benchmark:
    """Return the entry called ``name``, or the one that the YAML file ``name`` (.yml, .yaml) describes.

    Args:
        **models: ``classifier``, ``inpainting`` or ``segmenter`` to use in place of the entry's own; None: its own.

    Raises:
        InputError: for an unknown name, with the known ones, and for a file that is not right
            (`dbb.benchmarks.own.load_own`).
    """
    if is_own(name):
        from dbb.benchmarks.own import load_own

        entry = load_own(name)
    else:
        entry = _named(name)
    chosen: dict[str, Any] = {model: spec for model, spec in models.items() if spec is not None}
    return replace(entry, **chosen)


def _named(name: str) -> Benchmark:
    modules = {module.name for module in iter_modules(__path__)}
    module = name.replace("-", "_")
    entry = _entry(module) if module in modules else None
    if entry is None or entry.name != name:
        raise InputError(
            f"unknown benchmark {name!r}: choose one of {', '.join(known_benchmarks())}, or give the path "
            'of your own dataset\'s file (.yml), as the page "Your own dataset" says'
        )
    return entry


@cache
def _entry(module: str) -> Benchmark | None:
    """The entry in a module beside this one; None: it holds none."""
    return getattr(import_module(f"{__name__}.{module}"), "BENCHMARK", None)

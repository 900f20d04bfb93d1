"""What Snakemake's configuration may hold: a misspelt key is refused before anything runs, not after hours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.methods.registry import method_names
from dbb.models.devices import MEMORY_BATCH
from dbb.models.sources import find_source
from dbb.store import NOTEBOOKS, OTHERS, READINGS, RESULTS, resolve

KEYS = (
    "benchmark",
    "seed",
    "seeds",
    "methods",
    "others",
    "runs",
    "results",
    "parameters",
    "shards",
    "memory",
    "compiled",
    "device",
    "classifier",
    "checkpoint",
    "inpainting",
    "segmenter",
)
TEXTS = ("benchmark", "methods", "runs", "results", "device", "classifier", "checkpoint", "inpainting", "segmenter")
SWITCHES = ("others", "compiled")


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration; an empty value is one that is not given.

    Raises InputError for an unknown key, benchmark, method or notebook, a value of another kind, a user's dataset file
    that is not right, a memory that is not planned for, and a model or checkpoint that looks like a path and is none.
    """
    _refuse_others("key", config, KEYS)
    given = {key: value for key, value in config.items() if value not in (None, "")}
    for key in TEXTS:
        if not isinstance(given.get(key, ""), str):
            raise InputError(f"{key} = {given[key]!r}: give text")
    for key, value in with_switches(given).items():
        if key in SWITCHES and not isinstance(value, bool):
            raise InputError(f"{key} = {given[key]!r}: give true or false")
    _check_parameters(given.get("parameters", {}))
    _check_numbers(given)
    _refuse_others("method", dict.fromkeys(filter(None, given.get("methods", "").split(","))), method_names())
    if "benchmark" in given:
        get_benchmark(given["benchmark"])
    if "memory" in given and given["memory"] not in MEMORY_BATCH:
        raise InputError(
            f"memory = {given['memory']}: choose {', '.join(map(str, MEMORY_BATCH))}, in GiB, the "
            "largest that your GPU has"
        )
    _check_models(given)


def with_switches(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with its switches' words as bool: Snakemake's command line hands on "false" as text."""
    words = {"true": True, "false": False}
    return {key: words.get(str(value).lower(), value) if key in SWITCHES else value for key, value in config.items()}


def _check_parameters(parameters: Any) -> None:
    if not isinstance(parameters, Mapping):
        raise InputError(
            f"parameters = {parameters!r}: give notebook names, each with its parameters, in a file for --configfile"
        )
    _refuse_others("notebook in parameters", parameters, (*NOTEBOOKS.values(), RESULTS, *READINGS, *OTHERS))
    for notebook, values in parameters.items():
        if not isinstance(values or {}, Mapping):
            raise InputError(f"parameters of {notebook} = {values!r}: give names with values, e.g. {{steps: 20}}")


def _check_numbers(given: Mapping[str, Any]) -> None:
    for key in ("seed", "seeds", "shards"):
        for number in str(given.get(key, 1)).split("," if key == "seeds" else None):
            if not number.strip().isdecimal():
                raise InputError(f"{key} = {given[key]}: give whole numbers, seeds with commas between, e.g. 0,1,2")
    if int(given.get("shards", 1)) < 1:
        raise InputError(f"shards = {given['shards']}: give 1 or more")


def _check_models(given: Mapping[str, Any]) -> None:
    if "inpainting" in given:
        find_source(given["inpainting"], "inpainting pipeline")
    classifier, checkpoint = given.get("classifier"), given.get("checkpoint")
    if classifier and ":" not in classifier and not resolve(Path(classifier)).is_dir():
        raise InputError(f"classifier = {classifier}: no such folder, nor 'torchvision:resnet50'")
    if checkpoint and not resolve(Path(checkpoint)).is_file():
        raise InputError(f"checkpoint = {checkpoint}: no such file, from {resolve('.')}")


def _refuse_others(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"unknown {what} {name!r}: choose among {', '.join(known)}")

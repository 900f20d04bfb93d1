"""What `snakemake --config` may hold: a misspelt key is refused before anything runs, not after hours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.models import MEMORY_BATCH, find_source
from dbb.store import NOTEBOOKS, READINGS

KEYS = ("benchmark", "seed", "seeds", "runs", "results", "parameters", "shards", "memory", "compiled", "device",
        "classifier", "inpainting", "segmenter")


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration.

    Raises InputError for an unknown key, benchmark or notebook, seeds or shards that are no numbers, a memory that is
    not planned for, and an inpainting pipeline that looks like a folder and is none.
    """
    _refuse_others("key", config, KEYS)
    _refuse_others("notebook in parameters", config.get("parameters") or {}, (*NOTEBOOKS.values(), *READINGS))
    if "benchmark" in config:
        get_benchmark(config["benchmark"])
    for key in ("seed", "seeds", "shards"):
        for number in str(config.get(key, 0)).split("," if key == "seeds" else None):
            if not number.isdecimal():
                raise InputError(f"{key} = {config[key]}: give whole numbers, seeds with commas between, e.g. 0,1,2")
    if "memory" in config and config["memory"] not in MEMORY_BATCH:
        raise InputError(f"memory = {config['memory']}: choose {', '.join(map(str, MEMORY_BATCH))}, in GiB, the "
                         "largest that your GPU has")
    if "inpainting" in config:
        find_source(config["inpainting"], "inpainting pipeline")
    if "classifier" in config and ":" not in config["classifier"] and not Path(config["classifier"]).is_dir():
        raise InputError(f"classifier = {config['classifier']}: no such folder, nor 'torchvision:resnet50'")


def _refuse_others(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise InputError(f"unknown {what} {name!r}: choose among {', '.join(known)}")

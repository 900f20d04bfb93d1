"""The files between stages: where they lie, whole or not at all, and the run.json that tells their making."""

import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import dbb
from dbb.errors import InputError

NOTEBOOKS = {
    "data": "01-data",
    "erm": "02-erm",
    "tokens": "03-tokens",
    "masks": "04-masks",
    "generated": "05-generate",
    "pruned": "06-prune",
    "retrained": "07-retrain",
    "results": "08-results",
}
"""The stages, each with the notebook that makes its files."""

READINGS = ("09-effect", "10-what-makes-it-work", "11-pruning-understood", "12-tokens-and-selection")
"""The notebooks that compute nothing: they read the study's committed results."""

_PACKAGES = ("torch", "diffusers", "transformers", "captum", "numpy")


def project_root() -> Path:
    """Return the project's folder: the nearest one, from the working directory or from this package upwards,
    that holds `notebooks/` and the pyproject.toml of dbb.

    Raises InputError when there is none.
    """
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if _is_project(folder):
                return folder
    raise InputError(f"{Path.cwd()} lies in no dbb project (a folder with notebooks/ and dbb's "
                     "pyproject.toml): run from inside the cloned repository")


def _is_project(folder: Path) -> bool:
    pyproject = folder / "pyproject.toml"
    if not (pyproject.is_file() and (folder / "notebooks").is_dir()):
        return False
    try:
        return tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {}).get("name") == "dbb"
    except tomllib.TOMLDecodeError:
        return False


def resolve(path: str | Path) -> Path:
    """Return an absolute path as it is, a relative one from the project's folder, so that a notebook means
    the same file wherever it is run.
    """
    path = Path(path).expanduser()
    return path if path.is_absolute() else project_root() / path


def data_dir(runs: str | Path, benchmark: str) -> Path:
    """Return `runs/<benchmark>/data`, created: the splits, shared by all seeds."""
    folder = resolve(runs) / benchmark / "data"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def stage_dir(runs: str | Path, benchmark: str, seed: int, stage: str) -> Path:
    """Return `runs/<benchmark>/seed<k>/<stage>`, created; ``stage``: any of `NOTEBOOKS` but "data".

    Raises InputError for another stage or a negative seed.
    """
    stages = [name for name in NOTEBOOKS if name != "data"]
    if stage not in stages:
        raise InputError(f"unknown stage {stage!r}: choose one of {', '.join(stages)}")
    if seed < 0:
        raise InputError(f"seed {seed} is negative: give 0 or more")
    folder = resolve(runs) / benchmark / f"seed{seed}" / stage
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def require_file(path: str | Path) -> Path:
    """Return ``path`` if the file exists, else raise InputError naming it and the notebook that makes it."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing: {_remedy(path)} first")
    return path


def _remedy(path: Path) -> str:
    stages = [part for part in reversed(path.parts[:-1]) if part in NOTEBOOKS]
    return f"run notebook {NOTEBOOKS[stages[0]]}" if stages else "make it"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, with its suffix; what was written there takes the name ``path``
    when the body ends, and is removed when it raises.

    The temporary name is fixed, so that a run killed here leaves nothing that its repetition does not
    overwrite. One writer per file at a time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically.

    Arrays become lists; NaN and infinity, which JSON lacks, become null.
    """
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def read_json(path: str | Path) -> Any:
    """Return the value in a JSON file.

    Raises InputError, with the notebook to run, when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is corrupt ({error}): delete it and {_remedy(path)} again") from error


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table without its index, atomically: CSV (6 digits) or Parquet, by the suffix of ``path``."""
    path = Path(path)
    with atomic_path(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False, float_format="%.6g")
        else:
            table.to_parquet(temporary, index=False)


def save_weights(path: str | Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, on the CPU.

    Raises InputError, with the notebook to run, when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} is corrupt ({error}): delete it and {_remedy(path)} again") from error


# ------------------------------------------------------------------------------------------------ run.json

class StageRun:
    """The record of one stage's run: ``with StageRun(directory, parameters, seed) as run: ...``.

    Fill ``run.metrics`` (accuracies, losses, rates) and ``run.counts`` (images made, skipped, failed) in the
    body. At its end `run.json` is written: stage, parameters, seed, versions, git commit, device, threads,
    start, wall time (s), peak memory of the process and of its GPU (MB), metrics and counts. An earlier run.json is
    removed at the start, so one that exists belongs to a stage that ended well.
    """

    def __init__(self, directory: str | Path, parameters: Mapping[str, Any], seed: int) -> None:
        self.directory = Path(directory)
        self.parameters = dict(parameters)
        self.seed = seed
        self.metrics: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        (self.directory / "run.json").unlink(missing_ok=True)
        self._started = datetime.now(UTC)
        self._clock = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            write_json(self.directory / "run.json", self._record())

    def _record(self) -> dict[str, Any]:
        return {
            "stage": self.directory.name,
            "parameters": self.parameters,
            "seed": self.seed,
            "versions": _versions(),
            "git": _git_state(),
            "device": _device_name(self.parameters.get("device", "auto")),
            "threads": torch.get_num_threads(),
            "started": self._started.isoformat(timespec="seconds"),
            "wall_s": round(time.perf_counter() - self._clock, 3),
            "peak_memory_mb": _peak_memory_mb(),
            "peak_gpu_memory_mb": _peak_gpu_memory_mb(),
            "metrics": self.metrics,
            "counts": self.counts,
        }


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "dbb": dbb.__version__, **packages}


def _git_state() -> dict[str, Any] | None:
    """Return {"commit": hash, "dirty": bool}, or None without git, a repository or a first commit."""
    try:
        root = project_root()
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no"))}
    except (InputError, OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _device_name(device: str) -> str:
    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name(None if device == "auto" else device)
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def _peak_gpu_memory_mb() -> float | None:
    """Return the most GPU memory that this process's tensors held so far, MB; None where no GPU was used."""
    if not torch.cuda.is_initialized():
        return None
    return round(max(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))) / 1e6, 1)


def _peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)  # macOS counts bytes, Linux kilobytes

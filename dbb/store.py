"""The files between stages: where they lie, and that each is there whole or not at all."""

from __future__ import annotations

import fcntl
import json
import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbb.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import torch

NOTEBOOKS = {
    "data": "01-data",
    "erm": "02-erm",
    "tokens": "03-tokens",
    "masks": "04-masks",
    "generated": "05-generate",
    "pruned": "06-prune",
    "retrained": "07-retrain",
}
"""The stages, each with the notebook that makes or loads its files."""

RESULTS = "08-results"
"""The notebook that makes nothing of its own: it reads what the stages of a run left."""

READINGS = ("09-effect", "10-what-makes-it-work", "11-pruning-understood", "12-tokens-and-selection")
"""The notebooks that read the study's committed results."""

THREAD = "mini-waterbirds"
"""The benchmark whose run the book's chapters follow, and whose results their prose tells of."""

OTHERS = {"13-mini-celeba": "mini-celeba", "14-mini-metashift": "mini-metashift"}
"""The notebooks that each read the run of another benchmark, beside the thread in the same book."""


def project_root() -> Path:
    """Return the project's folder: the nearest one, from the working directory or from this package upwards,
    that holds `notebooks/` and the pyproject.toml of dbb.

    Raises:
        InputError: when there is none.
    """
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if _is_project(folder):
                return folder
    raise InputError(
        f"{Path.cwd()} lies in no dbb project (a folder with notebooks/ and dbb's "
        "pyproject.toml): run from inside the cloned repository"
    )


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


def require_file(path: str | Path) -> Path:
    """Return ``path`` if the file exists, else raise InputError naming it and the notebook that makes it."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is missing: {remedy(path)} first")
    return path


def remedy(path: Path) -> str:
    """Return what to do about a file that a stage should have written, e.g. "run notebook 02-erm"."""
    stages = [part for part in reversed(path.parts[:-1]) if part in NOTEBOOKS]
    return f"run notebook {NOTEBOOKS[stages[0]]}" if stages else "make it"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` alone among all processes; the system lets go of it when a process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Return ``value`` in JSON's types: arrays become lists, paths text; NaN and infinity, which JSON lacks, None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # arrays and their scalars, of numpy and torch
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def read_json(path: str | Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        InputError: with the notebook to run, when the file is missing or corrupt.
    """
    path = require_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is corrupt ({error}): delete it and {remedy(path)} again") from error


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
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file, on the CPU.

    Raises:
        InputError: with the notebook to run, when the file is missing or corrupt.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = require_file(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} is corrupt ({error}): delete it and {remedy(path)} again") from error

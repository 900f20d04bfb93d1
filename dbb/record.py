"""Make or load: a stage's record says what its files were made from; where that is still so, they are loaded.

`run.json` lies beside the files of a stage. Its ``made_from`` holds the settings, the digests of the files that were
read and a digest of the code; its ``products`` holds a digest of each file that was written. So whether something
stands is never asked of the files' times.
"""

import hashlib
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dbb
from dbb.errors import InputError
from dbb.store import locked, plain, project_root, read_json, remedy, write_json

RECORD = "run.json"
_PACKAGES = ("torch", "diffusers", "transformers", "captum", "numpy")


@dataclass(frozen=True)
class Made:
    """A stage whose files stand in ``folder``.

    Attributes:
        record: what `run.json` says.
        new: whether this call made it.
        why: what differed from an earlier record.
    """

    folder: Path
    record: dict[str, Any]
    new: bool
    why: str = ""

    @property
    def metrics(self) -> dict[str, Any]:
        """Accuracies, losses, rates."""
        return self.record["metrics"]

    @property
    def counts(self) -> dict[str, int]:
        """Images made, skipped, failed."""
        return self.record["counts"]

    def __str__(self) -> str:
        stage = self.record["stage"]
        if not self.new:
            return f"{stage}: found, made from the same code, settings and inputs; loaded, not made again"
        return f"{stage}: made now" + (f", since {self.why} changed" if self.why else "")


class StageRun:
    """What a stage does while it is made: where it writes, and what it measured.

    Attributes:
        metrics: accuracies, losses, rates.
        counts: images made, skipped, failed.
        stamp: a hash of what it is made from, for files that must be told from those of an earlier making (checkpoints,
            images).
    """

    def __init__(self, folder: Path, made_from: Mapping[str, Any]) -> None:
        self.folder = folder
        self.stamp = digest_of(made_from)
        self.metrics: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.products: list[str] = []

    def path(self, name: str) -> Path:
        """Return the path of a file that the stage is about to write, and list it among its products."""
        self.products.append(name)
        return self.folder / name


def make_or_load(
    folder: Path, stage: str, made_from: Mapping[str, Any], make: Callable[[StageRun], None], device: str = "cpu"
) -> Made:
    """Return the stage in ``folder``: as it stands where its record matches, else made by ``make``.

    An earlier record is removed before the making begins, so one that exists belongs to a stage that ended well. Where
    the making fails and left the earlier files as they were, the record comes back: a mistyped setting loses nothing.
    One process makes a stage at a time; others wait for it and load.

    Args:
        made_from: all that its files depend on, JSON values.
        device: where it computes, for the record alone.
    """
    made_from = plain(_exact(made_from))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        before = _record_of(folder)
        if before is not None and before["made_from"] == made_from and _damaged(folder, before) is None:
            return Made(folder, before, new=False)
        (folder / RECORD).unlink(missing_ok=True)
        started, clock = datetime.now(UTC), time.perf_counter()
        run = StageRun(folder, made_from)
        try:
            make(run)
        except BaseException:
            if before is not None and _damaged(folder, before) is None:
                write_json(folder / RECORD, before)
            raise
        write_json(
            folder / RECORD,
            {
                "stage": stage,
                "made_from": made_from,
                "products": {name: file_digest(folder / name) for name in run.products},
                "versions": _versions(),
                "git": _git_state(),
                "device": _device_name(device),
                "threads": _threads(),
                "started": started.isoformat(timespec="seconds"),
                "wall_s": round(time.perf_counter() - clock, 3),
                "peak_memory_mb": _peak_memory_mb(),
                "peak_gpu_memory_mb": _peak_gpu_memory_mb(),
                "metrics": run.metrics,
                "counts": run.counts,
            },
        )
    return Made(folder, read_json(folder / RECORD), new=True, why=_changes(before, made_from))


def require(folder: Path) -> Made:
    """Return the stage that stands in ``folder``.

    Raises:
        InputError: with what to run, when it was not made, its record is of another version of this package, or one of
            its files is missing or another one.
    """
    record = read_json(folder / RECORD)
    if not _is_record(record):
        raise InputError(f"{folder / RECORD} does not say what it was made from: {remedy(folder / RECORD)} again")
    damaged = _damaged(folder, record)
    if damaged is not None:
        raise InputError(f"{folder / damaged} is missing or not as it was written: {remedy(folder / damaged)} again")
    return Made(folder, record, new=False)


def digest_of(value: Any) -> str:
    """Return a hash of JSON values, 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(plain(_exact(value)), sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits, of a PNG without its texts; a file that did not change is
    read once.
    """
    found = path.stat()
    return _file_digest(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@lru_cache(maxsize=100_000)
def _file_digest(path: Path, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> str:
    if path.suffix == ".png":
        return hashlib.sha256(_without_text(path.read_bytes())).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_text(png: bytes) -> bytes:
    """Return a PNG without its text chunks, where they are whole: the stamp in them is another after each change of
    code, and a picture that came out the same is the same to whoever reads it.
    """
    parts, start = [png[:8]], 8  # after the signature, each chunk: its length, 4 letters, data, a checksum
    while start < len(png):
        end = start + 12 + int.from_bytes(png[start : start + 4], "big")
        chunk = png[start:end]
        if chunk[4:8] != b"tEXt" or zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            parts.append(chunk)
        start = end
    return b"".join(parts)


def folder_digest(folder: Path) -> str:
    """Return a hash of the weights and configurations in a model's folder, by name and content."""
    kinds = (".safetensors", ".bin", ".pt", ".json", ".txt")
    files = sorted(path for path in folder.rglob("*") if path.suffix in kinds)
    return digest_of([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])


def _record_of(folder: Path) -> dict[str, Any] | None:
    try:
        record = read_json(folder / RECORD)
    except InputError:
        return None
    return record if _is_record(record) else None


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), dict) for key in ("made_from", "products"))


def _exact(value: Any) -> Any:
    """Return ``value`` with NaN and the infinities as text: in a setting each, and None, means another thing."""
    if isinstance(value, Mapping):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _damaged(folder: Path, record: Mapping[str, Any]) -> str | None:
    """Return the first product that is missing or not as it was written."""
    for name, digest in record["products"].items():
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            return name
    return None


def _changes(before: Mapping[str, Any] | None, made_from: Mapping[str, Any]) -> str:
    """Return what of ``made_from`` is another than before, e.g. "code, settings.epochs"; "" where nothing was there."""
    if before is None:
        return ""
    old, new = flat(before["made_from"]), flat(made_from)
    changed = [key for key in {**old, **new} if (key in old, old.get(key)) != (key in new, new.get(key))]
    return ", ".join(changed) or "its files"


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as one, keys joined by dots: {"settings": {"epochs": 8}} -> {"settings.epochs": 8}."""
    leaves: dict[str, Any] = {}
    for key, item in value.items():
        leaves |= flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else {f"{prefix}{key}": item}
    return leaves


# ------------------------------------------------------------------------------------------------ how it was made


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
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name(None if device == "auto" else device)
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _peak_gpu_memory_mb() -> float | None:
    """Return the most GPU memory that this process's tensors held so far, MB; None where no GPU was used."""
    import torch

    if not torch.cuda.is_initialized():
        return None
    return round(max(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))) / 1e6, 1)


def _peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)  # macOS counts bytes, Linux kilobytes

"""A page: an executed notebook under ``runs/``, made anew only where its content is no longer right.

``python workflow/page.py notebooks/02-erm.ipynb PAGE --parameters '{"seed": 3, ...}'`` makes the page, or finds it.
A page's metadata say what it was made from, so whether it stands is never asked of the files' times. Pages are read by
people and never computed from: a stage's own record says whether the stage must be made.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from notebook_cells import cells_digest, code_of, read_notebook
from stage_table import MODELS, READS, STAGES
from watch import watched

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.benchmarks.splits import source_code, source_identity
from dbb.code import code_digest, imported
from dbb.errors import InputError
from dbb.progress import show_lines
from dbb.record import RECORD, digest_of, file_digest, flat, require
from dbb.stages.run import model_identity
from dbb.store import OTHERS, RESULTS, atomic_path, locked, plain, project_root, resolve

METADATA = "dbb"
QUIET = ["--IPKernelApp.log_level=CRITICAL"]
"""A kernel warns that it talks over local TCP, and of the interrupt by which it is shut down. Errors in cells are not
in its log.
"""
AT_ONCE = "immediate"
"""A page's kernel is killed: whatever is to stay is in files by then. Asked to end, it first waits for its children, of
whom Python's tracker of a pool's resources ignores signals: seconds for each page, and a warning of its pending answer
where the interrupt that goes before hits it after its last message.
"""
NO_WIDGETS = "ignore:IProgress not found"
"""A library's bars warn on the page that they lack a package, though they are off."""


class FailedCell(Exception):
    """A cell that raised: says where and what, or of bad input the sentence alone."""


@dataclass(frozen=True)
class Page:
    """One notebook with parameters, and the path of its executed copy."""

    source: Path
    path: Path
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The notebook's, e.g. "02-erm"."""
        return self.source.stem

    @cached_property
    def benchmark(self) -> Benchmark:
        """The entry, with the models that the parameters name."""
        given = {name: self.parameters.get(name) for name in ("classifier", "inpainting", "segmenter")}
        return get_benchmark(self.parameters["benchmark"], **given)

    def changes(self) -> list[str]:
        """Return what the page was made from that is another now; nothing where it stands."""
        record = read_record(self.path)
        if record is None:
            return ["page"]
        before, now = flat(record["made_from"]), flat(plain(self.made_from()))
        return [key for key in {**before, **now} if before.get(key, "") != now.get(key, "")]

    def made_from(self) -> dict[str, Any]:
        """Return all that the page depends on, as digests; of what is missing None."""
        notebook = read_notebook(project_root() / self.source)
        own_code = source_code(self.benchmark) if self._makes_data else ()
        return {
            "cells": cells_digest(notebook),
            "parameters": {name: value for name, value in self.parameters.items() if name != "benchmark"},
            "benchmark": digest_of(settings_of(self.benchmark)),
            "models": {name: _identity(getattr(self.benchmark, name)) for name in MODELS.get(self.name, ())},
            "checkpoint": _identity(self.parameters.get("checkpoint")),
            "code": code_digest(*imported(code_of(notebook)), *own_code),
            "pictures": _or_none(lambda: source_identity(self.benchmark)) if self._makes_data else None,
            "stages": {stage: self._stage(stage) for stage in READS.get(self.name, ())},
            "own": self.own(),
            "results": self._results(),
        }

    @property
    def _makes_data(self) -> bool:
        return STAGES.get(self.name) == "data"

    def _folder(self, stage: str) -> Path:
        runs = resolve(self.parameters["runs"]) / self.benchmark.name
        return runs / "data" if stage == "data" else runs / f"seed{self.parameters['seed']}" / stage

    def _stage(self, stage: str) -> str | None:
        """What is in a stage's files and whence; the pages on a whole run also show when and how fast each was made."""
        if self.name in (RESULTS, *OTHERS):
            return _record_digest(self._folder(stage))
        return _or_none(lambda: _content(require(self._folder(stage)).record))

    def own(self) -> str | None:
        """Return a hash of the record of the stage that the notebook makes; None: none."""
        if self.name not in STAGES:
            return None
        shard, shards = self.parameters.get("shard", 0), self.parameters.get("shards", 1)
        part = "" if shards == 1 else f"shards/{shard}-of-{shards}"
        return _record_digest(self._folder(STAGES[self.name]) / part)

    def _results(self) -> dict[str, str]:
        """The files of results/ that a page of the study shows."""
        if "results" not in self.parameters:
            return {}
        folder = resolve(self.parameters["results"]) / self.benchmark.name
        return {path.name: file_digest(path) for path in sorted(folder.glob("*")) if path.is_file()}


def _content(record: Mapping[str, Any]) -> str:
    return digest_of([record["made_from"], record["products"]])


def _record_digest(folder: Path) -> str | None:
    return _or_none(lambda: file_digest(require(folder).folder / RECORD))


def _or_none(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except InputError:
        return None


def _identity(spec: str | None) -> str | None:
    """What tells a model, or a file of weights, from another; of nothing, nothing."""
    if spec is not None and resolve(spec).is_file():
        return file_digest(resolve(spec))
    return None if spec is None else model_identity(spec)


def settings_of(value: Any) -> Any:
    """Return a benchmark's entry in JSON's types, without its functions, whose code is not seen in them."""
    if is_dataclass(value):
        return {field.name: settings_of(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): settings_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [settings_of(item) for item in value]
    return None if callable(value) else plain(value)


# ------------------------------------------------------------------------------------------------ making it


def read_record(page: Path) -> dict[str, Any] | None:
    """Return what a page says of its making: "made_from", "made", when, and "seconds"; None where there is none."""
    found = _or_none(lambda: read_notebook(page))
    return None if found is None else found["metadata"].get(METADATA)


def make(page: Page, device: str | None = None) -> list[str]:
    """Execute the notebook unless its page stands, and return why: what changed, nothing where it stands.

    device: another one makes nothing anew. The page is there whole or not at all.
    """
    page.path.parent.mkdir(parents=True, exist_ok=True)
    with locked(page.path.with_name(f".{page.path.stem}.lock")):
        changes = page.changes()
        if changes:
            made_from = page.made_from()
            with atomic_path(page.path) as temporary:
                clock = time.perf_counter()
                _execute(page, temporary, {} if device is None else {"device": device})
                _mark(
                    temporary,
                    {
                        "made": datetime.now(UTC).isoformat(),
                        "seconds": time.perf_counter() - clock,
                        "made_from": made_from | {"own": page.own()},
                    },
                )
        os.utime(page.path)
    return changes


def _execute(page: Page, target: Path, more: Mapping[str, Any]) -> None:
    from papermill import PapermillExecutionError, execute_notebook

    root = project_root()
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), NO_WIDGETS]))
    try:
        execute_notebook(
            root / page.source,
            target,
            {**page.parameters, **more},
            cwd=root,
            progress_bar=False,
            extra_arguments=QUIET,
            shutdown_kernel=AT_ONCE,
        )
    except PapermillExecutionError as error:
        raise FailedCell(error.evalue if error.ename == InputError.__name__ else str(error)) from error


def _mark(path: Path, record: Mapping[str, Any]) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"][METADATA] = plain(record)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--parameters", type=json.loads, default={}, help="name -> value, as JSON")
    parser.add_argument("--device", help="where to compute")
    parser.add_argument("--place", help="which page of how many it is, e.g. 3/12")
    given = parser.parse_args()
    show_lines()
    page = Page(given.source, given.page, given.parameters)
    name, clock = (f"[{given.place}] " if given.place else "") + given.page.stem, time.perf_counter()
    try:
        with watched(name):
            changes = make(page, given.device)
    except (InputError, FailedCell) as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{name}: stopped; the same command goes on from here")
    print(f"{name}: {_told(changes, time.perf_counter() - clock)}", flush=True)


def _told(changes: list[str], seconds: float) -> str:
    if not changes:
        return "found as it is"
    why = "it was not there" if changes == ["page"] else f"{', '.join(changes)} changed"
    took = f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
    return f"executed in {took}, since {why}"


if __name__ == "__main__":
    main()

"""One run of the method: a benchmark, a seed, and the folders in which its stages meet."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.benchmarks.splits import load_split, split_digest
from dbb.code import Definition, code_digest, definition_of
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.models.devices import ATTRIBUTION_BATCH, MEMORY_BATCH
from dbb.record import RECORD, Made, StageRun, digest_of, folder_digest, make_or_load, require
from dbb.store import NOTEBOOKS, resolve, write_table

if TYPE_CHECKING:
    import pandas as pd

ALL = ("*",)
TABLE = "table.parquet"


@dataclass(frozen=True)
class Run:
    """One seed of one benchmark.

    Attributes:
        runs: folder of all runs.
        device: "auto", "cpu", "cuda:1", ...
        memory: GiB of the GPU to fit, None: the benchmark's own batches.
        at: stage -> folder below the seed's, for a stage that an arm of a study makes otherwise; all others are the
            method's own, ``runs/<benchmark>/seed<k>/<stage>``.
        called: the benchmark on a command line, where that is not its name but the path of its file.
        models: "classifier", "inpainting" or "segmenter" -> what was given in place of the benchmark's own.

    Raises:
        InputError: for a negative seed, an unknown memory or stage, or data elsewhere: all runs of a benchmark share
            them.
    """

    benchmark: Benchmark
    seed: int = 0
    runs: str | Path = "runs"
    device: str = "auto"
    memory: int | None = None
    at: Mapping[str, str] = field(default_factory=dict)
    called: str = field(default="", compare=False)
    models: Mapping[str, str] = field(default_factory=dict, compare=False)
    _splits: dict[str, ImageSet] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"seed {self.seed} is negative: give 0 or more")
        if self.memory is not None and self.memory not in MEMORY_BATCH:
            raise InputError(
                f"memory = {self.memory}: choose {', '.join(map(str, MEMORY_BATCH))} GiB, the next one below yours"
            )
        for stage in self.at:
            self._check(stage)
            if stage == "data":
                raise InputError("the data stand in one place for all runs of a benchmark: leave `data` out of `at`")

    def folder(self, stage: str) -> Path:
        """Return the folder of a stage; the data do not depend on the seed."""
        self._check(stage)
        own = resolve(self.runs) / self.benchmark.name
        return own / "data" if stage == "data" else own / f"seed{self.seed}" / self.at.get(stage, "") / stage

    def elsewhere(self, **at: str) -> "Run":
        """Return this run with some stages in other folders below the seed's."""
        return replace(self, at={**self.at, **at})

    def split(self, name: str) -> ImageSet:
        """Return the split "train", "val" or "test", read once."""
        if name not in self._splits:
            recorded = self.made("data").metrics["splits"][name]
            images = load_split(self.benchmark, name, self.folder("data"))
            if split_digest(self.benchmark, images) != recorded:
                raise InputError(
                    f"the pictures of {self.benchmark.name}'s split {name!r} have changed since they were "
                    f"read: run notebook {NOTEBOOKS['data']} again"
                )
            self._splits[name] = images
        return self._splits[name]

    def needs(self, *stages: str) -> None:
        """Check that the stages were made, as a notebook does before any work.

        Raises:
            InputError: for an unknown stage; with the one command that makes them all, where some were not.
        """
        for stage in stages:
            self._check(stage)
        own = [stage for stage in NOTEBOOKS if stage in stages and stage not in self.at]
        lacking = [stage for stage in own if not (self.folder(stage) / RECORD).is_file()]
        if lacking:
            raise InputError(
                f"seed {self.seed} of {self.benchmark.name} lacks {', '.join(lacking)} in "
                f"{resolve(self.runs)}. With the benchmark's own settings, this makes what it lacks:\n\n"
                f"    python -m dbb.stages {self.options} --seed {self.seed} --to {lacking[-1]}\n"
            )

    @property
    def options(self) -> str:
        """What a command line says of this run beside its seed, e.g. "--benchmark mini-waterbirds --runs runs"."""
        given = ["--benchmark", self.called or self.benchmark.name, "--runs", str(self.runs)]
        given += ["--device", self.device] if self.device != "auto" else []
        given += [word for model, spec in self.models.items() for word in (f"--{model}", spec)]
        return shlex.join(given + (["--memory", str(self.memory)] if self.memory is not None else []))

    def made(self, stage: str) -> Made:
        """Return a stage that stands.

        Raises:
            InputError: with what to run, where it does not, or where it was made from other files than the stages
                before it hold now.
        """
        self.needs(stage)
        made = require(self.folder(stage))
        for key, digest in made.record["made_from"]["inputs"].items():
            before, file = key.split("/", 1)
            if self._digests(before, (file,)).get(file) != digest:
                raise InputError(
                    f"{stage} of seed {self.seed} was made from another {key} than the one that stands "
                    f"now: run notebook {NOTEBOOKS[stage]} again"
                )
        return made

    @property
    def attribution_batch(self) -> int:
        """Images and points of eq. 4 in one pass, as many as the memory takes."""
        return ATTRIBUTION_BATCH[self.memory or max(ATTRIBUTION_BATCH)]

    def make(
        self,
        stage: str,
        settings: Mapping[str, Any],
        reads: Mapping[str, tuple[str, ...]],
        work: Callable[[StageRun], None],
        models: Mapping[str, str] | None = None,
        code: Sequence[Definition] = (),
        part: str = "",
        folder: Path | None = None,
    ) -> Made:
        """Make a stage by ``work``, or load it where it stands already.

        Args:
            settings: all that it depends on beside files.
            reads: stage -> files of it that ``work`` reads, `ALL` for all of them; of "data" the splits.
            models: name -> which model it loads.
            code: what its code is, beside the function in which ``work`` is defined.
            part: folder below the stage's for the record of a part of its work.
            folder: of something that is no stage of the method, named ``stage``; None: the stage's own.
        """
        made_from = self._made_from(settings, reads, [definition_of(work), *code], models, seeded=stage != "data")
        return make_or_load((folder or self.folder(stage)) / part, stage, made_from, work, self.device)

    def measure(
        self,
        name: str,
        settings: Mapping[str, Any],
        reads: Mapping[str, tuple[str, ...]],
        table: Callable[[], "pd.DataFrame"],
        models: Mapping[str, str] | None = None,
    ) -> Made:
        """Make the table ``name``, of something that is measured on the stages, by ``table``, or load it where it
        stands already; otherwise as `make`. File: `table.parquet`, in `measured`.
        """

        def work(stage: StageRun) -> None:
            write_table(stage.path(TABLE), table())

        made_from = self._made_from(settings, reads, [definition_of(table)], models)
        return make_or_load(self.measured(name), name, made_from, work, self.device)

    def measured(self, name: str) -> Path:
        """Return the folder of a table that is measured on the stages."""
        return resolve(self.runs) / self.benchmark.name / f"seed{self.seed}" / "measured" / name

    def _made_from(
        self,
        settings: Mapping[str, Any],
        reads: Mapping[str, tuple[str, ...]],
        code: Sequence[Definition],
        models: Mapping[str, str] | None,
        seeded: bool = True,
    ) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark.name,
            **({"seed": self.seed} if seeded else {}),
            "settings": settings,
            "models": {name: model_identity(spec) for name, spec in (models or {}).items()},
            "inputs": {
                f"{name}/{file}": digest
                for name, files in reads.items()
                for file, digest in self._digests(name, files).items()
            },
            # How the splits are read is no part of the functions above: they ask the run for them.
            "code": code_digest(*code, *([definition_of(load_split)] if "data" in reads else [])),
        }

    def _digests(self, stage: str, files: tuple[str, ...]) -> dict[str, str]:
        if stage == "data":
            return {name: self.made("data").metrics["splits"][name] for name in files}
        products = self.made(stage).record["products"]
        if files == ALL:
            return {"*": digest_of(products)}
        for name in files:
            if name not in products:
                raise InputError(
                    f"{self.folder(stage) / name} is not among what the stage made: run notebook "
                    f"{NOTEBOOKS[stage]} again with the same parameters"
                )
        return {name: products[name] for name in files}

    def _check(self, stage: str) -> None:
        if stage not in NOTEBOOKS:
            raise InputError(f"unknown stage {stage!r}: choose one of {', '.join(NOTEBOOKS)}")


def model_identity(spec: str) -> str:
    """Return what tells a model from another: the digest of its folder, or the name and revision that pin it. Of a spec
    that names several, "grounded-sam:DETECTOR,SAM", it is all of them.
    """
    if spec and resolve(spec).is_dir():
        return folder_digest(resolve(spec))
    kind, _, models = spec.partition(":")
    return f"{kind}:{','.join(model_identity(model.strip()) for model in models.split(','))}" if "," in models else spec


def open_run(
    benchmark: str,
    seed: int = 0,
    runs: str | Path = "runs",
    device: str = "auto",
    memory: int | None = None,
    **models: str | None,
) -> Run:
    """Return the run of a benchmark by name, or by the path of a user's own .yml; ``models`` as in `get_benchmark`."""
    given = {model: spec for model, spec in models.items() if spec is not None}
    return Run(get_benchmark(benchmark, **models), seed, runs, device, memory, called=benchmark, models=given)

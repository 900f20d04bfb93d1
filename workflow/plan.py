"""What a configuration asks for: its pages, where they lie, what they are handed, and which must be made."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from configuration import check_config, with_switches
from dataset import can_be_got, verified
from page import Page
from stage_table import READS, STAGES, TAKES

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.store import NOTEBOOKS, OTHERS, READINGS, RESULTS, THREAD, resolve
from dbb.study.folder import has_study

GENERATE = NOTEBOOKS["generated"]
OWN = ("benchmark", "seeds", "checkpoint", "classifier", "inpainting", "segmenter")
"""What the configuration says of its own benchmark alone, and not of the others in its book."""


class Plan:
    """The pages of one configuration: a benchmark, with as many seeds as it names.

    config: as workflow/config.yml has it; an empty value is one that is not given.
    chapter: the one notebook by which another benchmark's book shows the run; None: the book is of this run.

    Raises InputError as `configuration.check_config`.
    """

    def __init__(self, config: Mapping[str, Any], chapter: str | None = None) -> None:
        check_config(config)
        self.chapter = chapter
        self.config = {name: value for name, value in with_switches(config).items() if value not in (None, "")}
        self.seed = int(self.config.get("seed", 0))
        self.seeds = [int(seed) for seed in str(self.config.get("seeds", self.seed)).split(",")]
        self.shards = int(self.config.get("shards", 1))
        self.runs, self.results = self.config.get("runs", "runs"), self.config.get("results", "results")

    @cached_property
    def benchmark(self) -> Benchmark:
        """The benchmark's entry."""
        return get_benchmark(self.config["benchmark"])

    @property
    def readings(self) -> tuple[str, ...]:
        """The notebooks on the study, where its results are there for this benchmark."""
        return READINGS if has_study(resolve(self.results) / self.benchmark.name) else ()

    @property
    def notebooks(self) -> tuple[str, ...]:
        """All notebooks of one run, in their order."""
        return (*NOTEBOOKS.values(), *((RESULTS, *self.readings) if self.chapter is None else (self.chapter,)))

    @cached_property
    def others(self) -> tuple[Plan, ...]:
        """The runs of other benchmarks on which the book has a chapter each."""
        if self.chapter is not None or self.benchmark.name != THREAD or not self.config.get("others", True):
            return ()
        shared = {name: value for name, value in self.config.items() if name not in OWN}
        return tuple(Plan({**shared, "benchmark": name}, chapter) for chapter, name in OTHERS.items())

    @property
    def folder(self) -> str:
        """Of all runs of the benchmark."""
        return f"{self.runs}/{self.benchmark.name}"

    @property
    def dataset(self) -> str:
        """The report on the pictures of a benchmark that can be downloaded."""
        return f"{self.folder}/dataset.json"

    @property
    def downloads(self) -> bool:
        """Whether the benchmark's pictures are got before anything."""
        return can_be_got(self.benchmark)

    def path(self, notebook: str, seed: int | str = "{seed}", shard: int | str | None = None) -> str:
        """Return where a page lies; data and the study's results have no seed. shard: of generation; None: all."""
        part = "" if shard is None else f"-{shard}-of-{self.shards}"
        own = f"/seed{seed}" if notebook in READS and STAGES.get(notebook) != "data" else ""
        return f"{self.folder}{own}/pages/{notebook}{part}.ipynb"

    def place(self, notebook: str, seed: int | None = None) -> str:
        """Return which page of how many of its run this is, e.g. "3/12", with what tells it from others of the call.

        Args:
            seed: of its run; None: a page of all runs, or of the book's.
        """
        of = f"{self.benchmark.name}, " if self.chapter is not None else ""
        of += f"seed {seed}, " if seed is not None and len(self.seeds) > 1 else ""
        return f"{of}{self.notebooks.index(notebook) + 1}/{len(self.notebooks)}"

    def before(self, notebook: str) -> list[str]:
        """Return the notebooks whose stages a page reads."""
        return [NOTEBOOKS[stage] for stage in READS.get(notebook, ())]

    def parameters(self, notebook: str, seed: int = 0, shard: int | None = None) -> dict[str, Any]:
        """Return what a notebook is handed; the device apart, since nothing is made anew for another one."""
        given: dict[str, Any] = {"benchmark": self.config["benchmark"]}
        if notebook in READINGS:
            given["results"] = self.results
        else:
            given |= {} if STAGES.get(notebook) == "data" else {"seed": seed}
            given["runs"] = self.runs
        given |= {name: self.config[name] for name in TAKES.get(notebook, ()) if name in self.config}
        given |= (self.config.get("parameters") or {}).get(notebook) or {}
        return given if shard is None else given | {"shard": shard, "shards": self.shards, "compared": 1}

    def page(self, notebook: str, seed: int = 0, shard: int | None = None) -> Page:
        """Return a page with its parameters."""
        return Page(
            Path("notebooks", f"{notebook}.ipynb"),
            resolve(self.path(notebook, seed, shard)),
            self.parameters(notebook, seed, shard),
        )

    def pages(self, seed: int) -> dict[str, Page]:
        """Return notebook -> page of one run."""
        return {name: self.page(name, seed) for name in self.notebooks}

    def chapters(self) -> dict[str, Page]:
        """Return notebook -> page of the book: the run's own pages, and one for each of the other benchmarks."""
        return self.pages(self.seed) | {of.chapter: of.page(of.chapter, of.seed) for of in self.others if of.chapter}

    def standing(self) -> dict[str, bool]:
        """Return path -> whether it must not be made anew, of every page of the plan's seeds and of the dataset's
        report: its content is right, and so is that of the pages before it.
        """
        found = {self.dataset: verified(self.benchmark, resolve(self.dataset))} if self.downloads else {}
        for seed in dict.fromkeys((self.seed, *self.seeds)):
            late: set[str] = set()
            for name, page in self.pages(seed).items():
                if late & set(self.before(name)) or page.changes():
                    late.add(name)
                found[self.path(name, seed)] = name not in late
            for shard in self.shard_numbers:
                found[self.path(GENERATE, seed, shard)] = GENERATE not in late
        return found

    @property
    def shard_numbers(self) -> range:
        """The jobs that generation is split into before the one that joins them; none where it is not split."""
        return range(self.shards if self.shards > 1 else 0)

"""The product as its user runs it: `snakemake book` on tiny parameters into a folder of its own, in processes of its
own; then what it made, and in which ranges its numbers lie.

The ranges of numbers are wide around what seeds 0 to 5 gave on these parameters, which is said beside them.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from chapters import FEW, check_figures, shown_on

from book import LEFT_OUT, build
from dbb.record import Made
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.run import Run, open_run
from dbb.store import NOTEBOOKS, OTHERS, READINGS, RESULTS, project_root

ROOT = project_root()
PAGES = (*NOTEBOOKS.values(), RESULTS, *READINGS)
BESIDE = {
    (name, page): number
    for chapter, name in OTHERS.items()
    for number, page in enumerate((*NOTEBOOKS.values(), chapter), 1)
}
"""Benchmark and page of the other worlds' runs -> which of its run's it is."""
N_PAGES = len(PAGES) + len(BESIDE)
TINY = {
    **FEW,
    "01-data": {"train_size": 400, "val_size": 24, "test_size": 80, "shown": 2},
    "02-erm": {"epochs": 5, "k": [20, 10], "shown": 2},
    "03-tokens": {"images": 4, "steps": 3, "batch_size": 4, **FEW["03-tokens"]},
    "04-masks": {"per_class": [12, 12], "shown": 2},
    "05-generate": {"steps": 8, **FEW["05-generate"]},
    "06-prune": {"ig_steps": 8, "shown": 2},
    "07-retrain": {"epochs": 3},
}
"""Notebook -> the parameters that make it tiny."""


@dataclass(frozen=True)
class Product:
    """What one call of Snakemake left below ``runs``, and what it said."""

    runs: Path
    said: str
    warned: str

    @property
    def run(self) -> Run:
        return open_run("mini-waterbirds", 0, self.runs)

    def stage(self, name: str) -> Made:
        return self.run.made(name)

    def page(self, notebook: str, benchmark: str = "mini-waterbirds") -> Path:
        return next((self.runs / benchmark).rglob(f"pages/{notebook}.ipynb"))


def snakemake(folder: Path) -> Product:
    """Run it; two jobs of one thread each beside each other."""
    (folder / "tiny.yml").write_text(yaml.safe_dump({"runs": str(folder / "runs"), "parameters": TINY}))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    options = ["--cores", "2", "--max-threads", "1", "--quiet", "rules", "progress", "host", "reason"]
    run = subprocess.run(
        ["snakemake", *options, "--configfile", folder / "tiny.yml", "--", "book"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-10_000:]
    return Product(folder / "runs", run.stdout, run.stderr)


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Product:
    return snakemake(tmp_path_factory.mktemp("product"))


# ------------------------------------------------------------------------------------------------ what is there


@pytest.mark.parametrize("number, notebook", enumerate(PAGES, start=1), ids=PAGES)
def test_each_page_is_made_with_all_its_figures_and_without_a_warning(product, number, notebook):
    assert f"[{number}/{len(PAGES)}] {notebook}: executed in " in product.said
    check_figures(notebook, shown_on(product.page(notebook)))
    cells = nbformat.read(product.page(notebook), 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert outputs and [output.text for output in outputs if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("benchmark, notebook", BESIDE, ids=map("-".join, BESIDE))
def test_so_are_the_pages_of_the_other_worlds(product, benchmark, notebook):
    number, of = BESIDE[benchmark, notebook], len(NOTEBOOKS) + 1
    assert f"[{benchmark}, {number}/{of}] {notebook}: executed in " in product.said
    page = product.page(notebook, benchmark)
    if notebook in OTHERS:
        check_figures(notebook, shown_on(page))
    outputs = [output for cell in nbformat.read(page, 4).cells for output in cell.get("outputs", [])]
    assert outputs and [output.text for output in outputs if output.get("name") == "stderr"] == []


def test_the_book_is_built_of_them_and_its_path_said_last(product):
    book = product.runs / "mini-waterbirds/seed0/book"
    index = book / "_build/html/index.html"
    assert product.said.splitlines()[-1] == f"The book, built now: {index}" and index.is_file()
    for notebook in (*PAGES, *OTHERS):
        assert (index.parent / f"chapters/{notebook}.html").is_file()
        assert (book / f"source/chapters/{notebook}.ipynb").is_file()
    worst = product.stage("retrained").metrics["test"]["worst_group"]
    assert f"{worst:.1%}" in (index.parent / "chapters/08-results.html").read_text(encoding="utf-8")
    assert "WARNING" not in product.warned


def test_a_person_is_told_in_a_line_a_page_and_of_the_whole_at_the_end(product):
    before, _, after = product.said.partition("\nPages made: ")
    assert len(before.strip().splitlines()) == N_PAGES
    assert all(f"{stage} " in after for stage in NOTEBOOKS)
    # A page that takes long tells its minutes; Snakemake names its profile and its configuration.
    expected = ("[", "Using workflow specific profile", "Config file ")
    assert [line for line in product.warned.splitlines() if line and not line.startswith(expected)] == []


def test_a_second_call_finds_everything(product):
    made = {path: path.stat().st_mtime_ns for path in product.runs.rglob("*.html")}
    again = snakemake(product.runs.parent)
    assert f"All {N_PAGES} pages were found as they are: nothing was computed." in again.said
    assert "executed" not in again.said and "The book, found as it is: " in again.said.splitlines()[-1]
    assert made == {path: path.stat().st_mtime_ns for path in product.runs.rglob("*.html")}


# ------------------------------------------------------------------------------------------------ its numbers


def test_counts_are_as_planned_from_the_data_to_retraining(product):
    assert product.stage("data").counts == {"train": 400, "val": 24, "test": 80}
    painted, kept = product.stage("generated").counts, product.stage("pruned").counts
    assert painted["planned"] == sum(TINY["04-masks"]["per_class"])
    assert painted["generated"] + painted["no mask"] == painted["planned"]
    assert sum(kept.values()) - kept["generated"] == kept["generated"] == painted["generated"], "each has one reason"
    table = read_manifest(product.run.folder("pruned") / MANIFEST)
    assert table.status.value_counts().to_dict() == {"generated": painted["generated"]}
    assert table.kept.sum() == kept["kept"] <= painted["generated"]
    trained = product.stage("retrained").counts
    assert trained["training images"] == 400
    assert trained["into class 0"] + trained["into class 1"] == kept["kept"]


def test_pruning_keeps_some_and_throws_out_more(product):
    """Of 24 it kept 5 to 9; most of what eight steps paint still looks like the class that was there."""
    kept = product.stage("pruned").counts
    assert 2 <= kept["kept"] <= 16 and kept["looks like the source class"] >= 6


def test_erm_learns_the_places_in_place_of_the_birds(product):
    """Majority groups 1.0; minority groups 0 to 0.15; average of the groups 0.50 to 0.56, which is chance; weighted by
    the training split's groups 0.95 to 0.96.
    """
    test = product.stage("erm").metrics["test"]
    landbird_on_land, landbird_on_water, waterbird_on_land, waterbird_on_water = test["group_accuracy"]
    assert min(landbird_on_land, waterbird_on_water) >= 0.85
    assert max(landbird_on_water, waterbird_on_land) <= 0.4
    assert 0.4 <= test["average"] <= 0.65 and 0.85 <= test["weighted_average"] <= 1
    check_summaries(test)


def test_retraining_narrows_the_gap_between_the_groups(product):
    """Landbirds on water rise to 0.7 to 0.9, the worst group by 0.1 to 0.25, the average by 0.10 to 0.15."""
    before, after = (product.stage(stage).metrics["test"] for stage in ("erm", "retrained"))
    assert 0.4 <= after["group_accuracy"][1] <= 1
    assert after["worst_group"] > before["worst_group"] and after["average"] >= before["average"] + 0.04
    assert np.ptp(after["group_accuracy"]) < np.ptp(before["group_accuracy"])
    check_summaries(after)


def check_summaries(test: dict) -> None:
    assert test["worst_group"] == min(test["group_accuracy"])
    assert test["average"] == pytest.approx(np.mean(test["group_accuracy"]))


# ------------------------------------------------------------------------------------------------ the repository's book


def test_the_committed_chapters_build_in_place_of_them_without_a_warning(product):
    """Last, since the product's book is lost by it: Sphinx reads anew all pages but the package's reference, which is
    the same and takes longest.
    """
    committed, target = ROOT / "book", product.runs / "mini-waterbirds/seed0/book"
    index = target / "_build/html/index.html"
    index.unlink()
    for path in committed.rglob("*"):
        inside = path.relative_to(committed)
        if path.is_file() and inside.parts[0] not in LEFT_OUT and inside.name != "api.md":
            shutil.copy(path, target / "source" / inside)
    assert build(target / "source", target) and index.is_file()

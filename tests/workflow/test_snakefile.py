"""Snakemake executes the pages that do not stand, whatever the files' times say: a copy with notebooks of two cells."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from stage_table import READS, STAGES

from dbb.store import NOTEBOOKS, project_root

ROOT = project_root()
DECLARED = 'benchmark: str = "mini-waterbirds"  # b\nruns: str = "runs"  # r\nshard: int = 0  # s\nshards: int = 1  # n'
SEED = "\nseed: int = 0  # k"
COMPARED = "\ncompared: int = 5  # c"
PAGES = ("01-data", "02-erm", "03-tokens", "04-masks", "05-generate")
TOLD = re.compile(r"^\[(?:seed \d, )?\d+/8\] (\S+): (executed|found)", re.MULTILINE)


def stage_code(stage: str) -> str:
    """A stage that leaves one file, the same one whenever it is made."""
    own = '"data"' if stage == "data" else f'f"seed{{seed}}/{stage}"'
    return (
        f"from dbb.record import file_digest\nfrom dbb.store import resolve, write_json\n"
        f'folder = resolve(runs) / benchmark / {own} / ("" if shards == 1 else f"shards/{{shard}}-of-{{shards}}")\n'
        f'folder.mkdir(parents=True, exist_ok=True)\n(folder / "a.txt").write_text("{stage}")\n'
        f'write_json(folder / "run.json", {{"stage": "{stage}", "made_from": {{"settings": 1}}, '
        f'"products": {{"a.txt": file_digest(folder / "a.txt")}}}})'
    )


def write_notebook(folder: Path, name: str) -> None:
    new = nbformat.v4
    declared = DECLARED + ("" if name == "01-data" else SEED) + (COMPARED if name == "05-generate" else "")
    code = stage_code(STAGES[name]) if name in STAGES else 'print("read")'
    cells = [new.new_code_cell(declared, metadata={"tags": ["parameters"]}), new.new_code_cell(code)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new.new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")


PAPERMILL = """\
import json
from pathlib import Path


class PapermillExecutionError(Exception):
    pass


def execute_notebook(source, target, parameters, **options):
    text, names = Path(source).read_text(), {}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            names |= parameters
    Path(target).write_text(text)
"""
"""In its place: a kernel for each page would take most of the time. In tests/product they have their kernels."""


class Checkout:
    """A copy of the project, and what Snakemake does in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("dbb", "workflow", "profiles/default"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "workflow/papermill.py").write_text(PAPERMILL)
        for name in ("Snakefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        (folder / "data").mkdir()
        (folder / "data/mini").symlink_to(ROOT / "data/mini")
        (folder / "notebooks").mkdir()
        for name in READS:
            write_notebook(folder / "notebooks", name)

    def snakemake(self, *config: str, target: str = "runs/mini-waterbirds/seed0/pages/05-generate.ipynb") -> dict:
        """Run it up to a page; return page -> "executed" or "found"."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        run = subprocess.run(
            ["snakemake", "--cores", "1", "--config", "results=none", *config, "--", target],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(self.folder)},
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return dict(TOLD.findall(run.stdout + run.stderr))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    for path in made.folder.rglob("*"):  # as from an archive: all times equal
        if path.is_file() and not path.is_symlink():
            os.utime(path, (1_000_000_000,) * 2)
    assert made.snakemake() == dict.fromkeys(PAGES, "executed")
    return made


def test_times_decide_nothing(checkout):
    dice = random.Random(0)
    for path in checkout.folder.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path, (dice.randrange(3_000_000_000),) * 2)
    assert checkout.snakemake() == {}


def test_prose_executes_its_page_and_finds_those_after_it(checkout):
    path = checkout.folder / "notebooks" / "03-tokens.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("More."))
    nbformat.write(notebook, path)
    later = checkout.folder / "runs/mini-waterbirds/seed0/pages/05-generate.ipynb"
    before = later.read_bytes()
    assert checkout.snakemake() == {"03-tokens": "executed", "05-generate": "found"}
    assert later.read_bytes() == before


def test_shards_are_executed_where_generation_must_be(checkout):
    assert checkout.snakemake("shards=2") == {}, "its images are there"
    (checkout.folder / "runs/mini-waterbirds/seed0/generated/a.txt").write_text("damaged")
    parts = [f"05-generate-{shard}-of-2" for shard in range(2)]
    assert checkout.snakemake("shards=2") == dict.fromkeys([*parts, "05-generate"], "executed")


def test_another_seed_shares_the_data_alone(checkout):
    last = f"runs/mini-waterbirds/seed7/pages/{NOTEBOOKS['erm']}.ipynb"
    assert checkout.snakemake("seed=7", target=last) == {"02-erm": "executed"}


def test_a_page_among_those_of_several_seeds_is_told_with_its_seed(checkout):
    last = f"runs/mini-waterbirds/seed9/pages/{NOTEBOOKS['erm']}.ipynb"
    assert checkout.snakemake("seeds=8,9", target=last) == {"02-erm": "executed"}


def test_a_wrong_configuration_stops_before_anything(checkout):
    with pytest.raises(AssertionError, match="unknown key 'sead'"):
        checkout.snakemake("sead=3")

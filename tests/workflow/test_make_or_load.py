"""What each kind of edit executes and makes, on a copy of the project with a dataset of a few pictures.

The stages are the project's own, run in this process; a page is executed without a kernel, by calling its stage. Code
and notebooks are read from the copy, so an edit there is an edit to whatever asks what changed.
"""

import ast
import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import page as pages
import pytest
import yaml
from plan import Plan
from stage_table import STAGES

from dbb import code
from dbb.stages import all as stages
from dbb.stages.run import open_run
from dbb.store import RESULTS, project_root

ROOT = project_root()
DATASET = "data/tiny/tiny.yml"
TINY = {
    "extends": "mini-waterbirds",
    "classes": ["robin", "heron"],
    "attributes": ["forest", "lake"],
    "data": {
        "pictures": "../example/pictures",
        "table": "../example/birds.csv",
        "columns": {"path": "file", "label": "species", "attribute": "place", "split": "part"},
    },
    "erm": {"epochs": 1},
    "inversion": {"images": 2, "steps": 2, "batch_size": 2},
    "pruning": {"steps": 4},
    "generation": {"per_class": [3, 3], "steps": 2, "batch_size": 3},
    "retraining": {"epochs": 1},
}
ALL_PAGES, ALL_STAGES = {*STAGES, RESULTS}, set(stages.STAGES)
NOTHING = (set(), set())


class Project:
    """A copy of the project with its runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("dbb", "notebooks", "data/example"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "data/mini").symlink_to(ROOT / "data/mini")
        self.write_dataset(TINY)

    def write_dataset(self, settings: dict) -> None:
        path = self.folder / DATASET
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def edit(self, name: str, change) -> None:
        path = self.folder / name
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
        forget_code()

    def go(self, **parameters: dict) -> tuple[set[str], set[str]]:
        """Do what `make book` does up to its pages; return which were executed and which stages were made.

        parameters: of a notebook, its name with _ for -.
        """
        self.made: set[str] = set()
        plan = Plan(
            {
                "benchmark": DATASET,
                "results": "no-results",
                "parameters": {name.replace("_", "-")[1:]: given for name, given in parameters.items()},
            }
        )
        standing = plan.standing()
        executed = {
            name for name, page in plan.pages(0).items() if not standing[plan.path(name, 0)] and pages.make(page)
        }
        return executed, self.made

    def execute(self, page: pages.Page, target: Path, more: dict) -> None:
        """In place of a kernel: the notebook's stage, with the settings that its parameters name."""
        run = open_run(page.parameters["benchmark"], page.parameters.get("seed", 0), page.parameters["runs"])
        if page.name != RESULTS:
            given = {}
            if page.name == "03-tokens" and "steps" in page.parameters:
                given["settings"] = replace(run.benchmark.inversion, steps=page.parameters["steps"])
            made = stages.STAGES[STAGES[page.name]](run, **given)
            self.made |= {made.record["stage"]} if made.new else set()
        shutil.copy(page.source, target)


def forget_code() -> None:
    """Read the package's code anew, as another process would."""
    for value in vars(code).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose pages and stages were all made; each test leaves it so."""
    with pytest.MonkeyPatch.context() as patch:
        project = Project(tmp_path_factory.mktemp("copy"))
        patch.chdir(project.folder)
        patch.setattr(code, "ROOT", project.folder)
        forget_code()
        patch.setattr(pages, "_execute", project.execute)
        assert project.go() == (ALL_PAGES, ALL_STAGES)
        yield project
    forget_code()


@pytest.fixture
def project(finished):
    """The finished project; what a test changes in it is put back, and made again."""
    kept = {
        path: path.read_bytes()
        for part in ("dbb", "notebooks", "data/tiny", "runs")
        for path in (finished.folder / part).rglob("*")
        if path.is_file()
    }
    yield finished
    for path, content in kept.items():
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    forget_code()


def new_line(text: str, function: str) -> str:
    """Return code with one more statement at the beginning of a function."""
    (node,) = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == function)
    first = next(inner for inner in node.body if not isinstance(inner, ast.Expr))
    lines = text.splitlines(keepends=True)
    return "".join([*lines[: first.lineno - 1], " " * first.col_offset + "pass\n", *lines[first.lineno - 1 :]])


def more_prose(text: str) -> str:
    notebook = json.loads(text)
    notebook["cells"].append({"cell_type": "markdown", "id": "more", "metadata": {}, "source": ["One more sentence."]})
    return json.dumps(notebook)


def test_a_second_time_makes_nothing(project):
    assert project.go() == NOTHING


def test_a_comment_and_a_docstring_make_nothing(project):
    project.edit("dbb/stages/masks.py", lambda text: "# A comment.\n" + text.replace('"""Return', '"""Give back', 1))
    assert project.go() == NOTHING


def test_another_datasets_file_makes_nothing(project):
    project.edit("dbb/benchmarks/celeba.py", lambda text: new_line(text, "list_split"))
    project.edit("dbb/benchmarks/waterbirds.py", lambda text: text.replace("5e-6", "6e-6"))
    assert project.go() == NOTHING


def test_prose_executes_its_page_alone_and_makes_no_stage(project):
    project.edit("notebooks/03-tokens.ipynb", more_prose)
    assert project.go() == ({"03-tokens"}, set())


def test_a_figure_executes_the_pages_that_show_it_and_makes_no_stage(project):
    project.edit("dbb/report/masks.py", lambda text: new_line(text, "overlap_histogram"))
    assert project.go() == ({"04-masks"}, set())


def test_a_setting_makes_its_stage_and_those_for_which_it_made_another_file(project):
    project.write_dataset(TINY | {"pruning": {"steps": 5}})
    executed, made = project.go()
    assert executed == ALL_PAGES, "each shows settings of the benchmark"
    assert {"pruned"} <= made <= {"pruned", "retrained"}, "retraining reads which pictures are kept, and no scores"


def test_a_parameter_makes_its_stage_and_those_that_read_what_it_makes(project):
    executed, made = project.go(_03_tokens={"steps": 3})
    assert made == {"tokens", "generated", "pruned", "retrained"}
    assert executed == {"03-tokens", "05-generate", "06-prune", "07-retrain", RESULTS}


def test_a_line_of_a_stage_makes_it_and_nothing_after_it_that_reads_the_same_files(project):
    project.edit("dbb/stages/masks.py", lambda text: new_line(text, "masks"))
    assert project.go() == ({"04-masks", "05-generate", "06-prune", RESULTS}, {"masks"})


@pytest.mark.parametrize("file", ["tokens/heron.safetensors", "masks/masks.npz"])
def test_a_file_that_is_not_as_it_was_written_is_made_again(project, file):
    stage, notebook = file.partition("/")[0], {"tokens": "03-tokens", "masks": "04-masks"}[file.partition("/")[0]]
    path = project.folder / "runs/tiny/seed0" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert project.go() == ({notebook, RESULTS}, {stage})


def test_a_missing_page_is_executed_alone_and_makes_no_stage(project):
    (project.folder / "runs/tiny/seed0/pages/05-generate.ipynb").unlink()
    assert project.go() == ({"05-generate"}, set())


def test_file_times_say_nothing(project):
    """But those of a dataset's pictures: thousands are told from others without reading them."""
    files = [path for path in project.folder.rglob("*") if path.is_file() and path.suffix != ".jpg"]
    dice = random.Random(0)
    for time_of in (lambda: 1_000_000_000, lambda: dice.randrange(4_000_000_000)):
        for path in files:
            moment = time_of()
            os.utime(path, (moment, moment))
        assert project.go() == NOTHING


def test_an_archive_without_runs_makes_everything(project):
    kept = project.folder / "runs"
    kept.rename(project.folder / "kept")
    try:
        assert project.go() == (ALL_PAGES, ALL_STAGES)
    finally:
        shutil.rmtree(kept)
        (project.folder / "kept").rename(kept)

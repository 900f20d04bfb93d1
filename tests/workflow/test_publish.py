"""What is published of a run, and that a book is put together without touching what the repository holds."""

import base64
import json
import shutil

import nbformat
import publish
import pytest
import records
from plan import Plan

import book
from dbb.errors import InputError
from dbb.store import NOTEBOOKS, OTHERS, RESULTS, project_root, read_json, write_json

ROOT = project_root()
CHAPTERS = (*NOTEBOOKS.values(), RESULTS, *OTHERS)
PNG = base64.b64encode(b"a picture").decode()


def executed(text: str, *names: str) -> nbformat.NotebookNode:
    """A page with a printed text and pictures glued under ``names``."""
    new = nbformat.v4
    outputs = [new.new_output("stream", text=text)]
    outputs += [
        new.new_output(
            "display_data",
            {"application/papermill.record/image/png": PNG},
            metadata={"scrapbook": {"name": f"{name}_figure"}},
        )
        for name in names
    ]
    return new.new_notebook(cells=[new.new_code_cell("x", outputs=outputs)])


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A finished run, and those of the other benchmarks, in a project with a book of two pages."""
    for name in ("notebooks", "book/chapters", "data"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "book/index.md").write_text("# Title")
    write_json(tmp_path / "book/runs.json", {name: ["committed"] for name in OTHERS.values()})
    (tmp_path / "README.md").write_text("<!-- results: x -->\nold\n<!-- end of results -->\nmore")
    monkeypatch.chdir(tmp_path)
    plan = Plan({"benchmark": "mini-waterbirds", "results": "none"})
    test = {
        "worst_group": 0.5,
        "average": 0.5,
        "weighted_average": 0.5,
        "full_weighted_average": None,
        "group_accuracy": [0.5] * 4,
    }
    for of in (plan, *plan.others):
        for stage in NOTEBOOKS:
            folder = "data" if stage == "data" else f"seed0/{stage}"
            write_json(
                tmp_path / of.folder / folder / "run.json",
                dict.fromkeys(records.KEPT)
                | {
                    "stage": stage,
                    "metrics": {"test": test},
                    "made_from": {"benchmark": of.benchmark.name, "settings": {}, "seed": 0},
                },
            )
        for name in of.notebooks:
            nbformat.write(executed("source"), tmp_path / f"notebooks/{name}.ipynb")
            (tmp_path / of.path(name, 0)).parent.mkdir(parents=True, exist_ok=True)
            glued = ("headline", "pipeline") if name == RESULTS else ()
            nbformat.write(executed(f"this run of {of.benchmark.name}", *glued), tmp_path / of.path(name, 0))
    monkeypatch.setattr(publish, "whole_text", lambda *arguments: "the table")
    return plan


def files(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_book_has_this_runs_chapters_and_numbers_and_leaves_the_committed_ones(plan, tmp_path):
    before, target = files(tmp_path / "book"), tmp_path / "out/source"
    (target / "chapters").mkdir(parents=True)
    (target / "chapters/gone.ipynb").write_text("of an earlier time")
    book.assemble(plan, target)
    made = files(target)
    assert set(made) == {
        "index.md",
        "runs.json",
        "headline.png",
        "pipeline.png",
        *(f"chapters/{name}.ipynb" for name in CHAPTERS),
    }
    assert b"this run of mini-waterbirds" in made["chapters/02-erm.ipynb"] and made["headline.png"] == b"a picture"
    for name, benchmark in OTHERS.items():
        assert f"this run of {benchmark}" in made[f"chapters/{name}.ipynb"].decode()
    runs = json.loads(made["runs.json"])
    assert list(runs) == ["mini-waterbirds", *OTHERS.values()]
    assert all([record["stage"] for record in run] == list(NOTEBOOKS) for run in runs.values())
    assert (tmp_path / "out/data").resolve() == tmp_path / "data", "pages include files by ../data"
    assert files(tmp_path / "book") == before
    times = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    book.assemble(plan, target)
    assert times == {path: path.stat().st_mtime_ns for path in times}, "Sphinx reads what is new alone"


def test_a_book_without_the_other_benchmarks_runs_shows_the_committed_ones(plan, tmp_path):
    alone = Plan(plan.config | {"others": False})
    book.assemble(alone, tmp_path / "out/source")
    runs = read_json(tmp_path / "out/source/runs.json")
    assert [record["stage"] for record in runs.pop("mini-waterbirds")] == list(NOTEBOOKS)
    assert runs == {name: ["committed"] for name in OTHERS.values()}


def test_publishing_brings_chapters_records_pictures_and_the_table(plan, tmp_path):
    publish.publish(plan)
    assert set(files(tmp_path / "book")) == {
        "index.md",
        "runs.json",
        "headline.png",
        "pipeline.png",
        *(f"chapters/{name}.ipynb" for name in CHAPTERS),
    }
    assert (tmp_path / "README.md").read_text() == ("<!-- results: x -->\n\nthe table\n<!-- end of results -->\nmore")
    assert read_json(tmp_path / "book/runs.json")["mini-waterbirds"][1]["stage"] == "erm"


def test_what_cannot_be_published_publishes_nothing(plan, tmp_path):
    before = files(tmp_path / "book")
    nbformat.write(executed("this run"), tmp_path / plan.path(RESULTS, 0))
    with pytest.raises(InputError, match="glues no picture as 'headline_figure'"):
        publish.publish(plan)
    nbformat.write(executed(str(tmp_path)), tmp_path / plan.path("02-erm", 0))
    with pytest.raises(InputError, match="shows the path"):
        publish.publish(plan)
    assert files(tmp_path / "book") == before

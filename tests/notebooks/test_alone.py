"""A notebook run alone, on a run that lacks what it reads, says in one sentence which one command makes it all."""

import ast
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from chapters import NOTEBOOKS, check_figures, run_notebook
from few_birds import write_few_birds
from stage_table import READS

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.stages.__main__ import main
from dbb.store import NOTEBOOKS as STAGES
from dbb.store import READINGS, RESULTS

LAST = {
    "02-erm": "data",
    "03-tokens": "erm",
    "04-masks": "erm",
    "05-generate": "masks",
    "06-prune": "generated",
    "07-retrain": "pruned",
    RESULTS: "retrained",
}
"""Notebook -> the last stage that it cannot do without."""

COMMAND = re.compile(r"\n\n    (.+)\n$")


def refused(name: str, parameters: dict) -> list[str]:
    """Run a notebook that cannot do its work; return the words of the command that its error names."""
    with pytest.raises(InputError) as caught:
        run_notebook(name, parameters, drawn=False)
    assert caught.value.__cause__ is None and caught.value.__context__ is None, "one error, and no chain of them"
    return shlex.split(COMMAND.search(str(caught.value))[1])


@pytest.mark.parametrize(("name", "stage"), LAST.items())
def test_on_an_empty_run_it_names_the_command(name, stage, tmp_path):
    benchmark, runs = str(write_few_birds(tmp_path)), str(tmp_path / "my runs")
    words = refused(name, {"benchmark": benchmark, "seed": 3, "runs": runs})
    assert words == [
        "python",
        "-m",
        "dbb.stages",
        "--benchmark",
        benchmark,
        "--runs",
        runs,
        "--seed",
        "3",
        "--to",
        stage,
    ]
    assert not Path(runs).exists(), "nothing was begun"


def test_the_command_run_as_it_stands_makes_all_that_the_notebook_lacks(tmp_path, monkeypatch):
    """The last notebook, which reads every stage; the commands' own test has the fifth, as README has it."""
    given = {"benchmark": str(write_few_birds(tmp_path)), "seed": 3, "runs": str(tmp_path / "my runs")}
    words = refused(RESULTS, given)
    monkeypatch.setattr(sys, "argv", words[2:])
    main()
    check_figures(RESULTS, run_notebook(RESULTS, given, drawn=False), without={"fig-headline", "fig-pipeline"})


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("02-erm", {"classifier": "torchvision:resnet50"}),
        ("03-tokens", {"inpainting": "my models/painter", "segmenter": "lang-sam"}),
        ("07-retrain", {"classifier": "torchvision:resnet50"}),
    ],
)
def test_the_command_makes_it_with_the_models_that_the_notebook_was_given(name, models, tmp_path, monkeypatch):
    words = refused(name, {"benchmark": "mini-waterbirds", "runs": str(tmp_path / "runs"), **models})
    made = []
    monkeypatch.setattr("dbb.stages.__main__.make_stages", lambda run, to: made.append((run.benchmark, to)) or ())
    monkeypatch.setattr(sys, "argv", words[2:])
    main()
    assert made == [(replace(get_benchmark("mini-waterbirds"), **models), LAST[name])]


def test_the_first_needs_nothing(tmp_path):
    given = {"benchmark": str(write_few_birds(tmp_path)), "runs": str(tmp_path / "runs")}
    assert "made now" in run_notebook(STAGES["data"], given, drawn=False).printed


@pytest.mark.parametrize("name", READINGS)
def test_without_a_study_it_names_the_command(name, tmp_path):
    """That Snakemake takes it is the commands' own test."""
    results = str(tmp_path / "my results")
    assert refused(name, {"results": results}) == [
        "snakemake",
        "--cores",
        "all",
        "study_results",
        "--config",
        "benchmark=mini-waterbirds",
        f"results={results}",
    ]


@pytest.mark.parametrize("name", LAST)
def test_it_asks_for_what_the_table_of_pages_says_it_reads(name):
    code = "\n".join(
        cell.source
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4).cells
        if cell.cell_type == "code" and "run.needs(" in cell.source
    )
    asked = re.search(r"run\.needs\((.*)\)", code)[1]
    assert READS[name] == (tuple(STAGES) if asked == "*NOTEBOOKS" else ast.literal_eval(f"({asked},)"))

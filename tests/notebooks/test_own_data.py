"""A user's own dataset through the chapters as its user runs them: the example that comes with the repository, and the
same pictures where nobody says before what the birds stand.
"""

from pathlib import Path

import numpy as np
import pytest
import yaml
from chapters import FEW, Shown, check_figures, run_notebook

from dbb.benchmarks import HIGH_LOSS
from dbb.stages.all import STAGES, make_stages
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run, open_run
from dbb.store import NOTEBOOKS, RESULTS, project_root

EXAMPLE = project_root() / "data/example/example.yml"

NO_GROUPS = """\
title: Birds
extends: mini-waterbirds
classes: [robin, heron]
data: {{pictures: {folder}/pictures, table: {folder}/birds.csv, columns: {{path: file, label: species, split: part}}}}
erm: {{epochs: 2, batch_size: 16}}
inversion: {{images: 3, steps: 2, batch_size: 2}}
generation: {{per_class: 4, steps: 2, batch_size: 8}}
pruning: {{steps: 4}}
retraining: {{epochs: 1, batch_size: 16}}
"""


def chapters(benchmark: str, runs: Path) -> dict[str, Shown]:
    """Run all chapters in order, which makes the stages, and return what each showed."""
    shown = {}
    for notebook in (*NOTEBOOKS.values(), RESULTS):
        seed = {} if notebook == NOTEBOOKS["data"] else {"seed": 2}
        given = {"benchmark": benchmark, "runs": str(runs), **seed, **FEW.get(notebook, {})}
        shown[notebook] = run_notebook(notebook, given, drawn=False)
    return shown


# ------------------------------------------------------------------------------------------------- the example


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> tuple[Run, dict[str, Shown]]:
    runs = tmp_path_factory.mktemp("example")
    name = EXAMPLE.relative_to(project_root()).as_posix()
    return open_run(name, 2, runs), chapters(name, runs)


def test_the_example_goes_through_every_chapter(example):
    _, shown = example
    for notebook, page in shown.items():
        check_figures(notebook, page, without={"fig-iou"})
    assert all("made now" in shown[notebook].printed for notebook in NOTEBOOKS.values())
    assert "robin before a lake" in shown["08-results"].page
    assert "No true masks are known" in shown["04-masks"].printed and "truth is known" in shown["06-prune"].printed


def test_the_example_without_notebooks_finds_what_the_chapters_made(example):
    run, _ = example
    made = list(make_stages(run))
    assert [stage.record["stage"] for stage in made] == list(STAGES)
    assert [stage.why for stage in made if stage.new] == []


def test_the_example_is_counted_in_its_records(example):
    run, _ = example
    assert run.made("data").counts == {"train": 80, "val": 20, "test": 20}
    counts = run.made("generated").counts
    assert counts["planned"] == 16 and counts["generated"] + counts["no mask"] == 16
    accuracies = run.made("retrained").metrics["test"]
    assert len(accuracies["group_accuracy"]) == 4
    assert accuracies["worst_group"] == min(accuracies["group_accuracy"])


# ------------------------------------------------------------------------------------------------- without groups


@pytest.fixture(scope="module")
def no_groups(tmp_path_factory) -> tuple[Run, dict[str, Shown]]:
    folder = tmp_path_factory.mktemp("no-groups")
    path = folder / "birds.yml"
    path.write_text(NO_GROUPS.format(folder=EXAMPLE.parent.as_posix()), encoding="utf-8")
    assert "attributes" not in yaml.safe_load(path.read_text(encoding="utf-8"))
    return open_run(str(path), 2, folder), chapters(str(path), folder)


def test_without_groups_every_chapter_shows_classes(no_groups):
    run, shown = no_groups
    assert run.benchmark.group_names == ("robin", "heron") and not run.benchmark.has_groups
    for notebook, page in shown.items():
        check_figures(notebook, page, without={"fig-iou", "fig-path", "fig-pipeline"})
        assert not any(word in page.page for word in ("before a", "minority share", "of these:"))
    assert "The groups are not known on this benchmark" in shown["02-erm"].page
    for notebook, said in (("04-masks", "No true masks"), ("05-generate", "No truth"), ("06-prune", "No truth")):
        assert said in shown[notebook].printed
    assert shown["08-results"].page.count(">robin</th>") == 1


def test_without_groups_tokens_are_learned_from_the_highest_losses(no_groups):
    run, _ = no_groups
    assert run.benchmark.inversion.source == HIGH_LOSS
    said, learned = load_outputs(run.folder("erm") / "train.npz"), run.made("tokens").metrics
    for label, name in enumerate(run.benchmark.classes):
        members = np.flatnonzero(said.labels == label)
        highest = members[np.argsort(-said.losses[members], kind="stable")[:3]]
        assert learned[name]["split"] == "train" and set(learned[name]["ids"]) <= set(highest.tolist())
        assert learned[name]["ids"]


def test_without_groups_accuracies_are_of_classes(no_groups):
    run, _ = no_groups
    for record in (run.made("erm"), run.made("retrained")):
        assert len(record.metrics["test"]["group_accuracy"]) == 2

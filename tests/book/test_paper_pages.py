"""The pages about the paper's scale: their tables follow the files, and what they name exists."""

import ast
import re
from dataclasses import replace

import configuration
import pandas as pd
import paper_tables
import pytest
import yaml

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.published import SD2_INPAINTING
from dbb.models.segmenters.choice import GROUNDING_DINO, SAM
from dbb.notebook import parameter_table
from dbb.results import ERM, METHOD, write_results
from dbb.statistics import result_rows
from dbb.store import project_root

ROOT = project_root()
BOOK = ROOT / "book"
FILES = paper_tables.NAMES
WATERBIRDS, CELEBA, METASHIFT = map(get_benchmark, FILES)

REPORTED = yaml.safe_load((BOOK / "reported.yml").read_text(encoding="utf-8"))
PAGES = {
    name: (BOOK / f"{name}.md").read_text(encoding="utf-8")
    for name in (*FILES, "paper-scale", "paper-and-code", "licences")
}
PARAMETERS = {
    path.stem: {row["name"]: row["type"] for row in parameter_table(path)}
    for path in (ROOT / "notebooks").glob("*.ipynb")
}
DEPARTURES = PAGES["paper-and-code"]

SWITCH = re.compile(r"`(\d\d-[a-z-]+) (\w+)=([^`]+)`")
TEST = re.compile(r"`([\w/]*test_\w+\.py)::(test_\w+)`")


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, as texts."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]


def settings(benchmark) -> dict[tuple[str, str], str]:
    """(stage, setting) -> value of the table of settings."""
    found, stage = {}, ""
    for first, name, value, source in paper_tables.settings_rows(benchmark):
        stage = first or stage
        assert (stage, name) not in found and source
        found[stage, name] = value
    return found


# ------------------------------------------------------------------------------------------------ what pages name


def test_switches_are_parameters_and_take_the_value_that_is_shown():
    switches = SWITCH.findall(DEPARTURES)
    assert len(switches) >= 15
    for notebook, name, value in switches:
        assert name in PARAMETERS[notebook], f"{notebook} has no parameter {name}"
        assert type(ast.literal_eval(value)).__name__ in PARAMETERS[notebook][name], f"{notebook} {name}={value}"


def test_tests_that_stand_for_a_departure_exist():
    tests = TEST.findall(DEPARTURES)
    assert len(tests) >= 30
    for file, name in tests:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), f"no {file}::{name}"


def test_no_departure_goes_without_a_switch_a_test_or_the_word_that_there_is_none():
    sections = re.split(r"^#{2,3} .*$", DEPARTURES, flags=re.MULTILINE)[2:]
    told = [section for section in sections if section.strip(" \n")]
    assert len(told) >= 15
    for section in told:
        assert TEST.search(section) or SWITCH.search(section) or "**No switch**" in section, section[:200]


def test_parameters_in_files_exist_too():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGES["paper-scale"], flags=re.DOTALL)
    for notebook, given in yaml.safe_load(text)["parameters"].items():
        assert set(given) <= set(PARAMETERS[notebook])


def test_options_of_the_commands_are_keys_of_the_configuration():
    text = PAGES["paper-scale"]
    given = [word.split("=")[0] for config in re.findall(r'CONFIG="([^"]*)"', text) for word in config.split()]
    listed = [name for row in cells(text) for name in re.findall(r"(?:^|, )`(\w+)`", row[0])]
    assert {"memory", "shards", "inpainting", "segmenter", "classifier"} <= set(given + listed)
    assert set(given + listed) <= set(configuration.KEYS)


def test_downloads_are_those_that_the_entries_pin():
    shown = re.findall(r"hf download (\S+) --revision (\w+)", PAGES["paper-scale"])
    assert {f"{name}@{revision}" for name, revision in shown} == {SD2_INPAINTING, GROUNDING_DINO, SAM}


@pytest.mark.parametrize("name", FILES)
def test_a_datasets_page_has_its_commands_and_includes_its_tables(name, tmp_path):
    assert f"make paper BENCHMARK={name} " in PAGES[name]
    included = re.findall(r"_generated/(\S+)", PAGES[name])
    made = paper_tables.paper_pages(REPORTED, tmp_path)
    assert sorted(included) == sorted(file for file in made if file.startswith(name)) and len(included) == 3


# ------------------------------------------------------------------------------------------------ tables


def test_settings_are_those_of_the_entry():
    found = settings(CELEBA)
    assert found["data", "classes y"] == "non-blond, blond"
    assert found["pruning", "P"] == "2 into non-blond, 0.3 into blond"
    assert found["pruning", "eq. 4 attributes"] == "the logit of the new class"
    assert found["retraining", "γ₁, γ₂ (images made into non-blond, blond)"] == "2, 7"
    assert found["generation", "K, lowest-loss images"] == "12,000 of non-blond, 2,000 of blond"
    changed = replace(
        CELEBA,
        masks=replace(CELEBA.masks, pad=5, box=True, threshold=0.4),
        retraining=replace(CELEBA.retraining, epochs=7),
    )
    differing = {key: value for key, value in settings(changed).items() if found[key] != value}
    assert differing == {
        ("masks", "a detected box counts above"): "0.4",
        ("masks", "mask to repaint"): "grown by 5 px, boxed",
        ("retraining", "epochs"): "7",
    }


def test_published_numbers_are_those_of_the_dataset_alone():
    groups, accuracies, pruned, *more = [
        cells(part) for part in paper_tables.published_part(REPORTED, WATERBIRDS).split("\n\n")[1::2]
    ]
    assert ["waterbird on water", "1018", "133", "642"] in groups and len(groups) == 2 + 4
    assert ["DBB, rerun by a third party (GRSSL)", "88.37±1.8 / 94.2±0.5"] in accuracies
    assert ["DBB, the paper's, without pruning", "91.28 / –"] in accuracies
    assert ["landbird", "1300", "531", "769", "1292 / 8"] in pruned
    assert more[0][0] == ["", "0", "10", "20", "30", "40"]
    assert "1131" in paper_tables.published_part(REPORTED, CELEBA)
    assert "0.5, for masks" in paper_tables.published_part(REPORTED, METASHIFT)


def test_without_a_run_the_page_says_so(tmp_path):
    text = paper_tables.measured_part(tmp_path, CELEBA)
    assert text.startswith("**Not run here.**") and "results/celeba/results.csv" in text and "|" not in text


def write_measured(folder, hours: tuple[float, ...]) -> None:
    """Two seeds of MetaShift; hours: of masks, by seed."""
    rows = []
    for seed, (erm, method, generated, kept) in enumerate([(0.70, 0.90, 600, 100), (0.72, 0.94, 700, 300)]):
        rows += [
            result_rows("metashift", arm, seed, "test", {"worst_group": worst, "average": 0.9})
            for arm, worst in ((ERM, erm), (METHOD, method))
        ]
        rows.append(
            result_rows(
                "metashift",
                METHOD,
                seed,
                "train",
                {"generated/dog": generated - 50, "generated/cat": 50, "kept/dog": kept, "kept/cat": 0},
            )
        )
    times = [
        {"benchmark": "metashift", "seed": seed, "stage": stage, "seconds": seconds, "device": "cuda: X"}
        for seed, masks in enumerate(hours)
        for stage, seconds in (("erm", 9e9), ("masks", 3600 * masks), ("generated", 1800), ("pruned", 1800))
    ]
    (folder / "metashift").mkdir()
    write_results(folder / "metashift", pd.concat(rows), pd.DataFrame(times))


def test_measured_runs_are_averaged_over_seeds_apart_from_what_was_published(tmp_path):
    write_measured(tmp_path, (0.0, 1.0))
    text = paper_tables.measured_part(tmp_path, METASHIFT)
    # Student's t at 97.5 % with one degree of freedom is 12.706; the half width is t * |a - b| / 2.
    assert cells(text)[2:] == [
        ["ERM", "2", "71.0 [58.3, 83.7]", "90.0 [90.0, 90.0]", "–"],
        ["DBB", "2", "92.0 [66.6, 100.0]", "90.0 [90.0, 90.0]", "–"],
    ]
    assert "650 images were generated and 200 kept" in text and "1.5 hours per seed on cuda: X" in text
    assert "Not run" not in text and "±" not in text


def test_the_time_of_a_run_that_was_cut_off_is_left_out(tmp_path):
    write_measured(tmp_path, (float("nan"), float("nan")))
    assert "took a time that is not known, having been cut off, per seed" in paper_tables.measured_part(
        tmp_path, METASHIFT
    )

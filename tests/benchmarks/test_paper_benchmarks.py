"""The paper's three benchmarks say what the paper's tables say."""

from pathlib import Path

import pytest
import yaml

from dbb.benchmarks import get_benchmark, known_benchmarks

REPORTED = yaml.safe_load((Path(__file__).resolve().parents[2] / "book/reported.yml").read_text(encoding="utf-8"))
METASHIFT = get_benchmark("metashift")
PAPER = {bm.title: bm for bm in (get_benchmark("waterbirds"), get_benchmark("celeba"), METASHIFT)}


def rows(table: str) -> dict[str, list]:
    return {row[0]: row[1:] for row in REPORTED[table]["rows"]}


@pytest.mark.parametrize("title", PAPER)
def test_retraining_and_pruning_are_table_10(title):
    batch_size, learning_rate, *weights_and_bounds = rows("table10")[title]
    bm = PAPER[title]
    assert (bm.retraining.batch_size, bm.retraining.learning_rate) == (batch_size, learning_rate)
    assert [*bm.retraining.gammas, *bm.pruning.thresholds] == weights_and_bounds
    assert bm.retraining.optimiser == "adam"


@pytest.mark.parametrize("title", PAPER)
def test_as_many_images_are_generated_as_in_table_2(title):
    generated = rows("table2")[title][1]
    assert " / ".join(map(str, PAPER[title].generation.per_class)) == generated


@pytest.mark.parametrize("title", PAPER)
def test_a_bound_above_1_is_on_logits(title):
    """A probability cannot change by more than 1: P = 2 would prune everything."""
    bm = PAPER[title]
    assert max(bm.pruning.thresholds) < 1 or bm.pruning.on == "logit"


def test_every_group_of_tables_6_to_8_has_its_name():
    for title, group, *_ in REPORTED["tables6-8"]["rows"]:
        assert group in PAPER[title].group_names


def test_a_cat_painted_over_a_dog_keeps_the_name_of_its_place():
    """The attributes are shared by the classes, so that g = A y + a names a generated image's group too."""
    place = METASHIFT.group_names.index("dog with bench") - len(METASHIFT.attributes)
    assert METASHIFT.group_names[place] == "cat with bench"


@pytest.mark.parametrize("name", known_benchmarks())
def test_every_template_has_a_place_for_the_token_and_the_class_word(name):
    bm = get_benchmark(name)
    for template in bm.templates:
        assert template.format("<token>").split()[-2:] == ["<token>", bm.class_word]
    assert bm.templates[0].startswith("a photo of a")

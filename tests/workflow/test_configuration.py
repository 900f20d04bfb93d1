"""What Snakemake's configuration may hold: a mistake is told before anything runs."""

import configuration
import pytest
import yaml
from plan import Plan

from dbb.errors import InputError
from dbb.store import NOTEBOOKS, OTHERS, project_root

ROOT = project_root()
DEFAULTS = yaml.safe_load((ROOT / "workflow" / "config.yml").read_text(encoding="utf-8"))


def test_the_defaults_name_every_key_and_pass():
    assert set(DEFAULTS) == set(configuration.KEYS)
    configuration.check_config(DEFAULTS)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"benchmark": "waterbirds", "seeds": "0,1,2", "shards": 4, "memory": 40, "device": "cuda"},
        {"seeds": 3},
        {"benchmark": "data/example/example.yml"},
        {"parameters": {"05-generate": {"steps": 20}, "08-results": None}},
        {"parameters": None},
        {"parameters": {"04-masks": {"per_class": [10, 20]}}},
        {"inpainting": "owner/name@abc"},
        {"classifier": "torchvision:resnet50"},
        {"checkpoint": "data/mini/SHA256SUMS"},
        {"compiled": True},
        {"methods": "jtt,group-dro"},
        {"others": False},
        {"others": "false", "compiled": "True"},
    ],
)
def test_a_good_configuration_passes(given):
    configuration.check_config(DEFAULTS | given)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"memry": 40}, "unknown key 'memry'"),
        ({"memory": 24}, "memory = 24: choose 16, 40, 80"),
        ({"compiled": "maybe"}, "compiled = 'maybe': give true or false"),
        ({"methods": "jtt,dfs"}, "unknown method 'dfs': choose among "),
        ({"others": "mini-celeba"}, "others = 'mini-celeba': give true or false"),
        ({"seeds": "0-4"}, "seeds = 0-4: give whole numbers"),
        ({"seed": -1}, "seed = -1: give whole numbers"),
        ({"shards": "many"}, "shards = many"),
        ({"shards": 0}, "shards = 0: give 1 or more"),
        ({"runs": 3}, "runs = 3: give text"),
        ({"benchmark": "waterbird"}, "unknown benchmark 'waterbird'"),
        ({"benchmark": "nowhere.yml"}, "nowhere.yml is missing"),
        ({"parameters": ["05-generate"]}, "give notebook names, each with its parameters"),
        ({"parameters": {"05-generte": {}}}, "unknown notebook in parameters '05-generte'"),
        ({"parameters": {"05-generate": 3}}, "parameters of 05-generate = 3: give names with values"),
        ({"inpainting": "./nowhere"}, "no inpainting pipeline at"),
        ({"classifier": "nowhere"}, "classifier = nowhere"),
        ({"checkpoint": "nowhere.pt"}, "checkpoint = nowhere.pt: no such file"),
    ],
)
def test_a_bad_one_is_refused_before_anything_runs(given, message):
    with pytest.raises(InputError, match=message):
        configuration.check_config(DEFAULTS | given)


def test_what_is_given_reaches_its_notebooks_as_it_is():
    given = {
        "memory": 40,
        "classifier": "torchvision:resnet50",
        "shards": 2,
        "device": "cuda",
        "parameters": {"04-masks": {"per_class": [10, 20]}, "05-generate": {"steps": 5}},
    }
    plan = Plan(DEFAULTS | given)
    assert plan.parameters("01-data") == {"benchmark": "mini-waterbirds", "runs": "runs"}
    common = {"benchmark": "mini-waterbirds", "seed": 3, "runs": "runs"}
    assert plan.parameters("02-erm", 3) == common | {"classifier": "torchvision:resnet50"}
    assert plan.parameters("04-masks", 3) == common | {"per_class": [10, 20]}
    assert plan.parameters("05-generate", 3, 1) == common | {
        "memory": 40,
        "steps": 5,
        "shard": 1,
        "shards": 2,
        "compared": 1,
    }
    assert plan.parameters("09-effect") == {"benchmark": "mini-waterbirds", "results": "results"}


def test_pages_lie_by_benchmark_and_seed():
    plan = Plan(DEFAULTS | {"benchmark": "data/example/example.yml", "shards": 2})
    assert plan.path("01-data", 3) == "runs/example/pages/01-data.ipynb"
    assert plan.path("02-erm", 3) == "runs/example/seed3/pages/02-erm.ipynb"
    assert plan.path("05-generate", 3, 1) == "runs/example/seed3/pages/05-generate-1-of-2.ipynb"
    assert plan.path("09-effect", 3) == "runs/example/pages/09-effect.ipynb"


def test_the_chapters_on_the_study_are_made_where_its_results_are():
    assert len(Plan(DEFAULTS).pages(0)) == 12
    assert len(Plan(DEFAULTS | {"benchmark": "data/example/example.yml"}).pages(0)) == 8


def test_single_runs_among_the_results_are_no_study(tmp_path):
    (tmp_path / "waterbirds").mkdir()
    (tmp_path / "waterbirds/results.csv").write_text("")
    plan = Plan({"benchmark": "waterbirds", "results": str(tmp_path)})
    assert plan.readings == ()
    (tmp_path / "waterbirds/study.json").write_text("{}")
    assert len(plan.readings) == 4


def test_a_page_knows_its_place_among_those_of_its_run():
    one = Plan({"benchmark": "mini-waterbirds"})
    assert [one.place("01-data"), one.place("08-results"), one.place("12-tokens-and-selection")] == [
        "1/12",
        "8/12",
        "12/12",
    ]
    two = Plan({"benchmark": "mini-waterbirds", "results": "none", "seed": 1, "seeds": "1,2"})
    assert [two.place("01-data"), two.place("08-results", 1), two.place("02-erm", 2)] == [
        "1/8",
        "seed 1, 8/8",
        "seed 2, 2/8",
    ]
    assert two.place("02-erm", 7) == "seed 7, 2/8", "a seed that was not planned, asked for by its path"


def test_the_thread_s_book_has_a_chapter_on_each_other_benchmark():
    book = Plan(DEFAULTS | {"seed": 4, "runs": "mine", "checkpoint": "data/mini/SHA256SUMS", "device": "cuda"})
    assert [(other.benchmark.name, other.chapter) for other in book.others] == [(b, c) for c, b in OTHERS.items()]
    for other in book.others:
        assert list(other.pages(4)) == [*NOTEBOOKS.values(), other.chapter]
        assert other.path(other.chapter, 4) == f"mine/{other.benchmark.name}/seed4/pages/{other.chapter}.ipynb"
        assert other.place(other.chapter) == f"{other.benchmark.name}, 8/8"
        assert other.parameters("02-erm", 4) == {"benchmark": other.benchmark.name, "seed": 4, "runs": "mine"}
        assert other.config["device"] == "cuda" and other.others == ()
    assert list(book.chapters()) == [*book.notebooks, *OTHERS]
    assert Plan(DEFAULTS | {"others": False}).others == Plan(DEFAULTS | {"benchmark": "waterbirds"}).others == ()

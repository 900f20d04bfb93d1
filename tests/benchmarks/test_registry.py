"""A dataset is one file: a module with an entry is found by its name, and nothing else has to know of it."""

import subprocess
import sys

import pytest

import dbb.benchmarks
from dbb.benchmarks import get_benchmark, is_own, known_benchmarks
from dbb.errors import InputError

HEAVY = ("torchvision", "transformers", "diffusers", "captum", "huggingface_hub", "pyarrow", "pandas", "matplotlib")

A_NEW_ONE = """
from dataclasses import replace
from dbb.benchmarks import get_benchmark
BENCHMARK = replace(get_benchmark("mini-waterbirds"), name="tiny-birds", title="Tiny birds")
"""


def test_the_benchmarks_that_come_with_the_project():
    assert {"celeba", "metashift", "mini-waterbirds", "waterbirds"} <= set(known_benchmarks())
    assert list(known_benchmarks()) == sorted(known_benchmarks())
    for name in known_benchmarks():
        assert get_benchmark(name).name == name


def test_a_new_file_is_a_new_benchmark(tmp_path, monkeypatch):
    (tmp_path / "tiny_birds.py").write_text(A_NEW_ONE)
    monkeypatch.setattr(dbb.benchmarks, "__path__", [*dbb.benchmarks.__path__, str(tmp_path)])
    assert "tiny-birds" in known_benchmarks()
    assert get_benchmark("tiny-birds").title == "Tiny birds"


@pytest.mark.parametrize("name", ["birds", "wterbirds", "mini_waterbirds", "entry", "splits", "", "../waterbirds"])
def test_unknown_names_are_refused_with_the_known_ones(name):
    with pytest.raises(InputError, match=r"unknown benchmark .*choose one of celeba, .*your own dataset's file"):
        get_benchmark(name)


def test_models_can_be_replaced_one_by_one():
    bm = get_benchmark("waterbirds", inpainting="some/folder", segmenter=None)
    assert bm.inpainting == "some/folder" and bm.segmenter == get_benchmark("waterbirds").segmenter


def test_a_users_own_dataset_is_known_by_its_ending():
    assert is_own("a/b.yml") and is_own("B.YAML") and not is_own("waterbirds")


def test_looking_up_a_benchmark_loads_no_model_library():
    code = (
        "import sys; import dbb.benchmarks as b, dbb.benchmarks.splits; "
        "[b.get_benchmark(n) for n in b.known_benchmarks()]; b.get_benchmark('data/example/example.yml'); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"

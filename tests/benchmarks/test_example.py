"""The example that comes with the repository is what its script draws, and loads as its page says."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.splits import load_split, make_splits
from dbb.data import __main__
from dbb.store import project_root

EXAMPLE = project_root() / "data" / "example"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_example", EXAMPLE / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_draws_the_committed_pictures(make, tmp_path):
    make.main([str(tmp_path)])
    assert (tmp_path / "birds.csv").read_bytes() == (EXAMPLE / "birds.csv").read_bytes()
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == sorted(path.name for path in (EXAMPLE / "pictures").iterdir()) and len(names) == 120
    for name in names[::17]:  # another build of the JPEG library rounds otherwise
        drawn, committed = (np.asarray(Image.open(folder / "pictures" / name), int) for folder in (tmp_path, EXAMPLE))
        assert abs(drawn - committed).max() <= 12


def test_it_is_small():
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*") if path.is_file()) < 400_000


def test_it_is_verified_made_and_loaded(make, tmp_path, capsys):
    assert __main__.main(["verify", "data/example/example.yml"]) == 0
    assert "120 pictures" in capsys.readouterr().out
    bm = get_benchmark("data/example/example.yml")
    make_splits(bm, tmp_path, {})
    for split, counts in make.COUNTS.items():
        images = load_split(bm, split, tmp_path)
        assert np.bincount(images.groups).tolist() == list(counts)
        assert images.pixels([0], bm.read_size).shape == (1, 3, 64, 64)


def test_its_scenes_are_of_no_other_use(make):
    """Seeds from 9,000,000 on of the held-out block, where the others start at 0."""
    seeds = [scene.seed for scene, *_ in make.rows()]
    assert len(set(seeds)) == 120 and all(seed % 10_000_000 >= 9_000_000 for seed in seeds)

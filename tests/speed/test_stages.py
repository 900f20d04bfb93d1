"""The script that times the stages runs, on tiny counts and a stand-in for the largest model."""

from dataclasses import replace

import numpy as np
import pytest
import stages
from standins import make_inpainting

from dbb.benchmarks import get_benchmark


@pytest.fixture
def small(tmp_path):
    return replace(get_benchmark("mini-waterbirds"), inpainting=str(make_inpainting(tmp_path / "inpainting")))


def test_every_stage_and_choice_is_timed_and_printed(small, monkeypatch, capsys):
    monkeypatch.setattr(stages, "get_benchmark", lambda name: small)
    stages.main(["--quick", "--device", "cpu"])
    printed = capsys.readouterr().out
    for name in ("data", "ERM", "inversion", "masks", "inpainting", "integrated gradients", "retraining"):
        assert f"\n{name}" in printed
    assert "times the first" in printed and "nan" not in printed.lower()


def test_speed_is_images_over_seconds():
    watch = stages.Stopwatch()
    watch.note("a", 10, 4.0)
    assert watch.time("b", 3, lambda: "result") == "result"
    table = watch.table()
    assert table.loc["a", "images per second"] == 2.5
    assert np.isfinite(table["images per second"]).all() and list(table.index) == ["a", "b"]


def test_images_are_counted_by_stage(small, tmp_path):
    bm = stages.shrunk(small, stages.QUICK)
    assert bm.data.sizes == {"train": 40, "val": 8, "test": 8} and bm.generation.per_class == (2, 2)
    table = stages._time_stages(stages.Run(bm, 0, tmp_path / "runs", "cpu"))
    assert table["images"].iloc[:4].tolist() == [56, 40, 2 * bm.inversion.batch_size, 4]
    assert 1 <= table["images"].iloc[4] == table["images"].iloc[5] <= 4 and 40 <= table["images"].iloc[6] <= 44

"""The script that times the stages runs, on tiny counts and stand-ins for the two large models."""

from dataclasses import replace

import numpy as np
import pytest
import stages
from standins import make_inpainting, make_segmenter

from dbb.benchmarks import get_benchmark


@pytest.fixture
def small(tmp_path):
    return replace(get_benchmark("mini-waterbirds"), inpainting=str(make_inpainting(tmp_path / "inpainting")),
                   segmenter=str(make_segmenter(tmp_path / "segmenter")))


def test_every_stage_and_choice_is_timed_and_printed(small, monkeypatch, capsys):
    monkeypatch.setattr(stages, "get_benchmark", lambda name: small)
    stages.main(["--quick"])
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

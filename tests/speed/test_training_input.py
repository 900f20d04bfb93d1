"""The script that times the ways to feed a training runs, on a handful of pictures."""

import json

import numpy as np
import training_input

from dbb.training import Examples


def test_every_way_is_timed_and_written(tmp_path, capsys):
    training_input.main(["--per-group", "2", "--workers", "0", "--out", str(tmp_path)])
    written = json.loads((tmp_path / "training-input.json").read_text(encoding="utf-8"))
    assert written["images"] == 8 and len(written["rates"]) == 4
    printed = capsys.readouterr().out
    for row in written["rates"]:
        assert row["what"] in printed
        assert 0 < row["least"] <= row["images per second"] <= row["most"]
    assert written["rates"][0]["times the DataLoader"] == 1


def test_both_ways_give_the_same_kind_of_batches(tmp_path):
    images = training_input.photographs(tmp_path, 2)
    examples = Examples([images], [np.zeros(8)], 256)
    plain, cached = (
        next(iter(batches))
        for batches in (training_input.plain_epoch(images.source, 0), training_input.cached_epoch(examples, 0))
    )
    assert plain.shape == cached.shape == (8, 3, 224, 224) and plain.dtype == cached.dtype
    assert abs(plain.mean() - cached.mean()) < 0.3 and abs(plain.std() - cached.std()) < 0.3

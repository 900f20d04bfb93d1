"""A dataset that can be downloaded is verified once, and again when its files are others."""

from dataclasses import replace

import dataset
import pytest
from data_standins import make_waterbirds
from PIL import Image

from dbb.benchmarks import get_benchmark
from dbb.store import read_json


@pytest.fixture
def waterbirds(tmp_path, monkeypatch):
    """The entry with a few made-up pictures that are there, and no count that they must have."""
    monkeypatch.setenv("DBB_DATA", str(tmp_path / "sets"))
    entry = get_benchmark("waterbirds")
    entry = replace(entry, data=replace(entry.data, counts=None))
    monkeypatch.setattr(dataset, "get_benchmark", lambda name: entry)
    return entry


def test_only_what_has_places_is_got():
    assert [
        name
        for name in ("mini-waterbirds", "data/example/example.yml", "waterbirds", "celeba", "metashift")
        if dataset.can_be_got(get_benchmark(name))
    ] == ["waterbirds", "celeba", "metashift"]


def test_it_is_verified_once_and_again_when_a_file_changed(waterbirds, tmp_path, capsys):
    report = tmp_path / "runs/waterbirds/dataset.json"
    assert not dataset.verified(waterbirds, report), "neither pictures nor report"
    make_waterbirds(tmp_path / "sets/waterbirds")
    assert not dataset.verified(waterbirds, report)
    dataset.main(["waterbirds", str(report)])
    assert "all pictures decode" in capsys.readouterr().out
    assert dataset.verified(waterbirds, report) and sum(read_json(report)["groups"].values()) > 0
    picture = next((tmp_path / "sets/waterbirds").rglob("*.jpg"))
    Image.new("RGB", (50, 40)).save(picture)
    assert not dataset.verified(waterbirds, report)


def test_a_dataset_that_is_wrong_gets_no_report(waterbirds, tmp_path, capsys):
    make_waterbirds(tmp_path / "sets/waterbirds")
    next((tmp_path / "sets/waterbirds").rglob("*.jpg")).write_bytes(b"no picture")
    with pytest.raises(SystemExit, match="1"):
        dataset.main(["waterbirds", str(tmp_path / "report.json")])
    assert not (tmp_path / "report.json").exists()

"""A stage is made once and then loaded; each kind of change makes it anew, and is named; nothing is left half made."""

import json
import math
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from dbb import record
from dbb.errors import InputError
from dbb.record import RECORD, digest_of, file_digest, folder_digest, make_or_load, require
from dbb.store import read_json, write_json

MADE_FROM = {
    "seed": 5,
    "settings": {"epochs": 3, "gammas": (1.0, None), "box": True},
    "inputs": {"erm/train.npz": "ab"},
    "code": "c0de",
}
NAMES = ("a.txt", "images/b.bin")


class Toy:
    """A stage of two files, which counts how often it is made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder / "seed5" / "masks", 0

    def work(self, run: record.StageRun) -> None:
        self.calls += 1
        run.path("a.txt").write_text("made", encoding="utf-8")
        write_json(run.path("images/b.bin"), [self.calls, run.stamp])
        run.metrics["worst_group"], run.counts["images"] = np.float64(0.5), 7

    def __call__(self, made_from=MADE_FROM, work=None) -> record.Made:
        return make_or_load(self.folder, "masks", made_from, work or self.work)


@pytest.fixture
def toy(tmp_path):
    return Toy(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


# ------------------------------------------------------------------------------------------------ made and loaded


def test_it_is_made_then_loaded(toy):
    first = toy()
    assert first.new and str(first) == "masks: made now"
    assert first.metrics == {"worst_group": 0.5} and first.counts == {"images": 7}
    before = contents(toy.folder)
    again = toy()
    assert not again.new and toy.calls == 1 and contents(toy.folder) == before
    assert str(again) == "masks: found, made from the same code, settings and inputs; loaded, not made again"
    assert again.record == first.record == read_json(toy.folder / RECORD) == require(toy.folder).record


def test_the_record_tells_the_run(toy):
    told = toy().record
    assert (told["stage"], told["made_from"]) == ("masks", json.loads(json.dumps(MADE_FROM)))
    assert told["products"] == {name: file_digest(toy.folder / name) for name in NAMES}
    assert told["versions"]["torch"] == torch.__version__.split("+")[0]
    assert {"python", "dbb", "diffusers", "transformers", "captum", "numpy"} <= told["versions"].keys()
    assert told["git"] is None or len(told["git"]["commit"]) == 40
    assert told["device"].startswith(platform.machine()) and told["threads"] == torch.get_num_threads()
    assert told["started"].endswith("+00:00") and told["wall_s"] >= 0 and told["peak_memory_mb"] > 50
    assert told["peak_gpu_memory_mb"] is None


def test_the_stamp_follows_what_it_is_made_from_and_nothing_else(tmp_path):
    stamps = []
    for number, made_from in enumerate((MADE_FROM, {**MADE_FROM, "code": "c0d3"}, dict(reversed(MADE_FROM.items())))):
        toy = Toy(tmp_path / str(number))
        toy(made_from)
        stamps.append(read_json(toy.folder / "images/b.bin")[1])
    assert stamps[0] == stamps[2] != stamps[1] and len(stamps[0]) == 64


# ------------------------------------------------------------------------------------------------ made anew


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": 6}, "seed"),
        ({"code": "c0d3"}, "code"),
        ({"inputs": {"erm/train.npz": "ac"}}, "inputs.erm/train.npz"),
        ({"inputs": {"erm/train.npz": "ab", "erm/val.npz": "cd"}}, "inputs.erm/val.npz"),
        ({"settings": {**MADE_FROM["settings"], "epochs": 4}}, "settings.epochs"),
        ({"settings": {**MADE_FROM["settings"], "gammas": (1.0, 2.0)}}, "settings.gammas"),
        ({"settings": {**MADE_FROM["settings"], "pad": None}}, "settings.pad"),
        ({"settings": {"epochs": 3, "box": True}}, "settings.gammas"),
        ({"code": "c0d3", "settings": {**MADE_FROM["settings"], "box": False}}, "settings.box, code"),
    ],
)
def test_what_differs_makes_it_anew_and_is_named(toy, change, why):
    toy()
    made = toy({**MADE_FROM, **change})
    assert made.new and toy.calls == 2 and made.why == why
    assert str(made) == f"masks: made now, since {why} changed"
    assert not toy({**MADE_FROM, **change}).new
    assert toy().new, "and back again"


def one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "damage",
    [Path.unlink, one_byte, lambda path: path.write_bytes(path.read_bytes()[:-1])],
    ids=["removed", "one byte", "truncated"],
)
def test_a_damaged_product_makes_it_anew(toy, name, damage):
    toy()
    damage(toy.folder / name)
    with pytest.raises(InputError, match=f"{name} is missing or not as it was written: run notebook 04-masks again"):
        require(toy.folder)
    made = toy()
    assert made.new and made.why == "its files" and toy.calls == 2
    assert not toy().new


def test_a_byte_that_changes_without_a_trace_in_size_and_time_is_seen(toy):
    toy()
    path = toy.folder / "a.txt"
    found = path.stat()
    time.sleep(0.02)  # a file system may count the time in steps
    one_byte(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert path.stat().st_mtime_ns == found.st_mtime_ns
    assert toy().new


@pytest.mark.parametrize("moment", ["equal", "random", "future"])
def test_the_times_of_files_change_nothing(toy, moment):
    toy()
    rng = np.random.default_rng(0)
    for path in [*toy.folder.rglob("*"), toy.folder]:
        when = {"equal": 10**9, "random": int(rng.integers(10**9)), "future": int(time.time()) + 10**6}[moment]
        os.utime(path, (when, when))
    assert not toy().new and require(toy.folder)


def test_a_folder_that_was_moved_is_loaded(toy, tmp_path):
    toy()
    other = Toy(tmp_path / "elsewhere")
    other.folder.parent.mkdir(parents=True)
    toy.folder.rename(other.folder)
    assert not other().new and other.calls == 0


@pytest.mark.parametrize(
    "old",
    [
        '{"stage": "masks", "parameters": {"epochs": 3}, "metrics": {}, "counts": {}}',
        '{"made_from": {}}',
        "[]",
        "null",
        '{"made_from": [], "products": null}',
        "{ cut off",
        "\x00",
    ],
)
def test_a_record_of_another_format_is_as_good_as_none(toy, old):
    toy()
    (toy.folder / RECORD).write_text(old, encoding="utf-8")
    with pytest.raises(InputError, match="run notebook 04-masks again"):
        require(toy.folder)
    made = toy()
    assert made.new and made.why == "" and not toy().new


# ------------------------------------------------------------------------------------------------ nothing half


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("was_there", [False, True])
def test_an_exception_leaves_no_record(toy, error, was_there):
    if was_there:
        toy()

    def broken(run):
        run.path("a.txt").write_text("half", encoding="utf-8")
        raise error

    with pytest.raises(error):
        toy({**MADE_FROM, "code": "new"}, broken)
    assert not (toy.folder / RECORD).exists()
    with pytest.raises(InputError, match=r"run\.json is missing: run notebook 04-masks first"):
        require(toy.folder)
    made = toy()
    assert made.new and (toy.folder / "a.txt").read_text(encoding="utf-8") == "made" and not toy().new


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt])
def test_a_making_that_fails_before_it_writes_loses_nothing(toy, error):
    """A mistyped setting, found while working, after hours of an earlier making."""
    toy()
    before = contents(toy.folder)

    def refused(run):
        raise error

    with pytest.raises(error):
        toy({**MADE_FROM, "code": "new"}, refused)
    assert contents(toy.folder) == before
    assert not toy().new and toy.calls == 1


def test_a_product_that_was_promised_and_not_written_is_an_error(toy):
    with pytest.raises(FileNotFoundError):
        toy(work=lambda run: run.path("a.txt"))
    assert not (toy.folder / RECORD).exists()


def test_require_names_the_notebook(tmp_path):
    for folder, notebook in (("data", "01-data"), ("seed0/erm", "02-erm"), ("seed0/an arm/retrained", "07-retrain")):
        with pytest.raises(InputError, match=f"run notebook {notebook} first"):
            require(tmp_path / folder)


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan"), None, 0.1 + 0.2, 1e-300])
def test_a_setting_comes_back_as_the_same_whatever_number_it_is(toy, value):
    made_from = {"settings": {"thresholds": (value, 1)}}
    toy(made_from)
    assert not toy(made_from).new


def test_nan_the_infinities_and_none_are_four_settings(toy):
    values = (math.nan, math.inf, -math.inf, None)
    for value in values:
        assert toy({"settings": {"thresholds": [value]}}).new
    assert len({digest_of([value]) for value in values}) == 4


def test_metrics_that_are_not_finite_become_null(toy):
    def work(run):
        run.metrics |= {"P": np.array([np.nan, 0.5]), "worst": math.inf, "ids": torch.tensor([1, 2])}

    made = toy(work=work)
    assert made.metrics == {"P": [None, 0.5], "worst": None, "ids": [1, 2]} == toy(work=work).metrics


def test_digests_are_of_content(tmp_path):
    assert digest_of({"a": 1, "b": (2, 3)}) == digest_of({"b": [2, 3], "a": 1}) != digest_of({"a": 1, "b": (3, 2)})
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        (folder / "unet").mkdir(parents=True)
        (folder / "unet/model.safetensors").write_bytes(b"weights")
        (folder / "config.json").write_text("{}")
    (folders[1] / "README.md").write_text("words")
    assert folder_digest(folders[0]) == folder_digest(folders[1])
    (folders[1] / "unet/model.safetensors").write_bytes(b"Weights")
    assert folder_digest(folders[0]) != folder_digest(folders[1])
    (folders[0] / "unet").rename(folders[0] / "vae")
    assert folder_digest(folders[0]) not in {folder_digest(folders[1])}


def write_png(path: Path, grey: int = 7, stamp: str = "one") -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("dbb", stamp)
    Image.new("RGB", (8, 8), (grey, 0, 0)).save(path, pnginfo=info)
    return path


def test_of_a_png_the_picture_counts_and_not_its_text(tmp_path):
    first = file_digest(write_png(tmp_path / "a.png"))
    assert file_digest(write_png(tmp_path / "b.png", stamp="another, longer one")) == first
    assert file_digest(write_png(tmp_path / "c.png", grey=8)) != first
    whole = write_png(tmp_path / "d.png").read_bytes()
    for place in range(len(whole)):
        (tmp_path / "d.png").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert file_digest(tmp_path / "d.png") != first, f"byte {place} changed, which PIL would not read"
    for length in range(len(whole)):
        (tmp_path / "d.png").write_bytes(whole[:length])
        assert file_digest(tmp_path / "d.png") != first, f"cut off after {length} bytes"


# ------------------------------------------------------------------------------------------------ several at once

MAKER = """
import sys, time
from pathlib import Path
from dbb.record import make_or_load

folder = Path(sys.argv[1])

def slow(run):
    with (folder / "log").open("a") as log:
        log.write("made, ")
    time.sleep(0.5)
    run.path("a.txt").write_text("whole")

print("ready", flush=True)
sys.stdin.readline()
made = make_or_load(folder, "masks", {"code": "c0de"}, slow)
print(made.new, (folder / "a.txt").read_text())
"""


def test_two_processes_at_once_make_it_once(tmp_path):
    both = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    found = sorted(one.communicate(timeout=60)[0] for one in both)
    assert found == ["False whole\n", "True whole\n"]
    assert (tmp_path / "log").read_text() == "made, "


# ------------------------------------------------------------------------------------------------ git


def test_git_state_is_the_commit_and_whether_a_tracked_file_changed(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "dbb"\n')
    monkeypatch.chdir(tmp_path)
    assert record._git_state() is None
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "pyproject.toml"], [*identity, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    state = record._git_state()
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "dbb"\nversion = "1"\n')
    assert record._git_state()["dirty"] is True

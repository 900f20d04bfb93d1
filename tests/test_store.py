"""Paths are the project's, files are whole or absent, and what is missing names its remedy."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dbb import store
from dbb.errors import InputError


def make_project(folder):
    (folder / "notebooks").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "dbb"\n')
    return folder


def test_paths_are_relative_to_the_project_from_any_folder_inside(tmp_path, monkeypatch):
    root = make_project(tmp_path / "clone")
    monkeypatch.chdir(root / "notebooks")
    assert store.project_root() == root
    assert store.resolve("data/x") == root / "data/x"
    assert store.resolve(tmp_path) == tmp_path


def test_another_projects_folder_is_not_ours(tmp_path, monkeypatch):
    make_project(tmp_path).joinpath("pyproject.toml").write_text('[project]\nname = "other"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "__file__", str(tmp_path / "site-packages/dbb/store.py"))
    with pytest.raises(InputError, match="cloned repository"):
        store.project_root()


def test_atomic_path_replaces_whole_and_keeps_the_suffix(tmp_path):
    target = tmp_path / "new" / "a.npz"
    for value in (1, 2):
        with store.atomic_path(target) as temporary:
            np.savez(temporary, value=value)
    assert np.load(target)["value"] == 2
    assert list(target.parent.iterdir()) == [target]


def test_atomic_path_leaves_nothing_and_spoils_nothing_after_a_failure(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), store.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_write_leaves_no_file_and_its_repetition_no_litter(tmp_path):
    target = tmp_path / "a.txt"
    code = (
        "import os, signal, sys; from dbb.store import atomic_path\n"
        "with atomic_path(sys.argv[1]) as p:\n    p.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)]).returncode == -9
    assert not target.exists()
    with store.atomic_path(target) as temporary:
        temporary.write_text("whole")
    assert list(tmp_path.iterdir()) == [target]


def test_json_holds_arrays_and_turns_nan_into_null(tmp_path):
    value = {"a": np.array([1.5, np.nan]), "b": torch.tensor(2), "c": (np.float32(0.5), tmp_path), 4: np.int8(7)}
    store.write_json(tmp_path / "x.json", value)
    expected = {"a": [1.5, None], "b": 2, "c": [0.5, str(tmp_path)], "4": 7}
    assert store.read_json(tmp_path / "x.json") == expected


def test_a_missing_file_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(InputError, match=r"seed0/erm/run\.json is missing: run notebook 02-erm first"):
        store.read_json(tmp_path / "seed0/erm/run.json")
    with pytest.raises(InputError, match="run notebook 05-generate first"):
        store.require_file(tmp_path / "seed0/generated/images/000001.png")


def test_a_corrupt_file_is_named(tmp_path):
    (tmp_path / "erm").mkdir()
    for name, read in (("run.json", store.read_json), ("model.safetensors", store.load_weights)):
        (tmp_path / "erm" / name).write_bytes(b"\xff\xfe{ not")
        with pytest.raises(InputError, match=f"{name} is corrupt.*02-erm again"):
            read(tmp_path / "erm" / name)


def test_weights_come_back_bit_for_bit(tmp_path):
    state = {"w": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last), "n": torch.tensor(3)}
    store.save_weights(tmp_path / "w.safetensors", state)
    loaded = store.load_weights(tmp_path / "w.safetensors")
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_the_nearest_stage_in_a_path_names_the_remedy():
    assert store.remedy(Path("runs/mini/seed0/masks/pruned/a.npz")) == "run notebook 06-prune"
    assert store.remedy(Path("runs/mini/data/train.npz")) == "run notebook 01-data"
    assert store.remedy(Path("somewhere/masks")) == "make it"


def test_a_table_is_written_by_its_suffix(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "value": [1 / 3, 2.0]})
    for name in ("t.csv", "t.parquet"):
        store.write_table(tmp_path / name, table)
    assert (tmp_path / "t.csv").read_text() == "name,value\na,0.333333\nb,2\n"
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)


HOLDER = """
import sys, time
from pathlib import Path
from dbb.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


def test_a_lock_keeps_others_waiting_and_dies_with_its_process(tmp_path):
    waited = threading.Event()

    def wait():
        with store.locked(tmp_path / ".lock"):
            waited.set()

    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / ".lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not waited.wait(0.3)
        holder.kill()
        assert waited.wait(30)
        waiting.join()


def test_a_lock_is_let_go_of_when_its_body_raises(tmp_path):
    with pytest.raises(RuntimeError), store.locked(tmp_path / ".lock"):
        raise RuntimeError
    with store.locked(tmp_path / ".lock"):
        pass

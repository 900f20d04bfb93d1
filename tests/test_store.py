"""Files are whole or absent, and a run.json stands only where a stage ended well."""

import json
import subprocess
import sys

import numpy as np
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
    assert store.stage_dir("runs", "mini", 3, "erm") == root / "runs/mini/seed3/erm"
    assert (root / "runs/mini/seed3/erm").is_dir()
    assert store.data_dir("runs", "mini") == root / "runs/mini/data"


def test_another_projects_folder_is_not_ours(tmp_path, monkeypatch):
    make_project(tmp_path).joinpath("pyproject.toml").write_text('[project]\nname = "other"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "__file__", str(tmp_path / "site-packages/dbb/store.py"))
    with pytest.raises(InputError, match="cloned repository"):
        store.project_root()


@pytest.mark.parametrize(("seed", "stage"), [(0, "ermm"), (0, "data"), (-1, "erm")])
def test_stage_dir_refuses_what_is_no_stage_or_seed(tmp_path, seed, stage):
    with pytest.raises(InputError):
        store.stage_dir(tmp_path, "mini", seed, stage)
    assert not list(tmp_path.iterdir())


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
    code = ("import os, signal, sys; from dbb.store import atomic_path\n"
            "with atomic_path(sys.argv[1]) as p:\n    p.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)")
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


def test_run_json_tells_the_run(tmp_path):
    with store.StageRun(tmp_path / "erm", {"epochs": 3}, seed=5) as run:
        run.metrics["worst_group"] = np.float64(0.5)
        run.counts["images"] = 7
    record = json.loads((tmp_path / "erm/run.json").read_text())
    assert (record["stage"], record["seed"], record["parameters"]) == ("erm", 5, {"epochs": 3})
    assert record["metrics"] == {"worst_group": 0.5}
    assert record["counts"] == {"images": 7}
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert record["started"].endswith("+00:00")
    assert record["wall_s"] >= 0
    assert record["peak_memory_mb"] > 50
    assert {"git", "device", "threads"} <= record.keys()


def test_run_json_is_absent_after_an_exception_even_where_one_was(tmp_path):
    with store.StageRun(tmp_path, {}, seed=0):
        pass
    assert (tmp_path / "run.json").exists()
    with pytest.raises(RuntimeError), store.StageRun(tmp_path, {}, seed=0):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_git_state_is_the_commit_and_whether_a_tracked_file_changed(tmp_path, monkeypatch):
    root = make_project(tmp_path)
    monkeypatch.chdir(root)
    assert store._git_state() is None
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "pyproject.toml"], [*identity, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    state = store._git_state()
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (root / "pyproject.toml").write_text('[project]\nname = "dbb"\nversion = "1"\n')
    assert store._git_state()["dirty"] is True

"""What trainings have in common is computed once, and anew when it would be another."""

import pytest
import torch

from dbb.methods.shared import Shared


@pytest.fixture
def made():
    return []


def maker(made, value=1.0):
    def make():
        made.append(value)
        return {"a": torch.full((2,), value)}

    return make


@pytest.fixture(autouse=True)
def code(monkeypatch):
    """Its code, as the test says: the true one is of modules of the package."""
    from dbb.methods import shared

    now = ["code"]
    monkeypatch.setattr(shared, "definition_of", lambda make: ("m", "n"))
    monkeypatch.setattr(shared, "code_digest", lambda definition: now[0])
    return now


def test_in_memory_once_for_each_name_and_what_it_depends_on(made):
    shared = Shared()
    first = shared.get("x", maker(made))
    assert shared.get("x", maker(made, 2.0)) is first
    shared.get("y", maker(made, 3.0))
    shared.get("x", maker(made, 4.0), {"quantile": 0.3})
    assert made == [1.0, 3.0, 4.0]


def test_a_file_serves_another_process_until_anything_is_another(made, tmp_path, code):
    def again(value, stamp="s", of=None):
        return Shared(tmp_path, stamp).get("x", maker(made, value), of)["a"].tolist()

    assert again(1.0) == again(2.0) == [1.0, 1.0] and made == [1.0]
    assert again(3.0, stamp="t") == [3.0, 3.0]
    assert again(4.0, of={"k": 1}) == [4.0, 4.0]
    code[0] = "other code"
    assert again(5.0, of={"k": 1}) == [5.0, 5.0]
    assert len(list(tmp_path.glob("x-*.safetensors"))) == 1, "what no longer holds is removed"


def test_a_name_that_begins_like_another_keeps_its_file(made, tmp_path):
    Shared(tmp_path).get("x", maker(made))
    Shared(tmp_path).get("x-y", maker(made))
    Shared(tmp_path, "t").get("x", maker(made))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_making_that_fails_leaves_nothing(tmp_path):
    def make():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Shared(tmp_path).get("x", make)
    assert not list(tmp_path.glob("*.safetensors"))

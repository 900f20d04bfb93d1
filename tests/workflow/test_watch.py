"""While a page is made, the loops in its kernel are shown one after the other, and between them the page's name."""

import os
import time
from pathlib import Path

import pytest
import watch

from dbb.progress import REPORT, Report


class Shown:
    """A display that remembers what it showed."""

    told: list[tuple[str, int | None, int]]

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.total = label, total

    def update(self, done: int) -> None:
        self.told.append((self.label, self.total, done))

    def close(self) -> None:
        self.told.append((self.label, self.total, -1))


@pytest.fixture
def told(monkeypatch) -> list:
    monkeypatch.setattr(Shown, "told", [], raising=False)
    monkeypatch.setattr(watch, "display", Shown)
    monkeypatch.setattr(watch, "POLL_S", 0.002)
    return Shown.told


def wait_for(shown: tuple, told: list) -> None:
    deadline = time.monotonic() + 30
    while shown not in told:
        assert time.monotonic() < deadline, told
        time.sleep(0.002)


def test_each_loop_is_shown_in_its_turn(told):
    with watch.watched("03-tokens"):
        wait_for(("03-tokens", None, 0), told)
        loop = Report(Path(os.environ[REPORT]), "images", 7)
        wait_for(("03-tokens, images", 7, 0), told)
        loop.close()
        told.clear()
        wait_for(("03-tokens", None, 0), told)
        Report(Path(os.environ[REPORT]), "pictures", None)
        wait_for(("03-tokens, pictures", None, 0), told)
        folder = Path(os.environ[REPORT]).parent
    assert told[-1] == ("03-tokens, pictures", None, -1), "nothing is left on the terminal"
    assert REPORT not in os.environ and not folder.exists()


def test_what_fails_is_no_longer_watched(told):
    with pytest.raises(ZeroDivisionError), watch.watched("03-tokens"):
        raise ZeroDivisionError
    assert told[-1][2] == -1 and REPORT not in os.environ

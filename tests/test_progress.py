"""A loop tells how far it has come: on a terminal by a bar, in a log by few lines, to another process by a file."""

import io
import logging
from types import SimpleNamespace

import pytest

from dbb import progress


class Clock:
    """Seconds, a step more at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def lines(caplog, monkeypatch):
    """What a loop of some items logs when each takes so many seconds."""
    monkeypatch.delenv(progress.REPORT, raising=False)
    caplog.set_level(logging.INFO, "dbb.progress")

    def logged(items: int, seconds: float, total: int | None = None) -> list[str]:
        monkeypatch.setattr(progress, "time", Clock(seconds))
        assert list(progress.track(iter(range(items)), "images", total)) == list(range(items))
        return [record.getMessage() for record in caplog.records]

    return logged


@pytest.fixture
def terminal(monkeypatch):
    """What is written to stderr, a terminal."""
    written = io.StringIO()
    written.isatty = lambda: True
    monkeypatch.delenv(progress.REPORT, raising=False)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=written))
    return written


def test_what_takes_less_than_a_minute_logs_nothing(lines):
    assert lines(items=500, seconds=0.1) == []


def test_hours_log_a_line_after_a_minute_and_then_every_ten(lines):
    told = lines(items=720, seconds=10.0, total=720)  # two hours
    assert told[0] == "images: 6 of 720, 1 min, about 119 min left"
    assert told[1] == "images: 66 of 720, 11 min, about 109 min left"
    assert len(told) == 12


def test_without_a_number_of_items_the_time_is_told(lines):
    assert lines(items=8, seconds=10.0) == ["images: 1 min"]


def test_a_terminal_shows_a_bar_with_the_time_left_and_then_nothing(terminal, monkeypatch):
    monkeypatch.setattr(progress, "time", Clock(progress.SHOWN_S))
    assert list(progress.track(range(4), "images")) == [0, 1, 2, 3]
    states = [state.strip() for state in terminal.getvalue().split("\r")]
    assert any(state.startswith("images:  50%|") and "2/4 [00:00<00:00" in state for state in states)
    assert states[-1] == "", "its line is free for what comes next"


def test_a_fast_loop_does_not_flood_the_terminal(terminal):
    for _ in progress.track(range(10_000), "numbers"):
        pass
    assert len(terminal.getvalue()) < 10_000


def test_where_nobody_knows_how_many_there_are_the_bar_shows_the_time(terminal):
    bar = progress.Bar("02-erm", None)
    bar.update(0)
    assert f"02-erm [00:00]{progress.ERASE}" in terminal.getvalue()
    bar.close()


def test_another_process_is_told_by_a_file_and_nothing_is_written_elsewhere(tmp_path, monkeypatch, capfd):
    path = tmp_path / "loop.json"
    monkeypatch.setenv(progress.REPORT, str(path))
    monkeypatch.setattr(progress, "time", Clock(progress.SHOWN_S))
    loop = progress.track("abc", "letters")
    assert progress.read_report(path) is None
    seen = [progress.read_report(path) for _ in loop]
    assert seen == [("letters", 0, 3), ("letters", 1, 3), ("letters", 2, 3)]
    assert progress.read_report(path) is None, "no loop runs"
    assert capfd.readouterr() == ("", "")


def test_a_loop_that_fails_is_no_longer_reported(tmp_path, monkeypatch):
    path = tmp_path / "loop.json"
    monkeypatch.setenv(progress.REPORT, str(path))
    with pytest.raises(ZeroDivisionError):
        for number in progress.track(range(3), "numbers"):
            assert progress.read_report(path) == ("numbers", 0, 3)
            1 / number
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    gone = tmp_path / "gone/loop.json"
    monkeypatch.setenv(progress.REPORT, str(gone))
    assert list(progress.track(range(3), "images")) == [0, 1, 2]
    assert progress.read_report(gone) is None
    (tmp_path / "half.json").write_text('["images", 1')
    assert progress.read_report(tmp_path / "half.json") is None


def test_without_stderr_a_loop_runs_all_the_same(monkeypatch):
    monkeypatch.delenv(progress.REPORT, raising=False)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=None))
    assert list(progress.track(range(3), "images")) == [0, 1, 2]

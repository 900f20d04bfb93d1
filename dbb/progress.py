"""Progress of a long loop: a bar with the time left on a terminal, elsewhere now and then a line, on a page nothing."""

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from tqdm import tqdm

T = TypeVar("T")

REPORT = "DBB_PROGRESS"
"""The environment variable with the file in which loops write how far they have come, for another process to show it:
what a notebook's kernel writes to its own output would stand on the page.
"""

FIRST_S, INTERVAL_S = 60.0, 600.0
"""When a line is due, in seconds: the first one, and those after it. A stage at the paper's scale takes hours."""

ERASE = "\033[K"
"""Erases a terminal's line from here on: another process may have written a longer one."""

SHOWN_S = 0.25
"""Seconds between two states of a bar or of a report."""

_logger = logging.getLogger("dbb.progress")


def show_lines() -> None:
    """Let this process write the package's lines, level INFO, to stderr."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("dbb").setLevel("INFO")


class Display(Protocol):
    """What shows how far a loop has come."""

    def update(self, done: int) -> None:
        """Show that ``done`` items are done."""

    def close(self) -> None:
        """Show nothing any more."""


def track(iterable: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of ``iterable``, showing how far it has come, as `display` does.

    Args:
        total: the number of items, where ``iterable`` has no length.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    report = os.environ.get(REPORT)
    shown = display(label, total) if report is None else Report(Path(report), label, total)
    try:
        for done, item in enumerate(iterable, start=1):
            yield item
            shown.update(done)
    finally:
        shown.close()


def display(label: str, total: int | None) -> Display:
    """Return a bar where stderr is a terminal, and otherwise lines of the logger "dbb.progress", level INFO."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return Bar(label, total) if terminal else Lines(label, total)


class Bar:
    """A bar of tqdm, gone when the loop is done; where nobody knows how many items there are, the time alone."""

    def __init__(self, label: str, total: int | None) -> None:
        form = ("{desc} [{elapsed}]" if total is None else "{l_bar}{bar}{r_bar}") + ERASE
        self._bar = tqdm(desc=label, total=total, leave=False, file=sys.stderr, dynamic_ncols=True, bar_format=form)
        self._due = 0.0

    def update(self, done: int) -> None:
        """Move it, unless that was just done."""
        if (now := time.monotonic()) >= self._due:
            self._bar.n = done
            self._bar.refresh()
            self._due = now + SHOWN_S

    def close(self) -> None:
        """Take it away."""
        self._bar.close()


class Lines:
    """A line after a minute, and then every ten."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._start = label, total, time.monotonic()
        self._due = self._start + FIRST_S

    def update(self, done: int) -> None:
        """Write the line, where it is due."""
        now = time.monotonic()
        if now < self._due:
            return
        minutes = (now - self._start) / 60
        counted = f"{done} of {self._total}, " if self._total else ""
        left = f", about {minutes / done * (self._total - done):.0f} min left" if self._total and done else ""
        _logger.info("%s: %s%.0f min%s", self._label, counted, minutes, left)
        self._due = now + INTERVAL_S

    def close(self) -> None:
        """Write nothing more."""


class Report:
    """A file with the label, the items done and all there are; it is not there while no loop runs."""

    def __init__(self, path: Path, label: str, total: int | None) -> None:
        self._path, self._label, self._total, self._due = path, label, total, 0.0
        self.update(0)

    def update(self, done: int) -> None:
        """Write the file, unless that was just done."""
        if (now := time.monotonic()) >= self._due:
            with suppress(OSError):  # a full disk, a cleaned folder: no reason to stop what is being computed
                partial = self._path.with_suffix(".partial")
                partial.write_text(json.dumps([self._label, done, self._total]), encoding="utf-8")
                partial.replace(self._path)
            self._due = now + SHOWN_S

    def close(self) -> None:
        """Remove it."""
        with suppress(OSError):
            self._path.unlink()


def read_report(path: Path) -> tuple[str, int, int | None] | None:
    """Return the label, the items done and all there are of the loop that runs; None: there is none."""
    try:
        label, done, total = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return label, done, total

"""Shows how far the loops in another process have come, on this one's terminal or in its log."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dbb.progress import REPORT, Display, display, read_report

POLL_S = 0.5


@contextmanager
def watched(name: str) -> Iterator[None]:
    """While the body runs, show the loops of the processes that it starts, after ``name``."""
    with TemporaryDirectory() as folder:
        os.environ[REPORT] = str(Path(folder, "loop.json"))
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(Path(os.environ[REPORT]), name, done))
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            del os.environ[REPORT]


def _watch(report: Path, name: str, done: threading.Event) -> None:
    """Show each loop in its turn; between them, on a terminal, the name and the time."""
    told, shown = None, display(name, None)
    while not done.wait(POLL_S):
        loop = read_report(report)
        now = None if loop is None else (loop[0], loop[2])
        if now != told:
            shown.close()
            told, shown = now, _display(name, now)
        shown.update(0 if loop is None else loop[1])
    shown.close()


def _display(name: str, loop: tuple[str, int | None] | None) -> Display:
    return display(name, None) if loop is None else display(f"{name}, {loop[0]}", loop[1])

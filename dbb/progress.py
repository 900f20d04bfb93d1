"""Progress of a long loop: a bar on a terminal, now and then a log line elsewhere, nothing on a book page."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

QUIET_S = 30.0
INTERVAL_S = 10.0

_logger = logging.getLogger("dbb.progress")


def track(iterable: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield the items of ``iterable``, showing how far it has come.

    On a terminal: a bar. Elsewhere (a notebook, a batch job): a line of the logger "dbb.progress", level
    INFO, after the first 30 s and then at most every 10 s; `logging.basicConfig(level="INFO")` shows them.
    total: the number of items, where ``iterable`` has no length.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if sys.stderr.isatty():
        yield from tqdm(iterable, desc=label, total=total, leave=False)
        return
    start = time.monotonic()
    due = start + QUIET_S
    for done, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now >= due:
            _logger.info("%s: %d of %s, %.0f s", label, done, "?" if total is None else total, now - start)
            due = now + INTERVAL_S

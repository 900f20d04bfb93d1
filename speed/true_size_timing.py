"""What is timed at true size, how, and the figures that follow."""

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

GIB = 1024**3
Way = Literal["literal", "ours"]


@dataclass(frozen=True)
class Work:
    """One line of the report: something to do, and how much that is.

    way: "literal", the official way, or "ours". unit: of what is counted, e.g. "images"; units: how many one run does;
    paper_units: how many the paper's Waterbirds run needs. batch: units at a time. operations: of one run.
    warm_up: done once before, uncounted; None: one run. less: its seconds are taken off a run's; None: nothing.
    """

    stage: str
    way: Way
    name: str
    unit: str
    units: int
    paper_units: int
    batch: int
    operations: float
    run: Callable[[], object]
    warm_up: Callable[[], object] | None = None
    less: Callable[[], object] | None = None


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Return the wall seconds of ``work``, until the device has finished it."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(work: Work, device: torch.device, peak: float, repeats: int = 3) -> dict[str, Any]:
    """Warm up, run ``repeats`` times and return the line's figures; on a GPU whose memory does not suffice, a line with
    "error" in their place.

    peak: measured operations per second of the device.
    """
    line = {
        "stage": work.stage,
        "way": work.way,
        "name": work.name,
        "unit": work.unit,
        "batch": work.batch,
        "units": work.units,
        "paper_units": work.paper_units,
    }
    _forget(device)
    try:
        (work.warm_up or work.run)()
        taken = [_one(work, device) for _ in range(repeats)]
    except torch.OutOfMemoryError:
        return line | {"error": "out of memory"}
    finally:
        peak_memory = _peak_memory(device)
        _forget(device)
    return line | figures(work, taken, peak) | {"memory_gib": peak_memory / GIB}


def _one(work: Work, device: torch.device) -> float:
    less = seconds(work.less, device) if work.less else 0.0
    return max(seconds(work.run, device) - less, 1e-9)  # on a tiny model the difference is noise


def figures(work: Work, taken: list[float], peak: float) -> dict[str, Any]:
    """Return what follows from the seconds ``taken`` of each run, by their median."""
    median = statistics.median(taken)
    rate = work.operations / median
    return {
        "seconds": median,
        "fastest": min(taken),
        "slowest": max(taken),
        "per_second": work.units / median,
        "paper_seconds": work.paper_units * median / work.units,
        "tflops": rate / 1e12,
        "share_of_peak": rate / peak,
    }


def with_ratios(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add "times_literal" to every measured line: its speed over that of its stage's first measured literal line."""
    first: dict[str, float] = {}
    for line in lines:
        if line["way"] == "literal" and "error" not in line:
            first.setdefault(line["stage"], line["per_second"])
    return [
        line
        if "error" in line or line["stage"] not in first
        else line | {"times_literal": line["per_second"] / first[line["stage"]]}
        for line in lines
    ]


def matmul_peak(device: torch.device, dtype: torch.dtype, side: int, products: int = 20, repeats: int = 3) -> float:
    """Return the operations per second of the product of two random square matrices, the best of so many runs."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        for _ in range(products):
            torch.mm(a, b)

    multiply()
    return 2 * side**3 * products / min(seconds(multiply, device) for _ in range(repeats))


def _forget(device: torch.device) -> None:
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak_memory(device: torch.device) -> int:
    """Bytes of the device since `_forget`; on a CPU those of the process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

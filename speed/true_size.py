"""Speed of every stage at the paper's size, ours beside a literal port of the official way, in one run on one GPU.

    python speed/true_size.py                                  minutes on an H100; writes results/true-size/
    python speed/true_size.py --stages masks inpainting --out FOLDER
    python speed/true_size.py --tiny                           seconds on a CPU; figures without meaning

The models have the published architectures and random weights, which take the time and memory of trained ones; nothing
is downloaded. Each line is the median of three runs after a warm-up, with the fastest and slowest beside it. The card's
own peak, of a large bfloat16 matrix product, is measured in the same run. What is known is written after every stage,
so that a run that is cut off leaves the stages before.
"""

import argparse
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from true_size_counts import IMAGES, floor_seconds
from true_size_stages import STAGES
from true_size_timing import matmul_peak, measure, with_ratios
from true_size_world import World, tiny_world, true_world

from dbb.errors import InputError
from dbb.store import project_root, resolve, write_json

OUT = "results/true-size"
PACKAGES = ("torch", "diffusers", "transformers", "captum")
COLUMNS = {
    "name": "",
    "batch": "batch",
    "per_second": "per second",
    "paper_seconds": "Waterbirds (s)",
    "tflops": "TFLOP/s",
    "share_of_peak": "of peak",
    "memory_gib": "GiB",
    "times_literal": "times literal",
    "error": "error",
}


def machine(device: torch.device) -> str:
    """Return the name of the GPU, or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"


def file_name(name: str) -> str:
    """Return the name of the results' file of a machine, e.g. "nvidia-h100-80gb-hbm3.json"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".json"


def run(
    world: World, stages: Sequence[str], images: int, folder: Path, note: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Measure ``stages`` and return the report; ``note`` is given what is known of it after every stage.

    images: painted per run, rounded up to whole batches. folder: for pictures, empty.
    """
    peak = matmul_peak(world.device, world.dtype, world.sizes.matmul)
    counts = world.counts()
    report: dict[str, Any] = {
        "machine": machine(world.device),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "matmul_tflops": peak / 1e12,
        "floor_seconds": floor_seconds(peak, counts),
        "images": images,
        "waterbirds_images": IMAGES,
        "operations": counts,
        "lines": [],
    }
    for stage in stages:
        # One work at a time: what it holds is freed before the next is made.
        works = STAGES[stage](world, counts, images, folder)
        lines = [measure(work, world.device, peak, world.sizes.repeats) for work in works]
        report["lines"] += with_ratios(lines)
        note(report)
    return report


def table(report: dict[str, Any]) -> str:
    """Return the report's lines as text, a block per stage."""
    lines = pd.DataFrame(report["lines"])
    known = {name: title for name, title in COLUMNS.items() if name in lines}
    blocks = [
        f"{stage}\n{part[[*known]].rename(columns=known).round(3).to_string(index=False, na_rep='')}"
        for stage, part in lines.groupby("stage", sort=False)
    ]
    return "\n\n".join([f"{report['machine']}: matrix product {report['matmul_tflops']:.1f} TFLOP/s", *blocks])


def _place(out: str | None, tiny: bool) -> Path | None:
    """Return the folder to write into; None: write nothing.

    Raises InputError for tiny models' figures among the results.
    """
    if not tiny:
        return resolve(out or OUT)
    results = project_root() / "results"
    if out and (resolve(out).resolve() == results or results in resolve(out).resolve().parents):
        raise InputError(f"--out {out}: figures of tiny models do not belong into results/, give another folder")
    return resolve(out) if out else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES), help="these alone")
    parser.add_argument("--images", type=int, default=64, help="painted per run (64)")
    parser.add_argument("--out", help=f"folder of the report ({OUT}; with --tiny: none)")
    parser.add_argument("--tiny", action="store_true", help="tiny models on the CPU, to try the script")
    given = parser.parse_args(arguments)
    if not given.tiny and not torch.cuda.is_available():
        sys.exit("no CUDA GPU here: run this on a machine with one, or try the script with --tiny")
    if given.images < 1:
        sys.exit(f"--images {given.images}: give at least 1")
    try:
        place = _place(given.out, given.tiny)
    except InputError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory() as folder:
        world = tiny_world(Path(folder) / "models") if given.tiny else true_world(torch.device("cuda", 0))
        path = place / ("tiny.json" if given.tiny else file_name(machine(world.device))) if place else None
        report = run(
            world,
            given.stages,
            given.images,
            Path(folder) / "pictures",
            lambda known: write_json(path, known) if path else None,
        )
    print(table(report))
    if path:
        print(f"\n{path}")


if __name__ == "__main__":
    main()

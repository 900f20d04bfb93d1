"""Seconds and images per second of every stage, and what the choices of batching are worth, on this machine.

    python speed/stages.py            a few minutes on two cores
    python speed/stages.py --quick    a smoke run on a handful of images, whose numbers mean little

It makes the miniature's stages with small counts, as the notebooks do, in a temporary folder, and prints two tables. A
stage's seconds are those of the whole stage, its models' loading included; a smaller run before it warms up.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd
import torch

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.data.dataset import Drawn
from dbb.models.classifier import load_trained
from dbb.models.devices import pick_device
from dbb.models.inpainting import load_inpainting
from dbb.record import Made
from dbb.stages.all import STAGES
from dbb.stages.generation import encode_prompt, inpaint
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.outputs import load_outputs
from dbb.stages.pruning import Attributed, class_confidence, read_pairs, score_pairs
from dbb.stages.run import Run

T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """How much is done. train, val: images (of test as many as of val); inversion_steps: of eq. 1;
    painted: images of each class; slow_painted: images where a slow choice is timed;
    internal_batch_sizes: tried for integrated gradients.
    """

    train: int
    val: int
    inversion_steps: int
    painted: int
    slow_painted: int
    internal_batch_sizes: tuple[int, ...]


FULL = Sizes(
    train=1200, val=200, inversion_steps=30, painted=100, slow_painted=20, internal_batch_sizes=(32, 64, 128, 256, 512)
)
QUICK = Sizes(train=40, val=8, inversion_steps=1, painted=2, slow_painted=2, internal_batch_sizes=(32, 64))


class Stopwatch:
    """Collects what was timed: name, number of images, seconds."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def time(self, name: str, images: int, work: Callable[[], T]) -> T:
        """Run ``work``, note its seconds under ``name``, and return its result."""
        start = time.perf_counter()
        result = work()
        self.note(name, images, time.perf_counter() - start)
        return result

    def note(self, name: str, images: int, seconds: float) -> None:
        self._rows.append({"": name, "images": images, "seconds": seconds})

    def table(self) -> pd.DataFrame:
        """Return a row per entry: images, seconds and images per second."""
        table = pd.DataFrame(self._rows).set_index("")
        return table.assign(**{"images per second": table["images"] / table["seconds"].clip(lower=1e-9)})


def shrunk(bm: Benchmark, sizes: Sizes) -> Benchmark:
    """Return the benchmark with so little done in each stage."""
    assert isinstance(bm.data, Drawn), "the miniature is drawn"
    return replace(
        bm,
        data=replace(bm.data, sizes={"train": sizes.train, "val": sizes.val, "test": sizes.val}),
        erm=replace(bm.erm, epochs=1),
        inversion=replace(bm.inversion, steps=sizes.inversion_steps),
        generation=replace(bm.generation, per_class=(sizes.painted,) * len(bm.classes)),
        retraining=replace(bm.retraining, epochs=1),
    )


def measure(bm: Benchmark, sizes: Sizes, device: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Time every stage, then the choices; returns the two tables."""
    with tempfile.TemporaryDirectory() as folder:
        if sizes != QUICK:
            _time_stages(Run(shrunk(bm, QUICK), 0, Path(folder) / "warm-up", device))
        run = Run(shrunk(bm, sizes), 0, Path(folder) / "runs", device)
        return _time_stages(run), _time_choices(run, sizes)


def _time_stages(run: Run) -> pd.DataFrame:
    watch, bm = Stopwatch(), run.benchmark
    names = {
        "data": "data",
        "erm": "ERM, 1 epoch, and its words on all splits",
        "tokens": f"inversion, {bm.inversion.steps} steps of each class",
        "masks": "masks",
        "generated": f"inpainting, {bm.generation.steps} steps",
        "pruned": "psi, and integrated gradients where it passed",
        "retrained": "retraining, 1 epoch",
    }
    for name, stage in STAGES.items():
        start = time.perf_counter()
        made = stage(run)
        watch.note(names[name], _images(made, run), time.perf_counter() - start)
    return watch.table()


def _images(made: Made, run: Run) -> int:
    """Return how many images a stage went through."""
    match made.record["stage"]:
        case "erm":
            return run.made("data").counts["train"]
        case "tokens":
            return len(run.benchmark.classes) * run.benchmark.inversion.steps * run.benchmark.inversion.batch_size
        case "masks":
            return made.counts["sources"]
        case "generated" | "pruned":
            return made.counts["generated"]
        case _:
            return sum(made.counts.values())


def _time_choices(run: Run, sizes: Sizes) -> pd.DataFrame:
    """Time each choice beside its alternatives; "times the first" compares speeds within a block."""
    paint, score = _painter(run), _scorer(run)
    few, batch_size = sizes.slow_painted, run.benchmark.generation.batch_size
    painted = run.made("generated").counts["generated"]
    blocks = [
        {f"inpainting, batches of {n}": (few, lambda n=n: paint(few, n)) for n in (1, min(batch_size, few))},
        {
            f"inpainting by twos, prompt encoded {name}": (few, lambda once=once: paint(few, 2, once))
            for name, once in (("per batch", False), ("once", True))
        },
        {
            f"integrated gradients on {name}": (painted, lambda on=on: score(256, on))
            for name, on in (("all", "all"), ("what passed eq. 3", "passed"))
        },
        {
            f"integrated gradients, {n} points at once": (painted, lambda n=n: score(n, "all"))
            for n in sizes.internal_batch_sizes
        },
    ]
    paint(1, 1)
    score(64, "passed")
    tables = []
    for block in blocks:
        watch = Stopwatch()
        for name, (images, work) in block.items():
            watch.time(name, images, work)
        table = watch.table()
        tables.append(table.assign(**{"times the first": table["seconds"].iloc[0] / table["seconds"]}))
    return pd.concat(tables)


def _painter(run: Run) -> Callable[..., None]:
    """Return what paints some of the run's originals, in batches of a size, the prompt encoded once or for each."""
    bm, settings, train = run.benchmark, run.benchmark.generation, run.split("train")
    masks = load_masks(run.folder("masks") / MASKS)
    ids = masks.ids[masks.found]
    pixels, painting = train.pixels(ids, bm.generation_size), masks.padded(ids)
    pipe, prompt = load_inpainting(bm.inpainting, pick_device(run.device)), f"a photo of a {bm.class_word}"

    def paint(n: int, batch_size: int, encode_once: bool = True) -> None:
        states = encode_prompt(pipe, prompt, settings.guidance_scale)
        for start in range(0, n, batch_size):
            rows = slice(start, min(start + batch_size, n))
            if not encode_once:
                states = encode_prompt(pipe, prompt, settings.guidance_scale)
            inpaint(
                pipe, states, pixels[rows], painting[rows], ids[rows].tolist(), settings.steps, settings.guidance_scale
            )

    return paint


def _scorer(run: Run) -> Callable[[int, Attributed], None]:
    """Return what scores the run's pairs, so many images and points at once, with integrated gradients on some."""
    bm, pairs = run.benchmark, read_pairs(run, read_manifest(run.folder("generated") / MANIFEST))
    said = load_outputs(run.folder("erm") / "train.npz")
    confidence = class_confidence(said.probabilities, said.labels, len(bm.classes))
    model = load_trained(run.folder("erm") / "model.safetensors", bm.classifier, len(bm.classes))
    model.to(pick_device(run.device))

    def score(internal_batch_size: int, ig_on: Attributed) -> None:
        score_pairs(
            model,
            pairs.originals,
            pairs.generated,
            pairs.masks,
            confidence,
            bm.input_format,
            bm.pruning.steps,
            internal_batch_size,
            bm.pruning.on,
            ig_on,
        )

    return score


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:1")
    given = parser.parse_args(arguments)
    stages, choices = measure(get_benchmark("mini-waterbirds"), QUICK if given.quick else FULL, given.device)
    print(f"{torch.get_num_threads()} threads\n")
    for table in (stages, choices):
        print(table.round(2).to_string(), end="\n\n")


if __name__ == "__main__":
    main()

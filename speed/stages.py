"""Seconds and images per second of every stage, and what the choices of batching are worth, on this machine.

    python speed/stages.py            a few minutes on two cores
    python speed/stages.py --quick    a smoke run on a handful of images, whose numbers mean little

It runs the miniature with small counts through the same functions as the notebooks, writes nothing but a temporary
folder, and prints two tables. The first use of a model is a warm-up and is not counted.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
import torch

from dbb.benchmarks import Benchmark, get_benchmark
from dbb.benchmarks.splits import make_data
from dbb.data.images import ArrayPixels, ImageSet
from dbb.models.classifier import Classifier, load_classifier, predict_logits
from dbb.models.inpainting import load_inpainting
from dbb.models.segmenters import load_segmenter
from dbb.stages.erm import train_erm
from dbb.stages.generation import encode_prompt, inpaint
from dbb.stages.inversion import invert
from dbb.stages.masks import box_mask, find_masks, pad_mask
from dbb.stages.pruning import class_confidence, score_pairs
from dbb.stages.retraining import retrain
from dbb.transforms import InputFormat

T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """How much is done. train, val: images (of test as many as of val); inversion_steps: of eq. 1;
    masks, painted: images; slow_painted: images where a slow choice is timed;
    internal_batch_sizes: tried for integrated gradients.
    """

    train: int
    val: int
    inversion_steps: int
    masks: int
    painted: int
    slow_painted: int
    internal_batch_sizes: tuple[int, ...]


FULL = Sizes(train=1200, val=200, inversion_steps=30, masks=300, painted=100, slow_painted=20,
             internal_batch_sizes=(32, 64, 128, 256, 512))
QUICK = Sizes(train=40, val=8, inversion_steps=1, masks=4, painted=4, slow_painted=2, internal_batch_sizes=(32, 64))


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


def measure(bm: Benchmark, sizes: Sizes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Time every stage, then the choices; returns the two tables."""
    stages = Stopwatch()
    train, val = _data(bm, sizes, stages)
    model, fmt = _erm(bm, train, val, stages)
    raw = torch.from_numpy(train.truth["mask"])
    painting = torch.stack([box_mask(pad_mask(mask, bm.masks.pad)) for mask in raw[:sizes.painted]])
    pipe = load_inpainting(bm.inpainting)
    _inversion(bm, pipe, train, raw, sizes, stages)
    _masks(bm, train, sizes, stages)

    settings, originals = bm.generation, train.subset(range(sizes.painted))
    pixels, prompt = originals.pixels(range(sizes.painted), bm.generation_size), f"a photo of a {bm.class_word}"

    def paint(n: int, batch_size: int, encode_once: bool = True) -> torch.Tensor:
        states, parts = encode_prompt(pipe, prompt, settings.guidance_scale), []
        for start in range(0, n, batch_size):
            rows = slice(start, min(start + batch_size, n))
            if not encode_once:
                states = encode_prompt(pipe, prompt, settings.guidance_scale)
            parts.append(inpaint(pipe, states, pixels[rows], painting[rows], range(rows.start, rows.stop),
                                 settings.steps, settings.guidance_scale))
        return torch.cat(parts)

    paint(1, 1)
    painted = stages.time(f"inpainting, {settings.steps} steps", sizes.painted,
                          lambda: paint(sizes.painted, settings.batch_size))
    generated = ImageSet(ArrayPixels(painted.permute(0, 2, 3, 1).numpy()), 1 - originals.labels,
                         originals.attributes, originals.n_attributes, np.arange(len(painted)))
    score = _scorer(bm, model, train, originals, generated, painting, fmt)
    score(64, "passed")
    stages.time("psi, and integrated gradients where it passed", sizes.painted, lambda: score(256, "passed"))
    once = replace(bm.retraining, epochs=1)
    stages.time("retraining, 1 epoch", len(train) + len(generated),
                lambda: retrain(model, train, generated, val, once, once.gammas, fmt, seed=0))
    return stages.table(), _choices(paint, score, settings.batch_size, sizes)


def _data(bm: Benchmark, sizes: Sizes, stages: Stopwatch) -> tuple[ImageSet, ImageSet]:
    counts = {"train": sizes.train, "val": sizes.val, "test": sizes.val}
    with tempfile.TemporaryDirectory() as folder:
        made = stages.time("data", sum(counts.values()), lambda: make_data(bm, folder, counts))
    return made["train"], made["val"]


def _erm(bm: Benchmark, train: ImageSet, val: ImageSet, stages: Stopwatch) -> tuple[Classifier, InputFormat]:
    fmt = bm.input_format
    model = load_classifier(bm.classifier, len(bm.classes), seed=0)
    once = replace(bm.erm, epochs=1)
    stages.time("ERM, 1 epoch", len(train), lambda: train_erm(model, train, val, once, fmt, seed=0))
    return model, fmt


def _inversion(bm: Benchmark, pipe: object, train: ImageSet, raw: torch.Tensor, sizes: Sizes,
               stages: Stopwatch) -> None:
    settings = bm.inversion
    pixels = train.pixels(range(settings.images), bm.generation_size)
    stages.time(f"inversion, {sizes.inversion_steps} steps", sizes.inversion_steps * settings.batch_size,
                lambda: invert(pipe, pixels, raw[:settings.images], "<timed>", settings.initial_word, bm.templates,
                               sizes.inversion_steps, settings.batch_size, settings.learning_rate, seed=0))


def _masks(bm: Benchmark, train: ImageSet, sizes: Sizes, stages: Stopwatch) -> None:
    segmenter = load_segmenter(bm.segmenter, bm.masks.threshold)

    def find(n: int) -> None:
        find_masks(segmenter, train, np.arange(n), bm.class_word, bm.masks, bm.generation_size, batch_size=50)

    find(1)
    stages.time("masks", sizes.masks, lambda: find(sizes.masks))


def _scorer(bm: Benchmark, model: Classifier, train: ImageSet, originals: ImageSet, generated: ImageSet,
            painting: torch.Tensor, fmt: InputFormat) -> Callable[[int, str], None]:
    probabilities = predict_logits(model, train, fmt).double().softmax(1).numpy()
    confidence = class_confidence(probabilities, train.labels, len(bm.classes))

    def score(internal_batch_size: int, ig_on: str) -> None:
        score_pairs(model, originals, generated, painting.numpy(), confidence, fmt,
                    internal_batch_size=internal_batch_size, ig_on=ig_on)

    return score


def _choices(paint: Callable[..., torch.Tensor], score: Callable[[int, str], None], batch_size: int,
             sizes: Sizes) -> pd.DataFrame:
    """Time each choice beside its alternatives; "times the first" compares speeds within a block."""
    few = sizes.slow_painted
    blocks = [
        {f"inpainting, batches of {n}": (few, lambda n=n: paint(few, n)) for n in (1, min(batch_size, few))},
        {f"inpainting by twos, prompt encoded {name}": (few, lambda once=once: paint(few, 2, once))
         for name, once in (("per batch", False), ("once", True))},
        {f"integrated gradients on {name}": (sizes.painted, lambda on=on: score(256, on))
         for name, on in (("all", "all"), ("what passed eq. 3", "passed"))},
        {f"integrated gradients, {n} points at once": (sizes.painted, lambda n=n: score(n, "all"))
         for n in sizes.internal_batch_sizes},
    ]
    tables = []
    for block in blocks:
        watch = Stopwatch()
        for name, (images, work) in block.items():
            watch.time(name, images, work)
        table = watch.table()
        tables.append(table.assign(**{"times the first": table["seconds"].iloc[0] / table["seconds"]}))
    return pd.concat(tables)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    quick = parser.parse_args(arguments).quick
    stages, choices = measure(get_benchmark("mini-waterbirds"), QUICK if quick else FULL)
    print(f"{torch.get_num_threads()} threads\n")
    for table in (stages, choices):
        print(table.round(2).to_string(), end="\n\n")


if __name__ == "__main__":
    main()

"""Does training fall for a drawn benchmark's shortcut, and is the class learnt where there is none?

`python -m dbb.pretraining.shortcut mini-celeba --seeds 1 2`: the benchmark's own training split against as many
pictures with as many of each class with each attribute, the same network and settings, both tested on pictures that no
split and no other model has.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.entry import Benchmark
from dbb.data.images import ArrayPixels, ImageSet
from dbb.errors import InputError
from dbb.metrics import GroupMetrics, evaluate
from dbb.models.classifier import load_classifier, predict_logits
from dbb.stages.erm import train_erm
from dbb.worlds.base import render_all


def draw_split(entry: ModuleType, split: str, size: int, weights: Sequence[int]) -> ImageSet:
    """Draw ``size`` pictures of a split of the benchmark whose module is ``entry``, its groups as ``weights``."""
    scenes, groups = entry.split_scenes(split, size, weights)
    n = len(entry.BENCHMARK.attributes)
    return ImageSet(ArrayPixels(render_all(entry.render, scenes).images), groups // n, groups % n, n, np.arange(size))


def tested(
    benchmark: Benchmark, train: ImageSet, test: ImageSet, train_counts: Sequence[int], seed: int
) -> GroupMetrics:
    """Train the benchmark's classifier on one split and evaluate it on the other."""
    model = load_classifier(benchmark.classifier, len(benchmark.classes), seed)
    train_erm(model, train, test, benchmark.erm, benchmark.input_format, seed)
    said = predict_logits(model, test, benchmark.input_format).argmax(1)
    return evaluate(np.asarray(said), test.labels, test.groups, len(benchmark.group_names), np.asarray(train_counts))


def compare(name: str, seeds: Sequence[int], backbone: str | None) -> Iterator[dict[str, Any]]:
    """Yield, for each seed and each of the two trainings, the tested groups' accuracies and their weighted average."""
    benchmark = get_benchmark(name, classifier=backbone)
    entry = import_module(f"dbb.benchmarks.{name.replace('-', '_')}")
    if not hasattr(entry, "split_scenes"):
        raise InputError(f"{name} is not drawn here: give a drawn benchmark")
    own, sizes, every = entry.WEIGHTS["train"], entry.SIZES, (1,) * len(benchmark.group_names)
    test = draw_split(entry, "held-out", sizes["test"], entry.WEIGHTS["test"])
    trains = {name: draw_split(entry, "train", sizes["train"], w) for name, w in (("ERM", own), ("balanced", every))}
    for seed in seeds:
        for training, train in trains.items():
            told = tested(benchmark, train, test, own, seed)
            of_groups = zip(benchmark.group_names, told.group_accuracy, strict=True)
            shares = {group: round(share, 4) for group, share in of_groups if not np.isnan(share)}
            average = None if np.isnan(told.weighted_average) else round(told.weighted_average, 4)
            yield {"training": training, "seed": seed, **shares, "weighted average": average}


def main() -> None:
    """Parse the command line, and print a line for each training."""
    parser = argparse.ArgumentParser(prog="python -m dbb.pretraining.shortcut", description=__doc__)
    parser.add_argument("benchmark", help="a drawn benchmark")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--backbone", help="the classifier's backbone; by default the benchmark's own")
    arguments = parser.parse_args()
    for line in compare(arguments.benchmark, arguments.seeds, arguments.backbone):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

"""Running a seed of the study: its arms one after the other, each with a record that is not made twice."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.arrays import BooleanArray

from dbb.benchmarks import Benchmark
from dbb.data.images import ImageSet
from dbb.retraining import kept_counts, retrain
from dbb.store import resolve, write_json, write_table
from dbb.study.arms import ARMS, MORE_ARMS, Arm
from dbb.study.pictures import autoencoded, joined, make
from dbb.study.products import Products
from dbb.study.scores import compositing, convergence, judged, kept, scored
from dbb.study.selection import low_loss_groups

Report = Callable[[str], None]


def products_of(benchmark: Benchmark, seed: int, runs: str | Path, splits: Mapping[str, ImageSet]) -> Products:
    """Return the products of one seed, in their folder under ``runs``."""
    return Products(benchmark, seed, study_dir(benchmark, runs, splits) / f"seed{seed}", splits)


def study_dir(benchmark: Benchmark, runs: str | Path, splits: Mapping[str, ImageSet]) -> Path:
    """Return the study's folder: another one for other settings, weights or images.

    Code is no part of its name: after a change of what an arm does, delete the arm's records.
    """
    digest = hashlib.sha256(json.dumps(asdict(benchmark), sort_keys=True).encode())
    for spec in (benchmark.classifier, benchmark.inpainting, benchmark.segmenter):
        for path in sorted(resolve(spec).rglob("*.safetensors")):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    for images in splits.values():
        digest.update(images.pixels(range(len(images)), benchmark.image_size).numpy().tobytes())
    return resolve(runs) / benchmark.name / f"study-{digest.hexdigest()[:8]}"


def run_seed(products: Products, more: bool, closely: bool, report: Report = print) -> None:
    """Run every arm of one seed; what was done is not done again.

    more: also `dbb.study.arms.MORE_ARMS`; closely: also the measurements that one seed suffices for (compositing, and
    the convergence of integrated gradients).
    """
    seed, folder = products.seed, products.folder
    arms = ARMS | (MORE_ARMS if more else {})
    for number, (name, arm) in enumerate(arms.items(), start=1):
        path = folder / "arms" / f"{name}.json"
        if not path.exists():
            started = time.perf_counter()
            record = run_arm(products, arm)
            write_json(path, {"seed": seed, "arm": name, **record})
            report(f"seed {seed}, {number} of {len(arms)}: {name}, worst group {record['test']['worst_group']:.3f}, "
                   f"{time.perf_counter() - started:.0f} s")
    tables: dict[str, Callable[[], pd.DataFrame]] = {"low-loss": lambda: low_loss_groups(products)}
    if closely:
        tables |= {"compositing": lambda: compositing(products), "convergence": lambda: convergence(products, "tokens")}
    for name, measure in tables.items():
        if not (path := folder / f"{name}.parquet").exists():
            write_table(path, measure())


def run_arm(products: Products, arm: Arm) -> dict:
    """Retrain a copy of the base model as ``arm`` says, and return its accuracies and what it trained on.

    generated, kept: pictures per target class; right, kept_right: the share of them that shows it, by the oracle.
    """
    benchmark = products.benchmark
    generated, record = _generated(products, arm)
    train = products.train
    if arm.originals is not None:
        more = autoencoded(products) if arm.originals == "autoencoded" else products.sources
        train = joined(train, more, benchmark.image_size)
    model, settings = products.erm(), benchmark.retraining
    training = retrain(model, train, generated, products.val, settings, [arm.weight * g for g in settings.gammas],
                       products.input_format, products.seed)
    return {**record, **products.measure(model), "best_epoch": training.best_epoch, "seconds": training.seconds}


def _generated(products: Products, arm: Arm) -> tuple[ImageSet, dict]:
    """The pictures that the arm trains on, and their counts."""
    n_classes = len(products.benchmark.classes)
    if arm.pictures is None:
        return products.train.subset([]), {}
    images = make(products, arm.pictures).images
    right, keep = judged(products, images), np.ones(len(images), bool)
    if arm.conditions:
        keep = kept(scored(products, arm.pictures), arm.conditions, products.benchmark.pruning.quantile)
    chosen = images.subset(np.flatnonzero(keep))
    return chosen, {"generated": kept_counts(images, n_classes), "kept": kept_counts(chosen, n_classes),
                    "right": _share(right), "kept_right": _share(right[keep])}


def _share(right: BooleanArray) -> float | None:
    return None if len(right) == 0 or right.isna().any() else float(right.mean())

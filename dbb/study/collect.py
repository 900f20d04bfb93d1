"""From the seeds' folders to the committed results: a few small tables, and pictures for the figures."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dbb.store import atomic_path, read_json, resolve, write_json, write_table
from dbb.study.arms import ARMS, MORE_ARMS, PSI, RHO
from dbb.study.pictures import autoencoded, make
from dbb.study.products import Products
from dbb.study.scores import kept, scored

SHOWN = 6  # sources per class, and pictures per condition, that the figures show


def collect(seeds: Sequence[Products], results: str | Path) -> Path:
    """Write the results of all seeds, which must have been run, and return their folder `results/<benchmark>`.

    arms.csv: a row per seed and arm, `dbb.study.arms.MORE_ARMS` as far as they were run. inversion.csv: per seed, size
    of the inversion set and class. low-loss.csv, scores.parquet, compositing.parquet, convergence.csv: as
    `dbb.study.scores` and `selection` make them, with the seed. samples.npz: pictures of the first seed. study.json:
    settings, seeds, machine.

    Raises InputError when an arm of a seed was not run.
    """
    benchmark = seeds[0].benchmark
    target = resolve(results) / benchmark.name
    folders = {products.seed: products.folder for products in seeds}
    write_table(target / "arms.csv", pd.DataFrame(_arm_rows(folders)))
    write_table(target / "inversion.csv", pd.DataFrame(_inversion_rows(folders)))
    write_table(target / "low-loss.csv", _stacked(folders, "low-loss"))
    write_table(target / "convergence.csv", _stacked(folders, "convergence"))
    write_table(target / "compositing.parquet", _stacked(folders, "compositing"))
    write_table(target / "scores.parquet", pd.concat(
        [_stacked(folders, f"scores-{name.replace(' ', '-')}").assign(pictures=name)
         for name in ("tokens", "class word")], ignore_index=True))
    with atomic_path(target / "samples.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **_samples(seeds[0]))
    write_json(target / "study.json", {
        "benchmark": asdict(benchmark), "seeds": list(folders), "torch": torch.__version__,
        "machine": f"{platform.machine()} CPU, one thread per seed"})
    return target


def _arm_rows(folders: dict[int, Path]) -> list[dict]:
    rows = []
    for seed, folder in folders.items():
        records = {"erm": read_json(folder / "erm.json")}
        records |= {arm: read_json(folder / "arms" / f"{arm}.json") for arm in ARMS}
        records |= {arm: read_json(path) for arm in MORE_ARMS if (path := folder / "arms" / f"{arm}.json").exists()}
        for arm, record in records.items():
            row = {"seed": seed, "arm": arm, "val_worst_group": record["val"]["worst_group"],
                   "worst_group": record["test"]["worst_group"], "average": record["test"]["average"],
                   "weighted_average": record["test"]["weighted_average"],
                   **{f"group_{g}": a for g, a in enumerate(record["test"]["group_accuracy"])}}
            row |= {key: record.get(key) for key in ("best_epoch", "right", "kept_right", "seconds")}
            for key in ("generated", "kept"):
                row |= {f"{key}_{name.replace(' ', '_')}": n for name, n in record.get(key, {}).items()}
            rows.append(row)
    return rows


def _inversion_rows(folders: dict[int, Path]) -> list[dict]:
    rows = []
    for seed, folder in folders.items():
        for path in sorted(folder.glob("tokens-*/inversion.json")):
            for name, record in read_json(path).items():
                nearest = "; ".join(f"{word} {cosine:.2f}" for word, cosine in record["nearest"])
                size = int(path.parent.name.removeprefix("tokens-"))
                rows.append({"seed": seed, "class": name, "size": size, **record, "nearest": nearest})
    return rows


def _stacked(folders: dict[int, Path], name: str) -> pd.DataFrame:
    tables = {seed: path for seed, folder in folders.items() if (path := folder / f"{name}.parquet").exists()}
    return pd.concat([pd.read_parquet(path).assign(seed=seed) for seed, path in tables.items()], ignore_index=True)


def _samples(products: Products) -> dict[str, np.ndarray]:
    """The same sources in every set of pictures, uint8 (2 * SHOWN, 3, S, S), classes one after the other; and what each
    pruning condition catches of the class word's pictures.
    """
    sources, size = products.sources, products.benchmark.generation_size
    few = np.concatenate([np.flatnonzero(sources.labels == label)[:SHOWN]
                          for label in range(len(products.benchmark.classes))])
    samples = {"original": sources.pixels(few, size).numpy(), "mask": products.masks.padded(sources.ids[few]).numpy(),
               "autoencoded": autoencoded(products).pixels(few, size).numpy()}
    records = products.folder / "arms"
    done = [arm.pictures for name, arm in (ARMS | MORE_ARMS).items() if (records / f"{name}.json").exists()]
    for name in dict.fromkeys(filter(None, done)):
        samples[name] = make(products, name).images.pixels(few, size).numpy()
    return samples | _caught(products)


def _caught(products: Products) -> dict[str, np.ndarray]:
    scores, pictures = scored(products, "class word"), make(products, "class word").images
    quantile = products.benchmark.pruning.quantile
    psi, both = (kept(scores, conditions, quantile) for conditions in ((PSI,), (PSI, RHO)))
    samples = {}
    for name, mask in (("eq. 3", ~psi), ("eq. 5", psi & ~both), ("kept", both)):
        rows = np.flatnonzero(mask)[:2 * SHOWN]
        samples |= {f"caught: {name}": pictures.pixels(rows, products.benchmark.generation_size).numpy(),
                    f"target: {name}": pictures.labels[rows],
                    f"right: {name}": scores["right"].fillna(False).to_numpy(bool)[rows]}
    return samples


def read_study(results: str | Path, benchmark: str) -> dict:
    """Return what study.json says of committed results.

    Raises InputError when they are missing.
    """
    return read_json(resolve(results) / benchmark / "study.json")

"""Some pictures for the book's figures: the same sources in every set, and what each pruning condition catches."""

import numpy as np
import pandas as pd

from dbb.record import RECORD
from dbb.stages.manifest import CONDITIONS, MANIFEST, PSI, generated_set, read_manifest
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.pruning import judge
from dbb.stages.run import TABLE, Run
from dbb.study.arms import ARMS, MORE_ARMS
from dbb.study.sets import CLASS_WORD, folder_name, set_run

SHOWN = 6  # sources per pair of classes, and pictures per condition and class


def samples(run: Run) -> dict[str, np.ndarray]:
    """Return the pictures of a seed, which must have been run, by name.

    "original" and one name for each set that was made, uint8 (N, 3, S, S): the same sources everywhere, pair of classes
    by pair; "mask", bool (N, S, S): where they were painted; "source_class", "target_class", int64 (N,). And as
    `caught` has it.
    """
    shown = _generated_rows(run)
    shown = pd.concat(
        [
            shown[(shown["source_class"] == source) & (shown["target_class"] == target)].head(SHOWN)
            for source, target in run.benchmark.pairs
        ]
    )
    ids = shown["source_id"].to_numpy(copy=True)
    found = {
        "original": run.split("train").pixels(ids, run.benchmark.generation_size).numpy(),
        "mask": load_masks(run.folder("masks") / MASKS).padded(ids).numpy(),
        "source_class": shown["source_class"].to_numpy(),
        "target_class": shown["target_class"].to_numpy(),
    }
    for name in _sets():
        here = set_run(run, name)
        if (here.folder("generated") / RECORD).exists():
            found[name] = _pixels(here, _same_sources(_generated_rows(here), shown))
    return found | caught(run)


def caught(run: Run) -> dict[str, np.ndarray]:
    """Return the first pictures of the set "class word" that eq. 3 drops, that eq. 5 drops, and that are kept.

    For each of these: "caught: <which>", uint8 (N, 3, S, S); "target: <which>", int64 (N,), the class that it is
    labelled with; "right: <which>", bool (N,), whether the oracle sees that class.
    """
    here, settings = set_run(run, CLASS_WORD), run.benchmark.pruning
    scores = pd.read_parquet(run.measured(f"scores-{folder_name(CLASS_WORD)}") / TABLE)
    scores = scores.assign(rho=scores["rho_logit" if settings.on == "logit" else "rho"])
    rows, right = _generated_rows(here), scores["right"].fillna(False).to_numpy(bool)
    psi, both = (judge(scores, settings, conditions)[0]["kept"].to_numpy(bool) for conditions in ((PSI,), CONDITIONS))
    found: dict[str, np.ndarray] = {}
    for name, chosen in (("eq. 3", ~psi), ("eq. 5", psi & ~both), ("kept", both)):
        few = np.flatnonzero(chosen)[: SHOWN * len(run.benchmark.classes)]
        found |= {
            f"caught: {name}": _pixels(here, rows.iloc[few]),
            f"target: {name}": rows["target_class"].to_numpy()[few],
            f"right: {name}": right[few],
        }
    return found


def _sets() -> list[str]:
    """The sets of pictures of all arms, each once, but for the one of repeated originals."""
    arms = (ARMS | MORE_ARMS).values()
    names = [name for arm in arms for name in (arm.pictures, arm.originals) if name not in (None, "repeated")]
    return list(dict.fromkeys(names))


def _generated_rows(run: Run) -> pd.DataFrame:
    manifest = read_manifest(run.folder("generated") / MANIFEST)
    return manifest[manifest["status"] == "generated"].reset_index(drop=True)


def _same_sources(rows: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a set that were made as those of the method that are ``shown``, in their order."""
    relabelled = (rows["target_class"] != rows["source_class"]).any()
    keys = ["source_id", "target_class"] if relabelled else ["source_id"]
    return shown[keys].merge(rows, on=keys)


def _pixels(run: Run, rows: pd.DataFrame) -> np.ndarray:
    images = generated_set(run.folder("generated"), rows, np.zeros(len(rows), np.int64), 1)
    return images.pixels(range(len(rows)), run.benchmark.generation_size).numpy()

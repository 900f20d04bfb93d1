"""The book's tables: what became of the generated images, how well each condition chose, and what it changed.

Every function returns a `pandas.DataFrame` of plain numbers (counts, shares of 1); `styled` writes them for a page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from dbb.pruning import KEPT, LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION

SHARE, POINTS, COUNT = "{:.1%}", "{:+.1f}", "{:,.0f}"
MEASURES = {"worst_group": "worst group", "average": "average", "weighted_average": "weighted average"}
UNPAINTED = ("planned", "mask found")
NO_PRUNING, SOFTMAX, ATTRIBUTION, BOTH = "none", "softmax (eq. 3)", "attribution (eq. 4, 5)", "both"


def styled(table: pd.DataFrame, formats: Mapping[str, str] | None = None, index: bool = True) -> Styler:
    """Return ``table`` written for a page: integers with thousands separators, a dash for what is missing.

    formats: column -> format string, e.g. `SHARE`; index: whether the row names are shown.
    """
    counts = {name: COUNT for name in table.columns if pd.api.types.is_integer_dtype(table[name])}
    # A fixed identifier: a random one would change the executed notebook at every run.
    styler = table.style.format({**counts, **(formats or {})}, na_rep="–", escape="html").set_uuid("t")
    for axis in (0, 1):
        styler = styler.format_index(escape="html", axis=axis)
    return styler if index else styler.hide(axis="index")


# ------------------------------------------------------------------------------------------------ generated images

def generation_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return, per source class, how many images were planned, lacked a mask, and were generated."""
    rows = {}
    for label, name in enumerate(classes):
        status = manifest.loc[manifest["source_class"] == label, "status"]
        rows[name] = {"planned": len(status), "no mask": int((status == "no mask").sum()),
                      "generated": int((status == "generated").sum())}
    return _with_sum(rows)


def pruning_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the paper's Table 2: per source class, how many were generated, and pruned for which reason."""
    rows = {}
    for label, name in enumerate(classes):
        reason = manifest.loc[(manifest["source_class"] == label) & (manifest["status"] == "generated"), "reason"]
        counts = {text: int((reason == text).sum()) for text in (LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION, KEPT)}
        rows[name] = {"generated": len(reason), **counts, "pruned": len(reason) - counts[KEPT]}
    return _with_sum(rows)


def _with_sum(rows: Mapping[str, Mapping[str, int]]) -> pd.DataFrame:
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("source class")
    return pd.concat([table, table.sum().to_frame("together").T]).astype("int64")


def direction_table(manifest: pd.DataFrame, right: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Return, per direction, how many images were generated and the share that shows the target class.

    right: bool (B,), for the generated rows of ``manifest`` in their order.
    """
    made = manifest.loc[manifest["status"] == "generated"]
    rows = {}
    for label, name in enumerate(classes):
        here = (made["target_class"] == label).to_numpy()
        rows[f"into {name}"] = {"generated": int(here.sum()), "right class": _share(right[here])}
    rows["together"] = {"generated": len(made), "right class": _share(right)}
    return pd.DataFrame.from_dict(rows, orient="index").astype({"generated": "int64"})


# ------------------------------------------------------------------------------------------------ pruning

def condition_table(manifest: pd.DataFrame, right: np.ndarray) -> pd.DataFrame:
    """Return how well each pruning condition tells right images from wrong ones.

    manifest: after `dbb.pruning.decide`. right: bool (B,), for its generated rows in their order.

    One row per condition, over the images it was asked about: all of them for eq. 3, those with a rho for
    eq. 4 and 5. precision: the share of what it keeps that is right; recall: the share of what is right that it
    keeps; "wrong pruned": the share of what is wrong that it prunes. A share of nothing is NaN.
    """
    made = manifest.loc[manifest["status"] == "generated"]
    right = np.asarray(right, dtype=bool)
    everything = np.ones(len(made), dtype=bool)
    scored = made["rho"].notna().to_numpy()
    conditions = {
        NO_PRUNING: (everything, everything),
        SOFTMAX: (everything, (made["psi"] < made["Psi"]).to_numpy(bool)),
        ATTRIBUTION: (scored, (made["rho"] > made["P"]).to_numpy(bool)),
        BOTH: (everything, made["kept"].fillna(False).to_numpy(bool)),
    }
    rows = {}
    for name, (asked, keeps) in conditions.items():
        rows[name] = {
            "images": int(asked.sum()),
            "kept": int((asked & keeps).sum()),
            "precision": _share(right[asked & keeps]),
            "recall": _share(keeps[asked & right]),
            "wrong pruned": _share(~keeps[asked & ~right]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("condition")


def funnel(manifest: pd.DataFrame, right: np.ndarray | None = None) -> pd.DataFrame:
    """Return what is left of the planned images after each step, a row per step and target class.

    manifest: after `dbb.pruning.decide`. right: bool (B,), for its generated rows in their order; None where no
    truth is known.

    Columns: step, target_class, images, right (the share that shows the target class; NaN where not known, and
    before anything is painted).
    """
    made = (manifest["status"] == "generated").to_numpy()
    passed = made & (manifest["psi"] < manifest["Psi"]).to_numpy(bool)
    steps = {
        "planned": np.ones(len(manifest), dtype=bool),
        "mask found": manifest["mask_found"].to_numpy(bool),
        "generated": made,
        "passed eq. 3": passed,
        "kept": manifest["kept"].fillna(False).to_numpy(bool),
    }
    truth = np.full(len(manifest), np.nan)
    if right is not None:
        truth[made] = right
    targets = manifest["target_class"].to_numpy()
    rows = [{"step": step, "target_class": int(target), "images": int((left & (targets == target)).sum()),
             "right": float("nan") if step in UNPAINTED else _share(truth[left & (targets == target)])}
            for step, left in steps.items() for target in np.unique(targets)]
    return pd.DataFrame(rows, columns=["step", "target_class", "images", "right"])


def _share(values: np.ndarray) -> float:
    """The mean; NaN of nothing, and where a value is NaN."""
    return float(np.mean(values)) if len(values) else float("nan")


# ------------------------------------------------------------------------------------------------ accuracies

def accuracy_table(measured: Mapping[str, Mapping[str, Any]], group_names: Sequence[str]) -> pd.DataFrame:
    """Return accuracies, a row per group that has images and per measure, a column per model, and the change in points.

    measured: model name -> the fields of `GroupMetrics`, the base model first. "change" is the last model's less
    the first's, in percentage points.
    """
    columns = {}
    for model, metrics in measured.items():
        shares = [*metrics["group_accuracy"], *(metrics[key] for key in MEASURES)]
        columns[model] = [float("nan") if share is None else share for share in shares]
    table = pd.DataFrame(columns, index=[*group_names, *MEASURES.values()], dtype="float64")
    table = table[table.notna().any(axis=1) | table.index.isin(MEASURES.values())]
    if len(measured) > 1:
        table["change"] = 100 * (table.iloc[:, -1] - table.iloc[:, 0])
    return table


def describe_change(before: Mapping[str, Any], after: Mapping[str, Any], group_names: Sequence[str]) -> str:
    """Return a sentence or two, in Markdown, on what retraining did to the worst group and to the average.

    before, after: the fields of `GroupMetrics`, of the same split.
    """
    worst = [group_names[_lowest(metrics["group_accuracy"])] for metrics in (before, after)]
    same = "still" if worst[0] == worst[1] else "now"
    gain, average = (100 * (after[key] - before[key]) for key in ("worst_group", "average"))
    return (f"The worst group **{_moved(gain)}**: it was *{worst[0]}* at {before['worst_group']:.1%}, "
            f"and is {same} *{worst[1]}* at {after['worst_group']:.1%}. "
            f"The average over all images {_moved(average)}, from {before['average']:.1%} to {after['average']:.1%}.")


def describe_pruning(steps: pd.DataFrame) -> str:
    """Return a sentence, in Markdown, on what pruning did to the share of right images.

    steps: as `funnel` gives it.
    """
    made, kept = (steps[steps["step"] == step] for step in ("generated", "kept"))
    n_made, n_kept = int(made["images"].sum()), int(kept["images"].sum())
    text = f"Of {n_made:,} generated images, {n_kept:,} were kept"
    if n_kept == 0:
        return f"{text}: retraining saw the original images alone."
    shares = [float(np.average(part["right"], weights=part["images"])) if part["right"].notna().all() else np.nan
              for part in (made[made["images"] > 0], kept[kept["images"] > 0])]
    if np.isnan(shares).any():
        return f"{text}; how many of them show the right class is not known here."
    return f"{text}. By the oracle, {shares[0]:.1%} showed the right class before pruning, and {shares[1]:.1%} after."


def _lowest(accuracies: Sequence[float | None]) -> int:
    """The group of the lowest accuracy; groups without images (NaN, null in a file) do not count."""
    return int(np.nanargmin([np.nan if share is None else share for share in accuracies]))


def _moved(points: float) -> str:
    if abs(points) < 0.05:
        return "did not move"
    return f"{'rose' if points > 0 else 'fell'} by {abs(points):.1f} points"


# ------------------------------------------------------------------------------------------------ durations

def duration_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return, per stage of the given run.json records, its seconds and its share of their sum."""
    seconds = [float(record["wall_s"]) for record in records]
    table = pd.DataFrame({"seconds": seconds}, index=[record["stage"] for record in records], dtype="float64")
    table.loc["together"] = table["seconds"].sum()
    return table.assign(share=table["seconds"] / max(table["seconds"].iloc[-1], 1e-9))

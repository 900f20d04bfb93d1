"""Differences and shares of the committed study, with their intervals, for the sentences that stand on them."""

import ast
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from dbb.benchmarks import get_benchmark
from dbb.report.effect import pictures
from dbb.report.pruning_understood import above_quantile
from dbb.statistics import (
    LEVEL,
    PERCENT,
    POINTS,
    Interval,
    interval,
    paired,
    percent,
    precision_recall,
    read_results,
    values,
)
from dbb.store import project_root, read_json

FOLDER = project_root() / "results" / "mini-waterbirds"
OWN = get_benchmark("mini-waterbirds").inversion
TOKENS, CLASS_WORD = "tokens", "class word"  # the two sets of scores.parquet
ON_LAND, ON_WATER = "group_accuracy/landbird on land", "group_accuracy/waterbird on water"  # the common groups


@cache
def results() -> pd.DataFrame:
    return read_results(FOLDER / "results.csv")


@cache
def table(name: str) -> pd.DataFrame:
    path = FOLDER / name
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def rows_of(chapter: str) -> int:
    """How many rows a chapter's table of differences with the method has: all that it names but the method."""
    [path] = (project_root() / "notebooks").glob(f"{chapter}-*.ipynb")
    cells = ["".join(cell["source"]) for cell in read_json(path)["cells"] if cell["cell_type"] == "code"]
    calls = (node for cell in cells for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call))
    [call] = (node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "titles_of")
    _, _, *names = map(ast.unparse, call.args)
    return len([name for name in names if name != "METHOD"])


def less(one: str, other: str, measure: str = "worst_group", rows: int = 1) -> Interval:
    """``one`` less ``other`` in points, paired; at the level that ``rows`` looked at together need."""
    return paired(results(), one, other, measure, level=1 - (1 - LEVEL) / rows)


def share(arm: str, measure: str) -> Interval:
    """A share of an arm's pictures, in %."""
    return percent(results(), arm, measure, "train")


def per_seed(one: str, other: str) -> pd.Series:
    first, second = (values(results(), arm, "worst_group", scale=100) for arm in (one, other))
    return (first - second).dropna()


def unsure(difference: Interval) -> bool:
    return bool(difference.low <= 0 <= difference.high)


def within(difference: Interval, margin: float) -> bool:
    """Whether the whole interval lies within the margin: what it takes to call two things as good as each other."""
    return bool(-margin < difference.low and difference.high < margin)


def dropped(arm: str, right: bool) -> pd.DataFrame:
    """By seed, how many pictures of an arm pruning drops and, of the right or the wrong ones, had and drops."""
    counts = {}
    for when, measure in (("generated", "right"), ("kept", "kept_right")):
        n, good = pictures(results(), arm, when), values(results(), arm, measure, "train")
        counts[when], counts[f"{when} such"] = n, n * (good if right else 1 - good)
    found = pd.DataFrame(counts)
    return pd.DataFrame(
        {
            "all": found["generated"] - found["kept"],
            "had": found["generated such"],
            "such": found["generated such"] - found["kept such"],
        }
    )


def scores(pictures_of: str) -> pd.DataFrame:
    rows = table("scores.parquet")
    return rows[rows["pictures"] == pictures_of].reset_index(drop=True)


def choosing(pictures_of: str, way: str, bound: float = 0.9) -> np.ndarray:
    """Precision and recall of a way of pruning in %, float (2, seeds)."""
    rows = scores(pictures_of)
    keep = {
        "none": np.ones(len(rows), bool),
        "eq. 3": (rows["psi"] < rows["Psi"]).to_numpy(),
        "eq. 5": above_quantile(rows, np.ones(len(rows), bool), 0.1),
        "bound": (rows["psi"] < bound).to_numpy(),
    }[way]
    right = rows["right"].to_numpy(bool)
    of_seed = rows.groupby("seed").indices.values()
    return 100 * np.array([precision_recall(keep[here], right[here]) for here in of_seed]).T


def chosen_less(pictures_of: str, one: str, other: str) -> tuple[Interval, Interval]:
    """How far precision and recall of one way of pruning stand above another's, paired by seed."""
    precision, recall = choosing(pictures_of, one) - choosing(pictures_of, other)
    return interval(precision, POINTS), interval(recall, POINTS)


def over_seeds(name: str, measure: Callable[[pd.DataFrame], float]) -> Interval:
    """A measure of the rows of one seed of a table, over the seeds."""
    return interval([measure(part) for _, part in table(name).groupby("seed")])


def in_percent(found: pd.Series) -> Interval:
    return interval(100 * found, PERCENT)


@cache
def reported() -> dict:
    """The published numbers, as the pages show them."""
    return yaml.safe_load((project_root() / "book" / "reported.yml").read_text(encoding="utf-8"))


def true_size_stages() -> list[dict]:
    """What each stage takes at true size, as counted."""
    return read_json(project_root() / "results" / "true-size" / "counts.json")["stages"]


def reported_row(of: str, name: str) -> list:
    [row] = [row for row in reported()[of]["rows"] if row[0] == name]
    return row


def decided_by_naming() -> bool:
    return all(less(arm, "no-inversion").low > 0 for arm in ("no-pruning", "psi-only", "rho-only"))


def more_than_a_third_without_birds() -> bool:
    return all(less(arm, "erm").low > less("method", "erm").high / 3 for arm in ("blurred", "erased"))


def gains_by_pruning() -> list[bool]:
    return [less("method", arm).low > 0 for arm in ("no-pruning", "psi-only", "rho-only")]


def paper_gains_by_pruning() -> float:
    return reported_worst("DBB, the paper's") - reported_row("table2", "Waterbirds")[4]


def gradient(picture: np.ndarray, where: np.ndarray | None = None) -> float:
    """The mean step from a pixel to its right neighbour: how sharp a picture is, (..., H, W)."""
    steps = np.abs(np.diff(picture.astype(float), axis=-1))
    return float((steps if where is None else steps[..., where[:, 1:] & where[:, :-1]]).mean())


def softened_by_the_autoencoder() -> list[float]:
    samples = np.load(FOLDER / "samples.npz")
    triples = zip(samples["original"], samples["autoencoded"], samples["mask"], strict=True)
    return [gradient(after, mask) / gradient(before, mask) - 1 for before, after, mask in triples]


def softened_by_the_way(height: int, width: int) -> float:
    """By what share a picture whose spectrum falls as a photograph's loses sharpness on its way by 512 px."""
    rng, (y, x) = np.random.default_rng(0), np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    frequency = np.maximum(np.hypot(y, x), 1e-3)
    field = np.fft.irfft2(rng.normal(size=(*frequency.shape, 2)) @ (1, 1j) / frequency, (height, width))
    picture = Image.fromarray((128 + 45 * field / field.std()).clip(0, 255).astype(np.uint8))
    straight, by_512 = (
        way.resize((224, 224), Image.Resampling.BILINEAR)
        for way in (picture, picture.resize((512, 512), Image.Resampling.BILINEAR))
    )
    return 1 - gradient(np.asarray(by_512)) / gradient(np.asarray(straight))


def majority_sources() -> np.ndarray:
    """In each seed, the share of the method's pictures that were painted from a majority image."""
    rows = scores(TOKENS)
    return (rows["attribute"] == rows["source_class"]).groupby(rows["seed"]).mean().to_numpy()


def by_rate() -> list[pd.DataFrame]:
    """Per class, the loss on unseen images with one vector: a row per step, a column per learning rate."""
    return _lines(table("choices.csv").query("vectors == 1"), "learning_rate")


def by_vectors() -> list[pd.DataFrame]:
    """Per class, the loss on unseen images at the kept rate: a row per step, a column per number of vectors."""
    rows = table("choices.csv")
    return _lines(rows[rows["learning_rate"] == OWN.learning_rate], "vectors")


def _lines(rows: pd.DataFrame, column: str) -> list[pd.DataFrame]:
    return [part.pivot(index="step", columns=column, values="unseen_loss") for _, part in rows.groupby("class")]


def spread(lines: pd.DataFrame) -> float:
    return lines.iloc[-1].max() - lines.iloc[-1].min()


def cross(lines: pd.DataFrame) -> bool:
    """Whether the order of the lines changes after the first step drawn."""
    return len(lines.iloc[1:].rank(axis=1).drop_duplicates()) > 1


def unseen_change(name: str) -> Interval:
    """The change of the loss on unseen images by inversion, in %."""
    rows = table("inversion.csv")
    rows = rows[(rows["size"] == OWN.images) & (rows["class"] == name)]
    return interval(100 * (rows["unseen_after"] / rows["unseen_before"] - 1))


def of_random(ranking: str) -> list[pd.DataFrame]:
    """Per class, the minority images that a ranking takes in % of those that a choice at random takes: a row per seed,
    a column per K.
    """
    rows, found = table("low-loss.csv"), []
    for _, here in rows[rows["ranking"] == ranking].groupby("label"):
        by_k = here.pivot(index="seed", columns="k", values="minority")
        whole = by_k.columns.max()
        found.append(100 * by_k / (by_k.columns * (by_k[whole] / whole).iloc[0]))
    return found


def apart_without_compositing() -> list[Interval]:
    """How much farther rho lies from the change of the score without compositing, paired; of probability and logit."""
    rows = table("compositing.parquet")
    rows = rows.assign(apart=(rows["rho"] - rows["change"]).abs())
    parts = [
        [part.loc[part["composited"] == yes, "apart"].to_numpy() for yes in (True, False)]
        for _, part in rows.groupby("on")
    ]
    return [interval(plain - composited) for composited, plain in parts]


def reported_worst(name: str) -> float:
    """A method's published worst-group accuracy on Waterbirds, in %."""
    return float(reported_row("table1", name)[2].split("±")[0].split("/")[0])


def blond() -> dict[str, int]:
    """Training images of the two blond groups of CelebA, as published."""
    return {group: n for _, group, n, *_ in reported()["tables6-8"]["rows"] if group.startswith("blond")}

"""DFR, Deep Feature Reweighting :cite:`kirichenko2023dfr`: a new last layer, a logistic regression with an L1 penalty
on group-balanced parts of the validation split (PolinaKirichenko/deep_feature_reweighting at 9d8d5de).
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from dbb.benchmarks.entry import Benchmark
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.methods.method import WORST_GROUP, Method, Trained, Uses
from dbb.methods.sampling import balanced_subset
from dbb.seeds import stage_generator

Layer = tuple[Float[np.ndarray, "C D"], Float[np.ndarray, " C"]]
"""Weight and bias."""

STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
"""Values of C, the inverse of the penalty's weight, that are tried; of equally good ones the first is taken."""


@dataclass(frozen=True)
class Settings:
    """DFR's settings.

    Attributes:
        retrainings: R, regressions on balanced parts whose coefficients are averaged; the paper has 10, its code 20.
        scaler: the split whose features tell mean and standard deviation in these R; "validation" is that of the
            authors' next repository (izmailovpavel/spurious_feature_learning at 1a25a2f).

    Raises:
        InputError: for fewer retrainings than 1, and an unknown scaler.
    """

    retrainings: int = 20
    scaler: Literal["train", "validation"] = "train"

    def __post_init__(self) -> None:
        if self.retrainings < 1:
            raise InputError(f"retrainings = {self.retrainings}: give 1 or more")
        if self.scaler not in ("train", "validation"):
            raise InputError(f"unknown scaler {self.scaler!r}: choose 'train' or 'validation'")


PAPER = {"waterbirds": Settings(), "celeba": Settings()}
"""Benchmark -> the settings of the official code; nothing official exists for MetaShift."""


def settings(benchmark: Benchmark) -> Settings:
    """Return the official settings, which are the same everywhere."""
    return PAPER.get(benchmark.name, Settings())


def regression(
    features: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"], n_classes: int, strength: float, seed: int
) -> tuple[Float64[np.ndarray, "K D"], Float64[np.ndarray, " K"]]:
    """Return coefficients, intercepts of liblinear's logistic regression with the penalty ``(1 / C) |w|_1``, in which
    the intercept is counted too: one row for two classes, that of class 1, and one row a class against all others for
    more, as liblinear itself does it.

    Args:
        features: scaled.
        strength: C.
        seed: of the order in which liblinear goes through the coordinates.

    Raises:
        InputError: where a class has no image.
    """
    absent = np.flatnonzero(np.bincount(labels, minlength=n_classes) == 0)
    if len(absent):
        raise InputError(
            f"class {absent[0]} has none of the {len(labels)} images that DFR learns from: give the validation split "
            "more images of it"
        )
    rows = []
    for label in range(n_classes) if n_classes > 2 else [1]:
        row = LogisticRegression(l1_ratio=1, C=strength, solver="liblinear", random_state=seed)
        rows.append(row.fit(features, labels == label))
    return np.concatenate([row.coef_ for row in rows]), np.concatenate([row.intercept_ for row in rows])


def folded(
    coefficients: Float[np.ndarray, "K D"],
    intercepts: Float[np.ndarray, " K"],
    mean: Float[np.ndarray, " D"],
    scale: Float[np.ndarray, " D"],
) -> Layer:
    """Return weight and bias of the layer that says of features what the regression says of (features - mean) / scale.
    Of a single row's two classes, class 0 has the logit 0, so that softmax gives what the sigmoid gave.
    """
    weight = coefficients / scale
    bias = intercepts - weight @ mean
    if len(weight) > 1:
        return weight, bias
    return np.concatenate([np.zeros_like(weight), weight]), np.concatenate([np.zeros_like(bias), bias])


@dataclass(frozen=True)
class Images:
    """Images to learn from or to be measured on: the base model's features of them, classes, and groups."""

    features: Float[np.ndarray, "N D"]
    labels: Int[np.ndarray, " N"]
    groups: Int[np.ndarray, " N"]

    def at(self, positions: Int[np.ndarray, " M"]) -> "Images":
        """Return those at ``positions``."""
        return Images(self.features[positions], self.labels[positions], self.groups[positions])


def accuracies(layer: Layer, images: Images) -> tuple[float, float]:
    """Return the accuracy of the worst of the groups that are there, and the average."""
    right = (images.features @ layer[0].T + layer[1]).argmax(1) == images.labels
    return min(float(right[images.groups == group].mean()) for group in np.unique(images.groups)), float(right.mean())


def halves(n: int, generator: torch.Generator) -> tuple[Int64[np.ndarray, " L"], Int64[np.ndarray, " H"]]:
    """Return the positions to learn from and those held out, at random; of an odd number the one more is learnt from.

    Raises:
        InputError: for fewer than two.
    """
    if n < 2:
        raise InputError(f"{n} validation images: DFR halves them, so give more")
    order = torch.randperm(n, generator=generator).numpy()
    return order[n // 2 :], order[: n // 2]


def tuned(learnt: Images, held: Images, n_classes: int, generator: torch.Generator) -> float:
    """Return the C of `STRENGTHS` whose regression on a balanced part of ``learnt`` has the highest worst-group
    accuracy on ``held``. The scaler is that of the balanced part.

    Raises:
        InputError: where ``learnt`` lacks a class.
    """
    part = learnt.at(balanced_subset(learnt.groups, generator))
    scaler, seed = StandardScaler().fit(part.features), _drawn_seed(generator)
    scaled, worst = scaler.transform(part.features), []
    for strength in STRENGTHS:
        coefficients, intercepts = regression(scaled, part.labels, n_classes, strength, seed)
        worst.append(accuracies(folded(coefficients, intercepts, scaler.mean_, scaler.scale_), held)[0])
    return STRENGTHS[int(np.argmax(worst))]


def averaged(
    images: Images,
    scaler: StandardScaler,
    n_classes: int,
    strength: float,
    retrainings: int,
    generator: torch.Generator,
) -> Layer:
    """Return the layer of the mean coefficients and intercepts of ``retrainings`` regressions, each on its own balanced
    part of the images, all scaled by ``scaler``.

    Raises:
        InputError: where a class has no image.
    """
    scaled, rows = scaler.transform(images.features), []
    for _ in range(retrainings):
        part = balanced_subset(images.groups, generator)
        rows.append(regression(scaled[part], images.labels[part], n_classes, strength, _drawn_seed(generator)))
    coefficients, intercepts = zip(*rows, strict=True)
    return folded(np.mean(coefficients, axis=0), np.mean(intercepts, axis=0), scaler.mean_, scaler.scale_)


def _drawn_seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator))


def train(given: Given, settings: Settings) -> Trained:
    """Put a new last layer on the base model. Its settings are scored by a layer that is learnt from one half of the
    validation images, with the same C, and measured on the other half, on which C was chosen.

    Raises:
        InputError: for validation images, or a half of them, that lack a class.
    """
    images = Images(given.validation_features.double().numpy(), given.validation_labels, given.validation_groups)
    draws = stage_generator("dfr", given.seed)
    learnt, held = (images.at(positions) for positions in halves(len(images.labels), draws))
    strength = tuned(learnt, held, given.n_classes, draws)
    of_train = StandardScaler().fit(given.features.numpy()) if settings.scaler == "train" else None

    def learn(these: Images) -> Layer:
        scaler = of_train or StandardScaler().fit(these.features)
        return averaged(these, scaler, given.n_classes, strength, settings.retrainings, draws)

    score, (weight, bias) = accuracies(learn(learnt), held), learn(images)
    state = given.with_head(torch.from_numpy(weight), torch.from_numpy(bias))
    measured = {"C": strength, "features used": int(weight.any(0).sum())}
    return replace(given.same_for_all(state, measured), scores={WORST_GROUP: score})


METHOD = Method(
    name="dfr",
    title="DFR",
    cites="kirichenko2023dfr",
    changes="last layer",
    uses=Uses.VALIDATION | Uses.SELECTION,
    settings=settings,
    grid={"scaler": ("train", "validation"), "retrainings": (10, 20)},
    train=train,
)

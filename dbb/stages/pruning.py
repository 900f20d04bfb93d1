"""Bicephalous pruning (section 4.2): drop a generated image that still looks like its source class to the ERM
classifier (eq. 3), or whose change inside the mask does not speak for its new class (eq. 4 and 5).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from torch import Tensor, nn

from dbb.benchmarks.entry import PruningSettings, Score
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.models.classifier import load_trained, predict_logits
from dbb.models.devices import pick_device
from dbb.progress import track
from dbb.record import Made, StageRun
from dbb.stages.manifest import CONDITIONS, MANIFEST, PSI, RHO, generated_set, read_manifest, write_manifest
from dbb.stages.mask_table import MASKS, input_masks, load_masks
from dbb.stages.outputs import load_outputs, probabilities_of
from dbb.stages.run import ALL, Run
from dbb.transforms import evaluation_input

KEPT = "kept"
LOOKS_LIKE_SOURCE = "looks like the source class"
LOW_ATTRIBUTION = "low attribution"


Attributed = Literal["passed", "all", "none"]
"""Which pairs eq. 4 is computed for: those that pass eq. 3, all, or none."""


@dataclass(frozen=True)
class PruningScores:
    """One value per generated image.

    Attributes:
        psi: softmax probability of the source class (eq. 3).
        Psi: its bound, the class's mean over the training split.
        rho: attribution score (eq. 5), NaN where integrated gradients were not run.
        change: f(x') - f(x) of the new class; rho but for the integral's numerical error, where the pair differs inside
            the mask alone, and within -1..1 on probabilities, which rho may leave by that error.
        convergence: `|sum of all attributions - (f(x') - f(x))|`, that error; NaN as rho.
    """

    psi: Float64[np.ndarray, " B"]
    Psi: Float64[np.ndarray, " B"]
    rho: Float64[np.ndarray, " B"]
    change: Float64[np.ndarray, " B"]
    convergence: Float64[np.ndarray, " B"]


def class_confidence(
    probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"], n_classes: int
) -> Float64[np.ndarray, " {n_classes}"]:
    """Return Psi of eq. 3: the mean probability of class i over the training samples of i.

    Args:
        probabilities: rows summing to 1.

    Raises:
        InputError: when a class is empty.
    """
    own = own_class_probability(probabilities, labels)
    sizes = np.bincount(labels, minlength=n_classes)
    if (sizes == 0).any():
        raise InputError(f"class {int(np.argmin(sizes))} has no training image: eq. 3 needs every class")
    return np.bincount(labels, weights=own, minlength=n_classes) / sizes


def own_class_probability(
    probabilities: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]
) -> Float64[np.ndarray, " N"]:
    """Return the probability of class ``labels[n]`` in row n: psi, for source classes."""
    return np.asarray(probabilities, dtype=np.float64)[np.arange(len(labels)), labels]


def integrated_gradients(
    model: nn.Module,
    images: Float[Tensor, "B 3 H W"],
    baselines: Float[Tensor, "B 3 H W"],
    targets: Int64[Tensor, " B"],
    steps: int = 32,
    internal_batch_size: int = 256,
    on: Score = "probability",
) -> tuple[Float[Tensor, "B 3 H W"], Float[Tensor, " B"]]:
    """Return eq. 4's attributions, and per image the error of its integral: the sum of the
    attributions less f(x') - f(x), which completeness says is 0.

    Args:
        images, baselines: x' and x, normalised.
        targets: the NEW class i'.
        steps: points of the Gauss-Legendre rule.
        internal_batch_size: images and points in one forward pass.
        on: what f_{i'} is: the softmax probability of the paper, or the logit.
    """

    def score(batch: Tensor) -> Tensor:
        logits = model(batch)
        return logits.softmax(1) if on == "probability" else logits

    if len(images) == 0:
        return torch.zeros_like(images), images.new_zeros(0)
    from captum.attr import IntegratedGradients  # takes seconds to import, and pages that only read need none

    explainer = IntegratedGradients(score, multiply_by_inputs=True)
    # captum holds all points of the images it is given at once, so it is given as many images as fit.
    chunk = max(1, internal_batch_size // steps)
    attributions, deltas = [], []
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        attribution, delta = explainer.attribute(
            images[part],
            baselines[part],
            target=targets[part],
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=internal_batch_size,
            return_convergence_delta=True,
        )
        attributions.append(attribution.detach())
        deltas.append(delta.detach())
    return torch.cat(attributions), torch.cat(deltas)


def attribution_score(attributions: Float[Tensor, "B 3 H W"], masks: Bool[Tensor, "B H W"]) -> Float[Tensor, " B"]:
    """Return rho of eq. 5: the attributions summed over the pixels inside the mask and over the channels."""
    return (attributions * masks.unsqueeze(1)).sum(dim=(1, 2, 3))


def score_pairs(
    model: nn.Module,
    originals: ImageSet,
    generated: ImageSet,
    masks: Bool[np.ndarray, "B S S"],
    confidence: Float64[np.ndarray, " C"],
    input_format: InputFormat,
    steps: int = 32,
    internal_batch_size: int = 256,
    on: Score = "probability",
    ig_on: Attributed = "passed",
) -> PruningScores:
    """Return the scores of all pairs; image n of ``generated`` was made from image n of ``originals``.

    Args:
        originals: labels are the source classes.
        generated: labels are the target classes.
        masks: M of eq. 5 at the classifier's size.
        confidence: Psi, from `class_confidence`.
        ig_on: run integrated gradients on the pairs that pass the softmax condition only, on all, or on none.

    Raises:
        InputError: when the three do not have the same length, or the masks another size.
    """
    size = input_format.size
    if not len(originals) == len(generated) == len(masks):
        raise InputError(
            f"{len(originals)} originals, {len(generated)} generated images and {len(masks)} "
            "masks do not pair up: read them by the same rows of the manifest"
        )
    if masks.shape[1:] != (size, size):
        raise InputError(f"masks of {masks.shape[1:]} px, images of {size}: resize the masks")
    before, after = (predict_logits(model, images, input_format) for images in (originals, generated))
    psi = own_class_probability(probabilities_of(after), originals.labels)
    change = class_score(after, generated.labels, on) - class_score(before, generated.labels, on)
    bound = np.asarray(confidence, dtype=np.float64)[originals.labels]
    rho, convergence = np.full(len(psi), np.nan), np.full(len(psi), np.nan)
    wanted = np.flatnonzero({"passed": psi < bound, "all": psi >= 0, "none": psi < 0}[ig_on])
    model.eval()
    chunk = max(1, internal_batch_size // steps)
    for start in track(range(0, len(wanted), chunk), "integrated gradients"):
        rows = wanted[start : start + chunk]
        attributions, delta = integrated_gradients(
            model,
            _input(model, generated, rows, input_format),
            _input(model, originals, rows, input_format),
            torch.from_numpy(generated.labels[rows]).to(_device(model)),
            steps,
            internal_batch_size,
            on,
        )
        inside = torch.from_numpy(masks[rows]).to(attributions.device)
        rho[rows] = attribution_score(attributions, inside).cpu().numpy()
        convergence[rows] = delta.abs().cpu().numpy()
    return PruningScores(psi, bound, rho, change, convergence)


def class_score(logits: Float[Tensor, "B C"], labels: Int[np.ndarray, " B"], on: Score) -> Float64[np.ndarray, " B"]:
    """Return f_{i'} of eq. 4 of every image, from its logits and the class i'."""
    scores = probabilities_of(logits) if on == "probability" else logits.double().cpu().numpy()
    return scores[np.arange(len(labels)), labels]


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _input(
    model: nn.Module, images: ImageSet, positions: Int[np.ndarray, " B"], input_format: InputFormat
) -> Float32[Tensor, "B 3 S S"]:
    return evaluation_input(images.pixels(positions, input_format.read_size).to(_device(model)), input_format)


def threshold(scores: Float[np.ndarray, " N"], quantile: float) -> float:
    """Return P, the ``quantile`` (0..1) of the attribution scores of one target class, all or a subset. NaN
    scores (integrated gradients not run) are left out; P is NaN when no score is left. At 0, where nothing is to be
    pruned, it is -inf: the lowest score does not stand above itself.

    Raises:
        InputError: for a quantile outside 0..1.
    """
    if not 0 <= quantile <= 1:
        raise InputError(f"quantile {quantile} is outside 0..1: give the share of scores to prune")
    finite = np.asarray(scores, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if quantile == 0 and len(finite):
        return -np.inf
    return float(np.quantile(finite, quantile)) if len(finite) else float("nan")


def thresholds(manifest: pd.DataFrame, quantile: float, given: Sequence[float | None]) -> Float64[np.ndarray, " C"]:
    """Return P for each target class: the one ``given``, or by `threshold` from the scores of the
    images that passed the softmax condition.
    """
    passed = manifest["psi"] < manifest["Psi"]
    return np.array(
        [
            threshold(manifest.loc[passed & (manifest["target_class"] == label), "rho"].to_numpy(), quantile)
            if P is None
            else P
            for label, P in enumerate(given)
        ]
    )


def decide(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of ``manifest`` with the columns "kept" (bool) and "reason".

    Reads "status", "psi", "Psi", "rho" and "P". A row whose status is not "generated" has that status as its
    reason; else psi >= Psi: "looks like the source class"; else rho <= P: "low attribution"; else "kept".

    Raises:
        InputError: when an image that passed the softmax condition has no rho or no P.
    """
    made = (manifest["status"] == "generated").to_numpy()
    like_source = made & ~(manifest["psi"] < manifest["Psi"]).to_numpy(bool)
    passed = made & ~like_source
    unscored = passed & manifest[["rho", "P"]].isna().any(axis=1).to_numpy()
    if unscored.any():
        raise InputError(
            f"{unscored.sum()} images passed the softmax condition but have no rho or no P: "
            "score them and choose P first"
        )
    low = passed & ~(manifest["rho"] > manifest["P"]).to_numpy(bool)
    reason = np.select(
        [~made, like_source, low], [manifest["status"].astype(str), LOOKS_LIKE_SOURCE, LOW_ATTRIBUTION], KEPT
    )
    return manifest.assign(kept=passed & ~low, reason=reason)


# ------------------------------------------------------------------------------------------------ the stage


@dataclass(frozen=True)
class Pairs:
    """Each generated image with the original that it was made from, in one order.

    Attributes:
        rows: the generated rows of the manifest.
        originals: labelled with the source classes.
        generated: with the target classes.
        masks: M of eq. 5 at the classifier's size.
    """

    rows: pd.DataFrame
    originals: ImageSet
    generated: ImageSet
    masks: Bool[np.ndarray, "B S S"]


def read_pairs(run: Run, manifest: pd.DataFrame) -> Pairs:
    """Return the pairs of a run's ``manifest``."""
    made, train = manifest[manifest["status"] == "generated"], run.split("train")
    originals = train.subset(made["source_id"].to_numpy())
    generated = generated_set(run.folder("generated"), made, originals.attributes, train.n_attributes)
    table = load_masks(run.folder("masks") / MASKS)
    masks = input_masks(table.padded, made["source_id"].to_numpy(copy=True), run.benchmark.input_format)
    return Pairs(made, originals, generated, masks)


def pruned(
    run: Run,
    settings: PruningSettings | None = None,
    conditions: Sequence[str] = CONDITIONS,
    attribute_all: bool = False,
    internal_batch_size: int | None = None,
) -> Made:
    """Make or load the stage: a verdict on each generated image.

    Files: manifest.parquet, the generated one with psi, Psi, rho, change, P, kept and reason.

    Metrics: "Psi" and "P" per class, "convergence_max", the largest error of the integral.

    Args:
        settings: None: the benchmark's own.
        conditions: which of `CONDITIONS` drop images.
        attribute_all: integrated gradients on every image, not only on those that pass eq. 3.
        internal_batch_size: images and points in one pass of eq. 4; None: what the memory takes.
    """
    bm, settings = run.benchmark, settings or run.benchmark.pruning
    bm.check_per_class("thresholds (P)", settings.thresholds)
    batch = internal_batch_size or run.attribution_batch

    def work(stage: StageRun) -> None:
        manifest = read_manifest(run.folder("generated") / MANIFEST)
        outputs = load_outputs(run.folder("erm") / "train.npz")
        confidence = class_confidence(outputs.probabilities, outputs.labels, len(bm.classes))
        if conditions and (manifest["status"] == "generated").any():
            scores = _scores(
                run, manifest, confidence, settings, RHO in conditions, attribute_all or PSI not in conditions, batch
            )
            made = manifest.index[manifest["status"] == "generated"]
            for name in ("psi", "Psi", "rho", "change"):
                manifest.loc[made, name] = getattr(scores, name)
            stage.metrics["convergence_max"] = float(np.nanmax(scores.convergence, initial=0.0))
        manifest, bounds = judge(manifest, settings, conditions)
        write_manifest(stage.path(MANIFEST), manifest)
        stage.counts |= {
            "generated": int((manifest["status"] == "generated").sum()),
            **{str(why): n for why, n in manifest["reason"].value_counts().items()},
        }
        stage.metrics |= {"Psi": confidence, "P": bounds}

    given = {
        **asdict(settings),
        "conditions": sorted(conditions),
        "attribute_all": attribute_all,
        "batch": batch,
        "input": asdict(bm.input_format),
        "classes": len(bm.classes),
    }
    reads = {"data": ("train",), "erm": ("model.safetensors", "train.npz"), "masks": (MASKS,), "generated": ALL}
    return run.make("pruned", given, reads, work, {"classifier": bm.classifier})


def judge(
    manifest: pd.DataFrame, settings: PruningSettings, conditions: Sequence[str]
) -> tuple[pd.DataFrame, Float64[np.ndarray, " C"]]:
    """Return the manifest with P and the verdicts of the ``conditions`` alone, and P per class.

    Without eq. 3, P is a quantile of the scores of all images and psi drops none; without eq. 5, rho drops none.
    """
    asked = manifest.assign(
        **({} if PSI in conditions else {"psi": 0.0, "Psi": np.inf}), **({} if RHO in conditions else {"rho": 0.0})
    )
    given = settings.thresholds if RHO in conditions else [-np.inf] * len(settings.thresholds)
    bounds = thresholds(asked, settings.quantile, given)
    made = (manifest["status"] == "generated").to_numpy()
    P = np.where(made, bounds[manifest["target_class"]], np.nan)
    verdicts = decide(asked.assign(P=P))
    return manifest.assign(P=P, kept=verdicts["kept"], reason=verdicts["reason"]), bounds


def _scores(
    run: Run,
    manifest: pd.DataFrame,
    confidence: Float64[np.ndarray, " C"],
    settings: PruningSettings,
    attribute: bool,
    everything: bool,
    batch: int,
) -> PruningScores:
    bm, pairs = run.benchmark, read_pairs(run, manifest)
    model = load_trained(run.folder("erm") / "model.safetensors", bm.classifier, len(bm.classes))
    ig_on: Attributed = ("all" if everything else "passed") if attribute else "none"
    return score_pairs(
        model.to(pick_device(run.device)),
        pairs.originals,
        pairs.generated,
        pairs.masks,
        confidence,
        bm.input_format,
        settings.steps,
        batch,
        settings.on,
        ig_on,
    )

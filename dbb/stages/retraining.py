"""Retraining on the training split and the kept generated images (section 4.3, eq. 6-8)."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from dbb.benchmarks.entry import RetrainingSettings
from dbb.data.dataset import SPLITS
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.metrics import group_counts
from dbb.models.classifier import Classifier, load_trained, save_classifier
from dbb.models.devices import pick_device
from dbb.record import Made, StageRun
from dbb.stages.manifest import MANIFEST, generated_set, read_manifest
from dbb.stages.run import ALL, Run
from dbb.training import Batch, Examples, Settings, Training, Validation, fit, measure, remove_checkpoint


def ddb_loss(
    logits: Float[Tensor, "B C"], labels: Int64[Tensor, " B"], part: Int64[Tensor, " B"], gammas: Sequence[float]
) -> Float[Tensor, ""]:
    """Return eq. 8, a scalar: L_train + gamma_1 L_gen1 + gamma_2 L_gen2, each the mean cross-entropy of its
    part of the batch. A part without images counts 0, where the mean over nothing would be NaN.

    Args:
        part: 0 a training image, 1 + i one generated INTO class i.
        gammas: the weight of each generated part.
    """
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    part_weights = torch.tensor([1.0, *gammas], dtype=losses.dtype, device=losses.device)
    sizes = torch.bincount(part, minlength=len(part_weights))
    return (losses * (part_weights / sizes.clamp(min=1))[part]).sum()


def retrain(
    model: Classifier,
    train: ImageSet,
    generated: ImageSet,
    validation: ImageSet,
    settings: Settings,
    gammas: Sequence[float],
    input_format: InputFormat,
    seed: int,
    reset_head: bool = False,
    more: Sequence[ImageSet] = (),
    *,
    precision: str = "float32",
    checkpoint: str | Path | None = None,
    stamp: str = "",
) -> Training:
    """Train the ERM ``model`` on in place with eq. 8, keep the epoch of the best worst-group accuracy on
    ``validation`` (on a tie the better average, then the later epoch), and return the history.

    Args:
        generated: the kept images, labelled with their target classes; may lack a class, or be empty.
        gammas: one weight per class.
        reset_head: begin with a new last layer, as the paper's released code does; the paper does not.
        more: further sets in the part of the training images.
        precision, checkpoint, stamp: as `dbb.training.fit` takes them; the stamp tells ``model``, ``gammas`` and
            ``reset_head`` too.

    Raises:
        InputError: when ``gammas`` is not one per class, and as `dbb.training.fit`.
    """
    n_classes = model.head.out_features
    if len(gammas) != n_classes:
        raise InputError(f"{len(gammas)} gammas for {n_classes} classes: give one for each")
    if reset_head:
        model.reset_head(seed)
    originals = [train, *more]
    parts = [*(np.zeros(len(images)) for images in originals), 1 + generated.labels]
    examples = Examples([*originals, generated], parts, input_format.read_size)
    watch = Validation(validation, group_counts(train.groups, train.n_attributes * n_classes))

    def loss(network: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        return ddb_loss(network(batch.images), batch.labels, batch.part, gammas)

    return fit(
        model,
        examples,
        loss,
        settings,
        input_format,
        "retraining",
        seed,
        watch,
        precision=precision,
        checkpoint=checkpoint,
        stamp=stamp,
    )


def kept_counts(generated: ImageSet, n_classes: int) -> dict[str, int]:
    """Return how many kept images were generated into each class, e.g. {"into class 0": 412, ...}; a 0 is an
    absent term of eq. 8, to be seen in run.json.
    """
    counts = np.bincount(generated.labels, minlength=n_classes)
    return {f"into class {label}": int(count) for label, count in enumerate(counts)}


# ------------------------------------------------------------------------------------------------ the stage

MODEL, RESUMED = "model.safetensors", "training.safetensors"


def read_kept(run: Run) -> tuple[pd.DataFrame, ImageSet]:
    """Return the manifest's rows that pruning kept, and their images, labelled with the target classes."""
    manifest = read_manifest(run.folder("pruned") / MANIFEST)
    kept, train = manifest[manifest["kept"].fillna(False)], run.split("train")
    return kept, generated_set(run.folder("generated"), kept, train.attributes[kept["source_id"]], train.n_attributes)


def retrained(
    run: Run,
    settings: RetrainingSettings | None = None,
    reset_head: bool = False,
    precision: str = "float32",
    without: bool = False,
    originals: Run | None = None,
) -> Made:
    """Make or load the stage: the base classifier, trained on with the kept images.

    Files: model.safetensors.

    Metrics: accuracies of "val" and "test", "before" on "val", "history", "best_epoch".

    Args:
        settings: None: the benchmark's own.
        reset_head: as `retrain`.
        precision: as `dbb.training.fit`.
        without: train on the original images alone.
        originals: a run whose generated images, labelled as their sources, join the training split, in the part of the
            originals; this and ``without`` are for the controls of a study.
    """
    bm, settings = run.benchmark, settings or run.benchmark.retraining
    bm.check_per_class("gammas", settings.gammas)

    def work(stage: StageRun) -> None:
        train, val, test = (run.split(name) for name in SPLITS)
        kept = train.subset([]) if without else read_kept(run)[1]
        more = [] if originals is None else [read_all(originals)]
        model = load_trained(run.folder("erm") / MODEL, bm.classifier, len(bm.classes)).to(pick_device(run.device))
        counts, full = group_counts(train.groups, len(bm.group_names)), bm.full_train_counts
        stage.metrics["before"] = {"val": measure(model, val, counts, bm.input_format, full).as_dict()}
        training = retrain(
            model,
            train,
            kept,
            val,
            settings,
            settings.gammas,
            bm.input_format,
            run.seed,
            reset_head,
            more,
            precision=precision,
            checkpoint=stage.folder / RESUMED,
            stamp=stage.stamp,
        )
        save_classifier(stage.path(MODEL), model)
        stage.counts |= {"training images": len(train) + sum(map(len, more)), **kept_counts(kept, len(bm.classes))}
        stage.metrics |= {
            "val": measure(model, val, counts, bm.input_format, full).as_dict(),
            "test": measure(model, test, counts, bm.input_format, full).as_dict(),
            "history": training.history,
            "best_epoch": training.best_epoch,
            "seconds": training.seconds,
            "images_per_second": training.images_per_second,
        }
        remove_checkpoint(stage.folder / RESUMED)

    given = {
        **asdict(settings),
        "reset_head": reset_head,
        "precision": precision,
        "input": asdict(bm.input_format),
        "classes": len(bm.classes),
        "groups": len(bm.group_names),
        "full_train_counts": bm.full_train_counts,
        "size": bm.generation_size,
        "without": without,
        "originals": None if originals is None else originals.made("generated").record["products"],
    }
    reads: dict[str, tuple[str, ...]] = {"data": SPLITS, "erm": (MODEL,)}
    if not without:
        reads |= {"generated": ALL, "pruned": ALL}
    return run.make("retrained", given, reads, work, {"classifier": bm.classifier})


def read_all(run: Run) -> ImageSet:
    """Return all generated images of a run, labelled with their target classes."""
    manifest, train = read_manifest(run.folder("generated") / MANIFEST), run.split("train")
    made = manifest[manifest["status"] == "generated"]
    return generated_set(run.folder("generated"), made, train.attributes[made["source_id"]], train.n_attributes)

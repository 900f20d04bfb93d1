"""The base classifier: plain cross-entropy on the training split, no group label used (the paper's ERM)."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from dbb.benchmarks.entry import TrainingSettings
from dbb.data.dataset import SPLITS
from dbb.data.images import ImageSet
from dbb.input_format import InputFormat
from dbb.metrics import evaluate, group_counts
from dbb.models.classifier import Classifier, load_classifier, predict_logits, save_classifier
from dbb.models.devices import pick_device
from dbb.record import Made, StageRun, file_digest
from dbb.stages.outputs import outputs_of, save_outputs
from dbb.stages.run import Run
from dbb.store import require_file, resolve
from dbb.training import Batch, Examples, Settings, Training, Validation, fit, remove_checkpoint


def train_erm(
    model: Classifier,
    train: ImageSet,
    validation: ImageSet,
    settings: Settings,
    input_format: InputFormat,
    seed: int,
    *,
    precision: str = "float32",
    checkpoint: str | Path | None = None,
    stamp: str = "",
) -> Training:
    """Train ``model`` in place with plain cross-entropy and return the history.

    The last epoch's weights are kept: choosing an epoch by its worst group would use group labels, and the paper's base
    model uses none. ``validation`` is only watched.

    Args:
        precision, checkpoint, stamp: as `dbb.training.fit` takes them.

    Raises:
        InputError: as `dbb.training.fit`.
    """
    examples = Examples([train], [np.zeros(len(train))], input_format.read_size)
    n_groups = train.n_attributes * model.head.out_features
    watch = Validation(validation, group_counts(train.groups, n_groups))
    return fit(
        model,
        examples,
        cross_entropy_loss,
        settings,
        input_format,
        "erm",
        seed,
        watch,
        select=None,
        precision=precision,
        checkpoint=checkpoint,
        stamp=stamp,
    )


def cross_entropy_loss(model: nn.Module, batch: Batch) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of a batch."""
    return nn.functional.cross_entropy(model(batch.images), batch.labels)


# ------------------------------------------------------------------------------------------------ the stage

MODEL, RESUMED = "model.safetensors", "training.safetensors"


def erm(
    run: Run, settings: TrainingSettings | None = None, checkpoint: str | None = None, precision: str = "float32"
) -> Made:
    """Make or load the stage: the base classifier, and what it says of every image of every split.

    Files: model.safetensors; train.npz, val.npz, test.npz (`dbb.stages.outputs.Outputs`).

    Metrics: accuracies per split, "history", "seconds", "images_per_second", "images", those of each group per split,
    and "checkpoint", a sentence on the one that was given.

    Args:
        settings: None: the benchmark's own.
        checkpoint: a file with a trained classifier to take in place of training
            (`dbb.models.checkpoints.load_checkpoint`); one with another head only starts it.
        precision: as `dbb.training.fit`.

    Raises:
        InputError: for a checkpoint that does not fit, and as `dbb.training.fit`.
    """
    bm, settings = run.benchmark, settings or run.benchmark.erm

    def work(stage: StageRun) -> None:
        splits = {name: run.split(name) for name in SPLITS}
        model, trained = _start(run, checkpoint, stage)
        if not trained:
            training = train_erm(
                model,
                splits["train"],
                splits["val"],
                settings,
                bm.input_format,
                run.seed,
                precision=precision,
                checkpoint=stage.folder / RESUMED,
                stamp=stage.stamp,
            )
            stage.metrics |= {
                "history": training.history,
                "seconds": training.seconds,
                "images_per_second": training.images_per_second,
            }
        save_classifier(stage.path(MODEL), model)
        counts = {name: group_counts(images.groups, len(bm.group_names)) for name, images in splits.items()}
        stage.metrics["images"] = counts
        for name, images in splits.items():
            said = outputs_of(predict_logits(model, images, bm.input_format), images)
            save_outputs(stage.path(f"{name}.npz"), said)
            stage.metrics[name] = evaluate(
                said.logits.argmax(1),
                images.labels,
                images.groups,
                len(bm.group_names),
                counts["train"],
                bm.full_train_counts,
            ).as_dict()
        remove_checkpoint(stage.folder / RESUMED)

    given = {
        **asdict(settings),
        "input": asdict(bm.input_format),
        "classes": len(bm.classes),
        "groups": len(bm.group_names),
        "full_train_counts": bm.full_train_counts,
        "precision": precision,
        "checkpoint": None if checkpoint is None else file_digest(require_file(resolve(checkpoint))),
    }
    return run.make("erm", given, {"data": SPLITS}, work, {"classifier": bm.classifier})


def _start(run: Run, checkpoint: str | None, stage: StageRun) -> tuple[Classifier, bool]:
    """Return the classifier to begin with, on the run's device, and whether it is trained already."""
    bm = run.benchmark
    if checkpoint is None:
        return load_classifier(bm.classifier, len(bm.classes), run.seed).to(pick_device(run.device)), False
    from dbb.models.checkpoints import load_checkpoint

    ready = load_checkpoint(checkpoint, bm.classifier, len(bm.classes), run.seed)
    stage.metrics["checkpoint"] = str(ready)
    return ready.model.to(pick_device(run.device)), ready.trained

"""Retraining on the training split and the kept generated images (section 4.3, eq. 6-8)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from dbb.classifier import Classifier
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.metrics import group_counts
from dbb.training import Batch, Examples, Settings, Training, Validation, fit
from dbb.transforms import InputFormat


def ddb_loss(logits: torch.Tensor, labels: torch.Tensor, part: torch.Tensor,
             gammas: Sequence[float]) -> torch.Tensor:
    """Return eq. 8, a scalar: L_train + gamma_1 L_gen1 + gamma_2 L_gen2, each the mean cross-entropy of its
    part of the batch. A part without images counts 0, where the mean over nothing would be NaN.

    logits: float (B, C); labels: int64 (B,); part: int64 (B,), 0 a training image, 1 + i one generated INTO
        class i.
    gammas: the weight of each generated part.
    """
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    part_weights = torch.tensor([1.0, *gammas], dtype=losses.dtype, device=losses.device)
    sizes = torch.bincount(part, minlength=len(part_weights))
    return (losses * (part_weights / sizes.clamp(min=1))[part]).sum()


def retrain(model: Classifier, train: ImageSet, generated: ImageSet, validation: ImageSet,
            settings: Settings, gammas: Sequence[float], input_format: InputFormat, seed: int,
            reset_head: bool = False) -> Training:
    """Train the ERM ``model`` on in place with eq. 8, keep the epoch of the best worst-group accuracy on
    ``validation``, and return the history.

    generated: the kept images, labelled with their target classes; may lack a class, or be empty.
    gammas: one weight per class.
    reset_head: begin with a new last layer, as the paper's released code does; the paper does not.

    Raises InputError when ``gammas`` is not one per class.
    """
    n_classes = model.head.out_features
    if len(gammas) != n_classes:
        raise InputError(f"{len(gammas)} gammas for {n_classes} classes: give one for each")
    if reset_head:
        model.reset_head(seed)
    examples = Examples([train, generated], [np.zeros(len(train)), 1 + generated.labels], input_format.read_size)
    watch = Validation(validation, group_counts(train.groups, train.n_attributes * n_classes))

    def loss(network: nn.Module, batch: Batch) -> torch.Tensor:
        return ddb_loss(network(batch.images), batch.labels, batch.part, gammas)

    return fit(model, examples, loss, settings, input_format, "retraining", seed, watch, select=True)


def kept_counts(generated: ImageSet, n_classes: int) -> dict[str, int]:
    """Return how many kept images were generated into each class, e.g. {"into class 0": 412, ...}; a 0 is an
    absent term of eq. 8, to be seen in run.json.
    """
    counts = np.bincount(generated.labels, minlength=n_classes)
    return {f"into class {label}": int(count) for label, count in enumerate(counts)}

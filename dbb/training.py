"""One training loop for the base classifier and for retraining: they differ in their data and their loss."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from dbb.classifier import Classifier, predict_logits
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.metrics import GroupMetrics, evaluate
from dbb.progress import track
from dbb.seeds import stage_generator
from dbb.transforms import InputFormat, training_input

IN_MEMORY_BYTES = 2 * 1024**3
"""Up to this many bytes of a set's pixels are read once and kept; larger sets are read batch by batch."""


class Settings(Protocol):
    """How long and how fast to train; `TrainingSettings` and `RetrainingSettings` are such settings."""

    @property
    def epochs(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def optimiser(self) -> str: ...
    @property
    def schedule(self) -> str: ...
    @property
    def augmentation(self) -> str: ...


@dataclass(frozen=True)
class Batch:
    """What a loss sees.

    images: normalised float32 (B, 3, S, S); labels: int64 (B,).
    part: int64 (B,), each image's part of eq. 8: 0 the training split, 1 + i generated INTO class i.
    """

    images: torch.Tensor
    labels: torch.Tensor
    part: torch.Tensor


@dataclass(frozen=True)
class Validation:
    """Images to measure after every epoch.

    train_counts: (G,) images per group in the training split, for the weighted average.
    """

    images: ImageSet
    train_counts: np.ndarray


@dataclass(frozen=True)
class Training:
    """What a training run did.

    history: one entry per epoch: "epoch" (from 1), "loss" (mean over its batches) and, with validation, the
        fields of `GroupMetrics`.
    best_epoch: the epoch whose weights the model now has.
    seconds: wall time, validation included; images_per_second: training images over the time without
        validation.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    seconds: float
    images_per_second: float


class Examples:
    """Several image sets read as one, each with its part of eq. 8.

    parts: per set, int64 (N_i,).
    """

    def __init__(self, sets: Sequence[ImageSet], parts: Sequence[np.ndarray], size: int) -> None:
        self._sets = [images for images in sets if len(images)]
        if not self._sets:
            raise InputError("no images to train on: the training split is empty")
        self._starts = np.cumsum([0, *(len(images) for images in self._sets)])
        self._size = size
        self.labels = torch.from_numpy(np.concatenate([images.labels for images in self._sets]))
        self.part = torch.from_numpy(np.concatenate(parts).astype(np.int64))
        self._kept = [images.pixels(range(len(images)), size) if len(images) * 3 * size * size <= IN_MEMORY_BYTES
                      else None for images in self._sets]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def pixels(self, positions: np.ndarray) -> torch.Tensor:
        """Return uint8 (B, 3, S, S)."""
        batch = torch.empty(len(positions), 3, self._size, self._size, dtype=torch.uint8)
        owner = np.searchsorted(self._starts, positions, side="right") - 1
        for index, (images, kept) in enumerate(zip(self._sets, self._kept, strict=True)):
            here = np.flatnonzero(owner == index)
            if len(here):
                own = positions[here] - self._starts[index]
                batch[torch.from_numpy(here)] = (images.pixels(own, self._size) if kept is None
                                                 else kept[torch.from_numpy(own)])
        return batch


def fit(model: Classifier, examples: Examples, loss_fn: Callable[[nn.Module, Batch], torch.Tensor],
        settings: Settings, input_format: InputFormat, name: str, seed: int,
        validation: Validation | None = None, select: bool = False) -> Training:
    """Train ``model`` in place, on the device it is on, and return the history.

    Every epoch goes through all ``examples`` once, shuffled and mirrored by a generator seeded from (name,
    seed, epoch), in batches of nearly equal size (at most ``settings.batch_size``: no tiny last one to upset
    batch normalisation). On a CPU the same seed and number of threads give the same bits.
    loss_fn: (model, batch) -> scalar.
    select: end with the weights of the epoch of the best worst-group accuracy on ``validation`` (on a tie the
        better average, then the later epoch) instead of the last one's.

    Raises InputError for a setting that is not positive, a loss that is not finite, or ``select`` without
    ``validation``.
    """
    _check(settings, select, validation)
    n_batches = -(-len(examples) // settings.batch_size)
    optimiser = make_optimiser(model, settings)
    schedule = make_schedule(optimiser, settings, n_batches)
    history, best, best_epoch, best_state = [], (-1.0, -1.0), settings.epochs, None
    start, training_seconds = time.perf_counter(), 0.0
    for epoch in track(range(1, settings.epochs + 1), f"{name}: epochs"):
        epoch_start = time.perf_counter()
        generator = stage_generator(name, seed, epoch)
        loss = _train_epoch(model, examples, loss_fn, optimiser, schedule, n_batches, input_format,
                            settings.augmentation, generator)
        training_seconds += time.perf_counter() - epoch_start
        entry: dict[str, Any] = {"epoch": epoch, "loss": loss}
        if validation is not None:
            metrics = measure(model, validation.images, validation.train_counts, input_format)
            entry |= metrics.as_dict()
            score = (metrics.worst_group, metrics.average)
            if select and score >= best:
                best, best_epoch = score, epoch
                best_state = {key: value.detach().clone() for key, value in model.state_dict().items()}
        history.append(entry)
    if best_state is not None:
        model.load_state_dict(best_state)
    model.eval()
    return Training(history, best_epoch, time.perf_counter() - start,
                    len(examples) * settings.epochs / training_seconds)


def make_optimiser(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Return the optimiser that ``settings`` name: "adamw", "adam", or "sgd" with momentum 0.9.

    Raises InputError for another name.
    """
    makers = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": partial(torch.optim.SGD, momentum=0.9)}
    if settings.optimiser not in makers:
        raise InputError(f"unknown optimiser {settings.optimiser!r}: choose one of {', '.join(makers)}")
    return makers[settings.optimiser](model.parameters(), lr=settings.learning_rate,
                                      weight_decay=settings.weight_decay)


def make_schedule(optimiser: torch.optim.Optimizer, settings: Settings, n_batches: int) -> LRScheduler:
    """Return the schedule that ``settings`` name: "cosine", down to 0 at the last of all epochs' ``n_batches``
    batches, or "constant".

    Raises InputError for another name.
    """
    match settings.schedule:
        case "cosine":
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * n_batches)
        case "constant":
            return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
        case other:
            raise InputError(f"unknown schedule {other!r}: choose 'cosine' or 'constant'")


def measure(model: Classifier, images: ImageSet, train_counts: np.ndarray,
            input_format: InputFormat) -> GroupMetrics:
    """Return the accuracies of ``model`` on ``images``.

    train_counts: (G,) images per group in the training split.
    """
    logits = predict_logits(model, images, input_format)
    return evaluate(logits.argmax(1).numpy(), images.labels, images.groups, len(train_counts), train_counts)


def _check(settings: Settings, select: bool, validation: Validation | None) -> None:
    for field in ("epochs", "batch_size", "learning_rate"):
        if getattr(settings, field) <= 0:
            raise InputError(f"{field} = {getattr(settings, field)}: give more than 0")
    if select and validation is None:
        raise InputError("selecting an epoch needs a validation split")


def _train_epoch(model: Classifier, examples: Examples, loss_fn: Callable[[nn.Module, Batch], torch.Tensor],
                 optimiser: torch.optim.Optimizer, schedule: LRScheduler,
                 n_batches: int, input_format: InputFormat, augmentation: str,
                 generator: torch.Generator) -> float:
    """Return the mean loss of the epoch's batches."""
    device = next(model.parameters()).device
    model.train()
    order = torch.randperm(len(examples), generator=generator).numpy()
    losses = []
    for positions in np.array_split(order, n_batches):
        images = training_input(examples.pixels(positions).to(device), input_format, augmentation, generator)
        batch = Batch(images.contiguous(memory_format=torch.channels_last),
                      examples.labels[positions].to(device), examples.part[positions].to(device))
        loss = loss_fn(model, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
    mean = torch.stack(losses).mean().item()
    if not np.isfinite(mean):
        raise InputError(f"the loss is {mean}: lower the learning rate ({optimiser.defaults['lr']})")
    return mean

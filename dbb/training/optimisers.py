"""How long and how fast to train: the settings, and the optimiser and schedule that they name."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from dbb.errors import InputError


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


FIELDS = ("epochs", "batch_size", "learning_rate", "weight_decay", "optimiser", "schedule", "augmentation")


def make_optimiser(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """Return the optimiser that ``settings`` name: "adamw", "adam", or "sgd" with momentum 0.9. Parameters that need
    no gradient stay as they are.

    Raises:
        InputError: for another name.
    """
    makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": partial(torch.optim.SGD, momentum=0.9),
    }
    if settings.optimiser not in makers:
        raise InputError(f"unknown optimiser {settings.optimiser!r}: choose one of {', '.join(makers)}")
    return makers[settings.optimiser](model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


def make_schedule(optimiser: torch.optim.Optimizer, settings: Settings, n_batches: int) -> LRScheduler:
    """Return the schedule that ``settings`` name: "cosine", down to 0 at the last of all epochs' ``n_batches``
    batches, or "constant".

    Raises:
        InputError: for another name.
    """
    match settings.schedule:
        case "cosine":
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs * n_batches)
        case "constant":
            return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
        case other:
            raise InputError(f"unknown schedule {other!r}: choose 'cosine' or 'constant'")

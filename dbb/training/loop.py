"""The training loop."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from dbb.errors import InputError
from dbb.input_format import InputFormat
from dbb.metrics import GroupMetrics
from dbb.progress import track
from dbb.seeds import stage_generator
from dbb.training.examples import Batch, Examples
from dbb.training.optimisers import FIELDS, Settings, make_optimiser, make_schedule
from dbb.training.precision import check_precision, forward_in, products_in
from dbb.training.resume import State, Tensors, load_state, save_state
from dbb.training.sampling import Sampler, shuffled_batches
from dbb.training.selection import Select, Validation, measure, worst_group_first
from dbb.transforms import training_input

Loss = Callable[[nn.Module, Batch], Tensor]
"""(model, batch) -> scalar. One that remembers something from batch to batch (weights of groups, moving averages, what
the model said) is a `torch.nn.Module` that holds it in buffers, so that a training that was stopped has it again; what
it learns itself are its parameters, which the model's optimiser moves too. What it draws, it draws from torch's global
generator, which is seeded for every epoch.
"""


@dataclass(frozen=True)
class Training:
    """What a training run did.

    Attributes:
        history: one entry per epoch: "epoch" (from 1), "loss" (mean over its batches) and, with validation, the fields
            of `GroupMetrics`.
        best_epoch: the epoch whose weights the model now has.
        selected: the epoch and the weights that each rule of selection chose, those of the model first; empty where
            none was given.
        seconds: wall time, validation and a run that was stopped included.
        images_per_second: training images over the time without validation.
        went_on_after: the epoch that an earlier, stopped run had come to; 0 where there was none.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    seconds: float
    images_per_second: float
    went_on_after: int = 0
    selected: tuple[tuple[int, Tensors], ...] = ()


def fit(
    model: nn.Module,
    examples: Examples,
    loss_fn: Loss,
    settings: Settings,
    input_format: InputFormat,
    name: str,
    seed: int,
    validation: Validation | None = None,
    *,
    select: Select | Sequence[Select] | None = worst_group_first,
    sampler: Sampler | None = None,
    precision: str = "float32",
    checkpoint: str | Path | None = None,
    stamp: str = "",
) -> Training:
    """Train ``model`` in place, on the device it is on, and return the history.

    Args:
        model: (B, 3, S, S) -> logits (B, C). What is drawn in an epoch comes from generators seeded from (name, seed,
            epoch). On a CPU the same seed and number of threads give the same bits.
        select: end with the weights of the epoch of the highest score on ``validation``, of equal ones the last; None:
            the last epoch's, and ``validation`` is only watched. Of several rules the first decides with which weights
            the model ends; what the others choose is returned too.
        sampler: the batches of each epoch; None: every image once, shuffled (`shuffled_batches`).
        precision: "float32" or "fast", told in `dbb.training.precision`.
        checkpoint: a .safetensors file, written after every epoch. Where it exists and has the same ``stamp`` (whatever
            this training is made from: data, weights, code, numbers of the loss), settings, name and seed, the training
            goes on after its last epoch and ends with the bits of one that was never stopped; else it is replaced. Give
            ``model`` as it was at the start. Call `remove_checkpoint` when the products are written.

    Raises:
        InputError: for a setting that is not positive, a loss or score that is not finite, ``select`` without
            ``validation``, a checkpoint without a stamp, and a sampler whose epochs differ in their number of batches.
    """
    rules = () if select is None else (select,) if callable(select) else tuple(select)
    _check(settings, rules, validation, precision, checkpoint, stamp)
    sampler = sampler or shuffled_batches(len(examples), settings.batch_size)
    n_batches = len(sampler(stage_generator(name, seed, 1)))
    state = _begin(model, loss_fn, settings, n_batches)
    made_from = f"{stamp} {_own_stamp(settings, rules, precision, name, seed, len(examples), n_batches)}"
    went_on = checkpoint is not None and load_state(checkpoint, made_from, state)
    first = state.progress.epoch + 1
    for epoch in track(range(first, settings.epochs + 1), f"{name}: epochs"):
        start, generator = time.perf_counter(), stage_generator(name, seed, epoch)
        batches = _batches_of_epoch(sampler, generator, n_batches)
        with _seeded_draws(model, name, seed, epoch):
            loss = _train_epoch(
                state, examples, loss_fn, batches, input_format, settings.augmentation, precision, generator
            )
        state.progress.images += sum(map(len, batches))
        state.progress.training_seconds += time.perf_counter() - start
        _note_epoch(state, epoch, loss, validation, rules, input_format)
        state.progress.seconds += time.perf_counter() - start
        if checkpoint is not None:
            save_state(checkpoint, made_from, state)
    return _finish(state, settings, first - 1 if went_on else 0)


def _check(
    settings: Settings,
    rules: Sequence[Select],
    validation: Validation | None,
    precision: str,
    checkpoint: str | Path | None,
    stamp: str,
) -> None:
    for field in ("epochs", "batch_size", "learning_rate"):
        if getattr(settings, field) <= 0:
            raise InputError(f"{field} = {getattr(settings, field)}: give more than 0")
    if rules and validation is None:
        raise InputError("selecting an epoch needs a validation split: give one, or select=None for the last epoch")
    check_precision(precision)
    if checkpoint is not None and not stamp:
        raise InputError(f"{checkpoint}: a checkpoint needs a stamp that tells this training from others: give one")


def _begin(model: nn.Module, loss_fn: Loss, settings: Settings, n_batches: int) -> State:
    if n_batches == 0:
        raise InputError("the sampler gave no batch: give it at least one group of images that is not empty")
    modules = {"model": model} | ({"loss": loss_fn} if isinstance(loss_fn, nn.Module) else {})
    optimiser = make_optimiser(nn.ModuleDict(modules), settings)
    return State(modules, optimiser, make_schedule(optimiser, settings, n_batches))


def _own_stamp(settings: Settings, rules: Sequence[Select], *others: object) -> str:
    """Return what `fit` itself knows of what a training is made from."""
    values = {field: getattr(settings, field) for field in FIELDS}
    return repr((values, [getattr(rule, "__qualname__", None) for rule in rules], *others))


def _batches_of_epoch(sampler: Sampler, generator: torch.Generator, n_batches: int) -> list[np.ndarray]:
    batches = [np.asarray(positions, dtype=np.int64) for positions in sampler(generator)]
    if len(batches) != n_batches:
        raise InputError(
            f"the sampler gave {len(batches)} batches, and {n_batches} in the first epoch: the schedule "
            "needs the same number in all"
        )
    return batches


@contextmanager
def _seeded_draws(model: nn.Module, *names: str | int) -> Iterator[None]:
    """Seed torch's global generators by ``names`` for what the model or the loss draws, and put them back."""
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(stage_generator("draws", *names).initial_seed())
        yield


def _train_epoch(
    state: State,
    examples: Examples,
    loss_fn: Loss,
    batches: list[np.ndarray],
    input_format: InputFormat,
    augmentation: str,
    precision: str,
    generator: torch.Generator,
) -> float:
    """Return the mean loss of the epoch's batches."""
    model = state.modules["model"]
    device = next(model.parameters()).device
    model.train()
    losses = []
    with products_in(precision, device):
        for positions in batches:
            batch = _read(examples, positions, device, input_format, augmentation, generator)
            with forward_in(precision, device):
                loss = loss_fn(model, batch)
            state.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            state.optimiser.step()
            state.schedule.step()
            losses.append(loss.detach())
    mean = torch.stack(losses).mean().item()
    if not np.isfinite(mean):
        raise InputError(f"the loss is {mean}: lower the learning rate ({state.optimiser.defaults['lr']})")
    return mean


def _read(
    examples: Examples,
    positions: Int[np.ndarray, " B"],
    device: torch.device,
    input_format: InputFormat,
    augmentation: str,
    generator: torch.Generator,
) -> Batch:
    images = training_input(examples.pixels(positions).to(device), input_format, augmentation, generator)
    return Batch(
        images.contiguous(memory_format=torch.channels_last),
        examples.labels[positions].to(device),
        examples.part[positions].to(device),
        torch.from_numpy(positions).to(device),
    )


def _note_epoch(
    state: State,
    epoch: int,
    loss: float,
    validation: Validation | None,
    rules: Sequence[Select],
    input_format: InputFormat,
) -> None:
    """Measure, keep the weights where they are the best so far, and add the epoch to the history."""
    progress, entry = state.progress, {"epoch": epoch, "loss": loss}
    if validation is not None:
        metrics = measure(state.modules["model"], validation.images, validation.train_counts, input_format)
        entry |= metrics.as_dict()
        _keep_if_best(state, epoch, [_score(rule, metrics) for rule in rules])
    progress.history.append(entry)
    progress.epoch = epoch


def _score(select: Select, metrics: GroupMetrics) -> tuple[float, ...]:
    score = select(metrics)
    values = tuple(map(float, score if isinstance(score, tuple) else (score,)))
    if not np.isfinite(values).all():
        raise InputError(
            f"the score {values} of {select} is not finite: select by a measure that this validation split has"
        )
    return values


def _keep_if_best(state: State, epoch: int, scores: Sequence[tuple[float, ...]]) -> None:
    progress = state.progress
    for rule, score in enumerate(scores):
        if rule < len(state.best) and score < progress.best_scores[rule]:
            continue
        weights = {name: value.detach().clone() for name, value in state.modules["model"].state_dict().items()}
        # a slice, which also adds the first of a rule
        progress.best_scores[rule : rule + 1] = [score]
        progress.best_epochs[rule : rule + 1] = [epoch]
        state.best[rule : rule + 1] = [weights]


def _finish(state: State, settings: Settings, went_on_after: int) -> Training:
    model, progress = state.modules["model"], state.progress
    if state.best:
        model.load_state_dict(state.best[0])
    model.eval()
    return Training(
        progress.history,
        progress.best_epochs[0] if progress.best_epochs else settings.epochs,
        progress.seconds,
        progress.images / progress.training_seconds,
        went_on_after,
        tuple(zip(progress.best_epochs, state.best, strict=True)),
    )

"""A training that is stopped goes on after its last whole epoch, with the same bits: its state in one file.

The file is safetensors, the numbers beside the tensors JSON in its header: nothing in it can run, and it is written to
a temporary name and renamed, so the last whole epoch is always there.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from dbb.store import atomic_path

_logger = logging.getLogger("dbb.training")

HEADER = "training"
"""The entry of the file's header that holds the JSON."""

Tensors = dict[str, torch.Tensor]


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: epochs done.
        history: an entry for each.
        best_epochs, best_scores: of the epoch selected so far, by each rule; empty before.
        seconds: wall time so far, of runs that were stopped too.
        training_seconds: without validation.
        images: training images seen.
    """

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)
    best_scores: list[tuple[float, ...]] = field(default_factory=list)
    seconds: float = 0.0
    training_seconds: float = 0.0
    images: int = 0


@dataclass
class State:
    """All that a training goes on from.

    Attributes:
        modules: what has weights or remembers something: the "model", and the "loss" where it is a module.
        best: the weights of the epoch selected so far, by each rule.
    """

    modules: dict[str, nn.Module]
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler
    progress: Progress = field(default_factory=Progress)
    best: list[Tensors] = field(default_factory=list)


def save_state(path: str | Path, stamp: str, state: State) -> None:
    """Write ``state`` to ``path``, atomically.

    Args:
        stamp: what the training is made from.
    """
    saved = state.optimiser.state_dict()
    tensors, numbers = _flatten(state, saved["state"])
    notes = {
        "stamp": stamp,
        "progress": asdict(state.progress),
        "numbers": numbers,
        "groups": saved["param_groups"],
        "schedule": state.schedule.state_dict(),
    }
    copies = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)  # no two may share memory
        for name, value in tensors.items()
    }
    with atomic_path(path) as temporary:
        save_file(copies, temporary, {HEADER: json.dumps(notes)})


def load_state(path: str | Path, stamp: str, state: State) -> bool:
    """Bring ``state`` to where the training that wrote ``path`` was, and return True; return False, and leave it as it
    is, where there is no file, or one of another training (another stamp, other weights), or a damaged one.
    """
    if not Path(path).is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            notes = json.loads((file.metadata() or {})[HEADER])
            if notes["stamp"] != stamp:
                _logger.info("%s is of another training: it will be replaced", path)
                return False
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, KeyError, ValueError) as error:
        _logger.warning("%s is no whole checkpoint (%s): the training begins anew", path, error)
        return False
    best = [f"best{rule}" for rule in range(len(notes["progress"]["best_epochs"]))]
    parts = {name: dict(_under(name, tensors)) for name in (*state.modules, *best, "optimiser")}
    if not all(_fits(module, parts[name]) for name, module in state.modules.items()):
        _logger.warning("%s has weights of another shape: the training begins anew", path)
        return False
    _restore(state, notes, parts, [parts[name] for name in best])
    _logger.info("%s: going on after epoch %d", path, state.progress.epoch)
    return True


def remove_checkpoint(path: str | Path) -> None:
    """Remove a training's checkpoint, where there is one: to be called when the training's products are written."""
    Path(path).unlink(missing_ok=True)


def _flatten(state: State, optimiser: Mapping[int, Mapping[str, Any]]) -> tuple[Tensors, dict[str, Any]]:
    """Return all tensors by "<part>/<name>", and those values of the optimiser that are no tensors."""
    parts = {name: module.state_dict() for name, module in state.modules.items()}
    parts |= {f"best{rule}": weights for rule, weights in enumerate(state.best)}
    values = {f"{index}/{name}": value for index, own in optimiser.items() for name, value in own.items()}
    parts["optimiser"] = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
    tensors = {f"{part}/{name}": value for part, own in parts.items() for name, value in own.items()}
    return tensors, {name: value for name, value in values.items() if not isinstance(value, torch.Tensor)}


def _under(part: str, tensors: Tensors) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name.partition("/")[2], value) for name, value in tensors.items() if name.startswith(f"{part}/"))


def _fits(module: nn.Module, tensors: Tensors) -> bool:
    wanted = {name: value.shape for name, value in module.state_dict().items()}
    return wanted == {name: value.shape for name, value in tensors.items()}


def _restore(state: State, notes: dict[str, Any], parts: dict[str, Tensors], best: list[Tensors]) -> None:
    for name, module in state.modules.items():
        module.load_state_dict(parts[name])
    _restore_optimiser(state.optimiser, notes["groups"], parts["optimiser"] | notes["numbers"])
    state.schedule.load_state_dict(notes["schedule"])
    state.progress = _progress(notes["progress"])
    state.best = best


def _restore_optimiser(optimiser: torch.optim.Optimizer, groups: list[dict[str, Any]], values: dict[str, Any]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Any]] = {}
    for key, value in values.items():
        index, _, name = key.partition("/")
        states.setdefault(int(index), {})[name] = _laid_out_as(parameters[int(index)], value)
    optimiser.load_state_dict({"state": states, "param_groups": groups})


def _laid_out_as(parameter: torch.Tensor, value: Any) -> Any:
    # A file knows no memory layout: mixed layouts are slower to add up, and may round otherwise.
    if not isinstance(value, torch.Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device, requires_grad=False).copy_(value)


def _progress(saved: dict[str, Any]) -> Progress:
    """Return the progress with its tuples, which JSON has as lists."""
    history = [
        {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
        for entry in saved["history"]
    ]
    return Progress(**saved | {"history": history, "best_scores": [tuple(score) for score in saved["best_scores"]]})

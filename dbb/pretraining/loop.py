"""The loop that trains every embedded model: seeded steps, a checkpoint that resumes, a moving average, a curve."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from dbb.store import atomic_path, write_json

LOG_EVERY = 100


class Draws(Dataset[Any]):
    """The batches of all steps: item ``step`` is ``draw(step)``."""

    def __init__(self, draw: Callable[[int], Any]) -> None:
        self.draw = draw

    def __getitem__(self, step: int) -> Any:
        return self.draw(step)


def train(
    name: str,
    model: nn.Module,
    draw: Callable[[int], Any],
    loss_of: Callable[[Any, torch.Generator], torch.Tensor],
    *,
    steps: int,
    learning_rate: float,
    work: Path,
    workers: int = 0,
    ema_decay: float = 0.999,
    weight_decay: float = 0.01,
    checkpoint_every: int = 500,
) -> dict[str, torch.Tensor]:
    """Run ``steps`` AdamW steps with warm-up and cosine decay; return the moving average of the weights.

    draw(step) returns the batch of a step, and loss_of(batch, generator) its loss. Both batch and generator depend on
    the step alone, so a run that was interrupted and goes on from ``work/<name>.pt`` sees what it would have seen,
    and so does one whose batches are drawn ahead by ``workers`` processes, as a GPU wants it.
    The curve (step, mean loss, seconds) goes to ``work/<name>-curve.json``.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    average = {key: value.detach().clone() for key, value in model.state_dict().items()}
    state: dict[str, Any] = {"step": 0, "curve": []}
    checkpoint = work / f"{name}.pt"
    if checkpoint.exists():
        state = _restore(checkpoint, model, optimizer, average)
    left = range(state["step"], steps)
    # Forked, since ``draw`` is mostly a function within another, which no other way of starting hands over.
    context = "fork" if workers else None
    batches = DataLoader(
        Draws(draw), batch_size=None, sampler=left, num_workers=workers, multiprocessing_context=context
    )
    started, running = time.monotonic(), []
    for step, batch in zip(left, batches, strict=True):
        _set_rate(optimizer, learning_rate, step, steps)
        loss = loss_of(batch, torch.Generator().manual_seed(step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        _update_average(average, model, min(ema_decay, (1 + step) / (10 + step)))
        running.append(loss.detach())
        if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
            point = [step + 1, torch.stack(running).mean().item(), time.monotonic() - started]
            state["curve"].append(point)
            print(f"{name} step {point[0]}/{steps} loss {point[1]:.4f} {point[2]:.0f} s", flush=True)
            running = []
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            with atomic_path(checkpoint) as temporary:
                torch.save(
                    {
                        "step": step + 1,
                        "curve": state["curve"],
                        "model": model.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "average": average,
                    },
                    temporary,
                )
            write_json(work / f"{name}-curve.json", state["curve"])
    return average


def _restore(
    checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, torch.Tensor]
) -> dict[str, Any]:
    saved = torch.load(checkpoint, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    average.update(saved["average"])
    return {"step": saved["step"], "curve": saved["curve"]}


def _set_rate(optimizer: torch.optim.Optimizer, peak: float, step: int, steps: int) -> None:
    warm_up = min(200, max(1, steps // 10))
    rate = peak * min(1.0, (step + 1) / warm_up) * (0.02 + 0.98 * (1 + math.cos(math.pi * step / steps)) / 2)
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def _update_average(average: dict[str, torch.Tensor], model: nn.Module, decay: float) -> None:
    values = model.state_dict()
    moving = [key for key, value in values.items() if value.is_floating_point()]
    get_ema_multi_avg_fn(decay)([average[key] for key in moving], [values[key] for key in moving], 0)
    for key in values.keys() - set(moving):
        average[key].copy_(values[key])


def read_curve(work: Path, name: str) -> list[list[float]]:
    """Return the (step, loss, seconds) points of a training that `train` ran."""
    return json.loads((work / f"{name}-curve.json").read_text())

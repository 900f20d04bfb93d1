"""In which numbers a training step is computed: one switch, "float32" or "fast".

"float32": as PyTorch computes by itself: float32, whose convolutions on a GPU round their factors to TF32.
"fast": on a GPU the other matrix products round to TF32 too, and where it has bfloat16 (compute capability 8, Ampere,
or newer) the forward pass runs in it, by autocast, and its gradients follow. On a CPU the same bits as "float32".
Pictures and the models of `dbb.models` lie with channels last in either, which is what tensor cores want.

What "fast" does to results: bfloat16 keeps 8 bits of a number, TF32 11, float32 24, so factors are rounded by up to
0.4 % (TF32: 0.05 %), and the weights end elsewhere, as after another shuffle of the batches. Weights, optimiser, batch
normalisation's running averages, the cross-entropy and the validation after each epoch stay float32. bfloat16 has
float32's range, so the loss is not scaled. Its speed and its accuracies were not measured where this was written: there
was no GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dbb.errors import InputError
from dbb.models.devices import default_dtype

PRECISIONS = ("float32", "fast")


def check_precision(precision: str) -> None:
    """Raise InputError for an unknown precision."""
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")


def forward_in(precision: str, device: torch.device) -> torch.autocast:
    """Return the context of a forward pass and its loss; the backward pass follows outside of it."""
    low = precision == "fast" and default_dtype(device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


@contextmanager
def products_in(precision: str, device: torch.device) -> Iterator[None]:
    """Let the body's float32 matrix products round to TF32, where ``precision`` is "fast" and ``device`` a GPU."""
    if precision != "fast" or device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)

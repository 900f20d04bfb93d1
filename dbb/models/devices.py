"""Where to compute, in which type of number, and how much at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbb.errors import InputError

if TYPE_CHECKING:
    import torch

MEMORY_BATCH = {16: 8, 40: 32, 80: 64}
"""GiB of a GPU -> images of 512 px inpainted at a time with Stable Diffusion 2 in half precision."""

ATTRIBUTION_BATCH = {16: 128, 40: 256, 80: 256}
"""GiB of a GPU -> images and points of eq. 4 in one pass of ResNet-50, which keeps 86 MB for each at 224 px."""


def pick_device(name: str) -> torch.device:
    """Return the device called ``name``, e.g. "cpu" or "cuda:1"; "auto": the GPU where there is one, else the CPU.

    Raises:
        InputError: for a device that this machine lacks.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"no device {name!r} on this machine ({error}): give 'auto', 'cpu' or one that is there"
        ) from error


def default_dtype(device: str | torch.device) -> torch.dtype:
    """Return the type for gradients and detectors, which need float32's range: bfloat16 on a GPU that computes in it
    (compute capability 8, Ampere, or newer), else float32.
    """
    import torch

    device = torch.device(device)
    capable = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
    return torch.bfloat16 if capable else torch.float32


def sampling_dtype(device: str | torch.device) -> torch.dtype:
    """Return the type to sample in: float16 on a GPU, as the released code does, since it rounds eight times finer than
    bfloat16 and a sampler adds its steps up; float32 on a CPU.
    """
    import torch

    return torch.float16 if torch.device(device).type == "cuda" else torch.float32

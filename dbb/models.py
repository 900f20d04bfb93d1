"""The two pretrained models: the inpainting pipeline, and the way between pixels and its latents."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DPMSolverMultistepScheduler, StableDiffusionInpaintPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from dbb.errors import InputError
from dbb.store import resolve


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Load without the libraries' progress bars, which flood pages; the bars come back afterwards."""
    switches = [log for log in (diffusers_logging, transformers_logging) if log.is_progress_bar_enabled()]
    for log in switches:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in switches:
            log.enable_progress_bar()


def default_dtype(device: str | torch.device) -> torch.dtype:
    """Return float32 for a CPU, which computes slowly in half precision, and float16 for anything else."""
    return torch.float32 if torch.device(device).type == "cpu" else torch.float16


def local_folder(spec: str, what: str) -> Path:
    """Return the folder that ``spec`` names, absolute or relative to the project.

    Raises InputError when it is no folder; ``what`` names the model in the message.
    """
    folder = resolve(spec)
    if not folder.is_dir():
        raise InputError(f"no {what} at {folder}: give a folder that save_pretrained wrote")
    return folder


def load_inpainting(
    spec: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> StableDiffusionInpaintPipeline:
    """Load an inpainting pipeline, ready to sample: no safety checker, no progress bar, the fast sampler.

    spec: a local folder in the diffusers layout, or a Hub repository "owner/name", best with a pinned
        revision, "owner/name@revision".
    dtype: of all weights; None: float32 on a CPU, float16 elsewhere, whatever was stored.

    The sampler is DPM-Solver++ (second order) on the model's own noise schedule. Its steps begin at the last
    timestep, where the latents are pure noise; their number is an argument of each call.

    Raises InputError when the folder is missing or incomplete, or the Hub cannot be reached.
    """
    name, _, revision = spec.partition("@")
    is_hub = not resolve(spec).exists() and name.count("/") == 1 and name[0] not in "./~"
    source = name if is_hub else str(local_folder(spec, "inpainting pipeline"))
    try:
        with quiet_loading():
            pipe = StableDiffusionInpaintPipeline.from_pretrained(
                source, revision=revision if is_hub and revision else None, dtype=dtype or default_dtype(device),
                safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    except (OSError, ValueError) as error:
        remedy = (f"run `hf download {name} --local-dir FOLDER` on a connected machine and give FOLDER"
                  if is_hub else "the folder is incomplete, make or copy it again")
        raise InputError(f"cannot load the inpainting pipeline {spec} ({error}): {remedy}") from error
    config = pipe.scheduler.config
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(config, timestep_spacing="trailing")
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def encode_images(pipe: StableDiffusionInpaintPipeline, images: torch.Tensor) -> torch.Tensor:
    """Return z0 = E(x), scaled as the denoiser expects: (B, 4, h, w) in the pipeline's dtype, on its device.

    images: (B, 3, S, S), floats in -1..1.

    The encoder's mean is taken: its spread is far below the noise that eq. 1 and 2 add.
    """
    images = images.to(pipe.vae.device, pipe.vae.dtype)
    return pipe.vae.encode(images).latent_dist.mode() * pipe.vae.config.scaling_factor


def decode_latents(pipe: StableDiffusionInpaintPipeline, latents: torch.Tensor) -> torch.Tensor:
    """Return the pictures of latents (B, 4, h, w) as uint8 (B, 3, S, S) on the CPU."""
    pixels = pipe.vae.decode(latents.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor).sample
    return to_uint8(pixels.float() / 2 + 0.5)


def latent_masks(pipe: StableDiffusionInpaintPipeline, masks: torch.Tensor) -> torch.Tensor:
    """Return pixel masks, bool (B, S, S), at the latents' size: float 0 or 1, (B, 1, h, w).

    Nearest pixel, as the pipeline does it.
    """
    size = masks.shape[-1] // pipe.vae_scale_factor
    return F.interpolate(masks[:, None].to(pipe.vae.device, pipe.vae.dtype), size=(size, size))


def to_signed(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 images as floats in -1..1, the autoencoder's range."""
    return images.float() / 127.5 - 1


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Return images with values in 0..1 (others are clipped) as uint8 on the CPU, rounded."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu()

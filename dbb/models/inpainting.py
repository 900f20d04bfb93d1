"""The two pretrained models: the inpainting pipeline, and the way between pixels and its latents."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import DPMSolverMultistepScheduler, SchedulerMixin, StableDiffusionInpaintPipeline

from dbb.errors import InputError
from dbb.models.devices import MEMORY_BATCH, sampling_dtype
from dbb.models.sources import find_source, quiet_loading

SAMPLERS: dict[str, Callable[[SchedulerMixin], SchedulerMixin]] = {
    # Second order; its steps begin at the last timestep, where the latents are pure noise.
    "dpm-solver++": lambda own: DPMSolverMultistepScheduler.from_config(own.config, timestep_spacing="trailing"),
    "the model's own": lambda own: own,
}
"""Samplers by name: what each makes of a pipeline's own scheduler, on whose noise schedule all of them run."""

def load_inpainting(spec: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None,
                    sampler: str = "dpm-solver++") -> StableDiffusionInpaintPipeline:
    """Load an inpainting pipeline, ready to sample: no safety checker, no progress bar, the fast sampler.

    spec: as `find_source` reads it. dtype: of all weights, whatever was stored; None: `sampling_dtype`.
    sampler: a name of `SAMPLERS`; the number of its steps is an argument of each call.

    Raises InputError when the folder is missing or incomplete, the Hub cannot be reached, or the sampler is unknown.
    """
    if sampler not in SAMPLERS:
        raise InputError(f"unknown sampler {sampler!r}: choose one of {', '.join(SAMPLERS)}")
    source = find_source(spec, "inpainting pipeline")
    try:
        with quiet_loading():
            pipe = StableDiffusionInpaintPipeline.from_pretrained(
                source.name, revision=source.revision, dtype=dtype or sampling_dtype(device),
                safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot load the inpainting pipeline {spec} ({error}): {source.remedy}") from error
    pipe.scheduler = SAMPLERS[sampler](pipe.scheduler)
    pipe.set_progress_bar_config(disable=True)
    pipe = pipe.to(device)
    if pipe.device.type == "cuda":  # convolutions on tensor cores want it; on a CPU it changes the bits, not the speed
        pipe.unet.to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    return pipe


def compile_denoiser(pipe: StableDiffusionInpaintPipeline) -> None:
    """Compile the denoiser in place: the first batch takes minutes, the others less time than before. Pictures may
    differ from those of the plain denoiser in their last bit.
    """
    # A graph for each size of batch: one for all of them is slower, and depends on which sizes came before.
    pipe.unet.compile(fullgraph=True, dynamic=False)


def fit_memory(pipe: StableDiffusionInpaintPipeline, memory: int) -> int:
    """Make ``pipe`` fit a GPU of ``memory`` GiB, one of `MEMORY_BATCH`, and return the images to inpaint at a time.

    With 16 GiB the autoencoder takes one image at a time and textual inversion computes activations twice.

    Raises InputError for another size.
    """
    if memory not in MEMORY_BATCH:
        raise InputError(f"memory = {memory}: choose {', '.join(map(str, MEMORY_BATCH))} GiB, the next one below yours")
    if memory == min(MEMORY_BATCH):
        pipe.vae.enable_slicing()
        pipe.unet.enable_gradient_checkpointing()
    return MEMORY_BATCH[memory]


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

"""The two pretrained models: the inpainting pipeline, and the way between pixels and its latents."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import DPMSolverMultistepScheduler, SchedulerMixin, StableDiffusionInpaintPipeline
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from dbb.errors import InputError
from dbb.models.devices import MEMORY_BATCH, sampling_dtype
from dbb.models.sources import find_source, quiet_loading

SAMPLERS: dict[str, Callable[[SchedulerMixin], SchedulerMixin]] = {
    # Second order; its steps begin at the last timestep, where the latents are pure noise.
    "dpm-solver++": lambda own: DPMSolverMultistepScheduler.from_config(own.config, timestep_spacing="trailing"),
    "the model's own": lambda own: own,
}
"""Samplers by name: what each makes of a pipeline's own scheduler, on whose noise schedule all of them run."""


def load_inpainting(
    spec: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None, sampler: str = "dpm-solver++"
) -> StableDiffusionInpaintPipeline:
    """Load an inpainting pipeline, ready to sample: no safety checker, no progress bar, the fast sampler.

    Args:
        spec: as `find_source` reads it.
        dtype: of all weights, whatever was stored; None: `sampling_dtype`.
        sampler: a name of `SAMPLERS`; the number of its steps is an argument of each call.

    Raises:
        InputError: when the folder is missing or incomplete, the Hub cannot be reached, or the sampler is unknown.
    """
    if sampler not in SAMPLERS:
        raise InputError(f"unknown sampler {sampler!r}: choose one of {', '.join(SAMPLERS)}")
    source = find_source(spec, "inpainting pipeline")
    try:
        with quiet_loading():
            pipe = StableDiffusionInpaintPipeline.from_pretrained(
                source.name,
                revision=source.revision,
                dtype=dtype or sampling_dtype(device),
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )
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

    Raises:
        InputError: for another size.
    """
    if memory not in MEMORY_BATCH:
        raise InputError(f"memory = {memory}: choose {', '.join(map(str, MEMORY_BATCH))} GiB, the next one below yours")
    if memory == min(MEMORY_BATCH):
        pipe.vae.enable_slicing()
        pipe.unet.enable_gradient_checkpointing()
    return MEMORY_BATCH[memory]


def encode_images(pipe: StableDiffusionInpaintPipeline, images: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 4 h w"]:
    """Return z0 = E(x), scaled as the denoiser expects, in the pipeline's dtype, on its device.

    The encoder's mean is taken: its spread is far below the noise that eq. 1 and 2 add.

    Args:
        images: in -1..1.
    """
    images = images.to(pipe.vae.device, pipe.vae.dtype)
    return pipe.vae.encode(images).latent_dist.mode() * pipe.vae.config.scaling_factor


def decode_latents(pipe: StableDiffusionInpaintPipeline, latents: Float[Tensor, "B 4 h w"]) -> UInt8[Tensor, "B 3 S S"]:
    """Return the pictures of latents, on the CPU."""
    pixels = pipe.vae.decode(latents.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor).sample
    return to_uint8(pixels.float() / 2 + 0.5)


def latent_masks(pipe: StableDiffusionInpaintPipeline, masks: Bool[Tensor, "B S S"]) -> Float[Tensor, "B 1 h w"]:
    """Return pixel masks at the latents' size: 0 or 1.

    Nearest pixel, as the pipeline does it.
    """
    size = masks.shape[-1] // pipe.vae_scale_factor
    return F.interpolate(masks[:, None].to(pipe.vae.device, pipe.vae.dtype), size=(size, size))


def to_signed(images: UInt8[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """Return images as numbers in -1..1, the autoencoder's range."""
    return images.float() / 127.5 - 1


def to_uint8(images: Float[Tensor, "*s"]) -> UInt8[Tensor, "*s"]:
    """Return images with values in 0..1 (others are clipped) as 0..255, rounded, on the CPU."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8).cpu()

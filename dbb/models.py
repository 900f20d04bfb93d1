"""The two pretrained models: the inpainting pipeline, and the way between pixels and its latents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DPMSolverMultistepScheduler, SchedulerMixin, StableDiffusionInpaintPipeline
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


def pick_device(name: str) -> torch.device:
    """Return the device called ``name``, e.g. "cpu" or "cuda:1"; "auto": the GPU where there is one, else the CPU.

    Raises InputError for a device that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"no device {name!r} on this machine ({error}): give 'auto', 'cpu' or one that is "
                         "there") from error


def default_dtype(device: str | torch.device) -> torch.dtype:
    """Return the type for gradients and detectors, which need float32's range: bfloat16 on a GPU that computes in it
    (compute capability 8, Ampere, or newer), else float32.
    """
    device = torch.device(device)
    capable = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8
    return torch.bfloat16 if capable else torch.float32


def sampling_dtype(device: str | torch.device) -> torch.dtype:
    """Return the type to sample in: float16 on a GPU, as the released code does, since it rounds eight times finer than
    bfloat16 and a sampler adds its steps up; float32 on a CPU.
    """
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32


def local_folder(spec: str, what: str) -> Path:
    """Return the folder that ``spec`` names, absolute or relative to the project.

    Raises InputError when it is no folder; ``what`` names the model in the message.
    """
    folder = resolve(spec)
    if not folder.is_dir():
        raise InputError(f"no {what} at {folder}: give a folder that save_pretrained wrote")
    return folder


@dataclass(frozen=True)
class Source:
    """Where a pretrained model is read from: ``name``, a folder or a Hub repository, with its ``revision``."""

    name: str
    revision: str | None
    is_hub: bool

    @property
    def remedy(self) -> str:
        """What to do when it cannot be read."""
        if not self.is_hub:
            return "the folder is incomplete, make or copy it again"
        pinned = f" --revision {self.revision}" if self.revision else ""
        return f"run `hf download {self.name}{pinned} --local-dir FOLDER` on a connected machine and give FOLDER"


def find_source(spec: str, what: str) -> Source:
    """Read a model's ``spec``: a local folder, or a Hub repository "owner/name", best with a pinned revision,
    "owner/name@revision".

    Raises InputError when it looks like a folder and is none; ``what`` names the model in the message.
    """
    name, _, revision = spec.partition("@")
    if not resolve(spec).exists() and name.count("/") == 1 and name[0] not in "./~":
        return Source(name, revision or None, is_hub=True)
    return Source(str(local_folder(spec, what)), None, is_hub=False)


SAMPLERS: dict[str, Callable[[SchedulerMixin], SchedulerMixin]] = {
    # Second order; its steps begin at the last timestep, where the latents are pure noise.
    "dpm-solver++": lambda own: DPMSolverMultistepScheduler.from_config(own.config, timestep_spacing="trailing"),
    "the model's own": lambda own: own,
}
"""Samplers by name: what each makes of a pipeline's own scheduler, on whose noise schedule all of them run."""

MEMORY_BATCH = {16: 8, 40: 32, 80: 64}
"""GiB of a GPU -> images of 512 px inpainted at a time with Stable Diffusion 2 in half precision."""


ATTRIBUTION_BATCH = {16: 128, 40: 256, 80: 256}
"""GiB of a GPU -> images and points of eq. 4 in one pass of ResNet-50, which keeps 86 MB for each at 224 px."""


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


def is_compiled(pipe: StableDiffusionInpaintPipeline) -> bool:
    """Return whether the denoiser was compiled."""
    return pipe.unet._compiled_call_impl is not None


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

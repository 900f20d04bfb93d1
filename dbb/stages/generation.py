"""Generation (section 4.1): repaint the masked part of an image with the other class's token."""

from collections.abc import Sequence

import torch
from diffusers import DDPMScheduler, StableDiffusionInpaintPipeline

from dbb.models.inpainting import decode_latents, encode_images, latent_masks, to_signed, to_uint8
from dbb.seeds import stage_generator

# ------------------------------------------------------------------------------------------------ eq. 2

def masked_noising(
    z0: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor, alpha_bar: torch.Tensor | float
) -> torch.Tensor:
    """Eq. 2: z_t = (1 - M) z0 + M (sqrt(abar_t) z0 + sqrt(1 - abar_t) eps); where M = 0, z0 itself, exactly.

    z0, noise: (B, 4, h, w); mask: (B, 1, h, w), 0 or 1 or bool; alpha_bar: abar_t in 0..1, a number or (B,).
    """
    # In half precision 1 - abar_t would be 0 at the first times.
    alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float32, device=z0.device).reshape(-1, 1, 1, 1)
    return torch.where(mask.bool(), (alpha_bar.sqrt() * z0 + (1 - alpha_bar).sqrt() * noise).to(z0.dtype), z0)


def noising_pictures(
    pipe: StableDiffusionInpaintPipeline,
    image: torch.Tensor,
    mask: torch.Tensor,
    timesteps: Sequence[int],
    seed: int,
) -> torch.Tensor:
    """Return what eq. 2 makes of one image at each of ``timesteps``, decoded: uint8 (T, 3, S, S).

    image: uint8 (3, S, S); mask: bool (S, S); timesteps: from 0 to the number of training timesteps - 1.
    One noise serves all of them.
    """
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)
    with torch.inference_mode():
        z0 = encode_images(pipe, to_signed(image[None]))
        noise = torch.randn(z0.shape, generator=stage_generator("eq. 2", seed)).to(z0)
        alpha_bar = schedule.alphas_cumprod[torch.as_tensor(timesteps)]
        z0 = z0.expand(len(alpha_bar), -1, -1, -1)
        return decode_latents(pipe, masked_noising(z0, latent_masks(pipe, mask[None]), noise, alpha_bar))


# ------------------------------------------------------------------------------------------------ inpainting

@torch.inference_mode()
def encode_prompt(
    pipe: StableDiffusionInpaintPipeline, prompt: str, guidance_scale: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the states (1, L, D) of ``prompt`` and of the empty prompt (None without guidance)."""
    return pipe.encode_prompt(prompt, pipe.device, 1, guidance_scale > 1)


@torch.inference_mode()
def inpaint(
    pipe: StableDiffusionInpaintPipeline,
    states: tuple[torch.Tensor, torch.Tensor | None],
    images: torch.Tensor,
    masks: torch.Tensor,
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
) -> torch.Tensor:
    """Repaint ``masks`` of ``images`` from pure noise under one prompt; returns uint8 (B, 3, S, S).

    states: as `encode_prompt` gives them, for the same ``guidance_scale``.
    images: uint8 (B, 3, S, S); masks: bool (B, S, S); seeds: one per image, so that no image depends on the
    others of its batch. Pixels outside the masks went through the autoencoder: `composite` restores them.
    """
    prompt, empty = (s if s is None else s.expand(len(images), -1, -1) for s in states)
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    size = images.shape[-1]
    # The pipeline wants images in 0..1 and would read a batch with any negative value as -1..1.
    painted = pipe(prompt_embeds=prompt, negative_prompt_embeds=empty, image=images.float() / 255,
                   mask_image=masks[:, None].float(), height=size, width=size, strength=1.0,
                   num_inference_steps=steps, guidance_scale=guidance_scale, generator=generators,
                   output_type="pt").images
    return to_uint8(painted.float())


def composite(painted: torch.Tensor, originals: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return ``painted`` inside the masks and, bit for bit, ``originals`` outside; uint8 (B, 3, S, S)."""
    return torch.where(masks[:, None], painted, originals)


def sample(
    pipe: StableDiffusionInpaintPipeline,
    prompts: Sequence[str],
    images: torch.Tensor,
    masks: torch.Tensor,
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
) -> torch.Tensor:
    """Draw each of ``prompts`` into every image: uint8 (len(prompts), B, 3, S, S), composited.

    images, masks, seeds: as in `inpaint`; the noise is the same under every prompt.
    """
    every = [encode_prompt(pipe, prompt, guidance_scale) for prompt in prompts]
    drawn = [inpaint(pipe, states, images, masks, seeds, steps, guidance_scale) for states in every]
    return torch.stack([composite(painted, images, masks) for painted in drawn])

"""Generation (section 4.1): repaint the masked part of an image with the other class's token."""

from collections.abc import Sequence

import torch
from diffusers import DDPMScheduler, StableDiffusionInpaintPipeline
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from dbb.models.inpainting import decode_latents, encode_images, latent_masks, to_signed, to_uint8
from dbb.seeds import stage_generator

# ------------------------------------------------------------------------------------------------ eq. 2


def masked_noising(
    z0: Float[Tensor, "B 4 h w"],
    mask: Shaped[Tensor, "#B 1 h w"],
    noise: Float[Tensor, "#B 4 h w"],
    alpha_bar: Float[Tensor, " B"] | Float[Tensor, ""] | float,
) -> Float[Tensor, "B 4 h w"]:
    """Eq. 2: z_t = (1 - M) z0 + M (sqrt(abar_t) z0 + sqrt(1 - abar_t) eps); where M = 0, z0 itself, exactly.

    Args:
        mask: 0 or 1, or bool.
        alpha_bar: abar_t in 0..1, one for all or one for each.
    """
    # In half precision 1 - abar_t would be 0 at the first times.
    alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float32, device=z0.device).reshape(-1, 1, 1, 1)
    return torch.where(mask.bool(), (alpha_bar.sqrt() * z0 + (1 - alpha_bar).sqrt() * noise).to(z0.dtype), z0)


def noising_pictures(
    pipe: StableDiffusionInpaintPipeline,
    image: UInt8[Tensor, "3 S S"],
    mask: Bool[Tensor, "S S"],
    timesteps: Sequence[int],
    seed: int,
) -> UInt8[Tensor, "T 3 S S"]:
    """Return what eq. 2 makes of one image at each of ``timesteps``, decoded; one noise serves all of them.

    Args:
        timesteps: from 0 to the number of training timesteps - 1.
    """
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)
    with torch.inference_mode():
        z0 = encode_images(pipe, to_signed(image[None]))
        noise = torch.randn(z0.shape, generator=stage_generator("eq. 2", seed)).to(z0)
        alpha_bar = schedule.alphas_cumprod[torch.as_tensor(timesteps)]
        z0 = z0.expand(len(alpha_bar), -1, -1, -1)
        return decode_latents(pipe, masked_noising(z0, latent_masks(pipe, mask[None]), noise, alpha_bar))


# ------------------------------------------------------------------------------------------------ inpainting


def encode_prompt(
    pipe: StableDiffusionInpaintPipeline, prompt: str, guidance_scale: float
) -> tuple[Float[Tensor, "1 L D"], Float[Tensor, "1 L D"] | None]:
    """Return the states of ``prompt`` and of the empty prompt (None without guidance)."""
    with torch.inference_mode():
        return pipe.encode_prompt(prompt, pipe.device, 1, guidance_scale > 1)


def inpaint(
    pipe: StableDiffusionInpaintPipeline,
    states: tuple[Float[Tensor, "1 L D"], Float[Tensor, "1 L D"] | None],
    images: UInt8[Tensor, "B 3 S S"],
    masks: Bool[Tensor, "B S S"],
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
) -> UInt8[Tensor, "B 3 S S"]:
    """Repaint ``masks`` of ``images`` from pure noise under one prompt.

    Pixels outside the masks went through the autoencoder: `composite` restores them.

    Args:
        states: as `encode_prompt` gives them, for the same ``guidance_scale``.
        seeds: one per image, so that no image depends on the others of its batch.
    """
    prompt, empty = (s if s is None else s.expand(len(images), -1, -1) for s in states)
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    size = images.shape[-1]
    # The pipeline wants images in 0..1 and would read a batch with any negative value as -1..1.
    with torch.inference_mode():
        painted = pipe(
            prompt_embeds=prompt,
            negative_prompt_embeds=empty,
            image=images.float() / 255,
            mask_image=masks[:, None].float(),
            height=size,
            width=size,
            strength=1.0,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            generator=generators,
            output_type="pt",
        ).images
    return to_uint8(painted.float())


def composite(
    painted: UInt8[Tensor, "B 3 S S"], originals: UInt8[Tensor, "B 3 S S"], masks: Bool[Tensor, "B S S"]
) -> UInt8[Tensor, "B 3 S S"]:
    """Return ``painted`` inside the masks and, bit for bit, ``originals`` outside."""
    return torch.where(masks[:, None], painted, originals)


def sample(
    pipe: StableDiffusionInpaintPipeline,
    prompts: Sequence[str],
    images: UInt8[Tensor, "B 3 S S"],
    masks: Bool[Tensor, "B S S"],
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
) -> UInt8[Tensor, "P B 3 S S"]:
    """Draw each of ``prompts`` into every image, composited; P prompts give (P, B, 3, S, S).

    Args:
        images, masks, seeds: as in `inpaint`; the noise is the same under every prompt.
    """
    every = [encode_prompt(pipe, prompt, guidance_scale) for prompt in prompts]
    drawn = [inpaint(pipe, states, images, masks, seeds, steps, guidance_scale) for states in every]
    return torch.stack([composite(painted, images, masks) for painted in drawn])

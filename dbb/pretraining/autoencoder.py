"""The autoencoder: 64x64 RGB to 32x32 latents of 4 channels, as diffusers' AutoencoderKL."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from dbb.pretraining.loop import train
from dbb.pretraining.scenes import Book, as_pixels, draw_pages

CROP = 32


def new_autoencoder() -> AutoencoderKL:
    """Return an untrained autoencoder with two levels, hence a scale factor of 2."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def train_autoencoder(
    books: Sequence[Book], steps: int, work: Path, start: Path | None = None, batch_size: int = 64
) -> AutoencoderKL:
    """Train on random 32-px crops with L1 + MSE + gradient loss and a small KL; sets the scaling factor.

    Args:
        start: an autoencoder's folder to train on from; None: from nothing.
    """
    model = new_autoencoder()
    if start is not None:
        model.load_state_dict(AutoencoderKL.from_pretrained(start, torch_dtype=torch.float32).state_dict())
    model = model.to(memory_format=torch.channels_last)

    def draw(step: int) -> torch.Tensor:
        return as_pixels(random_crops(books, batch_size, np.random.default_rng(step)))

    def loss_of(target: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        posterior = model.encode(target).latent_dist
        latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
        return reconstruction_loss(model.decode(latents).sample, target) + 1e-6 * posterior.kl().mean()

    model.load_state_dict(
        train("autoencoder", model, draw, loss_of, steps=steps, learning_rate=2e-3, work=work, weight_decay=0.0)
    )
    some = [books[k].rendered.images[number] for k, number in draw_pages(books, 512, np.random.default_rng(0))]
    model.register_to_config(scaling_factor=float(1 / latent_std(model.eval(), as_pixels(np.stack(some)))))
    return model


def random_crops(books: Sequence[Book], batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """Cut one random crop from each of ``batch_size`` random scenes: uint8 (B, 32, 32, 3)."""
    crops = []
    for k, number in draw_pages(books, batch_size, rng):
        image = books[k].rendered.images[number]
        y, x = rng.integers(image.shape[0] - CROP + 1, size=2)
        crops.append(image[y : y + CROP, x : x + CROP])
    return np.stack(crops)


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 + MSE + L1 of the finite differences, which keeps edges sharp."""
    difference = output - target
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return difference.abs().mean() + difference.square().mean() + 0.5 * edges


@torch.inference_mode()
def latent_std(model: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    """Standard deviation of the posterior means over images, float32 (N, 3, S, S) in [-1, 1]."""
    return model.encode(pixels).latent_dist.mean.std()


@torch.inference_mode()
def psnr(model: AutoencoderKL, images: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of the reconstructions of uint8 images (N, 3, S, S), mean over images."""
    target = images.float() / 255
    output = (model.decode(model.encode(target * 2 - 1).latent_dist.mean).sample / 2 + 0.5).clamp(0, 1)
    return float((-10 * torch.log10((output - target).square().mean((1, 2, 3)))).mean())

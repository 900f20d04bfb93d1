"""The autoencoder: 64x64 RGB to 32x32 latents of 4 channels, as diffusers' AutoencoderKL."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from dbb.models.inpainting import to_signed
from dbb.pretraining.loop import train
from dbb.worlds.waterbirds.world import Rendered

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


def train_autoencoder(rendered: Rendered, steps: int, work: Path, batch_size: int = 64) -> AutoencoderKL:
    """Train on random 32-px crops with L1 + MSE + gradient loss and a small KL; sets the scaling factor."""
    model = new_autoencoder().to(memory_format=torch.channels_last)
    images = torch.from_numpy(rendered.images).permute(0, 3, 1, 2)

    def loss_of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        target = to_signed(random_crops(images, batch_size, generator))
        posterior = model.encode(target).latent_dist
        latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
        return reconstruction_loss(model.decode(latents).sample, target) + 1e-6 * posterior.kl().mean()

    model.load_state_dict(
        train("autoencoder", model, loss_of_step, steps=steps, learning_rate=2e-3, work=work, weight_decay=0.0)
    )
    model.register_to_config(scaling_factor=float(1 / latent_std(model.eval(), images[:512])))
    return model


def random_crops(images: torch.Tensor, batch_size: int, generator: torch.Generator) -> torch.Tensor:
    """Cut one random crop from each of ``batch_size`` random images: uint8 (B, 3, 32, 32)."""
    numbers = torch.randint(len(images), (batch_size,), generator=generator)
    corners = torch.randint(images.shape[-1] - CROP + 1, (batch_size, 2), generator=generator)
    return torch.stack(
        [images[n, :, y : y + CROP, x : x + CROP] for n, (y, x) in zip(numbers.tolist(), corners.tolist(), strict=True)]
    )


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 + MSE + L1 of the finite differences, which keeps edges sharp."""
    difference = output - target
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    return difference.abs().mean() + difference.square().mean() + 0.5 * edges


@torch.inference_mode()
def latent_std(model: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Standard deviation of the posterior means over uint8 images."""
    return model.encode(to_signed(images)).latent_dist.mean.std()


@torch.inference_mode()
def psnr(model: AutoencoderKL, images: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB of the reconstructions of uint8 images (N, 3, S, S), mean over images."""
    target = images.float() / 255
    output = (model.decode(model.encode(target * 2 - 1).latent_dist.mean).sample / 2 + 0.5).clamp(0, 1)
    return float((-10 * torch.log10((output - target).square().mean((1, 2, 3)))).mean())

"""The painter: a latent inpainting UNet and its text encoder, trained together on captioned scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from dbb.pretraining.lessons import WORDS
from dbb.pretraining.loop import train
from dbb.pretraining.scenes import Book, as_pixels, draw_pages
from dbb.pretraining.tokenizer import tokenizer_from_words

PROMPT_LENGTH = 16  # tokens, the first and the last included
CROP = 48  # px: most of the training sees crops around the mask, which cost half as much as whole scenes
WHOLE_SCENES_FROM = 0.93  # share of the steps after which whole scenes are shown
CAPTION_DROPOUT = 0.1
MASK_WEIGHT = 8.0
ENCODED_AT_ONCE = 64


class Painter(nn.Module):
    """Text encoder and UNet, the two parts that are trained together."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocabulary,
                hidden_size=96,
                intermediate_size=192,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=PROMPT_LENGTH,
                bos_token_id=0,
                eos_token_id=1,
                pad_token_id=1,
            )
        )
        self.unet = UNet2DConditionModel(
            sample_size=32,
            in_channels=9,
            out_channels=4,
            block_out_channels=(32, 64, 128),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=96,
            attention_head_dim=4,
            norm_num_groups=8,
        )

    def forward(
        self,
        noisy: torch.Tensor,
        mask: torch.Tensor,
        masked_latents: torch.Tensor,
        timesteps: torch.Tensor,
        token_ids: torch.Tensor,
    ) -> torch.Tensor:
        """Predict v, float32 (B, 4, h, w), for noisy latents (B, 4, h, w), a mask (B, 1, h, w), 1 = paint here."""
        words = self.text_encoder(token_ids).last_hidden_state
        return self.unet(torch.cat([noisy, mask, masked_latents], 1), timesteps, words).sample


def new_tokenizer() -> CLIPTokenizer:
    """The drawn worlds' vocabulary: every word of their captions is one token."""
    return tokenizer_from_words(WORDS, model_max_length=PROMPT_LENGTH)


def new_scheduler() -> DDPMScheduler:
    """Stable Diffusion's noise schedule with v-prediction and a last step of pure noise."""
    return DDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
    )


@dataclass(frozen=True)
class Batch:
    """What the painter learns from in a step.

    Attributes:
        latents: float32 (B, 4, s/2, s/2), scaled, of the pictures.
        pixels: float32 (B, 3, s, s) in [-1, 1].
        masks: float32 (B, 1, s, s).
        token_ids: int64 (B, L), of the captions.
    """

    latents: torch.Tensor
    pixels: torch.Tensor
    masks: torch.Tensor
    token_ids: torch.Tensor


def draw_batch(
    books: Sequence[Book],
    latents: Sequence[torch.Tensor],
    tokenizer: CLIPTokenizer,
    batch_size: int,
    crop: bool,
    rng: np.random.Generator,
) -> Batch:
    """Draw scenes with fresh captions and masks; ``crop`` cuts 48 px around the mask, on even pixels.

    Args:
        latents: of each book's scenes, (N, 4, S/2, S/2), scaled.
    """
    images, masks, captions, parts = [], [], [], []
    for k, number in draw_pages(books, batch_size, rng):
        book, part = books[k], latents[k][number]
        scene, image = book.rendered.scenes[number], book.rendered.images[number]
        mask = book.lesson.inpainting_mask(scene, book.rendered.masks[number], rng)
        if crop:
            window = _window(mask, rng)
            image, mask = image[window], mask[window]
            part = part[:, window[0].start // 2 : window[0].stop // 2, window[1].start // 2 : window[1].stop // 2]
        images.append(image)
        masks.append(mask)
        parts.append(part)
        dropped = rng.random() < CAPTION_DROPOUT
        captions.append("" if dropped else book.lesson.world.caption(scene, rng))
    latent = torch.stack(parts).float()
    ids = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return Batch(latent, as_pixels(np.stack(images)), torch.from_numpy(np.stack(masks)).float()[:, None], ids)


def _window(mask: np.ndarray, rng: np.random.Generator) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    slices = []
    for places in (rows, columns):
        corner = (places[0] + places[-1] + 1 - CROP) // 2 + rng.integers(-4, 5)
        corner = int(np.clip(corner, 0, mask.shape[0] - CROP)) // 2 * 2
        slices.append(slice(corner, corner + CROP))
    return slices[0], slices[1]


@torch.no_grad()
def encode(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    """Scaled posterior means, float32 (B, 4, s/2, s/2)."""
    return vae.encode(pixels).latent_dist.mean * vae.config.scaling_factor


def encode_all(vae: AutoencoderKL, images: np.ndarray) -> torch.Tensor:
    """Scaled posterior means of uint8 images (N, S, S, 3), float16 (N, 4, S/2, S/2), once for the whole training."""
    parts = np.array_split(images, max(1, len(images) // ENCODED_AT_ONCE))
    return torch.cat([encode(vae, as_pixels(part).to(vae.device)).half().cpu() for part in parts])


def painter_loss(
    painter: Painter, vae: AutoencoderKL, scheduler: DDPMScheduler, batch: Batch, generator: torch.Generator
) -> torch.Tensor:
    """v-prediction loss, weighted to the mask, with the masked image as the inpainting pipeline builds it.

    Each image counts alike, however small its mask.
    """
    device = painter.unet.device
    latents, pixels, masks = batch.latents.to(device), batch.pixels.to(device), batch.masks.to(device)
    masked = encode(vae, pixels * (masks < 0.5))
    masks = F.interpolate(masks, size=latents.shape[-2:])
    noise = torch.randn(latents.shape, generator=generator).to(device)
    timesteps = torch.randint(scheduler.config.num_train_timesteps, (len(latents),), generator=generator).to(device)
    noisy, ids = scheduler.add_noise(latents, noise, timesteps), batch.token_ids.to(device)
    predicted = painter(noisy, masks, masked, timesteps, ids)
    weights = 1 + (MASK_WEIGHT - 1) * masks
    error = (predicted - scheduler.get_velocity(latents, noise, timesteps)).square().mean(1, keepdim=True)
    return ((weights * error).sum((1, 2, 3)) / weights.sum((1, 2, 3))).mean()


def start_from(painter: Painter, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Give a painter the weights of a pipeline's folder; of its words' embeddings, those that it knows, too."""
    old = StableDiffusionInpaintPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    painter.unet.load_state_dict(old.unet.state_dict())
    weights = old.text_encoder.state_dict()
    (name,) = (name for name in weights if name.endswith("token_embedding.weight"))
    ours, known = painter.text_encoder.state_dict()[name].clone(), old.tokenizer.get_vocab()
    ours = ours * weights[name].std() / ours.std()
    for token, number in tokenizer.get_vocab().items():
        if token in known:
            ours[number] = weights[name][known[token]]
    painter.text_encoder.load_state_dict(weights | {name: ours})


def train_painter(
    books: Sequence[Book],
    vae: AutoencoderKL,
    steps: int,
    work: Path,
    device: str,
    start: Path | None = None,
    batch_size: int = 32,
    workers: int = 0,
) -> Painter:
    """Train on crops, at the end on whole scenes; returns the moving average of the weights.

    Args:
        start: a pipeline's folder to train on from; None: from nothing.
    """
    tokenizer, scheduler = new_tokenizer(), new_scheduler()
    painter = Painter(len(tokenizer))
    if start is not None:
        start_from(painter, tokenizer, start)
    painter = painter.to(device).to(memory_format=torch.channels_last)
    painter.unet.compile(dynamic=False)
    vae = vae.to(device).requires_grad_(False).to(memory_format=torch.channels_last)
    latents = [encode_all(vae, book.rendered.images) for book in books]

    def draw(step: int) -> Batch:
        crop = step < WHOLE_SCENES_FROM * steps
        return draw_batch(books, latents, tokenizer, batch_size, crop, np.random.default_rng(step))

    def loss_of(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        # Compiling pays for the many steps on crops, not for the few on whole scenes.
        with torch.compiler.set_stance("default" if batch.pixels.shape[-1] == CROP else "force_eager"):
            return painter_loss(painter, vae, scheduler, batch, generator)

    average = train(
        "painter", painter, draw, loss_of, steps=steps, learning_rate=1e-3, work=work, workers=workers, ema_decay=0.9995
    )
    painter.load_state_dict(average)
    return painter.eval()


def save_pipeline(painter: Painter, vae: AutoencoderKL, folder: Path) -> None:
    """Write the four parts as a `StableDiffusionInpaintPipeline` folder, in half precision."""
    vae.register_to_config(_name_or_path="")  # else the folder it was loaded from is written down
    pipe = StableDiffusionInpaintPipeline(
        vae=vae,
        text_encoder=painter.text_encoder,
        tokenizer=new_tokenizer(),
        unet=painter.unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.to(torch.float16).save_pretrained(folder)

"""The official way of each stage, in our words, to be timed beside ours.

What is done, in which order and with which settings follows ArianYp/DDB at 9dc1df9 (generate.py, train.py,
textual_inversion.py and the command in its README.md), diffusers' example of textual inversion, on which it rests, and
lang_sam. Where these leave a choice, or cost something that is left out here, the port has the faster reading: pictures
are in memory, Psi is not computed one image at a time, and the autocast to bfloat16 that an import of lang_sam leaves
switched on holds where it helps (masks and integrated gradients) and not for the inpainting.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients
from diffusers import DDPMScheduler, StableDiffusionInpaintPipeline
from PIL import Image
from torch import nn
from torchvision import transforms

from dbb.input_format import InputFormat
from dbb.models.segmenters.grounded import GroundedSAMSegmenter
from dbb.transforms import AREAS, RATIOS

GUIDANCE = 7.5
"""The pipeline's own default."""

ACCUMULATED = 4
"""Batches of one image per step of textual inversion, by the README's command."""

TEMPLATES = ("a photo of a {} bird", "a cropped photo of the {} bird", "the photo of a {} bird")


@contextmanager
def switches(device: torch.device, autocast: bool) -> Iterator[None]:
    """Set what the released code and its import of lang_sam set: deterministic convolutions that are not chosen by
    timing, and, if ``autocast``, bfloat16 and TF32.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    with ExitStack() as stack:
        stack.enter_context(
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=True)
        )
        stack.callback(setattr, matmul, "allow_tf32", before)
        matmul.allow_tf32 = autocast
        stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=autocast))
        yield


# ------------------------------------------------------------------------------------------------ masks


def predict_masks(segmenter: GroundedSAMSegmenter, images: Sequence[Image.Image], prompt: str) -> list[torch.Tensor]:
    """Return the first mask of each picture in which a box was found, bool (S, S), in their order.

    segmenter: holds the models; its own code is not used. All pictures go through the detector together, then through
    SAM's image encoder; one picture is what the first versions of lang_sam took.
    """
    device = segmenter.detector.device
    with switches(device, autocast=True), torch.no_grad():
        inputs = segmenter.detector_processor(
            images=list(images), text=[prompt] * len(images), padding=True, return_tensors="pt"
        ).to(device)
        seen = segmenter.detector(**inputs)
        found = segmenter.detector_processor.post_process_grounded_object_detection(
            seen,
            inputs["input_ids"],
            threshold=segmenter.threshold,
            text_threshold=0.3,
            target_sizes=[image.size[::-1] for image in images],
        )
        kept = [
            (image, one["boxes"].float().cpu()) for image, one in zip(images, found, strict=True) if len(one["boxes"])
        ]
        if not kept:
            return []
        prepared = [
            segmenter.sam_processor(images=image, input_boxes=[boxes.tolist()], return_tensors="pt")
            for image, boxes in kept
        ]
        embeddings = segmenter.sam.get_image_embeddings(torch.cat([p["pixel_values"] for p in prepared]).to(device))
        return [_first_mask(segmenter, embeddings[i : i + 1], one) for i, one in enumerate(prepared)]


def _first_mask(segmenter: GroundedSAMSegmenter, embedding: torch.Tensor, prepared: dict[str, Any]) -> torch.Tensor:
    outlined = segmenter.sam(
        image_embeddings=embedding,
        multimask_output=False,
        input_boxes=prepared["input_boxes"].to(embedding.device, torch.float32),
    )
    (masks,) = segmenter.sam_processor.post_process_masks(
        outlined.pred_masks.float().cpu(), prepared["original_sizes"], prepared["reshaped_input_sizes"]
    )
    return masks[0, 0]


# ------------------------------------------------------------------------------------------------ inpainting


def paint(
    pipe: StableDiffusionInpaintPipeline,
    prompt: str,
    images: torch.Tensor,
    masks: torch.Tensor,
    size: int,
    steps: int = 50,
) -> list[Image.Image]:
    """Repaint one batch, images float (B, 3, S, S) in 0..1 and masks float (B, 1, S, S), and return PIL images.

    The prompt is repeated and encoded for every picture of every batch; the noise comes from the global generator.
    """
    with switches(pipe.device, autocast=False):
        return pipe(
            prompt=[prompt] * len(images),
            image=images,
            mask_image=masks,
            height=size,
            width=size,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
        ).images


def save(images: Sequence[Image.Image], folder: Path) -> None:
    """Write pictures as PNG, one after the other, while the device waits."""
    for i, image in enumerate(images):
        image.save(folder / f"{i}.png")


# ------------------------------------------------------------------------------------------------ pruning


def train_transform(input_format: InputFormat) -> transforms.Compose:
    """Return the transform of the training split, which the released code uses for integrated gradients, too."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(input_format.size, scale=AREAS, ratio=RATIOS),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(input_format.mean, input_format.std),
        ]
    )


def attribute(
    model: nn.Module,
    painted: Sequence[Image.Image],
    originals: Sequence[Image.Image],
    masks: torch.Tensor,
    target: int,
    input_format: InputFormat,
    points: int = 50,
    autocast: bool = True,
) -> list[tuple[float, float]]:
    """Return rho and psi of one batch; masks: float (B, 1, S, S).

    captum's defaults: all ``points`` of all pictures in one forward and backward pass, of the logit; then psi, a
    picture at a time, with a graph that nobody uses.
    """
    device, prepare = next(model.parameters()).device, train_transform(input_format)
    side = input_format.size
    resize = transforms.Compose([transforms.ToPILImage(), transforms.Resize((side, side)), transforms.ToTensor()])
    with switches(device, autocast):
        before = torch.stack([prepare(image) for image in originals]).to(device).requires_grad_()
        after = torch.stack([prepare(image) for image in painted]).to(device).requires_grad_()
        found, _ = IntegratedGradients(model).attribute(
            after, before, target=target, n_steps=points, return_convergence_delta=True
        )
        scores = []
        for i, mask in enumerate(masks):
            rho = (found[i].cpu() * resize(mask)).sum().item()
            scores.append((rho, F.softmax(model(after[i : i + 1]), dim=1)[0, 1 - target].item()))
    return scores


# ------------------------------------------------------------------------------------------------ textual inversion


class Inversion:
    """Textual inversion of one placeholder, one picture at a time.

    pipe: its models are changed, and its denoiser takes 4 channels afterwards, as that of Stable Diffusion 2 base on
        which the released code learns.
    images: the inversion set. precision: of UNet and autoencoder; float32 as the command has it; in another one the
        text encoder runs under autocast to it, as with accelerate's --mixed_precision.
    """

    def __init__(
        self, pipe: StableDiffusionInpaintPipeline, images: Sequence[Image.Image], size: int, precision: torch.dtype
    ) -> None:
        self.pipe, self.images, self.size, self.precision = pipe, images, size, precision
        self.schedule = DDPMScheduler.from_config(pipe.scheduler.config)
        first = pipe.unet.conv_in
        pipe.unet.conv_in = nn.Conv2d(4, first.out_channels, first.kernel_size, padding=first.padding)
        for model in (pipe.unet, pipe.vae):  # Module.to, as the library's own warns of casts
            nn.Module.to(model.requires_grad_(False), pipe.device, precision)
        encoder = pipe.text_encoder.float().requires_grad_(False).train()
        self.placeholder = encoder.get_input_embeddings().weight.shape[0]
        encoder.resize_token_embeddings(self.placeholder + 1, mean_resizing=False)
        self.table = encoder.get_input_embeddings().requires_grad_(True).weight
        self.original = self.table.detach().clone()
        self.optimiser = torch.optim.AdamW([self.table], lr=5e-4 * ACCUMULATED, weight_decay=1e-2)
        self.others = torch.ones(self.placeholder + 1, dtype=torch.bool)
        self.others[self.placeholder] = False

    def step(self) -> list[float]:
        """Do one step of `ACCUMULATED` pictures and return their losses."""
        losses: list[float] = []
        for _ in range(ACCUMULATED):
            loss = self._loss()
            (loss / ACCUMULATED).backward()
            if len(losses) == ACCUMULATED - 1:
                self.optimiser.step()
                self.optimiser.zero_grad()
            with torch.no_grad():  # the whole table is trained, so all of it but one row is put back, every time
                self.table[self.others] = self.original[self.others]
            losses.append(loss.item())
        return losses

    def _loss(self) -> torch.Tensor:
        device, vae = self.pipe.device, self.pipe.vae
        picture = random.choice(self.images).resize((self.size, self.size), Image.Resampling.BICUBIC)
        pixels = (transforms.functional.pil_to_tensor(picture)[None] / 127.5 - 1).to(device, self.precision)
        latents = vae.encode(pixels).latent_dist.sample() * vae.config.scaling_factor
        noise = torch.randn_like(latents)
        times = torch.randint(self.schedule.config.num_train_timesteps, (1,), device=device)
        with torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32):
            states = self.pipe.text_encoder(self._prompt().to(device))[0]
        predicted = self.pipe.unet(
            self.schedule.add_noise(latents, noise, times), times, states.to(self.precision)
        ).sample
        return F.mse_loss(predicted.float(), noise.float())

    def _prompt(self) -> torch.Tensor:
        """Return a prompt's ids, int64 (1, L), with the placeholder where the template has a place for it."""
        tokenizer = self.pipe.tokenizer
        ids = tokenizer(
            random.choice(TEMPLATES).format("a"), padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        ids[0, 1] = self.placeholder
        return ids


# ------------------------------------------------------------------------------------------------ training


class Training:
    """Retraining as train.py does it: float32, rows of memory in the usual order, Adam.

    images: normalised, float (N, 3, S, S) on the CPU, decoded and augmented beforehand; labels: int64 (N,).
    """

    def __init__(self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor, batch_size: int) -> None:
        self.model = model.to(memory_format=torch.contiguous_format).train()
        self.batches = list(zip(images.split(batch_size), F.one_hot(labels, 2).float().split(batch_size), strict=True))
        self.optimiser = torch.optim.Adam(model.parameters(), lr=5e-6)

    def epoch(self) -> int:
        """Go through all pictures once and return how many were right, counted batch by batch."""
        device, right = next(self.model.parameters()).device, 0
        with switches(device, autocast=False):
            for images, labels in self.batches:
                images, labels = images.to(device), labels.to(device)
                self.optimiser.zero_grad()
                logits = self.model(images)
                F.cross_entropy(logits, labels).backward()
                self.optimiser.step()
                right += (logits.argmax(1) == labels.argmax(1)).sum().item()
        return right

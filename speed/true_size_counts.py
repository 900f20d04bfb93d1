"""Floating-point operations of one image through each model of the paper's scale, counted without computing anything.

    python speed/true_size_counts.py        writes results/true-size/counts.json, in some ten seconds

A multiplication and an addition are two operations. Counted are matrix products, convolutions and attention, by
torch.utils.flop_counter; models on the device "meta" have shapes and no values, so that neither memory nor time is
needed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import torch
import true_size_models
from diffusers import AutoencoderKL, SchedulerMixin, UNet2DConditionModel
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet50
from transformers import CLIPTextModel, GroundingDinoForObjectDetection, SamModel

from dbb.benchmarks import get_benchmark
from dbb.benchmarks.waterbirds import COUNTS
from dbb.models.inpainting import SAMPLERS
from dbb.store import resolve, write_json

WATERBIRDS = get_benchmark("waterbirds")
IMAGES = sum(WATERBIRDS.generation.per_class)
"""Images that the paper generates for Waterbirds (Table 2: 1,300 and 1,112)."""

PRUNED = 531 + 393
"""Images that Table 2 prunes on Waterbirds. At least the others pass the first condition and need attributions."""

TRAINED = WATERBIRDS.retraining.epochs * (sum(COUNTS["train"]) + IMAGES - PRUNED)
"""Pictures that retraining on Waterbirds sees in all its epochs."""

BATCHES = {"literal": 16, "inpainting": 32, "masks": 8, "pruning": 256}
"""Images at a time: of the released code, and of ours; for pruning images times points."""

DETECTED, BOXES, PROMPT_TOKENS = 800, 4, 4
"""px at which GroundingDINO sees a square picture, boxes that SAM outlines in it, tokens of "bird." with start and end.
"""

PEAKS = {"A100": 312e12, "H100": 989e12}
"""Dense bfloat16 operations per second by NVIDIA's data sheets of the A100 and of the H100 SXM."""

FILE = "results/true-size/counts.json"


@dataclass(frozen=True)
class Models:
    """What is counted. size: px of the pictures that are painted; classified: px of the classifier's input."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    detector: GroundingDinoForObjectDetection
    sam: SamModel
    classifier: nn.Module
    size: int
    detected: int
    classified: int

    @property
    def parameters(self) -> dict[str, int]:
        """Each model's number of parameters."""
        named = {
            "unet": self.unet,
            "vae": self.vae,
            "text encoder": self.text_encoder,
            "GroundingDINO": self.detector,
            "SAM": self.sam,
            "ResNet-50": self.classifier,
        }
        return {name: sum(p.numel() for p in model.parameters()) for name, model in named.items()}


def true_models() -> Models:
    """Return the published architectures on the device "meta"."""
    parts = true_size_models.inpainting_components(device="meta")
    with torch.device("meta"):
        classifier = resnet50().eval()
    # Its level_embed is made on the CPU whatever the default device is.
    detector = nn.Module.to(true_size_models.grounding_dino(device="meta"), "meta")
    return Models(
        parts["unet"],
        parts["vae"],
        parts["text_encoder"],
        detector,
        true_size_models.sam(device="meta"),
        classifier,
        WATERBIRDS.generation_size,
        DETECTED,
        WATERBIRDS.image_size,
    )


def operations(work: Callable[[], object]) -> int:
    """Return the floating-point operations of ``work``."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def count(models: Models) -> dict[str, int]:
    """Return operations per image by what is done with it.

    "denoiser": one forward pass of the UNet, without guidance; "denoiser gradient": with the way back to the prompt's
    states; "text gradient": the text encoder, there and back to its embeddings; "classifier gradient": back to the
    pixels; "classifier training": back to the weights, too. The models' parameters are left without gradients.
    """
    device = models.vae.device
    vae, side, width = models.vae, models.size, models.unet.config.cross_attention_dim
    channels, latent = vae.config.latent_channels, side // 2 ** (len(vae.config.block_out_channels) - 1)
    tokens = models.text_encoder.config.max_position_embeddings
    for model in (models.unet, vae, models.text_encoder, models.detector, models.sam, models.classifier):
        model.requires_grad_(False)
    noisy = torch.zeros(1, models.unet.config.in_channels, latent, latent, device=device)
    states, time = torch.zeros(1, tokens, width, device=device), torch.zeros(1, device=device)
    ids = torch.zeros(1, tokens, dtype=torch.long, device=device)
    picture = torch.zeros(1, 3, models.classified, models.classified, device=device)
    found = {
        "denoiser": lambda: models.unet(noisy, time, states),
        "denoiser gradient": lambda: models.unet(noisy, time, states.clone().requires_grad_()).sample.sum().backward(),
        "encoder": lambda: vae.encode(torch.zeros(1, 3, side, side, device=device)),
        "decoder": lambda: vae.decode(torch.zeros(1, channels, latent, latent, device=device)),
        "text encoder": lambda: models.text_encoder(ids),
        "text gradient": lambda: _text_gradient(models.text_encoder, ids),
        "detector": lambda: _detect(models.detector, models.detected, device),
        "segmenter": lambda: _outline(models.sam, device),
        "classifier": lambda: models.classifier(picture),
        "classifier gradient": lambda: models.classifier(picture.clone().requires_grad_()).sum().backward(),
    }
    counted = {name: operations(work) for name, work in found.items()}
    models.classifier.requires_grad_(True)
    return counted | {"classifier training": operations(lambda: models.classifier(picture).sum().backward())}


def _text_gradient(encoder: CLIPTextModel, ids: torch.Tensor) -> None:
    table = encoder.get_input_embeddings().requires_grad_(True)
    encoder(ids).last_hidden_state.sum().backward()
    table.requires_grad_(False)


@torch.no_grad()
def _detect(model: GroundingDinoForObjectDetection, side: int, device: torch.device) -> None:
    whole = torch.ones(1, PROMPT_TOKENS, dtype=torch.long, device=device)
    # It checks shapes by their values, which meta tensors have not.
    with patch("transformers.models.grounding_dino.modeling_grounding_dino.torch_compilable_check"), device:
        model(
            pixel_values=torch.zeros(1, 3, side, side),
            input_ids=whole,
            token_type_ids=torch.zeros_like(whole),
            attention_mask=whole,
            pixel_mask=torch.ones(1, side, side, dtype=torch.long),
        )


@torch.no_grad()
def _outline(model: SamModel, device: torch.device) -> None:
    side = model.config.vision_config.image_size
    embedding = model.get_image_embeddings(torch.zeros(1, 3, side, side, device=device))
    model(image_embeddings=embedding, input_boxes=torch.zeros(1, BOXES, 4, device=device), multimask_output=False)


# ------------------------------------------------------------------------------------------------ of each stage


def evaluations(scheduler: SchedulerMixin, steps: int) -> int:
    """Return how often a sampler calls the denoiser in ``steps`` steps: PNDM once more than that."""
    scheduler.set_timesteps(steps)
    return len(scheduler.timesteps)


def masks_operations(counts: dict[str, int]) -> int:
    """Return the operations of one image's masks."""
    return counts["detector"] + counts["segmenter"]


def painting_operations(counts: dict[str, int], calls: int) -> int:
    """Return the operations of one guided image: two denoisers per call, and the autoencoder there and back."""
    return 2 * calls * counts["denoiser"] + counts["encoder"] + counts["decoder"]


def inversion_operations(counts: dict[str, int], images: int, prompts: int, encoded: bool) -> int:
    """Return the operations of one step of textual inversion on ``images`` under so many prompts; encoded: the latents
    are there already.
    """
    return (
        images * (counts["denoiser gradient"] + (0 if encoded else counts["encoder"]))
        + prompts * counts["text gradient"]
    )


def pruning_operations(counts: dict[str, int], points: int) -> int:
    """Return the operations of one image's psi and integrated gradients."""
    return points * counts["classifier gradient"] + counts["classifier"]


def floor_seconds(peak: float, counts: dict[str, int], images: int = IMAGES, steps: int = 50) -> float:
    """Return the least seconds that the denoiser's operations for ``images`` guided images take.

    peak: operations per second of the card.
    """
    return images * steps * 2 * counts["denoiser"] / peak


def stage_costs(counts: dict[str, int], parameters: dict[str, int]) -> list[dict[str, object]]:
    """Return a row per stage of the paper's Waterbirds run: unit, units, operations per unit, and bytes per unit: the
    weights that every pass must read at least once, shared by a batch as large as `true_size.py` takes; activations
    come on top. In 16 bits, but for the classifier's 32.
    """
    own = true_size_models.inpainting_components(device="meta")["scheduler"]
    inversion, retraining = WATERBIRDS.inversion, WATERBIRDS.retraining
    rows = [
        {
            "stage": "masks",
            "unit": "image",
            "units": IMAGES,
            "operations": masks_operations(counts),
            "bytes": 2 * (parameters["GroundingDINO"] + parameters["SAM"]) / BATCHES["masks"],
        },
        {
            "stage": "textual inversion",
            "unit": "step",
            "units": len(WATERBIRDS.classes) * inversion.steps,
            "operations": inversion_operations(counts, inversion.batch_size, 1, encoded=True),
            "bytes": 2 * 2 * (parameters["unet"] + parameters["text encoder"]),
        },
    ]
    for sampler, steps in (("the model's own", 50), ("dpm-solver++", 25), ("dpm-solver++", 20)):
        calls = evaluations(SAMPLERS[sampler](own), steps)
        rows.append(
            {
                "stage": f"inpainting, {sampler}, {steps} steps",
                "unit": "image",
                "units": IMAGES,
                "operations": painting_operations(counts, calls),
                "bytes": 2 * (calls * parameters["unet"] + parameters["vae"]) / BATCHES["inpainting"],
            }
        )
    points = WATERBIRDS.pruning.steps
    rows += [
        {
            "stage": f"integrated gradients, {points} points",
            "unit": "image",
            "units": IMAGES,
            "operations": pruning_operations(counts, points),
            "bytes": 4 * 2 * points * parameters["ResNet-50"] / BATCHES["pruning"],
        },
        {
            "stage": f"retraining, {retraining.epochs} epochs",
            "unit": "image",
            "units": TRAINED,
            "operations": counts["classifier training"],
            "bytes": 4 * 3 * parameters["ResNet-50"] / retraining.batch_size,
        },
    ]
    return rows


def main() -> None:
    """Count and write."""
    models = true_models()
    counts = count(models)
    write_json(
        resolve(FILE),
        {
            "versions": {"torch": torch.__version__},
            "parameters": models.parameters,
            "operations": counts,
            "stages": stage_costs(counts, models.parameters),
            "peaks": PEAKS,
            "images": IMAGES,
            "floor_seconds": {card: floor_seconds(peak, counts) for card, peak in PEAKS.items()},
        },
    )
    print(resolve(FILE))


if __name__ == "__main__":
    main()

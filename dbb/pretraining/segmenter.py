"""The segmenter: a tiny CLIPSeg that finds what a prompt names, and nothing where that is absent."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPImageProcessor, CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling

from dbb.pretraining.loop import train
from dbb.pretraining.scenes import as_pixels
from dbb.pretraining.tokenizer import tokenizer_from_words
from dbb.worlds.waterbirds.scenes import LAND_PLACES, WATER_PLACES, Scene
from dbb.worlds.waterbirds.world import WORDS, Rendered

SIZE, PATCH, PROMPT_LENGTH = 64, 8, 8
CONTRAST_WEIGHT = 0.3


def new_segmenter(vocabulary: int) -> CLIPSegForImageSegmentation:
    """Return an untrained segmenter for 64-px images with patches of 8 px."""
    return CLIPSegForImageSegmentation(
        CLIPSegConfig(
            text_config={
                "vocab_size": vocabulary,
                "hidden_size": 64,
                "intermediate_size": 128,
                "num_hidden_layers": 1,
                "num_attention_heads": 4,
                "max_position_embeddings": PROMPT_LENGTH,
                "bos_token_id": 0,
                "eos_token_id": 1,
                "pad_token_id": 1,
            },
            vision_config={
                "hidden_size": 128,
                "intermediate_size": 256,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "image_size": SIZE,
                "patch_size": PATCH,
            },
            projection_dim=64,
            extract_layers=[0, 1, 2],
            reduce_dim=64,
            decoder_num_attention_heads=4,
            decoder_intermediate_size=256,
            use_complex_transposed_convolution=False,
        )
    )


def new_tokenizer() -> CLIPTokenizer:
    """The segmenter's words are the captions' words."""
    return tokenizer_from_words(WORDS, model_max_length=PROMPT_LENGTH)


def new_processor() -> CLIPImageProcessor:
    """64 px, no cropping, mean and std of one half."""
    return CLIPImageProcessor(
        size={"height": SIZE, "width": SIZE},
        do_resize=True,
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )


def heatmaps(model: CLIPSegForImageSegmentation, pixels: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
    """Logits, float32 (B, 64, 64), with gradients into both towers.

    `CLIPSegForImageSegmentation.forward` computes the towers without gradients, since it is meant to train the
    decoder alone; this is the same computation with them.
    """
    return _decode(model, model.clip.vision_model(pixels, output_hidden_states=True), token_ids)


def _decode(
    model: CLIPSegForImageSegmentation, seen: BaseModelOutputWithPooling, token_ids: torch.Tensor
) -> torch.Tensor:
    activations = [seen.hidden_states[layer + 1] for layer in model.extract_layers]
    return model.decoder(activations, _read(model, token_ids)).logits


def _read(model: CLIPSegForImageSegmentation, token_ids: torch.Tensor) -> torch.Tensor:
    return model.clip.text_projection(model.clip.text_model(token_ids).pooler_output)


def keywords(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene by some of its words, short enough for the text encoder: "red heron", "heron bamboo forest"."""
    words = [word for word in (scene.colour, scene.species, scene.place) if word]
    chosen = [word for word in words if rng.random() < 0.6]
    return " ".join(chosen or [str(rng.choice(words))])


def contrastive_loss(model: CLIPSegForImageSegmentation, pooled: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
    """CLIP's loss between images, by their pooled states (B, D), and their captions, int64 (B, L).

    CLIPSeg stands on towers that were trained so. Without it, the decoder here learns to tell birds from places, and
    answers every place's name alike.
    """
    images = F.normalize(model.clip.visual_projection(pooled), dim=1)
    logits = model.clip.logit_scale.exp().clamp(max=100) * images @ F.normalize(_read(model, token_ids), dim=1).T
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def prompts_and_targets(
    rendered: Rendered, numbers: np.ndarray, rng: np.random.Generator
) -> tuple[list[str], np.ndarray]:
    """One prompt for each image and its mask, float32 (B, 64, 64): half of them name what is there.

    "bird", the species, or the colour and "bird" give the silhouette; a place gives what is not bird; another
    species, colour or place, and a bird in an empty scene, give an empty mask.
    """
    prompts, targets = [], []
    for number in numbers:
        scene, mask = rendered.scenes[number], rendered.masks[number].astype(np.float32)
        other = rendered.scenes[rng.integers(len(rendered.scenes))]
        kind = rng.random()
        if kind < 0.35:
            prompt, target = str(rng.choice(["bird", "a bird", "a photo of a bird"])), mask
        elif kind < 0.5 and other.species is not None:
            prompt, target = other.species, mask * (other.species == scene.species)
        elif kind < 0.58 and scene.species is not None:
            prompt, target = scene.species, mask
        elif kind < 0.66 and scene.species is not None and other.colour is not None:
            prompt, target = f"{other.colour} bird", mask * (other.colour == scene.colour)
        elif kind < 0.86:
            prompt, target = other.place, (1 - mask) * (other.place == scene.place)
        else:
            prompt, target = scene.place, 1 - mask
        prompts.append(prompt)
        targets.append(target)
    return prompts, np.stack(targets)


def train_segmenter(
    rendered: Rendered, steps: int, work: Path, device: str, batch_size: int = 32
) -> CLIPSegForImageSegmentation:
    """Train both towers and the decoder with cross-entropy plus Dice, and the towers with CLIP's loss beside it."""
    tokenizer = new_tokenizer()
    model = new_segmenter(len(tokenizer)).to(device)

    def loss_of_step(step: int, generator: torch.Generator) -> torch.Tensor:
        rng = np.random.default_rng(step)
        numbers = rng.integers(0, len(rendered.scenes), batch_size)
        prompts, drawn = prompts_and_targets(rendered, numbers, rng)
        flip = -1 if rng.random() < 0.5 else 1
        pixels = as_pixels(rendered.images[numbers][:, :, ::flip])
        targets = torch.from_numpy(np.ascontiguousarray(drawn[:, :, ::flip]))
        captions = [keywords(rendered.scenes[number], rng) for number in numbers]
        prompt_ids, caption_ids = (
            tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids.to(device)
            for texts in (prompts, captions)
        )
        seen = model.clip.vision_model(pixels.to(device), output_hidden_states=True)
        masks = mask_loss(_decode(model, seen, prompt_ids), targets.to(device))
        return masks + CONTRAST_WEIGHT * contrastive_loss(model, seen.pooler_output, caption_ids)

    model.load_state_dict(train("segmenter", model, loss_of_step, steps=steps, learning_rate=1e-3, work=work))
    return model.eval()


def mask_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy plus the Dice loss, smoothed so that an empty target is learned too."""
    probabilities = logits.sigmoid()
    overlap = 2 * (probabilities * targets).sum((1, 2)) + 1
    dice = 1 - overlap / (probabilities.sum((1, 2)) + targets.sum((1, 2)) + 1)
    return F.binary_cross_entropy_with_logits(logits, targets) + 0.5 * dice.mean()


def save_segmenter(model: CLIPSegForImageSegmentation, folder: Path) -> None:
    """Write model, tokenizer and image processor in the layout that transformers reads, in half precision."""
    model.half().save_pretrained(folder)
    new_tokenizer().save_pretrained(folder)
    new_processor().save_pretrained(folder)


@torch.inference_mode()
def evaluate_segmenter(model: CLIPSegForImageSegmentation, rendered: Rendered) -> dict[str, float]:
    """Figures on held-out scenes at threshold 0.5. A mask under 1 % of the image counts as empty.

    mean_iou: prompt "bird", over scenes with a bird; empty_share: the same prompt, scenes without one whose mask is
    empty; absent_share: a place of the other kind for a prompt ("ocean" in a forest), scenes whose mask is empty.
    """
    pixels = as_pixels(rendered.images)
    found = _found(model, pixels, "bird")
    has_bird = rendered.masks.any((1, 2))
    overlap, union = (found & rendered.masks).sum((1, 2)), (found | rendered.masks).sum((1, 2))
    on_land = np.isin([scene.place for scene in rendered.scenes], LAND_PLACES)
    elsewhere = np.concatenate(
        [
            _found(model, pixels[here], prompt)
            for here, prompt in ((on_land, WATER_PLACES[0]), (~on_land, LAND_PLACES[0]))
        ]
    )
    return {
        "mean_iou": float((overlap[has_bird] / union[has_bird]).mean()),
        "empty_share": float((found[~has_bird].mean((1, 2)) < 0.01).mean()),
        "absent_share": float((elsewhere.mean((1, 2)) < 0.01).mean()),
    }


def _found(model: CLIPSegForImageSegmentation, pixels: torch.Tensor, prompt: str) -> np.ndarray:
    ids = new_tokenizer()([prompt], padding="max_length", return_tensors="pt").input_ids
    return torch.cat([heatmaps(model, part, ids.expand(len(part), -1)) for part in pixels.split(128)]).numpy() > 0

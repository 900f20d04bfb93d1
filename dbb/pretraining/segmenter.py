"""The segmenter: a tiny CLIPSeg that finds what a prompt names, and nothing where that is absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import CLIPImageProcessor, CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer
from transformers.modeling_outputs import BaseModelOutputWithPooling

from dbb.pretraining.lessons import WORDS
from dbb.pretraining.loop import train
from dbb.pretraining.scenes import Book, as_pixels, draw_pages
from dbb.pretraining.tokenizer import tokenizer_from_words

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


def keywords(book: Book, number: int, rng: np.random.Generator) -> str:
    """Describe a scene by some of its words, short enough for the text encoder: "red heron", "heron bamboo forest"."""
    names = (*(name for name, _ in book.lesson.phrases), "place")
    words = [value for name in names if (value := getattr(book.rendered.scenes[number], name)) is not None]
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


def prompt_and_target(book: Book, number: int, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """One prompt for a scene and its mask, float32 (64, 64): half of them name what is there.

    The subject, or a phrase for it that is true, gives the silhouette; another world's subject, another kind or colour,
    and the subject in an empty scene, give an empty mask; what is beside the subject gives what the lesson says.
    """
    lesson, scene = book.lesson, book.rendered.scenes[number]
    other = book.rendered.scenes[rng.integers(len(book))]
    mask = book.rendered.masks[number].astype(np.float32)
    what = rng.random()
    if what < 0.3:
        return str(rng.choice(["{}", "a {}", "a photo of a {}"])).format(lesson.subject), mask
    if what < 0.4:
        return str(rng.choice(lesson.never)), np.zeros_like(mask)
    if what < 0.7:
        name, phrase = lesson.phrases[rng.integers(len(lesson.phrases))]
        value = getattr(scene if rng.random() < 0.4 else other, name)
        if value is not None:
            return phrase.format(value), mask * (value == getattr(scene, name))
    word, there = lesson.beside(scene, book.rendered.masks[number], rng)
    return word, there.astype(np.float32)


@dataclass(frozen=True)
class Batch:
    """What the segmenter learns from in a step.

    Attributes:
        pixels: float32 (B, 3, 64, 64) in [-1, 1].
        targets: float32 (B, 64, 64), 1 where the prompt's thing is.
        prompt_ids, caption_ids: int64 (B, L).
    """

    pixels: torch.Tensor
    targets: torch.Tensor
    prompt_ids: torch.Tensor
    caption_ids: torch.Tensor


def train_segmenter(
    books: Sequence[Book], steps: int, work: Path, device: str, batch_size: int = 32, workers: int = 0
) -> CLIPSegForImageSegmentation:
    """Train both towers and the decoder with cross-entropy plus Dice, and the towers with CLIP's loss beside it."""
    tokenizer = new_tokenizer()
    model = new_segmenter(len(tokenizer)).to(device)

    def draw(step: int) -> Batch:
        rng = np.random.default_rng(step)
        pages = [(books[k], number) for k, number in draw_pages(books, batch_size, rng)]
        prompts, drawn = zip(*(prompt_and_target(*page, rng) for page in pages), strict=True)
        flip = -1 if rng.random() < 0.5 else 1
        pixels = as_pixels(np.stack([book.rendered.images[number] for book, number in pages])[:, :, ::flip])
        targets = torch.from_numpy(np.ascontiguousarray(np.stack(drawn)[:, :, ::flip]))
        captions = [keywords(*page, rng) for page in pages]
        prompt_ids, caption_ids = (
            tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt").input_ids
            for texts in (prompts, captions)
        )
        return Batch(pixels, targets, prompt_ids, caption_ids)

    def loss_of(batch: Batch, generator: torch.Generator) -> torch.Tensor:
        seen = model.clip.vision_model(batch.pixels.to(device), output_hidden_states=True)
        masks = mask_loss(_decode(model, seen, batch.prompt_ids.to(device)), batch.targets.to(device))
        return masks + CONTRAST_WEIGHT * contrastive_loss(model, seen.pooler_output, batch.caption_ids.to(device))

    model.load_state_dict(
        train("segmenter", model, draw, loss_of, steps=steps, learning_rate=1e-3, work=work, workers=workers)
    )
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
def evaluate_segmenter(model: CLIPSegForImageSegmentation, book: Book) -> dict[str, float]:
    """Figures on held-out scenes at threshold 0.5. A mask under 1 % of the image counts as empty.

    mean_iou: the subject as the prompt, over scenes with one; empty_share: the same prompt, scenes without one whose
    mask is empty; absent_share: another world's subject as the prompt, scenes whose mask is empty; elsewhere_share: a
    place that the scene does not show, scenes whose mask is empty.
    """
    scenes, masks = book.rendered.scenes, book.rendered.masks
    pixels, lesson = as_pixels(book.rendered.images), book.lesson
    found, there = _found(model, pixels, [lesson.subject] * len(book)), masks.any((1, 2))
    overlap, union = (found & masks).sum((1, 2)), (found | masks).sum((1, 2))
    questions = {
        "absent_share": [lesson.never[k % len(lesson.never)] for k in range(len(book))],
        "elsewhere_share": [lesson.elsewhere[scene.place][0] for scene in scenes],
    }
    figures = {
        "mean_iou": float((overlap[there] / union[there]).mean()),
        "empty_share": float((found[~there].mean((1, 2)) < 0.01).mean()),
    }
    for name, prompts in questions.items():
        figures[name] = float((_found(model, pixels, prompts).mean((1, 2)) < 0.01).mean())
    return {f"{lesson.world.name}_{name}": value for name, value in figures.items()}


def _found(model: CLIPSegForImageSegmentation, pixels: torch.Tensor, prompts: list[str]) -> np.ndarray:
    ids = new_tokenizer()(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    parts = zip(pixels.split(128), ids.split(128), strict=True)
    return torch.cat([heatmaps(model, part, of_part) for part, of_part in parts]).numpy() > 0

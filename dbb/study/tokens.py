"""The study's tokens: learned once for each size of the inversion set, and measured on images that none has seen."""

from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline

from dbb import inversion, tokens
from dbb.masks import masked_images
from dbb.models import load_inpainting
from dbb.store import write_json
from dbb.study.arms import SET_SIZES
from dbb.study.products import Products

UNSEEN = 30  # validation images per class, of its minority group, that no token learns from


def token_files(products: Products, size: int) -> list[Path]:
    """Return the token file of each class, learned from ``size`` validation images of its minority group.

    Learns them where that was not done, and writes beside them `inversion.json`: per class, the loss of eq. 1 before
    and after, on the images learned from ("seen") and on others ("unseen"), and the nearest words.
    """
    benchmark, folder = products.benchmark, products.folder / f"tokens-{size}"
    if not (folder / "inversion.json").exists():
        pipe = load_inpainting(benchmark.inpainting)
        write_json(folder / "inversion.json", {
            name: _learn(products, pipe, label, size, tokens.token_file(folder, name))
            for label, name in enumerate(benchmark.classes)})
    return [tokens.token_file(folder, name) for name in benchmark.classes]


def _learn(products: Products, pipe: StableDiffusionInpaintPipeline, label: int, size: int, path: Path) -> dict:
    benchmark, settings = products.benchmark, products.benchmark.inversion
    pixels, masks = inversion_set(products, label, size)
    learned = inversion.invert(pipe, pixels, masks, benchmark.placeholder_token(label), settings.initial_word,
                               benchmark.templates, settings.steps, settings.batch_size, settings.learning_rate,
                               products.seed, settings.vectors)
    tokens.save_token(path, learned.token, learned.embedding)
    tokens.add_token(pipe, path)
    pixels_unseen, masks_unseen = unseen_images(products, label)
    before, after = (inversion.held_out_loss(pipe, pixels_unseen, masks_unseen,
                                             [template.format(word) for template in benchmark.templates], products.seed)
                     for word in (settings.initial_word, learned.token))
    return {"images": len(pixels), "seen_before": learned.held_out_before, "seen_after": learned.held_out_after,
            "unseen_before": before, "unseen_after": after,
            "nearest": tokens.nearest_words(pipe, learned.embedding, 6)}


def inversion_set(products: Products, label: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels and masks of ``size`` validation images of the class's minority group; a larger set holds a
    smaller one.
    """
    return _masked(products, _minority(products, label, size))


def unseen_images(products: Products, label: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels and masks of images of the class's minority group that no inversion set holds."""
    largest = max(*SET_SIZES, products.benchmark.inversion.images)
    more, learned_from = (_minority(products, label, n) for n in (largest + UNSEEN, largest))
    return _masked(products, np.setdiff1d(more, learned_from))


def _minority(products: Products, label: int, n: int) -> np.ndarray:
    accuracy = products.erm_record["val"]["group_accuracy"]
    return inversion.minority_images(products.val, accuracy, label, n, products.seed)


def _masked(products: Products, positions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    benchmark = products.benchmark
    return masked_images(products.segmenter, products.val, positions, benchmark.class_word, benchmark.masks,
                         benchmark.generation_size)[1:]

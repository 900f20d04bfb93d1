"""How the settings of textual inversion were chosen: the loss on unseen images, over rates, vectors and steps."""

from dataclasses import replace

import pandas as pd

from dbb import inversion, tokens
from dbb.benchmarks import InversionSettings
from dbb.models import load_inpainting
from dbb.study.products import Products
from dbb.study.tokens import inversion_set, unseen_images

RATES = (1e-2, 3e-2, 1e-1)
VECTORS = (2, 4)


def candidates(own: InversionSettings) -> list[InversionSettings]:
    """Return the benchmark's ``own`` settings with each of `RATES`, and with each of `VECTORS` per token."""
    return [*(replace(own, learning_rate=rate) for rate in RATES), *(replace(own, vectors=n) for n in VECTORS)]


def inversion_choices(products: Products) -> pd.DataFrame:
    """Return the loss of eq. 1 on unseen images for every class, candidate and snapshot.

    Columns: class, learning_rate, vectors, step, unseen_loss; step 0 is the initial word, once per vector.
    """
    benchmark, own, rows = products.benchmark, products.benchmark.inversion, []
    for label, name in enumerate(benchmark.classes):
        pixels, masks = inversion_set(products, label, own.images)
        unseen = unseen_images(products, label)
        for tried in candidates(own):
            pipe = load_inpainting(benchmark.inpainting)
            learned = inversion.invert(pipe, pixels, masks, benchmark.placeholder_token(label), tried.initial_word,
                                       benchmark.templates, tried.steps, tried.batch_size, tried.learning_rate,
                                       products.seed, tried.vectors)
            for step, embedding in learned.snapshots.items():
                tokens.add_embedding(pipe, token := f"<after-{step}>", embedding)
                prompts = [template.format(token) for template in benchmark.templates]
                loss = inversion.held_out_loss(pipe, *unseen, prompts, products.seed)
                rows.append({"class": name, "learning_rate": tried.learning_rate, "vectors": tried.vectors,
                             "step": step, "unseen_loss": loss})
    return pd.DataFrame(rows)

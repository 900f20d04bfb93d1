"""How the settings of textual inversion were chosen: the loss on unseen validation images, over rates and steps."""

import pandas as pd

from dbb import inversion
from dbb.models import load_inpainting
from dbb.study.products import Products
from dbb.study.tokens import inversion_set, unseen_images

RATES = (1e-2, 3e-2, 1e-1)


def inversion_choices(products: Products) -> pd.DataFrame:
    """Return the loss of eq. 1 on unseen images for every class, learning rate and snapshot.

    Columns: class, learning_rate, step, unseen_loss; step 0 is the initial word.
    """
    benchmark, settings, rows = products.benchmark, products.benchmark.inversion, []
    for label, name in enumerate(benchmark.classes):
        pixels, masks = inversion_set(products, label, settings.images)
        unseen = unseen_images(products, label)
        for rate in RATES:
            pipe = load_inpainting(benchmark.inpainting)
            learned = inversion.invert(pipe, pixels, masks, benchmark.placeholder_token(label), settings.initial_word,
                                       benchmark.templates, settings.steps, settings.batch_size, rate, products.seed)
            for step, embedding in learned.snapshots.items():
                inversion.add_embedding(pipe, token := f"<after-{step}>", embedding)
                prompts = [template.format(token) for template in benchmark.templates]
                loss = inversion.held_out_loss(pipe, *unseen, prompts, products.seed)
                rows.append({"class": name, "learning_rate": rate, "step": step, "unseen_loss": loss})
    return pd.DataFrame(rows)

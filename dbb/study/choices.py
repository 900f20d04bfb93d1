"""How the settings of textual inversion were chosen: the loss on unseen images, over rates, vectors and steps."""

from dataclasses import asdict, replace

import pandas as pd

from dbb.benchmarks import InversionSettings
from dbb.errors import InputError
from dbb.models.devices import default_dtype, pick_device
from dbb.models.inpainting import load_inpainting
from dbb.models.tokens import add_embedding
from dbb.record import Made
from dbb.stages.inversion import held_out_loss, invert
from dbb.stages.run import Run
from dbb.stages.tokens import POOLS, inversion_sets
from dbb.study.unseen import unseen_images

RATES = (1e-2, 3e-2, 1e-1)
VECTORS = (2, 4)


def candidates(own: InversionSettings) -> list[InversionSettings]:
    """Return the benchmark's ``own`` settings with each of `RATES`, and with each of `VECTORS` per token."""
    return [*(replace(own, learning_rate=rate) for rate in RATES), *(replace(own, vectors=n) for n in VECTORS)]


def choices(run: Run) -> Made:
    """Make or load the table: the loss of eq. 1 on unseen images for every class, candidate and snapshot.

    Columns: class, learning_rate, vectors, step, unseen_loss; step 0 is the initial word, once per vector.

    Raises:
        InputError: when no image of a class is left that no set of the study holds.
    """
    bm, own = run.benchmark, run.benchmark.inversion
    split = POOLS[own.source]

    def table() -> pd.DataFrame:
        site, rows = pick_device(run.device), []
        for label, learned_from in inversion_sets(run, own).items():
            others = unseen_images(run, label)
            if len(others[0]) == 0:
                raise InputError(
                    f"the sets of the study hold every image of {bm.classes[label]} in the {split} split, "
                    "and leave none to measure on: take a larger split"
                )
            for tried in candidates(own):
                pipe = load_inpainting(bm.inpainting, site, default_dtype(site), bm.generation.sampler)
                learned = invert(
                    pipe,
                    learned_from.images,
                    learned_from.masks,
                    bm.placeholder_token(label),
                    tried.initial_word,
                    bm.templates,
                    tried.steps,
                    tried.batch_size,
                    tried.learning_rate,
                    run.seed,
                    tried.vectors,
                )
                for step, embedding in learned.snapshots.items():
                    add_embedding(pipe, token := f"<after-{step}>", embedding)
                    loss = held_out_loss(pipe, *others, [template.format(token) for template in bm.templates], run.seed)
                    rows.append(
                        {
                            "class": bm.classes[label],
                            "learning_rate": tried.learning_rate,
                            "vectors": tried.vectors,
                            "step": step,
                            "unseen_loss": loss,
                        }
                    )
        return pd.DataFrame(rows)

    settings = {
        "inversion": asdict(own),
        "masks": asdict(bm.masks),
        "classes": bm.classes,
        "pairs": bm.pairs,
        "templates": bm.templates,
        "prompt": bm.mask_prompt,
        "size": bm.generation_size,
    }
    models = {"inpainting": bm.inpainting, "segmenter": bm.segmenter}
    return run.measure("choices", settings, {"data": (split,), "erm": (f"{split}.npz",)}, table, models)

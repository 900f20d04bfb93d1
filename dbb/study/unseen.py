"""What a token is worth on images that none was learned from: the loss of eq. 1 before and after, by set size."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import torch

from dbb.models.devices import pick_device
from dbb.models.inpainting import load_inpainting
from dbb.models.segmenters import load_segmenter
from dbb.models.tokens import add_token, load_token, nearest_words
from dbb.record import Made
from dbb.stages.generated import token_files
from dbb.stages.inversion import held_out_loss
from dbb.stages.masks import masked_images
from dbb.stages.run import Run
from dbb.stages.tokens import POOLS, candidates
from dbb.study.arms import SET_SIZES
from dbb.study.sets import folder_name, set_run

UNSEEN = 30  # images per class that no token learns from
NEAREST = 6  # words


def unseen(run: Run, name: str) -> Made:
    """Make or load the table of the tokens of the set ``name``, a row per class.

    class; images: how many it was learned from; seen_before, seen_after: the loss of eq. 1 on these; unseen_before,
    unseen_after: on others, NaN without any; nearest: the nearest words with their cosines.
    """
    here, bm = set_run(run, name), run.benchmark
    learned = here.made("tokens").metrics

    def table() -> pd.DataFrame:
        pipe, rows = load_inpainting(bm.inpainting, pick_device(run.device), sampler=bm.generation.sampler), []
        for label, path in token_files(here).items():
            add_token(pipe, path)
            pixels, masks = unseen_images(here, label)
            before, after = (
                held_out_loss(pipe, pixels, masks, [template.format(word) for template in bm.templates], run.seed)
                if len(pixels)
                else np.nan
                for word in (bm.inversion.initial_word, bm.placeholder_token(label))
            )
            seen = learned[bm.classes[label]]
            words = nearest_words(pipe, load_token(path)[1], NEAREST)
            rows.append(
                {
                    "class": bm.classes[label],
                    "images": len(seen["ids"]),
                    "seen_before": seen["held_out_before"],
                    "seen_after": seen["held_out_after"],
                    "unseen_before": before,
                    "unseen_after": after,
                    "nearest": "; ".join(f"{word} {cosine:.2f}" for word, cosine in words),
                }
            )
        return pd.DataFrame(rows)

    split = POOLS[bm.inversion.source]
    settings = {
        "inversion": asdict(bm.inversion),
        "masks": asdict(bm.masks),
        "classes": bm.classes,
        "templates": bm.templates,
        "prompt": bm.mask_prompt,
        "size": bm.generation_size,
        "learned": learned,
    }
    reads = {"data": (split,), "erm": (f"{split}.npz",), "tokens": tuple(p.name for p in token_files(here).values())}
    models = {"inpainting": bm.inpainting, "segmenter": bm.segmenter}
    return here.measure(f"unseen-{folder_name(name)}", settings, reads, table, models)


def unseen_images(run: Run, label: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels, uint8 (N, 3, S, S), and masks, bool (N, S, S), of images that a token could be learned from and
    that no set of the study holds; none where the largest set holds them all.
    """
    bm, own = run.benchmark, run.benchmark.inversion
    largest = max(*SET_SIZES, own.images)
    more, learned_from = (candidates(run, label, replace(own, images=n)) for n in (largest + UNSEEN, largest))
    segmenter = load_segmenter(bm.segmenter, bm.masks.threshold, pick_device(run.device))
    return masked_images(
        segmenter,
        run.split(POOLS[own.source]),
        np.setdiff1d(more, learned_from),
        bm.mask_prompt,
        bm.masks,
        bm.generation_size,
    )[1:]

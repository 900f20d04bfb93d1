"""Why the originals are restored outside the mask: rho and the whole change, with and without compositing."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
from torch import nn

from dbb.benchmarks.entry import SCORES
from dbb.data.images import read_pictures, resized
from dbb.input_format import InputFormat
from dbb.models.classifier import load_trained
from dbb.models.devices import pick_device
from dbb.models.inpainting import load_inpainting
from dbb.models.tokens import add_token
from dbb.record import Made
from dbb.stages.erm import MODEL
from dbb.stages.generated import token_files
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS, load_masks
from dbb.stages.pruning import attribution_score, class_score, integrated_gradients, read_pairs
from dbb.stages.run import ALL, Run
from dbb.transforms import evaluation_input

PAINTED = 50  # pictures of each pair of classes, painted again


def compositing(run: Run) -> Made:
    """Make or load the table of some of the method's pictures, painted once and scored with and without compositing:
    composited, on, target_class, rho, change.
    """
    bm = run.benchmark

    def table() -> pd.DataFrame:
        site, settings = pick_device(run.device), bm.generation
        pairs = read_pairs(run, read_manifest(run.folder("generated") / MANIFEST))
        masks = load_masks(run.folder("masks") / MASKS)
        batch = run.attribution_batch
        pipe = load_inpainting(bm.inpainting, site, sampler=settings.sampler)
        for path in token_files(run).values():
            add_token(pipe, path)
        model, parts = load_trained(run.folder("erm") / MODEL, bm.classifier, len(bm.classes)).to(site), []
        for source, target in bm.pairs:
            few = np.flatnonzero((pairs.originals.labels == source) & (pairs.generated.labels == target))[:PAINTED]
            originals = pairs.originals.pixels(few, bm.generation_size)
            inside = masks.padded(pairs.originals.ids[few])
            states = encode_prompt(pipe, bm.prompt(target), settings.guidance_scale)
            painted = inpaint(pipe, states, originals, inside, few.tolist(), settings.steps, settings.guidance_scale)
            for composited in (True, False):
                pictures = composite(painted, originals, inside) if composited else painted
                scored = rho_and_change(
                    model,
                    pictures,
                    originals,
                    target,
                    torch.from_numpy(pairs.masks[few]),
                    bm.input_format,
                    bm.pruning.steps,
                    batch,
                )
                parts.append(scored.assign(composited=composited, target_class=target))
        return pd.concat(parts, ignore_index=True)[["composited", "on", "target_class", "rho", "change"]]

    given = {
        "generation": asdict(bm.generation),
        "pairs": bm.pairs,
        "template": bm.templates[0],
        "classes": bm.classes,
        "steps": bm.pruning.steps,
        "input": asdict(bm.input_format),
        "size": bm.generation_size,
    }
    reads = {
        "data": ("train",),
        "erm": (MODEL,),
        "masks": (MASKS,),
        "generated": ALL,
        "tokens": tuple(path.name for path in token_files(run).values()),
    }
    return run.measure("compositing", given, reads, table, {"classifier": bm.classifier, "inpainting": bm.inpainting})


def rho_and_change(
    model: nn.Module,
    pictures: torch.Tensor,
    originals: torch.Tensor,
    target: int,
    masks: torch.Tensor,
    input_format: InputFormat,
    steps: int,
    batch: int,
) -> pd.DataFrame:
    """Return rho and f_{i'}(x') - f_{i'}(x) of each picture on probabilities, then on logits: on, rho, change.

    Args:
        pictures, originals: uint8 (B, 3, S, S).
        masks: bool (B, s, s), at the classifier's size.
    """
    site, parts = next(model.parameters()).device, []
    new, old = (
        evaluation_input(_read(images, input_format.read_size).to(site), input_format)
        for images in (pictures, originals)
    )
    targets = torch.full((len(pictures),), target, device=site)
    for on in SCORES:
        attributions, _ = integrated_gradients(model, new, old, targets, steps, batch, on)
        with torch.inference_mode():
            after, before = (class_score(model(x), targets.cpu().numpy(), on) for x in (new, old))
        rho = attribution_score(attributions, masks.to(site))
        parts.append(pd.DataFrame({"on": on, "rho": rho.cpu().numpy(), "change": after - before}))
    return pd.concat(parts, ignore_index=True)


def _read(images: torch.Tensor, size: int) -> torch.Tensor:
    """Return uint8 (B, 3, S, S) at ``size`` px, as a classifier reads generated pictures."""
    return read_pictures(lambda picture: resized(picture, size), images.permute(0, 2, 3, 1).numpy(), size)

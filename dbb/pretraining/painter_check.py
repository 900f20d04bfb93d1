"""How well the painter paints, by the oracle: the class and the species that a prompt named, on held-out scenes."""

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline

from dbb.benchmarks.mini_waterbirds import BENCHMARK
from dbb.models.oracle import load_oracle
from dbb.pretraining.inpainting_masks import loose_mask
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.worlds.waterbirds.scenes import LANDBIRDS, SPECIES
from dbb.worlds.waterbirds.world import Rendered

CHECKED = 240  # held-out scenes


def check_painter(
    pipe: StableDiffusionInpaintPipeline, scenes: Rendered, count: int
) -> tuple[torch.Tensor, dict[str, float]]:
    """Inpaint ``count`` scenes with all species in turn; return uint8 (count, 3, 64, 64) and the oracle's shares.

    right_class, right_species: share (0..1) of images in which the oracle sees what the prompt named.

    Args:
        count: a multiple of the number of species.
    """
    settings = BENCHMARK.generation
    images = torch.from_numpy(scenes.images[:count]).permute(0, 3, 1, 2)
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(np.stack([loose_mask(mask, rng) for mask in scenes.masks[:count]]))
    named = np.array([SPECIES[number % len(SPECIES)] for number in range(count)])
    painted = torch.empty_like(images)
    for species in SPECIES:
        here = torch.from_numpy(np.flatnonzero(named == species))
        states = encode_prompt(pipe, f"a photo of a {species} bird", settings.guidance_scale)
        drawn = inpaint(pipe, states, images[here], masks[here], here.tolist(), settings.steps, settings.guidance_scale)
        painted[here] = composite(drawn, images[here], masks[here])
    oracle = load_oracle(BENCHMARK)
    assert oracle is not None, "the miniature has one"
    verdict = oracle.judge(painted)
    classes = np.where(np.isin(named, LANDBIRDS), 0, 1)
    return painted, {
        "right_class": float((verdict.classes == classes).mean()),
        "right_species": float((verdict.species == named).mean()),
    }

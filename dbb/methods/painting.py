"""Pictures from words alone: the benchmark's own inpainting pipeline paints a blank picture, masked whole, under a
prompt.
"""

# The inpainting pipeline is imported where it paints: it takes seconds, and the methods that do not paint need none.

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from dbb.benchmarks.entry import Benchmark
from dbb.data.images import read_pictures, resized
from dbb.errors import InputError
from dbb.methods.given import Given
from dbb.progress import track
from dbb.record import digest_of
from dbb.seeds import stage_generator
from dbb.stages.run import model_identity
from dbb.training import Tensors

if TYPE_CHECKING:
    from diffusers import StableDiffusionInpaintPipeline


def picture_seed(name: str, run_seed: int, prompt: str, number: int) -> int:
    """Return the seed of the ``number``-th picture, from 0, of a prompt in the set ``name``: it depends on no other
    prompt and on no other picture.
    """
    return stage_generator("painted", name, run_seed, prompt, number).initial_seed()


def paint_prompt(
    pipe: "StableDiffusionInpaintPipeline", prompt: str, seeds: Sequence[int], benchmark: Benchmark
) -> UInt8[Tensor, "N 3 R R"]:
    """Return a picture of ``prompt`` for each of ``seeds``, by the steps and the guidance of the benchmark's
    generation, painted at its generation size and resampled to the classifier's read size R.
    """
    from dbb.stages.generation import encode_prompt, inpaint

    settings, size = benchmark.generation, benchmark.generation_size
    states, parts = encode_prompt(pipe, prompt, settings.guidance_scale), []
    for start in range(0, len(seeds), settings.batch_size):
        batch = seeds[start : start + settings.batch_size]
        blank = torch.zeros(len(batch), 3, size, size, dtype=torch.uint8)
        whole = torch.ones(len(batch), size, size, dtype=torch.bool)
        painted = inpaint(pipe, states, blank, whole, batch, settings.steps, settings.guidance_scale)
        pictures = painted.permute(0, 2, 3, 1).numpy()
        parts.append(
            read_pictures(lambda picture: resized(picture, benchmark.read_size), pictures, benchmark.read_size)
        )
    return torch.cat(parts)


def paint(given: Given, prompts: Sequence[str], name: str) -> UInt8[Tensor, "N 3 R R"]:
    """Return a picture for each of ``prompts``, which may repeat: painted once for all trainings of the seed that ask
    for the same set.

    Args:
        name: of the set, other pictures for each.

    Raises:
        InputError: where there is no prompt, and as `load_inpainting`.
    """
    if not prompts:
        raise InputError(f"no prompts to paint for {name}: give one or more")
    benchmark, asked = given.benchmark, np.array(prompts)

    def make() -> Tensors:
        from dbb.models.inpainting import load_inpainting

        pipe = load_inpainting(benchmark.inpainting, given.device, sampler=benchmark.generation.sampler)
        size = benchmark.read_size
        pictures = torch.empty(len(prompts), 3, size, size, dtype=torch.uint8)
        for prompt in track(list(dict.fromkeys(prompts)), f"{name}: prompts"):
            places = np.flatnonzero(asked == prompt)
            seeds = [picture_seed(name, given.seed, prompt, number) for number in range(len(places))]
            pictures[torch.from_numpy(places)] = paint_prompt(pipe, prompt, seeds, benchmark)
        return {"pictures": pictures}

    of = {
        "model": model_identity(benchmark.inpainting),
        "generation": asdict(benchmark.generation),
        "sizes": [benchmark.generation_size, benchmark.read_size],
        "seed": given.seed,
        "prompts": digest_of(list(prompts)),
    }
    return given.shared.get(f"painted-{name}", make, of)["pictures"]

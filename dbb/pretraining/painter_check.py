"""How well the painter paints, by a world's oracle: the class and the kind that a prompt named, on held-out scenes."""

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline

from dbb.benchmarks.entry import Benchmark
from dbb.models.oracle import load_oracle
from dbb.pretraining.lessons import Lesson
from dbb.pretraining.scenes import Book
from dbb.stages.generation import composite, encode_prompt, inpaint

CHECKED = 240  # held-out scenes of a world


@dataclass(frozen=True)
class Painted:
    """Held-out scenes repainted as members of the other class.

    Attributes:
        originals, images: uint8 (N, 3, 64, 64).
        masks: bool (N, 64, 64).
        figures: right_class, right_kind: share (0..1) of images in which the oracle sees what the prompt named.
    """

    originals: torch.Tensor
    masks: torch.Tensor
    images: torch.Tensor
    figures: dict[str, float]


def other_kind(lesson: Lesson, scene: object, rng: np.random.Generator) -> str:
    """Draw a kind of a class that the scene does not show."""
    own = getattr(scene, lesson.kind)
    return str(rng.choice([kind for kinds in lesson.classes if own not in kinds for kind in kinds]))


def check_painter(pipe: StableDiffusionInpaintPipeline, book: Book, benchmark: Benchmark, count: int) -> Painted:
    """Repaint the first ``count`` scenes that show the subject, each as a kind of another class, and ask the oracle."""
    settings, lesson = benchmark.generation, book.lesson
    shown = [number for number in range(len(book)) if book.rendered.masks[number].any()][:count]
    scenes = [book.rendered.scenes[number] for number in shown]
    rng = np.random.default_rng(0)
    masks = np.stack([lesson.inpainting_mask(book.rendered.scenes[n], book.rendered.masks[n], rng) for n in shown])
    asked = tuple(other_kind(lesson, scene, rng) for scene in scenes)
    prompts = np.array([lesson.prompt(scene, kind) for scene, kind in zip(scenes, asked, strict=True)])
    originals = torch.from_numpy(book.rendered.images[shown]).permute(0, 3, 1, 2)
    painted, holes = torch.empty_like(originals), torch.from_numpy(masks)
    for prompt in dict.fromkeys(prompts.tolist()):
        here = torch.from_numpy(np.flatnonzero(prompts == prompt))
        states = encode_prompt(pipe, prompt, settings.guidance_scale)
        for part in here.split(settings.batch_size):
            drawn = inpaint(
                pipe, states, originals[part], holes[part], part.tolist(), settings.steps, settings.guidance_scale
            )
            painted[part] = composite(drawn, originals[part], holes[part])
    return Painted(originals, holes, painted, judged(painted, asked, lesson, benchmark))


def judged(images: torch.Tensor, asked: tuple[str, ...], lesson: Lesson, benchmark: Benchmark) -> dict[str, float]:
    """Share of images in which the world's oracle sees the class, and the kind, that was asked for."""
    oracle = load_oracle(benchmark)
    assert oracle is not None, "every drawn world has one"
    verdict = oracle.judge(images)
    classes = [next(y for y, kinds in enumerate(lesson.classes) if kind in kinds) for kind in asked]
    return {
        "right_class": float((verdict.classes == classes).mean()),
        "right_kind": float((verdict.species == np.array(asked)).mean()),
    }

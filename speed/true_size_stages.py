"""What `true_size.py` times in each stage: the literal port first, then ours and its choices one by one."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import literal_port
import numpy as np
import pandas as pd
import torch
from diffusers import StableDiffusionInpaintPipeline
from torchvision.transforms.functional import to_pil_image
from true_size_counts import (
    IMAGES,
    PRUNED,
    TRAINED,
    WATERBIRDS,
    evaluations,
    inversion_operations,
    masks_operations,
    painting_operations,
    pruning_operations,
)
from true_size_timing import Way, Work
from true_size_world import PROMPT, World, on_disk, painted_masks, pictures

from dbb.benchmarks import GenerationSettings
from dbb.data.images import ArrayPixels, ImageSet
from dbb.models.classifier import predict_logits
from dbb.models.inpainting import SAMPLERS
from dbb.stages.erm import cross_entropy_loss
from dbb.stages.inversion import invert
from dbb.stages.mask_table import MaskTable, covered
from dbb.stages.masks import find_masks
from dbb.stages.painting import generate, plan
from dbb.stages.pruning import Attributed, own_class_probability, score_pairs
from dbb.training import Examples, fit
from dbb.transforms import normalise

Counts = dict[str, int]


def _whole(images: int, batch: int) -> int:
    """Return ``images`` rounded up to whole batches, at least one."""
    return max(1, -(-images // batch)) * batch


# ------------------------------------------------------------------------------------------------ masks


def masks(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    """The detector and SAM on pictures in memory (literal) and in files (ours)."""
    segmenter, many = world.segmenter(), world.sizes.literal_batch
    n = _whole(images // 4, max(many, *world.sizes.segmented))
    pixels = pictures(n, world.size)
    pils, files = [to_pil_image(one) for one in pixels], on_disk(folder / "segmented", pixels, 0)
    line = partial(Work, "masks", unit="images", units=n, paper_units=IMAGES, operations=n * masks_operations(counts))

    def literal(batch: int, n: int) -> None:
        for start in range(0, n, batch):
            literal_port.predict_masks(segmenter, pils[start : start + batch], "bird.")

    for batch, name in ((many, "lists, as lang_sam takes them today"), (1, "one at a time, as its first versions did")):
        yield line(
            "literal",
            f"official way, {name}",
            batch=batch,
            run=partial(literal, batch, n),
            warm_up=partial(literal, batch, batch),
        )
    for batch in world.sizes.segmented:
        yield line(
            "ours",
            "ours, in batches",
            batch=batch,
            run=partial(
                find_masks,
                replace(segmenter, batch_size=batch),
                files,
                np.arange(n),
                WATERBIRDS.class_word,
                WATERBIRDS.masks,
                world.size,
                batch_size=n,
            ),
        )


# ------------------------------------------------------------------------------------------------ textual inversion


def inversion(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    """Steps of textual inversion, the set-up of either way left out; Waterbirds has two tokens."""
    steps, batch = world.sizes.inversion_steps, world.sizes.inversion_batch
    pixels = pictures(world.sizes.inversion_images, world.size)
    pils = [to_pil_image(one) for one in pixels]
    line = partial(
        Work, "inversion", unit="steps", units=steps, paper_units=len(WATERBIRDS.classes) * WATERBIRDS.inversion.steps
    )
    each = literal_port.ACCUMULATED

    def literal(learning: literal_port.Inversion, steps: int) -> None:
        for _ in range(steps):
            learning.step()

    for precision, name in (
        (torch.float32, "official way, float32 as its command has it"),
        (torch.bfloat16, "official way, with --mixed_precision bf16"),
    ):
        learning = literal_port.Inversion(world.pipe(torch.float32), pils, world.size, precision)
        yield line(
            "literal",
            name,
            batch=1,
            run=partial(literal, learning, steps),
            warm_up=partial(literal, learning, 1),
            operations=steps * inversion_operations(counts, each, each, encoded=False),
        )
        del learning
    pipe = _ours(world)

    def ours(steps: int) -> None:
        invert(
            pipe,
            pixels,
            painted_masks(len(pixels), world.size),
            "<timed>",
            "bird",
            ("a photo of a {} bird",),
            steps,
            batch,
            WATERBIRDS.inversion.learning_rate,
            seed=0,
        )

    yield line(
        "ours",
        "ours, latents encoded once, one row trained",
        batch=batch,
        run=partial(ours, steps + 1),
        warm_up=partial(ours, 1),
        less=partial(ours, 1),
        operations=steps * inversion_operations(counts, batch, 1, encoded=True),
    )


# ------------------------------------------------------------------------------------------------ denoiser


def denoiser(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    """The UNet alone, which is nearly all of the inpainting: each choice by itself, then batch sizes."""
    calls = 5
    usual, last = torch.contiguous_format, torch.channels_last
    half, ours = world.literal_dtype, world.dtype
    choices: list[tuple[Way, str, torch.dtype, torch.memory_format, bool]] = [
        ("literal", "float16, as the official way", half, usual, False),
        ("ours", "float16, channels last", half, last, False),
        ("ours", "bfloat16", ours, usual, False),
        ("ours", "bfloat16, channels last", ours, last, False),
        ("ours", "bfloat16, channels last, compiled: ours", ours, last, True),
    ]

    def work(pipe: StableDiffusionInpaintPipeline, way: Way, name: str, batch: int) -> Work:
        call = _forward(pipe, 2 * batch, calls)
        return Work(
            "denoiser",
            way,
            name,
            "guided images, one step",
            calls * batch,
            IMAGES * 50,
            batch,
            calls * 2 * batch * counts["denoiser"],
            call,
        )

    for way, name, dtype, layout, compiled in choices:
        pipe = world.pipe(dtype)
        pipe.unet.to(memory_format=layout)
        if compiled:
            _compile(world, pipe)
        yield work(pipe, way, name, world.sizes.batch)
        del pipe
    pipe = _ours(world)
    for batch in world.sizes.sweep:
        yield work(pipe, "ours", "bfloat16, channels last, by batch", batch)


def _forward(pipe: StableDiffusionInpaintPipeline, rows: int, calls: int) -> Callable[[], None]:
    unet, tokens = pipe.unet, pipe.text_encoder.config.max_position_embeddings
    side = unet.config.sample_size
    latents = torch.randn(rows, unet.config.in_channels, side, side, device=pipe.device, dtype=unet.dtype)
    states = torch.randn(rows, tokens, unet.config.cross_attention_dim, device=pipe.device, dtype=unet.dtype)
    time = torch.tensor(500, device=pipe.device)

    @torch.inference_mode()
    def forward() -> None:
        for _ in range(calls):
            unet(latents, time, encoder_hidden_states=states)

    return forward


# ------------------------------------------------------------------------------------------------ inpainting


def inpainting(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    """Whole pictures, written as PNG: of the literal port those that pruning keeps, of ours all."""
    yield from _literal_inpainting(world, counts, images, folder)
    n, batch = _whole(images, world.sizes.batch), world.sizes.batch
    originals = on_disk(folder / "originals", pictures(n, world.size), 0)
    numbers = itertools.count()

    def work(pipe: StableDiffusionInpaintPipeline, sampler: str, steps: int) -> Work:
        pipe.scheduler = SAMPLERS[sampler](own)
        return Work(
            "inpainting",
            "ours",
            f"ours, {sampler}, {steps} steps",
            "images",
            n,
            IMAGES,
            batch,
            n * painting_operations(counts, evaluations(pipe.scheduler, steps)),
            partial(painted, pipe, n, steps),
            warm_up=partial(painted, pipe, batch, 2),
        )

    def painted(pipe: StableDiffusionInpaintPipeline, n: int, steps: int) -> None:
        settings = GenerationSettings((n,), steps, literal_port.GUIDANCE, batch)
        # Another folder each time: what is there already would not be made again.
        generate(
            pipe,
            _planned(n, world.size),
            originals,
            lambda ids: painted_masks(len(ids), world.size),
            world.size,
            folder / f"generated-{next(numbers)}",
            settings,
            stamp="timed",
        )

    pipe = _ours(world)
    own = pipe.scheduler
    whole, *fewer = world.sizes.steps
    _compile(world, pipe)
    yield work(pipe, "the model's own", whole)
    for steps in fewer:
        yield work(pipe, "dpm-solver++", steps)


def _literal_inpainting(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    batch, steps = world.sizes.literal_batch, world.sizes.steps[0]
    n = _whole(images // 2, batch)
    pipe, place = world.pipe(world.literal_dtype), folder / "literal"
    place.mkdir(parents=True)
    pixels = (pictures(n, world.size) / 255).to(world.device)
    boxes = painted_masks(n, world.size)[:, None].float().to(world.device)
    kept = round(batch * (1 - PRUNED / IMAGES))

    def run(n: int, steps: int) -> None:
        for start in range(0, n, batch):
            part = slice(start, start + batch)
            literal_port.save(
                literal_port.paint(pipe, PROMPT, pixels[part], boxes[part], world.size, steps)[:kept], place
            )

    yield Work(
        "inpainting",
        "literal",
        f"official way, the model's own, {steps} steps",
        "images",
        n,
        IMAGES,
        batch,
        n * painting_operations(counts, evaluations(pipe.scheduler, steps)),
        partial(run, n, steps),
        warm_up=partial(run, batch, 2),
    )


def _planned(n: int, size: int) -> pd.DataFrame:
    masks = np.packbits(painted_masks(1, size).numpy().reshape(1, -1), axis=1).repeat(n, axis=0)
    table = MaskTable(np.arange(n), np.ones(n, bool), np.ones(n, np.float32), covered(masks, size), masks, masks, size)
    return plan(WATERBIRDS.name, 0, np.arange(n), np.zeros(n, np.int64), [(0, 1)], table, {1: PROMPT}, {})


def _ours(world: World) -> StableDiffusionInpaintPipeline:
    """Return the pipeline as `dbb.models.inpainting.load_inpainting` sets it up on a GPU."""
    pipe = world.pipe(world.dtype)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    return pipe


def _compile(world: World, pipe: StableDiffusionInpaintPipeline) -> None:
    torch.compiler.reset()  # it gives up, with an error, after compiling the same code for several pipelines
    world.compile_denoiser(pipe)


# ------------------------------------------------------------------------------------------------ pruning


def pruning(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    """psi and integrated gradients; ours on pictures in files, on as many as must have passed the first condition."""
    points, fmt = world.sizes.points, world.input_format
    n = _whole(images, world.sizes.literal_batch)
    before, after = pictures(n, world.size), pictures(n, world.size, seed=1)
    each = pruning_operations(counts, points)
    line = partial(Work, "pruning", unit="images", units=n, paper_units=IMAGES)
    for autocast, name in ((True, "under lang_sam's autocast"), (False, "in float32")):
        yield from _literal_pruning(
            world, before, after, autocast, partial(line, "literal", f"official way, {name}", operations=n * each)
        )

    model = world.classifier()
    originals, generated = on_disk(folder / "before", before, 0), on_disk(folder / "after", after, 1)
    inside = painted_masks(n, fmt.size).numpy()
    psi = own_class_probability(predict_logits(model, generated, fmt).double().softmax(1).numpy(), originals.labels)
    passing = max(1, round(n * (1 - PRUNED / IMAGES)))
    bound = np.full(2, np.nextafter(np.sort(psi)[passing - 1], np.inf))
    passing = int((psi < bound[0]).sum())  # more, where psi is equal

    def ours(internal: int, ig_on: Attributed) -> None:
        score_pairs(model, originals, generated, inside, bound, fmt, points, internal, "logit", ig_on)

    survivors = passing * points * counts["classifier gradient"] + n * counts["classifier"]
    for internal in world.sizes.internal_batches:
        yield line(
            "ours",
            f"ours, on {passing / n:.0%} that passed",
            batch=internal,
            operations=survivors,
            run=partial(ours, internal, "passed"),
        )
    internal = world.sizes.internal_batches[0]
    yield line("ours", "ours, on all", batch=internal, operations=n * each, run=partial(ours, internal, "all"))


def _literal_pruning(
    world: World, before: torch.Tensor, after: torch.Tensor, autocast: bool, line: Callable[..., Work]
) -> Iterator[Work]:
    """The batch is halved until all points of its pictures fit at once: the line that fits is the last."""
    model = world.classifier().to(memory_format=torch.contiguous_format)
    originals, painted = ([to_pil_image(one) for one in part] for part in (before, after))
    boxes = painted_masks(len(before), world.size)[:, None].float()

    def run(batch: int, n: int) -> None:
        for start in range(0, n, batch):
            part = slice(start, start + batch)
            literal_port.attribute(
                model, painted[part], originals[part], boxes[part], 1, world.input_format, world.sizes.points, autocast
            )

    batch = world.sizes.literal_batch
    while not _fits(partial(run, batch, batch)):
        yield line(batch=batch, run=partial(run, batch, batch))
        batch //= 2
    yield line(batch=batch, run=partial(run, batch, len(before)), warm_up=partial(run, batch, batch))


def _fits(work: Callable[[], object]) -> bool:
    try:
        work()
    except torch.OutOfMemoryError:
        return False
    return True


# ------------------------------------------------------------------------------------------------ training


def training(world: World, counts: Counts, images: int, folder: Path) -> Iterator[Work]:
    """Steps of ResNet-50 on pictures that are decoded: ours crops and mirrors them on the device, too."""
    batch, fmt = world.sizes.trained, world.input_format
    n = 8 * batch
    pixels, labels = pictures(n, fmt.read_size), torch.arange(n) % 2
    line = partial(
        Work,
        "training",
        unit="images",
        units=n,
        paper_units=TRAINED,
        batch=batch,
        operations=n * counts["classifier training"],
    )
    ready = normalise(pixels[..., : fmt.size, : fmt.size], fmt.mean, fmt.std)
    literal = literal_port.Training(world.classifier(), ready, labels, batch)
    yield line("literal", "official way, float32", run=literal.epoch)
    del literal
    split, nought = ArrayPixels(pixels.permute(0, 2, 3, 1).numpy()), np.zeros(n, np.int64)
    examples = Examples([ImageSet(split, labels.numpy(), nought, 2, np.arange(n))], [nought], fmt.read_size)
    settings = replace(WATERBIRDS.retraining, epochs=1, batch_size=batch)
    for precision, name in (("float32", "ours, float32, channels last"), ("fast", "ours, bfloat16 by autocast")):
        yield line(
            "ours",
            name,
            run=partial(
                fit,
                world.classifier(),
                examples,
                cross_entropy_loss,
                settings,
                fmt,
                "timed",
                seed=0,
                select=None,
                precision=precision,
            ),
        )


STAGES: dict[str, Callable[[World, Counts, int, Path], Iterator[Work]]] = {
    "inpainting": inpainting,
    "masks": masks,
    "pruning": pruning,
    "inversion": inversion,
    "training": training,
    "denoiser": denoiser,
}
"""What can be measured: (world, operations per image, images per run, empty folder) -> its lines."""

"""The stage of textual inversion: from which images each class's token is learned, and what it learned."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from torch import Tensor

from dbb.benchmarks.entry import HIGH_LOSS, VALIDATION_MINORITY, Benchmark, InversionSettings
from dbb.metrics import group_accuracies
from dbb.models.devices import default_dtype, pick_device
from dbb.models.inpainting import fit_memory, load_inpainting
from dbb.models.segmenters import load_segmenter
from dbb.models.tokens import save_token, token_file
from dbb.record import Made, StageRun
from dbb.stages.inversion import Inversion, invert, minority_images
from dbb.stages.masks import masked_images
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run
from dbb.stages.selection import highest_loss
from dbb.store import load_weights, save_weights

POOLS = {VALIDATION_MINORITY: "val", HIGH_LOSS: "train"}
"""Where a token's images come from -> the split that they are taken of."""


@dataclass(frozen=True)
class InversionSet:
    """The images that a token is learned from.

    Attributes:
        positions: in the split `POOLS` names.
        masks: to inpaint.
    """

    positions: Int64[np.ndarray, " N"]
    images: UInt8[Tensor, "N 3 S S"]
    masks: Bool[Tensor, "N S S"]


def tokens(run: Run, settings: InversionSettings | None = None) -> Made:
    """Make or load the stage: a token for each class that is painted (eq. 1).

    Files: <class>.safetensors, the standard learned-embeddings form; <class>-steps.safetensors, its way there
    (`read_inversion`).

    Metrics: per class the images learned from ("ids") and the loss on a fixed draw before and after.

    Args:
        settings: None: the benchmark's own.
    """
    bm, settings = run.benchmark, settings or run.benchmark.inversion
    split = POOLS[settings.source]

    def work(stage: StageRun) -> None:
        site = pick_device(run.device)
        sets = inversion_sets(run, settings)
        pipe = load_inpainting(bm.inpainting, site, default_dtype(site), bm.generation.sampler)
        if run.memory is not None:
            fit_memory(pipe, run.memory)
        for label, learned_from in sets.items():
            learned = invert(
                pipe,
                learned_from.images,
                learned_from.masks,
                bm.placeholder_token(label),
                settings.initial_word,
                bm.templates,
                settings.steps,
                settings.batch_size,
                settings.learning_rate,
                run.seed,
                settings.vectors,
            )
            name = bm.classes[label]
            save_token(stage.path(token_file("", name).name), learned.token, learned.embedding)
            save_weights(stage.path(_steps_file(name)), _steps(learned))
            stage.counts[f"images_{name}"] = len(learned_from.positions)
            stage.metrics[name] = {
                "held_out_before": learned.held_out_before,
                "split": split,
                "held_out_after": learned.held_out_after,
                "ids": run.split(split).ids[learned_from.positions],
            }

    given = {**asdict(settings), **_words(bm), "masks": asdict(bm.masks), "size": bm.generation_size}
    reads = {"data": (split,), "erm": (f"{split}.npz",)}
    return run.make("tokens", given, reads, work, {"inpainting": bm.inpainting, "segmenter": bm.segmenter})


def inversion_sets(run: Run, settings: InversionSettings) -> dict[int, InversionSet]:
    """Return label -> the images that its token is learned from, those in which the segmenter finds the thing."""
    bm, pool = run.benchmark, run.split(POOLS[settings.source])
    segmenter = load_segmenter(bm.segmenter, bm.masks.threshold, pick_device(run.device))
    return {
        label: InversionSet(
            *masked_images(
                segmenter, pool, candidates(run, label, settings), bm.mask_prompt, bm.masks, bm.generation_size
            )
        )
        for label in sorted({target for _, target in bm.pairs})
    }


def candidates(run: Run, label: int, settings: InversionSettings) -> Int64[np.ndarray, " N"]:
    """Return the positions of a class's images to learn from, in the split of `POOLS`, ascending."""
    split = POOLS[settings.source]
    pool, said = run.split(split), load_outputs(run.folder("erm") / f"{split}.npz")
    if settings.source == HIGH_LOSS:
        return np.sort(highest_loss(said.losses, said.labels, label, settings.images))
    accuracy = group_accuracies(said.logits.argmax(1), pool.labels, pool.groups, len(run.benchmark.group_names))
    return minority_images(pool, accuracy, label, settings.images, run.seed)


def read_inversion(
    folder: Path, class_name: str
) -> tuple[Float64[np.ndarray, " steps"], dict[int, Float32[Tensor, "*n D"]]]:
    """Return the loss of each step, and the snapshots: steps done -> the embedding then."""
    tensors = load_weights(folder / _steps_file(class_name))
    losses = tensors.pop("losses").numpy()
    return losses, {int(done): tensors[done] for done in sorted(tensors, key=int)}


def _steps(learned: Inversion) -> dict[str, Tensor]:
    return {
        "losses": torch.from_numpy(learned.losses),
        **{str(done): embedding for done, embedding in learned.snapshots.items()},
    }


def _steps_file(class_name: str) -> str:
    return f"{class_name}-steps.safetensors"


def _words(bm: Benchmark) -> dict[str, object]:
    targets = sorted({target for _, target in bm.pairs})
    return {
        "templates": bm.templates,
        "prompt": bm.mask_prompt,
        "sampler": bm.generation.sampler,
        "tokens": {bm.classes[target]: bm.placeholder_token(target) for target in targets},
    }

"""Language masks (section 4.1): where the thing is, and where the inpainting may paint."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, Int, Int64, UInt8
from torch import Tensor

from dbb.benchmarks.entry import MaskSettings
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.models.devices import pick_device
from dbb.models.segmenters import Candidates, Segmenter, load_segmenter
from dbb.progress import track
from dbb.record import Made, StageRun
from dbb.stages.mask_table import MASKS, SOURCES, MaskTable, covered, save_masks
from dbb.stages.outputs import load_outputs
from dbb.stages.run import Run
from dbb.stages.selection import OWN_LOSS, RELEASED_BATCH, easiest
from dbb.store import write_table


def choose_mask(
    candidates: Candidates, min_area: float, choice: str = "best"
) -> tuple[Bool[Tensor, "S S"], float] | None:
    """Return the mask and score of one of the candidates that cover ``min_area`` of the image; None when
    there is none.

    Args:
        choice: "best", of the highest score, or "first", as the released code takes it.

    Raises:
        InputError: for another choice.
    """
    if choice not in ("best", "first"):
        raise InputError(f"unknown choice of a mask {choice!r}: choose 'best' or 'first'")
    large = candidates.masks.float().mean(dim=(1, 2)) >= min_area
    if not large.any():
        return None
    order = candidates.scores.where(large, -torch.inf) if choice == "best" else large.int()
    chosen = int(order.argmax())
    return candidates.masks[chosen], float(candidates.scores[chosen])


def pad_mask(mask: Bool[Tensor, "S S"], pixels: int) -> Bool[Tensor, "S S"]:
    """Grow a mask by ``pixels`` to each side (a square): a tight mask would dictate the
    silhouette of what is painted into it.
    """
    return F.max_pool2d(mask[None].float(), 2 * pixels + 1, stride=1, padding=pixels)[0].bool()


def box_mask(mask: Bool[Tensor, "S S"]) -> Bool[Tensor, "S S"]:
    """Return the filled bounding box of a mask; an empty mask stays empty."""
    box = torch.zeros_like(mask)
    if mask.any():
        (rows,), (columns,) = (mask.any(dim=d).nonzero(as_tuple=True) for d in (1, 0))
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def inpainting_mask(mask: Bool[Tensor, "S S"], pad: int, box: bool) -> Bool[Tensor, "S S"]:
    """Return where the inpainting may paint: ``mask`` grown by ``pad`` px, then boxed if ``box``."""
    grown = pad_mask(mask, pad)
    return box_mask(grown) if box else grown


def find_masks(
    segmenter: Segmenter,
    images: ImageSet,
    positions: Int[np.ndarray, " N"],
    prompt: str,
    settings: MaskSettings,
    size: int,
    batch_size: int,
) -> MaskTable:
    """Segment the images at ``positions`` of ``images`` by ``prompt``, at ``size`` px.

    Returns:
        A table that keeps both the segmentation and the mask to inpaint. An image without a mask is a counted failure
        (`MaskTable.n_failed`), not an error.
    """
    positions = np.asarray(positions, dtype=np.int64)
    positions = positions[np.argsort(images.ids[positions], kind="stable")]
    found, scores, raw, padded = [], [], [], []
    for start in track(range(0, len(positions), batch_size), "masks"):
        pixels = images.pixels(positions[start : start + batch_size], size)
        for candidates in segmenter.segment(pixels, prompt):
            chosen = choose_mask(candidates, settings.min_area, settings.choice)
            mask, score = chosen or (torch.zeros(size, size, dtype=torch.bool), float("nan"))
            found.append(chosen is not None)
            scores.append(score)
            raw.append(np.packbits(mask.numpy()))
            padded.append(np.packbits(inpainting_mask(mask, settings.pad, settings.box).numpy()))
    packed_raw, packed_padded = (
        np.array(m, np.uint8).reshape(len(positions), -(-size * size // 8)) for m in (raw, padded)
    )
    return MaskTable(
        images.ids[positions],
        np.array(found, bool),
        np.array(scores, np.float32),
        covered(packed_raw, size),
        packed_raw,
        packed_padded,
        size,
    )


def masked_images(
    segmenter: Segmenter,
    images: ImageSet,
    positions: Int[np.ndarray, " N"],
    prompt: str,
    settings: MaskSettings,
    size: int,
    batch_size: int = 50,
) -> tuple[Int64[np.ndarray, " B"], UInt8[Tensor, "B 3 {size} {size}"], Bool[Tensor, "B {size} {size}"]]:
    """Return those of ``positions`` in whose images ``prompt`` is found, by ascending id, with their
    pixels and masks to inpaint.
    """
    positions = np.asarray(positions, dtype=np.int64)
    positions = positions[np.argsort(images.ids[positions], kind="stable")]
    table = find_masks(segmenter, images, positions, prompt, settings, size, batch_size)
    return positions[table.found], images.pixels(positions[table.found], size), table.padded(table.ids[table.found])


def overlap(found: Bool[Tensor, "B H W"], true: Bool[Tensor, "B H W"]) -> Float32[Tensor, " B"]:
    """Return the intersection over union of masks, pair by pair; NaN where both are empty."""
    both, either = ((op(found, true)).sum(dim=(1, 2)) for op in (torch.logical_and, torch.logical_or))
    return both / either


def coverage(painted: Bool[Tensor, "B H W"], true: Bool[Tensor, "B H W"]) -> Float32[Tensor, " B"]:
    """Return the share of each true mask that ``painted`` covers; NaN where the true mask is empty."""
    return (painted & true).sum(dim=(1, 2)) / true.sum(dim=(1, 2))


# ------------------------------------------------------------------------------------------------ the stage


def masks(
    run: Run,
    settings: MaskSettings | None = None,
    per_class: Sequence[int] | None = None,
    ranking: str = OWN_LOSS,
    ranking_batch_size: int = RELEASED_BATCH,
    batch_size: int = 100,
) -> Made:
    """Make or load the stage: the lowest-loss training images of each source class, and their masks.

    Files: masks.npz (`MaskTable`); sources.parquet (source_id, source_class, loss; by class, lowest loss first).

    Args:
        settings: None: the benchmark's own.
        per_class: K for each class; None: the benchmark's own.
        ranking: as `dbb.stages.selection.easiest` takes it.
        ranking_batch_size: images per ranked batch.
        batch_size: images segmented at a time.

    Raises:
        InputError: when K is not one for each class.
    """
    bm, settings = run.benchmark, settings or run.benchmark.masks
    ks = tuple(per_class or bm.generation.per_class)
    bm.check_per_class("per_class (K)", ks)
    ranked_by = ranking, ranking_batch_size, run.seed

    def work(stage: StageRun) -> None:
        train, outputs = run.split("train"), load_outputs(run.folder("erm") / "train.npz")
        chosen = [easiest(outputs, label, ks[label], *ranked_by) for label in dict(bm.pairs)]
        positions = np.concatenate(chosen)
        segmenter = load_segmenter(bm.segmenter, settings.threshold, pick_device(run.device))
        table = find_masks(segmenter, train, positions, bm.mask_prompt, settings, bm.generation_size, batch_size)
        save_masks(stage.path(MASKS), table)
        write_table(
            stage.path(SOURCES),
            pd.DataFrame(
                {
                    "source_id": train.ids[positions],
                    "source_class": train.labels[positions],
                    "loss": outputs.losses[positions],
                }
            ),
        )
        stage.counts |= {"sources": len(positions), "failed": table.n_failed}
        stage.metrics["segmenter"] = type(segmenter).__name__

    given = {
        **asdict(settings),
        "per_class": ks,
        "ranking": ranked_by[:2],
        "batch_size": batch_size,
        "prompt": bm.mask_prompt,
        "size": bm.generation_size,
        "sources": list(dict(bm.pairs)),
    }
    return run.make("masks", given, {"data": ("train",), "erm": ("train.npz",)}, work, {"segmenter": bm.segmenter})

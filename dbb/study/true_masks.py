"""A control of the segmenter: the renderer's silhouettes in place of its masks."""

import numpy as np
import pandas as pd
import torch

from dbb.record import Made, StageRun
from dbb.stages.mask_table import MASKS, SOURCES, MaskTable, covered, load_masks, save_masks
from dbb.stages.masks import inpainting_mask
from dbb.stages.run import Run
from dbb.store import write_table
from dbb.study.truth import known


def true_masks(run: Run, found: Made) -> Made:
    """Make or load a stage of masks: the silhouettes, padded or boxed as the segmenter's masks are.

    It takes the sources in which the segmenter found the thing, so that every set of pictures begins from the same
    ones. Files: as `dbb.stages.masks.masks`.

    Args:
        found: the stage of the segmenter's masks.
    """
    settings = run.benchmark.masks

    def work(stage: StageRun) -> None:
        table, sources = load_masks(found.folder / MASKS), pd.read_parquet(found.folder / SOURCES)
        ids = table.ids[table.found]
        silhouettes = torch.from_numpy(known(run, "mask")[ids])
        padded = torch.stack([inpainting_mask(mask, settings.pad, settings.box) for mask in silhouettes])
        packed_raw, packed_padded = (np.packbits(masks.flatten(1).numpy(), axis=1) for masks in (silhouettes, padded))
        size = silhouettes.shape[-1]
        save_masks(
            stage.path(MASKS),
            MaskTable(
                ids,
                np.ones(len(ids), bool),
                np.ones(len(ids), np.float32),
                covered(packed_raw, size),
                packed_raw,
                packed_padded,
                size,
            ),
        )
        write_table(stage.path(SOURCES), sources[sources["source_id"].isin(ids)])
        stage.counts |= {"sources": len(ids), "failed": 0}

    given = {"pad": settings.pad, "box": settings.box, "found": found.record["products"]}
    return run.make("masks", given, {"data": ("train",)}, work)

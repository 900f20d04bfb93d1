"""True masks are boxes around the renderer's silhouettes."""

import numpy as np

from dbb.stages.mask_table import MASKS, load_masks
from dbb.study.sets import set_run


def test_true_masks_are_boxes_around_the_silhouettes(study):
    table, found = (load_masks(run.folder("masks") / MASKS) for run in (set_run(study, "true masks"), study))
    assert (table.ids == found.ids[found.found]).all() and table.found.all()
    truth = study.split("train").truth["mask"][table.ids]
    assert (table.raw(table.ids).numpy() == truth).all()
    assert table.area.tolist() == truth.mean((1, 2)).astype(np.float32).tolist()
    pad = study.benchmark.masks.pad
    for box, silhouette in zip(table.padded(table.ids).numpy(), truth, strict=True):
        rows, columns = (np.flatnonzero(silhouette.any(axis)) for axis in (1, 0))
        expected = np.zeros_like(box)
        expected[max(0, rows[0] - pad) : rows[-1] + pad + 1, max(0, columns[0] - pad) : columns[-1] + pad + 1] = True
        assert (box == expected).all()

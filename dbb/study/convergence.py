"""How many points the integral of eq. 4 needs: its error over the number of steps."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import torch

from dbb.benchmarks.entry import SCORES
from dbb.models.classifier import load_trained
from dbb.models.devices import pick_device
from dbb.record import Made
from dbb.stages.erm import MODEL
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS
from dbb.stages.pruning import integrated_gradients, read_pairs
from dbb.stages.run import ALL, Run
from dbb.transforms import evaluation_input

STEPS = (4, 8, 16, 32, 64, 128)
PAIRS = 100  # as many pairs at most, evenly spread


def convergence(run: Run) -> Made:
    """Make or load the table of the method's pictures: on, steps, mean and max of the integral's error."""
    bm = run.benchmark

    def table() -> pd.DataFrame:
        site = pick_device(run.device)
        pairs = read_pairs(run, read_manifest(run.folder("generated") / MANIFEST))
        model = load_trained(run.folder("erm") / MODEL, bm.classifier, len(bm.classes)).to(site)
        few = np.linspace(0, len(pairs.rows) - 1, min(PAIRS, len(pairs.rows))).astype(int)
        new, old = (
            evaluation_input(images.pixels(few, bm.read_size).to(site), bm.input_format)
            for images in (pairs.generated, pairs.originals)
        )
        targets, rows = torch.from_numpy(pairs.generated.labels[few]).to(site), []
        batch = run.attribution_batch
        for on in SCORES:
            for steps in STEPS:
                error = integrated_gradients(model, new, old, targets, steps, batch, on)[1].abs()
                rows.append({"on": on, "steps": steps, "mean": float(error.mean()), "max": float(error.max())})
        return pd.DataFrame(rows)

    settings = {"input": asdict(bm.input_format), "classes": len(bm.classes)}
    reads = {"data": ("train",), "erm": (MODEL,), "masks": (MASKS,), "generated": ALL}
    return run.measure("convergence", settings, reads, table, {"classifier": bm.classifier})

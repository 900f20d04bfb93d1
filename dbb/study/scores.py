"""Pruning, looked at closely: every picture's scores on probabilities and logits, beside what completeness says."""

from dataclasses import asdict

import pandas as pd

from dbb.benchmarks.entry import SCORES
from dbb.models.classifier import load_trained
from dbb.models.devices import pick_device
from dbb.record import Made
from dbb.stages.erm import MODEL
from dbb.stages.manifest import MANIFEST, read_manifest
from dbb.stages.mask_table import MASKS
from dbb.stages.outputs import load_outputs
from dbb.stages.pruning import class_confidence, read_pairs, score_pairs
from dbb.stages.run import ALL, Run
from dbb.study.sets import folder_name, set_run
from dbb.study.verdicts import judged


def scores(run: Run, name: str) -> Made:
    """Make or load the table of the set ``name``, a row per picture, in the manifest's order.

    source_id, source_class, target_class, attribute; right: whether the oracle sees the target class (<NA> without an
    oracle); psi, Psi, rho: eq. 3 and 5 on probabilities; rho_logit: eq. 5 on logits; change, change_logit: the new
    class's score of the picture less that of its source; status "generated".
    """
    here, bm = set_run(run, name), run.benchmark

    def table() -> pd.DataFrame:
        pairs = read_pairs(here, read_manifest(here.folder("generated") / MANIFEST))
        outputs = load_outputs(here.folder("erm") / "train.npz")
        confidence = class_confidence(outputs.probabilities, outputs.labels, len(bm.classes))
        model = load_trained(here.folder("erm") / MODEL, bm.classifier, len(bm.classes)).to(pick_device(run.device))
        batch = run.attribution_batch
        on = {
            kind: score_pairs(
                model,
                pairs.originals,
                pairs.generated,
                pairs.masks,
                confidence,
                bm.input_format,
                bm.pruning.steps,
                batch,
                kind,
                "all",
            )
            for kind in SCORES
        }
        return pd.DataFrame(
            {
                "source_id": pairs.originals.ids,
                "source_class": pairs.originals.labels,
                "target_class": pairs.generated.labels,
                "attribute": pairs.originals.attributes,
                "status": "generated",
                "right": judged(bm, pairs.generated),
                "psi": on["probability"].psi,
                "Psi": on["probability"].Psi,
                "rho": on["probability"].rho,
                "rho_logit": on["logit"].rho,
                "change": on["probability"].change,
                "change_logit": on["logit"].change,
            }
        )

    settings = {
        "steps": bm.pruning.steps,
        "input": asdict(bm.input_format),
        "classes": len(bm.classes),
        "labels": bm.oracle_labels,
    }
    reads = {"data": ("train",), "erm": (MODEL, "train.npz"), "masks": (MASKS,), "generated": ALL}
    models = {"classifier": bm.classifier} | ({} if bm.oracle is None else {"oracle": bm.oracle})
    return here.measure(f"scores-{folder_name(name)}", settings, reads, table, models)

"""Chapter 14: pictures painted again with their own class, which tells the painter's hand from the class."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from dbb.data.images import ArrayPixels, ImageSet
from dbb.models.classifier import load_trained, predict_logits
from dbb.models.inpainting import load_inpainting
from dbb.models.tokens import add_token
from dbb.report.painted import judged
from dbb.seeds import image_seed
from dbb.stages.erm import MODEL
from dbb.stages.generated import token_files
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.stages.masks import inpainting_mask
from dbb.stages.run import Run
from dbb.statistics import interval

DRAWN, AGAIN = "drawn", "painted again"


@dataclass(frozen=True)
class PaintedAgain:
    """Validation pictures and what the run's painter makes of them when it is asked for their own class.

    Attributes:
        ids: of the pictures, int64 (N,).
        drawn, again: uint8 (N, 3, S, S).
    """

    run: Run
    ids: np.ndarray
    drawn: torch.Tensor
    again: torch.Tensor

    @property
    def labels(self) -> np.ndarray:
        """Classes of the pictures, int64 (N,)."""
        return self.run.split("val").labels[self.ids]

    @property
    def groups(self) -> np.ndarray:
        """Groups of the pictures, int64 (N,)."""
        return self.run.split("val").groups[self.ids]

    def turned_out(self) -> "PaintedAgain":
        """Return the pictures in which the oracle sees their class, as drawn and as painted again.

        Raises:
            InputError: as `judged`.
        """
        seen = [judged(self.run, pictures).classes == self.labels for pictures in (self.drawn, self.again)]
        rows = np.flatnonzero(seen[0] & seen[1])
        return PaintedAgain(self.run, self.ids[rows], self.drawn[rows], self.again[rows])


def painted_again(run: Run, per_group: int) -> PaintedAgain:
    """Paint the subject of the first ``per_group`` validation pictures of each group anew, with the token of their own
    class, inside their true masks, with the settings that the run painted and grew its masks with.
    """
    bm, val = run.benchmark, run.split("val")
    painting, masking = (run.made(stage).record["made_from"]["settings"] for stage in ("generated", "masks"))
    shown = val.truth["mask"].any((1, 2))
    ids = np.concatenate([np.flatnonzero((val.groups == g) & shown)[:per_group] for g in np.unique(val.groups)])
    drawn, true = val.pixels(ids, bm.generation_size), torch.from_numpy(val.truth["mask"][ids])
    holes = torch.stack([inpainting_mask(mask, masking["pad"], masking["box"]) for mask in true])
    pipe = load_inpainting(bm.inpainting, sampler=painting["sampler"])
    for path in token_files(run).values():
        add_token(pipe, path)
    again, scale = torch.empty_like(drawn), painting["guidance_scale"]
    for label in range(len(bm.classes)):
        states = encode_prompt(pipe, bm.prompt(label), scale)
        for rows in torch.from_numpy(np.flatnonzero(val.labels[ids] == label)).split(painting["batch_size"]):
            seeds = [image_seed(f"{bm.name}, validation", run.seed, int(i), label) for i in ids[rows.numpy()]]
            painted = inpaint(pipe, states, drawn[rows], holes[rows], seeds, painting["steps"], scale)
            again[rows] = composite(painted, drawn[rows], holes[rows])
    return PaintedAgain(run, ids, drawn, again)


def named_rightly(painted: PaintedAgain, stage: str) -> dict[str, np.ndarray]:
    """Return how the pictures are shown -> whether the model that ``stage`` trained names each rightly, bool (N,)."""
    bm, labels = painted.run.benchmark, painted.labels
    model = load_trained(painted.run.folder(stage) / MODEL, bm.classifier, len(bm.classes))
    numbers, found = np.arange(len(labels)), {}
    for how, pictures in ((DRAWN, painted.drawn), (AGAIN, painted.again)):
        pixels = ArrayPixels(np.ascontiguousarray(pictures.permute(0, 2, 3, 1).numpy()))
        shown = ImageSet(pixels, labels, np.zeros_like(labels), 1, numbers)
        found[how] = np.asarray(predict_logits(model, shown, bm.input_format)).argmax(1) == labels
    return found


def again_table(right: Mapping[str, Mapping[str, np.ndarray]], groups: np.ndarray) -> pd.DataFrame:
    """Return, a row per model and group: the pictures, the accuracies in % of both ways of showing them, and their
    difference in points with its 95 % interval over the pictures, by Student's t on the paired differences.

    Args:
        right: model -> what `named_rightly` returns.
        groups: the name of each picture's group.
    """
    rows = {}
    for model, answers in right.items():
        for group in dict.fromkeys(groups.tolist()):
            drawn, again = (100.0 * answers[how][groups == group] for how in (DRAWN, AGAIN))
            difference = interval(again - drawn, (-100, 100))
            rows[model, group] = {
                "pictures": len(drawn),
                DRAWN: drawn.mean(),
                AGAIN: again.mean(),
                "difference": difference.mean,
                "low": difference.low,
                "high": difference.high,
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "group"])


def describe_again(table: pd.DataFrame, model: str) -> str:
    """Return a sentence on the groups in which it matters to ``model`` who made the picture: whose interval excludes 0.

    Args:
        table: as `again_table` returns it.
    """
    found = table.loc[model]
    moved = found[(found["low"] > 0) | (found["high"] < 0)]
    told = [
        f"*{group}*, {row[DRAWN]:.0f} % as drawn and {row[AGAIN]:.0f} % painted again"
        for group, row in moved.iterrows()
    ]
    if not told:
        return f"In no group does it matter to {model} beyond chance who made the picture."
    return f"It matters to {model} who made the picture, beyond chance, in {' and in '.join(told)}."

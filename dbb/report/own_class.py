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
from dbb.seeds import image_seed
from dbb.stages.erm import MODEL
from dbb.stages.generated import fitted, token_files
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.stages.masks import inpainting_mask
from dbb.stages.run import Run

AS_DRAWN, AGAIN = "as drawn", "painted again as what they are"


@dataclass(frozen=True)
class PaintedAgain:
    """Validation pictures and what the run's painter makes of them when it is asked for their own class.

    Attributes:
        ids: of the pictures, int64 (N,).
        pictures: how they are shown -> uint8 (N, 3, S, S).
    """

    run: Run
    ids: np.ndarray
    pictures: Mapping[str, torch.Tensor]

    @property
    def labels(self) -> np.ndarray:
        """Classes of the pictures, int64 (N,)."""
        return self.run.split("val").labels[self.ids]


def painted_again(run: Run, per_group: int) -> PaintedAgain:
    """Paint the subject of the first ``per_group`` validation pictures of each group anew, with the token of their
    own class, inside their true masks, grown as the benchmark grows those that are found.
    """
    bm, val = run.benchmark, run.split("val")
    settings, shown = fitted(run, bm.generation), val.truth["mask"].any((1, 2))
    ids = np.concatenate([np.flatnonzero((val.groups == g) & shown)[:per_group] for g in np.unique(val.groups)])
    drawn = val.pixels(ids, bm.generation_size)
    holes = torch.stack(
        [inpainting_mask(torch.from_numpy(val.truth["mask"][i]), bm.masks.pad, bm.masks.box) for i in ids]
    )
    pipe = load_inpainting(bm.inpainting, sampler=settings.sampler)
    for path in token_files(run).values():
        add_token(pipe, path)
    again = torch.empty_like(drawn)
    for label in range(len(bm.classes)):
        states = encode_prompt(pipe, bm.prompt(label), settings.guidance_scale)
        for rows in torch.from_numpy(np.flatnonzero(val.labels[ids] == label)).split(settings.batch_size):
            seeds = [image_seed(bm.name, run.seed, int(i), label) for i in ids[rows.numpy()]]
            painted = inpaint(pipe, states, drawn[rows], holes[rows], seeds, settings.steps, settings.guidance_scale)
            again[rows] = composite(painted, drawn[rows], holes[rows])
    return PaintedAgain(run, ids, {AS_DRAWN: drawn, AGAIN: again})


def accuracy_again(painted: PaintedAgain, models: Mapping[str, str]) -> pd.DataFrame:
    """Return the accuracy, 0..1, in each group: a row per group, a column per model and way of showing the pictures.

    Args:
        models: the name of a model -> the stage that trained it.
    """
    run, ids, val = painted.run, painted.ids, painted.run.split("val")
    bm, groups = run.benchmark, val.groups[painted.ids]
    found = {}
    for name, stage in models.items():
        model = load_trained(run.folder(stage) / MODEL, bm.classifier, len(bm.classes))
        for how, pictures in painted.pictures.items():
            pixels = ArrayPixels(np.ascontiguousarray(pictures.permute(0, 2, 3, 1).numpy()))
            shown = ImageSet(pixels, val.labels[ids], val.attributes[ids], val.n_attributes, np.arange(len(ids)))
            right = np.asarray(predict_logits(model, shown, bm.input_format)).argmax(1) == val.labels[ids]
            found[name, how] = {bm.group_names[g]: float(right[groups == g].mean()) for g in np.unique(groups)}
    return pd.DataFrame(found).rename_axis("group")


def describe_again(accuracy: pd.DataFrame, model: str) -> str:
    """Return a sentence on the group whose accuracy under ``model`` changes most; `accuracy_again` gives the table."""
    change = accuracy[model, AGAIN] - accuracy[model, AS_DRAWN]
    group = str(change.abs().idxmax())
    before, after = accuracy.loc[group, (model, AS_DRAWN)], accuracy.loc[group, (model, AGAIN)]
    if before == after:
        return f"For {model} it makes no difference who made the pictures: no group's accuracy changes."
    return (
        f"For {model} it matters most in the group *{group}*: **{before:.1%}** of the pictures are named rightly as "
        f"drawn, **{after:.1%}** when painted again as what they are."
    )

"""Pruning, looked at closely: every picture's scores on probabilities and logits, beside what completeness says."""

import numpy as np
import pandas as pd
import torch
from pandas.arrays import BooleanArray

from dbb.classifier import predict_logits
from dbb.data.images import ImageSet
from dbb.generation import composite, encode_prompt, inpaint
from dbb.models import load_inpainting
from dbb.oracle import load_oracle
from dbb.pruning import attribution_score, decide, integrated_gradients, score_pairs, thresholds
from dbb.store import write_table
from dbb.study.arms import PSI, RHO
from dbb.study.pictures import Pictures, make, prompts
from dbb.study.products import Products
from dbb.study.tokens import token_files
from dbb.tokens import add_token
from dbb.transforms import evaluation_input

IG_STEPS = 32
CONVERGENCE_STEPS = (4, 8, 16, 32, 64, 128)
COMPOSITED = 50  # pairs per class painted again for the comparison with and without compositing


def scored(products: Products, name: str) -> pd.DataFrame:
    """Return a row per picture of the set ``name``, in its order.

    source_id, source_class, target_class, attribute; right: whether the oracle sees the target class (<NA> without an
    oracle); psi, Psi, rho: eq. 3 and 5 on probabilities; rho_logit: eq. 5 on logits; change, change_logit: the new
    class's score of the picture less that of its source; status "generated".
    """
    path = products.folder / f"scores-{name.replace(' ', '-')}.parquet"
    if not path.exists():
        write_table(path, _scores(products, make(products, name)))
    return pd.read_parquet(path)


def _scores(products: Products, pictures: Pictures) -> pd.DataFrame:
    model, sources, images = products.erm(), products.sources, pictures.images
    on = {kind: score_pairs(model, sources, images, pictures.masks, products.confidence, products.input_format,
                            IG_STEPS, on=kind, ig_on="all") for kind in ("probability", "logit")}
    return pd.DataFrame({
        "source_id": sources.ids, "source_class": sources.labels, "target_class": images.labels,
        "attribute": sources.attributes, "status": "generated",
        "right": judged(products, images),
        "psi": on["probability"].psi, "Psi": on["probability"].Psi,
        "rho": on["probability"].rho, "rho_logit": on["logit"].rho,
        "change": change(products, model, sources, images, True),
        "change_logit": change(products, model, sources, images, False)})


def judged(products: Products, images: ImageSet) -> BooleanArray:
    """Return whether the oracle sees each image's class, nullable booleans (N,): <NA> where there is no oracle."""
    oracle = load_oracle(products.benchmark)
    if oracle is None:
        return pd.array([pd.NA] * len(images), "boolean")
    seen = oracle.judge(images.pixels(range(len(images)), products.benchmark.image_size))
    return pd.array(seen.classes == images.labels, "boolean")


def change(products: Products, model: torch.nn.Module, sources: ImageSet, images: ImageSet,
           probability: bool) -> np.ndarray:
    """Return f_{i'}(x') - f_{i'}(x) of every pair, float64 (N,), on probabilities or on logits."""
    ends = []
    for part in (images, sources):
        logits = predict_logits(model, part, products.input_format).double()
        values = logits.softmax(1) if probability else logits
        ends.append(values[torch.arange(len(images)), torch.tensor(images.labels)])
    return (ends[0] - ends[1]).numpy()


def kept(scores: pd.DataFrame, conditions: tuple[str, ...], quantile: float) -> np.ndarray:
    """Return which rows the ``conditions`` keep, bool (N,). P is the quantile of the scores that eq. 3, if it is
    among them, lets pass.
    """
    rows = scores if PSI in conditions else scores.assign(Psi=np.inf)
    classes = int(rows["target_class"].max()) + 1
    bounds = thresholds(rows, quantile, [None if RHO in conditions else -np.inf] * classes)
    return decide(rows.assign(P=bounds[rows["target_class"]]))["kept"].to_numpy(bool)


def convergence(products: Products, name: str, count: int = 100) -> pd.DataFrame:
    """Return, per number of IG steps, the mean and largest error of the integral over ``count`` pairs,
    evenly spread."""
    pictures, model = make(products, name), products.erm()
    few = np.linspace(0, len(pictures.images) - 1, min(count, len(pictures.images))).astype(int)
    fmt = products.input_format
    new, old = (evaluation_input(images.pixels(few, fmt.read_size), fmt)
                for images in (pictures.images, products.sources))
    targets, rows = torch.from_numpy(pictures.images.labels[few]), []
    for on in ("probability", "logit"):
        for steps in CONVERGENCE_STEPS:
            _, delta = integrated_gradients(model, new, old, targets, steps, on=on)
            rows.append({"on": on, "steps": steps, "mean": float(delta.abs().mean()), "max": float(delta.abs().max())})
    return pd.DataFrame(rows)


def compositing(products: Products) -> pd.DataFrame:
    """Return rho and the whole change of some pairs, painted once and scored with and without compositing.

    Columns: composited, on, target_class, rho, change.
    """
    bm, sources = products.benchmark, products.sources
    pipe = load_inpainting(bm.inpainting)
    for path in token_files(products, bm.inversion.images):
        add_token(pipe, path)
    words, model, rows = prompts(products, "tokens"), products.erm(), []
    for label in range(len(bm.classes)):
        few = np.flatnonzero(sources.labels == label)[:COMPOSITED]
        originals, masks = sources.pixels(few, bm.generation_size), products.masks.padded(sources.ids[few])
        states = encode_prompt(pipe, words[few[0]], bm.generation.guidance_scale)
        painted = inpaint(pipe, states, originals, masks, few.tolist(), bm.generation.steps,
                          bm.generation.guidance_scale)
        targets = torch.from_numpy(1 - sources.labels[few])
        old = evaluation_input(originals, bm.input_format)
        for composited in (True, False):
            picture = composite(painted, originals, masks) if composited else painted
            new = evaluation_input(picture, bm.input_format)
            for on in ("probability", "logit"):
                attributions, _ = integrated_gradients(model, new, old, targets, IG_STEPS, on=on)
                with torch.inference_mode():
                    ends = [model(x).softmax(1) if on == "probability" else model(x) for x in (new, old)]
                whole = (ends[0] - ends[1])[torch.arange(len(few)), targets]
                rows.append(pd.DataFrame({
                    "composited": composited, "on": on, "target_class": targets.numpy(),
                    "rho": attribution_score(attributions, masks).numpy(), "change": whole.numpy()}))
    return pd.concat(rows, ignore_index=True)

"""Sets of pictures without the painter: what a change of labels, sharpness or number alone would do.

Each is written as a stage of generation is, so that every later stage reads all sets alike.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionInpaintPipeline

from dbb.code import Definition, definition_of
from dbb.data.dataset import Known
from dbb.models.devices import pick_device
from dbb.models.inpainting import decode_latents, encode_images, load_inpainting, to_signed
from dbb.record import Made, StageRun
from dbb.seeds import image_seed
from dbb.stages.generated import planned_images
from dbb.stages.generation import composite
from dbb.stages.manifest import MANIFEST, write_manifest
from dbb.stages.mask_table import MASKS, SOURCES, load_masks
from dbb.stages.painting import write_image
from dbb.stages.run import Run
from dbb.study.truth import redrawn

BLUR_SIGMA = 6.0  # px: nothing of a bird's outline survives it
BATCH = 50  # pictures at a time

Draw = Callable[[pd.DataFrame, torch.Tensor, torch.Tensor], torch.Tensor]
"""(rows of the manifest, their originals, their masks to inpaint) -> pictures, uint8 (B, 3, S, S)."""

# ------------------------------------------------------------------------------------------------ the sets


def blurred_set(run: Run) -> Made:
    """Make or load the set "blurred": the masked part is blurred, and takes the label of the other class."""

    def work(stage: StageRun) -> None:
        _write_set(run, stage, relabelled(run), lambda rows, originals, masks: blurred(originals, masks))

    return _make(run, work)


def rendered_set(run: Run) -> Made:
    """Make or load the set "renderer": the same scene with a member of the other class, drawn by the renderer.

    Raises:
        InputError: where pictures are not drawn.
    """
    redraw, kinds = redrawn(run).picture, run.benchmark.oracle_labels

    def work(stage: StageRun) -> None:
        train = run.split("train")
        _write_set(
            run,
            stage,
            relabelled(run),
            lambda rows, originals, masks: rendered(rows, train.truth, redraw, kinds, run.seed),
        )

    return _make(run, work, {"kinds": kinds}, code=(definition_of(redraw),))


def repeated_set(run: Run) -> Made:
    """Make or load the set "repeated": the sources themselves, labelled as they were."""

    def work(stage: StageRun) -> None:
        _write_set(run, stage, unchanged(run), lambda rows, originals, masks: originals)

    return _make(run, work)


def autoencoded_set(run: Run) -> Made:
    """Make or load the set "autoencoded": the sources, passed through the autoencoder inside their masks, labelled as
    they were.
    """

    def work(stage: StageRun) -> None:
        pipe = load_inpainting(run.benchmark.inpainting, pick_device(run.device))
        _write_set(run, stage, unchanged(run), lambda rows, originals, masks: autoencoded(pipe, originals, masks))

    return _make(run, work, models={"inpainting": run.benchmark.inpainting})


CONTROLS: dict[str, Callable[[Run], Made]] = {
    "blurred": blurred_set,
    "renderer": rendered_set,
    "repeated": repeated_set,
    "autoencoded": autoencoded_set,
}


# ------------------------------------------------------------------------------------------------ their pictures


def blurred(originals: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return uint8 (B, 3, S, S), Gaussian-blurred inside the masks, bool (B, S, S)."""
    radius = int(3 * BLUR_SIGMA)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / BLUR_SIGMA) ** 2)
    rows = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = F.pad(originals.float(), [radius] * 4, mode="replicate")
    smooth = F.conv2d(F.conv2d(padded, rows, groups=3), rows.mT, groups=3)
    return composite(smooth.round().clamp(0, 255).to(torch.uint8), originals, masks)


def rendered(
    rows: pd.DataFrame,
    truth: Mapping[str, np.ndarray],
    redraw: Callable[[Known, str, np.random.Generator], np.ndarray],
    kinds: Sequence[Sequence[str]],
    seed: int,
) -> torch.Tensor:
    """Return the scene of each row's source with a random member of its target class, uint8 (B, 3, S, S).

    Args:
        truth: what is known of the training pictures, by their ids.
        kinds: for each class, what the renderer calls its members.
    """
    images = []
    for source, target in zip(rows["source_id"], rows["target_class"], strict=True):
        rng = np.random.default_rng(image_seed("renderer", seed, source, target))
        kind = str(rng.choice(kinds[target]))
        images.append(redraw({name: values[source] for name, values in truth.items()}, kind, rng))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def autoencoded(pipe: StableDiffusionInpaintPipeline, originals: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return uint8 (B, 3, S, S), passed through the autoencoder inside the masks, bool (B, S, S)."""
    with torch.inference_mode():
        return composite(decode_latents(pipe, encode_images(pipe, to_signed(originals))), originals, masks)


# ------------------------------------------------------------------------------------------------ their files


def relabelled(run: Run) -> pd.DataFrame:
    """Return the manifest of a picture for each source and class that the method paints it into."""
    return planned_images(run, {}).assign(prompt="")


def unchanged(run: Run) -> pd.DataFrame:
    """Return the manifest of a picture for each source, of its own class."""
    rows = relabelled(run).drop_duplicates("source_id")
    return rows.assign(image=np.arange(len(rows)), target_class=rows["source_class"])


def _write_set(run: Run, stage: StageRun, planned: pd.DataFrame, draw: Draw) -> None:
    """Draw the planned pictures in the manifest's order, and write them and the manifest."""
    shutil.rmtree(stage.folder / "images", ignore_errors=True)
    train, masks = run.split("train"), load_masks(run.folder("masks") / MASKS)
    made = planned[planned["status"] == "planned"]
    for start in range(0, len(made), BATCH):
        rows = made.iloc[start : start + BATCH]
        ids = rows["source_id"].to_numpy(copy=True)
        pictures = draw(rows, train.pixels(ids, run.benchmark.generation_size), masks.padded(ids))
        for name, picture in zip(rows["file"], pictures, strict=True):
            write_image(stage.path(name), picture, stage.stamp)
    done = planned.assign(status=planned["status"].replace("planned", "generated"))
    write_manifest(stage.path(MANIFEST), done)
    stage.counts |= {"planned": len(done), "no mask": len(done) - len(made), "generated": len(made)}


def _make(
    run: Run,
    work: Callable[[StageRun], None],
    settings: Mapping[str, object] | None = None,
    models: Mapping[str, str] | None = None,
    code: tuple[Definition, ...] = (),
) -> Made:
    bm = run.benchmark
    given = {"pairs": bm.pairs, "size": bm.generation_size, **(settings or {})}
    return run.make("generated", given, {"data": ("train",), "masks": (MASKS, SOURCES)}, work, models, code)

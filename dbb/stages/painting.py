"""Painting a plan: a row for every picture, fixed batches, files that are whole, and going on where it stopped."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from diffusers import StableDiffusionInpaintPipeline
from jaxtyping import Int, UInt8
from PIL import Image, PngImagePlugin
from torch import Tensor

from dbb.benchmarks.entry import GenerationSettings
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.progress import track
from dbb.seeds import image_seed
from dbb.stages.generation import composite, encode_prompt, inpaint
from dbb.stages.manifest import COLUMNS
from dbb.stages.mask_table import MaskLookup, MaskTable
from dbb.store import atomic_path, require_file

STAMP = "dbb"


def plan(
    benchmark: str,
    run_seed: int,
    source_ids: Int[np.ndarray, " N"],
    source_classes: Int[np.ndarray, " N"],
    pairs: Sequence[tuple[int, int]],
    masks: MaskTable,
    prompts: Mapping[int, str],
    token_files: Mapping[int, Path],
) -> pd.DataFrame:
    """Return the manifest of what shall be generated: a row per original and class that it is painted into, by the
    original's id and then by that class.

    An original without a mask gets the status "no mask" and no image.

    Args:
        pairs: the (source class, target class) to paint.
        masks: of the originals.
        prompts: target class -> prompt.
        token_files: target class -> the file of the token in it, none for a prompt without a token.
    """
    hashes = {label: hashlib.sha256(require_file(path).read_bytes()).hexdigest() for label, path in token_files.items()}
    order = np.argsort(source_ids, kind="stable")
    rows = [
        (int(source_ids[n]), int(source_classes[n]), target)
        for n in order
        for source, target in pairs
        if source == source_classes[n]
    ]
    ids, classes, targets = np.array(rows, np.int64).reshape(-1, 3).T
    numbers, places = np.arange(len(rows)), masks.rows(ids)
    found = masks.found[places]
    return pd.DataFrame(
        {
            "image": numbers,
            "source_id": ids,
            "source_class": classes,
            "target_class": targets,
            "prompt": [prompts[c] for c in targets],
            "token_sha256": [hashes.get(c, "") for c in targets],
            "seed": [image_seed(benchmark, run_seed, i, c) for i, c in zip(ids, targets, strict=True)],
            "mask_found": found,
            "mask_area": masks.area[places],
            "mask_score": masks.score[places],
            "status": np.where(found, "planned", "no mask"),
            "file": [f"images/{n:06d}.png" if ok else "" for n, ok in zip(numbers, found, strict=True)],
            "psi": np.nan,
            "Psi": np.nan,
            "rho": np.nan,
            "change": np.nan,
            "P": np.nan,
            "kept": pd.NA,
            "reason": "",
        }
    ).astype(COLUMNS)


def generate(
    pipe: StableDiffusionInpaintPipeline,
    manifest: pd.DataFrame,
    images: ImageSet,
    masks: MaskLookup,
    size: int,
    directory: str | Path,
    settings: GenerationSettings,
    stamp: str,
    composited: bool = True,
    shard: tuple[int, int] = (0, 1),
) -> tuple[pd.DataFrame, int]:
    """Generate every planned image of ``manifest`` into ``directory``.

    Args:
        images: the split that ``source_id`` points into.
        masks: gives the masks to inpaint, at ``size`` px.
        stamp: a hash of all that the images are made from; each carries it.
        composited: restore the original outside the mask, bit for bit; False leaves the autoencoder's version there,
            like the released code.
        shard: (number, of how many): generate every such batch only; a later call for all finds the images of every
            shard there. The batches, and so the bits, are the same.

    Returns:
        The manifest with the status "generated" where it is, and how many images this call painted. The batches are
        fixed by the manifest. A batch whose PNGs are all there under ``stamp`` is not made again. So a run that was
        stopped, at any moment, goes on from its last whole batch to the same files, and one that is made from anything
        else makes everything anew.

    Raises:
        InputError: before any work, when a source image is not in ``images``, or there is no such shard.
    """
    directory, (number, shards) = Path(directory), shard
    if not 0 <= number < shards:
        raise InputError(f"shard {number} of {shards}: count from 0 to {shards - 1}")
    positions = _positions(images, manifest["source_id"].to_numpy())
    todo = np.flatnonzero(manifest["status"] != "no mask")
    batches, states, painted = _batches(manifest, todo, settings.batch_size)[number::shards], {}, 0
    with _Writer() as writer:
        for rows in track(batches, "images"):
            batch = manifest.iloc[rows]
            files = [directory / name for name in batch["file"]]
            if writer.all_stamped(files, stamp):
                continue
            originals = images.pixels(positions[rows], size)
            painting = masks(batch["source_id"].to_numpy(copy=True))
            prompt = batch["prompt"].iloc[0]
            if prompt not in states:
                states[prompt] = encode_prompt(pipe, prompt, settings.guidance_scale)
            result = inpaint(
                pipe,
                states[prompt],
                originals,
                painting,
                batch["seed"].to_list(),
                settings.steps,
                settings.guidance_scale,
            )
            if composited:
                result = composite(result, originals, painting)
            writer.write(files, result, stamp)
            painted += len(rows)
    done = manifest.copy()
    done.iloc[np.concatenate([*batches, todo[:0]]), list(done.columns).index("status")] = "generated"
    if shards == 1:
        _remove_others(directory, set(done["file"]))
    return done, painted


class _Writer:
    """Writes one batch of PNGs in other threads, while the next batch is painted; and reads stamps in them."""

    def __enter__(self) -> "_Writer":
        self._pool = ThreadPoolExecutor()
        self._pending: list[Future[None]] = []
        return self

    def all_stamped(self, files: list[Path], stamp: str) -> bool:
        """Return whether all ``files`` are whole and carry ``stamp``."""
        return files[0].exists() and all(found == stamp for found in self._pool.map(_read_stamp, files))

    def write(self, files: list[Path], images: UInt8[Tensor, "B 3 S S"], stamp: str) -> None:
        """Begin to write ``images`` when the batch before is on the disk."""
        self._wait()
        self._pending = [self._pool.submit(write_image, *pair, stamp) for pair in zip(files, images, strict=True)]

    def __exit__(self, *_: object) -> None:
        try:
            self._wait()
        finally:
            self._pool.shutdown()

    def _wait(self) -> None:
        for one in self._pending:
            one.result()


def _batches(manifest: pd.DataFrame, todo: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Cut the rows ``todo`` into batches of one prompt each, in the manifest's order."""
    prompts = manifest["prompt"].to_numpy()[todo]
    return [
        rows[start : start + batch_size]
        for prompt in dict.fromkeys(prompts)
        for rows in [todo[prompts == prompt]]
        for start in range(0, len(rows), batch_size)
    ]


def _positions(images: ImageSet, ids: np.ndarray) -> np.ndarray:
    where = {int(i): position for position, i in enumerate(images.ids)}
    missing = [int(i) for i in ids if int(i) not in where]
    if missing:
        raise InputError(
            f"source image {missing[0]} is not among the {len(images)} images given: give the "
            "split that the plan was made from"
        )
    return np.array([where[int(i)] for i in ids], np.int64)


def write_image(path: Path, pixels: UInt8[Tensor, "3 S S"], stamp: str) -> None:
    """Write one image as a PNG with its stamp, atomically."""
    info = PngImagePlugin.PngInfo()
    info.add_text(STAMP, stamp)
    with atomic_path(path) as temporary:
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(temporary, format="PNG", pnginfo=info)


def _read_stamp(path: Path) -> str | None:
    """The stamp in a PNG; None when the file is missing, corrupt or not ours."""
    try:
        with Image.open(path) as image:
            image.load()
            return image.info.get(STAMP)
    except (OSError, SyntaxError):
        return None


def _remove_others(directory: Path, files: set[str]) -> None:
    """Remove the images of an earlier, longer plan, which no row names any more."""
    for path in (directory / "images").glob("*.png"):
        if re.fullmatch(r"\d{6,}\.png", path.name) and f"images/{path.name}" not in files:
            path.unlink()

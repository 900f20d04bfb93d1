"""Generation (section 4.1): repaint the masked part of an image with the other class's token."""

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import DDPMScheduler, StableDiffusionInpaintPipeline
from PIL import Image, PngImagePlugin

from dbb.benchmarks import GenerationSettings
from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.manifest import COLUMNS, write_manifest
from dbb.masks import MaskLookup
from dbb.models import decode_latents, encode_images, is_compiled, latent_masks, to_signed, to_uint8
from dbb.progress import track
from dbb.seeds import image_seed, stage_generator
from dbb.store import atomic_path, require_file

MANIFEST = "manifest.parquet"
STAMP = "dbb"



# ------------------------------------------------------------------------------------------------ eq. 2

def masked_noising(
    z0: torch.Tensor, mask: torch.Tensor, noise: torch.Tensor, alpha_bar: torch.Tensor | float
) -> torch.Tensor:
    """Eq. 2: z_t = (1 - M) z0 + M (sqrt(abar_t) z0 + sqrt(1 - abar_t) eps); where M = 0, z0 itself, exactly.

    z0, noise: (B, 4, h, w); mask: (B, 1, h, w), 0 or 1 or bool; alpha_bar: abar_t in 0..1, a number or (B,).
    """
    # In half precision 1 - abar_t would be 0 at the first times.
    alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float32, device=z0.device).reshape(-1, 1, 1, 1)
    return torch.where(mask.bool(), (alpha_bar.sqrt() * z0 + (1 - alpha_bar).sqrt() * noise).to(z0.dtype), z0)


def noising_pictures(
    pipe: StableDiffusionInpaintPipeline,
    image: torch.Tensor,
    mask: torch.Tensor,
    timesteps: Sequence[int],
    seed: int,
) -> torch.Tensor:
    """Return what eq. 2 makes of one image at each of ``timesteps``, decoded: uint8 (T, 3, S, S).

    image: uint8 (3, S, S); mask: bool (S, S); timesteps: from 0 to the number of training timesteps - 1.
    One noise serves all of them.
    """
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)
    with torch.inference_mode():
        z0 = encode_images(pipe, to_signed(image[None]))
        noise = torch.randn(z0.shape, generator=stage_generator("eq. 2", seed)).to(z0)
        alpha_bar = schedule.alphas_cumprod[torch.as_tensor(timesteps)]
        z0 = z0.expand(len(alpha_bar), -1, -1, -1)
        return decode_latents(pipe, masked_noising(z0, latent_masks(pipe, mask[None]), noise, alpha_bar))


# ------------------------------------------------------------------------------------------------ inpainting

@torch.inference_mode()
def encode_prompt(
    pipe: StableDiffusionInpaintPipeline, prompt: str, guidance_scale: float
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the states (1, L, D) of ``prompt`` and of the empty prompt (None without guidance)."""
    return pipe.encode_prompt(prompt, pipe.device, 1, guidance_scale > 1)


@torch.inference_mode()
def inpaint(
    pipe: StableDiffusionInpaintPipeline,
    states: tuple[torch.Tensor, torch.Tensor | None],
    images: torch.Tensor,
    masks: torch.Tensor,
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
) -> torch.Tensor:
    """Repaint ``masks`` of ``images`` from pure noise under one prompt; returns uint8 (B, 3, S, S).

    states: as `encode_prompt` gives them, for the same ``guidance_scale``.
    images: uint8 (B, 3, S, S); masks: bool (B, S, S); seeds: one per image, so that no image depends on the
    others of its batch. Pixels outside the masks went through the autoencoder: `composite` restores them.
    """
    prompt, empty = (s if s is None else s.expand(len(images), -1, -1) for s in states)
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    size = images.shape[-1]
    # The pipeline wants images in 0..1 and would read a batch with any negative value as -1..1.
    painted = pipe(prompt_embeds=prompt, negative_prompt_embeds=empty, image=images.float() / 255,
                   mask_image=masks[:, None].float(), height=size, width=size, strength=1.0,
                   num_inference_steps=steps, guidance_scale=guidance_scale, generator=generators,
                   output_type="pt").images
    return to_uint8(painted.float())


def composite(painted: torch.Tensor, originals: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return ``painted`` inside the masks and, bit for bit, ``originals`` outside; uint8 (B, 3, S, S)."""
    return torch.where(masks[:, None], painted, originals)


def sample(
    pipe: StableDiffusionInpaintPipeline,
    prompts: Sequence[str],
    images: torch.Tensor,
    masks: torch.Tensor,
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
) -> torch.Tensor:
    """Draw each of ``prompts`` into every image: uint8 (len(prompts), B, 3, S, S), composited.

    images, masks, seeds: as in `inpaint`; the noise is the same under every prompt.
    """
    every = [encode_prompt(pipe, prompt, guidance_scale) for prompt in prompts]
    drawn = [inpaint(pipe, states, images, masks, seeds, steps, guidance_scale) for states in every]
    return torch.stack([composite(painted, images, masks) for painted in drawn])


# ------------------------------------------------------------------------------------------------ the stage

def plan(
    benchmark: str,
    run_seed: int,
    source_ids: np.ndarray,
    source_classes: np.ndarray,
    target_classes: np.ndarray,
    prompts: Sequence[str],
    token_files: Sequence[str | Path | None],
    mask_found: np.ndarray,
    mask_area: np.ndarray,
    mask_score: np.ndarray,
) -> pd.DataFrame:
    """Return the manifest of what shall be generated, a row per original, in their order.

    source_ids, source_classes, target_classes, mask_*: (N,), one entry per original.
    prompts, token_files: by TARGET class: the prompt with its token, and the file that the token came from, None for
        a prompt without one.

    An original without a mask gets the status "no mask" and no image.
    """
    hashes = [hashlib.sha256(require_file(path).read_bytes()).hexdigest() if path else "" for path in token_files]
    found, targets = np.asarray(mask_found, bool), np.asarray(target_classes, np.int64)
    numbers = np.arange(len(source_ids))
    return pd.DataFrame({
        "image": numbers,
        "source_id": np.asarray(source_ids, np.int64),
        "source_class": np.asarray(source_classes, np.int64),
        "target_class": targets,
        "prompt": [prompts[c] for c in targets],
        "token_sha256": [hashes[c] for c in targets],
        "seed": [image_seed(benchmark, run_seed, i, c) for i, c in zip(source_ids, targets, strict=True)],
        "mask_found": found,
        "mask_area": mask_area,
        "mask_score": mask_score,
        "status": np.where(found, "planned", "no mask"),
        "file": [f"images/{n:06d}.png" if ok else "" for n, ok in zip(numbers, found, strict=True)],
        "psi": np.nan,
        "Psi": np.nan,
        "rho": np.nan,
        "P": np.nan,
        "kept": pd.NA,
        "reason": "",
    }).astype(COLUMNS)


def generate(
    pipe: StableDiffusionInpaintPipeline,
    manifest: pd.DataFrame,
    images: ImageSet,
    masks: MaskLookup,
    size: int,
    directory: str | Path,
    settings: GenerationSettings,
    composited: bool = True,
    shard: tuple[int, int] = (0, 1),
) -> pd.DataFrame:
    """Generate every planned image of ``manifest`` into ``directory`` and write the manifest beside them.

    images: the split that ``source_id`` points into; masks: gives the masks to inpaint, at ``size`` px.
    composited: restore the original outside the mask, bit for bit; False leaves the autoencoder's version
        there, like the released code.
    shard: (number, of how many): generate every such batch only, and leave the manifest to a later call for all,
        which finds the images of every shard there. The batches, and so the bits, are the same.

    Returns the manifest with the status "generated" where it is. The batches are fixed by the manifest. Each PNG
    carries a stamp of all that its batch was made from; a batch whose PNGs are all there under its stamp is not
    made again. So a run that was stopped, at any moment, goes on from its last whole batch to the same files, and
    one with other parameters, tokens, masks or weights makes everything anew.

    Raises InputError, before any work, when a source image is not in ``images``, or there is no such shard.
    """
    directory, (number, shards) = Path(directory), shard
    if not 0 <= number < shards:
        raise InputError(f"shard {number} of {shards}: count from 0 to {shards - 1}")
    positions = _positions(images, manifest["source_id"].to_numpy())
    todo = np.flatnonzero(manifest["status"] != "no mask")
    common = (_model_digest(pipe), is_compiled(pipe), size, settings.steps, settings.guidance_scale, composited)
    batches, states = _batches(manifest, todo, settings.batch_size)[number::shards], {}
    with _Writer() as writer:
        for rows in track(batches, "images"):
            batch = manifest.iloc[rows]
            originals = images.pixels(positions[rows], size)
            painting = masks(batch["source_id"].to_numpy(copy=True))
            stamp = _stamp(common, batch, originals, painting)
            files = [directory / name for name in batch["file"]]
            if writer.all_stamped(files, stamp):
                continue
            prompt = batch["prompt"].iloc[0]
            if prompt not in states:
                states[prompt] = encode_prompt(pipe, prompt, settings.guidance_scale)
            result = inpaint(pipe, states[prompt], originals, painting, batch["seed"].to_list(), settings.steps,
                             settings.guidance_scale)
            if composited:
                result = composite(result, originals, painting)
            writer.write(files, result, stamp)
    done = manifest.copy()
    done.iloc[np.concatenate([*batches, todo[:0]]), done.columns.get_loc("status")] = "generated"
    if shards == 1:
        _remove_others(directory, set(done["file"]))
        write_manifest(directory / MANIFEST, done)
    return done


class _Writer:
    """Writes one batch of PNGs in other threads, while the next batch is painted; and reads stamps in them."""

    def __enter__(self) -> "_Writer":
        self._pool, self._pending = ThreadPoolExecutor(), []
        return self

    def all_stamped(self, files: list[Path], stamp: str) -> bool:
        """Return whether all ``files`` are whole and carry ``stamp``."""
        return files[0].exists() and all(found == stamp for found in self._pool.map(_read_stamp, files))

    def write(self, files: list[Path], images: torch.Tensor, stamp: str) -> None:
        """Begin to write ``images``, uint8 (B, 3, S, S), when the batch before is on the disk."""
        self._wait()
        self._pending = [self._pool.submit(_write_png, *pair, stamp) for pair in zip(files, images, strict=True)]

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
    return [rows[start:start + batch_size]
            for prompt in dict.fromkeys(prompts)
            for rows in [todo[prompts == prompt]]
            for start in range(0, len(rows), batch_size)]


def _positions(images: ImageSet, ids: np.ndarray) -> np.ndarray:
    where = {int(i): position for position, i in enumerate(images.ids)}
    missing = [int(i) for i in ids if int(i) not in where]
    if missing:
        raise InputError(f"source image {missing[0]} is not among the {len(images)} images given: give the "
                         "split that the plan was made from")
    return np.array([where[int(i)] for i in ids], np.int64)


def _model_digest(pipe: StableDiffusionInpaintPipeline) -> str:
    """A digest of every weight's first 64 values: cheap for a large model, changed by any training."""
    # The config's private entries hold a list in the order of a set, another one in each process.
    config = sorted((k, v) for k, v in pipe.scheduler.config.items() if not k.startswith("_"))
    digest = hashlib.sha256(repr(config).encode())
    for model in (pipe.unet, pipe.vae, pipe.text_encoder):
        for name, weight in model.state_dict().items():
            digest.update(name.encode())
            digest.update(weight.flatten()[:64].float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _stamp(common: tuple, batch: pd.DataFrame, originals: torch.Tensor, masks: torch.Tensor) -> str:
    rows = batch[["image", "source_id", "target_class", "prompt", "token_sha256", "seed"]]
    digest = hashlib.sha256(repr((common, rows.values.tolist())).encode())
    digest.update(originals.numpy().tobytes())
    digest.update(masks.numpy().tobytes())
    return digest.hexdigest()


def _write_png(path: Path, pixels: torch.Tensor, stamp: str) -> None:
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

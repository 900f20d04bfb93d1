"""Textual inversion (eq. 1): learn one token per class, while everything else stays frozen."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDPMScheduler, StableDiffusionInpaintPipeline
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8
from torch import Tensor, nn

from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.models.inpainting import encode_images, latent_masks, to_signed
from dbb.models.tokens import require_free, require_token, single_token, token_names, tokenize
from dbb.progress import track
from dbb.seeds import stage_generator

SNAPSHOTS = 5
HELD_OUT_TIMES = 8


@dataclass(frozen=True)
class Examples:
    """The images of an inversion set as the denoiser sees them.

    Attributes:
        latents: z0.
        condition: what the denoiser gets beside z_t: for 9 input channels the mask and the masked image's latents;
            for 4 input channels nothing.
    """

    latents: Float[Tensor, "N 4 h w"]
    condition: Float[Tensor, "N _ h w"]


@dataclass(frozen=True)
class Inversion:
    """A learned token.

    Attributes:
        embedding: C_i* of eq. 1, of one vector (D,), of n > 1 vectors (n, D).
        initial: where each vector started.
        losses: each step's loss.
        timesteps, templates: what each step drew.
        held_out_before, held_out_after: loss on one fixed draw of noise and timesteps that no step saw.
        snapshots: steps done -> the embedding then.
    """

    token: str
    embedding: Float32[Tensor, "*n D"]
    initial: Float32[Tensor, " D"]
    losses: Float64[np.ndarray, " steps"]
    timesteps: Int64[np.ndarray, "steps B"]
    templates: Int64[np.ndarray, "steps B"]
    held_out_before: float
    held_out_after: float
    snapshots: dict[int, Float32[Tensor, "*n D"]]


def minority_images(
    images: ImageSet, group_accuracy: Sequence[float | None] | Float[np.ndarray, " G"], label: int, n: int, seed: int
) -> Int64[np.ndarray, " K"]:
    """Return the positions of ``n`` images of class ``label`` from its minority group, drawn by ``seed``.

    All of the group, and so fewer than ``n``, when it has no more.

    Args:
        images: the validation split, whose groups are known.
        group_accuracy: the base classifier's there: the minority group of a class is the one that it knows worst, so
            no label of the training groups is needed.

    Raises:
        InputError: for a class without images.
    """
    accuracy = np.array(group_accuracy, dtype=float)
    present = [g for g in np.unique(images.groups[images.labels == label]) if np.isfinite(accuracy[g])]
    if not present:
        raise InputError(f"class {label} has no image in this split: there is no minority to learn from")
    members = np.flatnonzero(images.groups == min(present, key=lambda g: accuracy[g]))
    order = torch.randperm(len(members), generator=stage_generator("inversion set", label, seed)).numpy()
    return np.sort(members[order[:n]])


def encode_examples(
    pipe: StableDiffusionInpaintPipeline, images: UInt8[Tensor, "N 3 S S"], masks: Bool[Tensor, "N S S"] | None
) -> Examples:
    """Encode an inversion set once; masks are True where to paint.

    ``masks`` are needed by a denoiser with 9 input channels, and not used by one with 4.

    Raises:
        InputError: for a denoiser with another number, or missing masks.
    """
    channels = pipe.unet.config.in_channels
    if channels not in (4, 9):
        raise InputError(
            f"the denoiser has {channels} input channels: use a model with 4 (text to image) or 9 (inpainting)"
        )
    if channels == 9 and masks is None:
        raise InputError("this is an inpainting model (9 input channels): give a mask for each image")
    with torch.inference_mode():
        pixels = to_signed(images)
        latents = torch.cat([encode_images(pipe, batch) for batch in pixels.split(16)])
        condition = latents[:, :0]
        if masks is not None and channels == 9:
            hidden = pixels * ~masks[:, None]
            masked = torch.cat([encode_images(pipe, batch) for batch in hidden.split(16)])
            condition = torch.cat([latent_masks(pipe, masks), masked], dim=1)
    # An inference tensor may not take part in a graph; its clone made outside may.
    return Examples(latents.clone(), condition.clone())


def denoising_losses(
    pipe: StableDiffusionInpaintPipeline,
    examples: Examples,
    positions: Int64[Tensor, " B"],
    states: Float[Tensor, "B L D"],
    timesteps: Int64[Tensor, " B"],
    noise: Float[Tensor, "B 4 h w"],
) -> Float32[Tensor, " B"]:
    """Return the squared error of eq. 1 for each image, the mean over the latents' elements.

    For a v-predicting denoiser the target is v in place of eps.

    Args:
        positions: which of ``examples``.
        states: their encoded prompts.
        noise: eps.
    """
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)
    # Noised in float32: in half precision the first times would add no noise at all.
    clean, timesteps = examples.latents[positions].float(), timesteps.to(examples.latents.device)
    noise = noise.to(clean)
    noisy = schedule.add_noise(clean, noise, timesteps).to(examples.latents.dtype)
    noised = torch.cat([noisy, examples.condition[positions]], dim=1)
    predicted = pipe.unet(noised, timesteps, encoder_hidden_states=states.to(noised.dtype)).sample
    target = denoising_target(schedule, clean, noise, timesteps)
    return (predicted.float() - target.float()).square().mean(dim=(1, 2, 3))


def denoising_target(
    schedule: DDPMScheduler,
    clean: Float[Tensor, "B 4 h w"],
    noise: Float[Tensor, "B 4 h w"],
    timesteps: Int64[Tensor, " B"],
) -> Float[Tensor, "B 4 h w"]:
    """Return what the denoiser should answer for ``clean`` latents z0 under ``noise`` eps.

    Eps itself for an epsilon-predicting model; for a v-predicting one v = sqrt(abar_t) eps - sqrt(1 - abar_t) z0.

    Raises:
        InputError: for a model of another kind.
    """
    match schedule.config.prediction_type:
        case "epsilon":
            return noise
        case "v_prediction":
            return schedule.get_velocity(clean, noise, timesteps)
        case other:
            raise InputError(f"prediction type {other!r}: use a model that predicts epsilon or v_prediction")


@contextmanager
def _substituted(
    layer: nn.Embedding, ids: Int64[Tensor, "B L"], token_ids: Sequence[int], rows: Float[Tensor, "n D"]
) -> Iterator[Int64[Tensor, "B L"]]:
    """Let ``layer`` answer ``rows[i]`` where ``ids`` is ``token_ids[i]``; yields ids that lie inside its table."""
    places = [ids == token_id for token_id in token_ids]

    def answer(_layer: nn.Module, _ids: tuple[Tensor], out: Tensor) -> Tensor:
        for here, row in zip(places, rows, strict=True):
            out = torch.where(here[..., None], row.to(out), out)
        return out

    hook = layer.register_forward_hook(answer)
    try:
        yield ids.masked_fill(torch.stack(places).any(0), 0)
    finally:
        hook.remove()


def _states(
    pipe: StableDiffusionInpaintPipeline,
    ids: Int64[Tensor, "B L"],
    token_ids: Sequence[int],
    rows: Float[Tensor, "n D"],
) -> Float[Tensor, "B L D"]:
    """Encode prompts, with ``rows`` as the embeddings of the n ``token_ids``.

    The encoder's own table is neither resized nor written, and only ``rows`` can receive a gradient.
    """
    encoder = pipe.text_encoder
    with _substituted(encoder.get_input_embeddings(), ids, token_ids, rows) as known:
        return encoder(known).last_hidden_state


@contextmanager
def _frozen(*models: nn.Module) -> Iterator[None]:
    """No parameter of ``models`` receives a gradient; afterwards they are as before."""
    trained = [p for model in models for p in model.parameters() if p.requires_grad]
    modes = [(model, model.training) for model in models]
    for parameter in trained:
        parameter.requires_grad_(False)
    for model in models:
        model.eval()
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for model, mode in modes:
            model.train(mode)


def _held_out(
    pipe: StableDiffusionInpaintPipeline,
    examples: Examples,
    states: Callable[[], Float[Tensor, "T L D"]],
    seed: int,
    batch_size: int = 32,
) -> float:
    """Mean loss over every image at `HELD_OUT_TIMES` evenly spaced timesteps, noise fixed by ``seed``.

    Args:
        states: gives the encoded prompts, which take turns.
    """
    n, total = len(examples.latents), pipe.scheduler.config.num_train_timesteps
    generator = stage_generator("held-out noise", seed)
    positions = torch.arange(n).repeat_interleave(HELD_OUT_TIMES)
    times = ((torch.arange(HELD_OUT_TIMES) + 0.5) * total / HELD_OUT_TIMES).long().repeat(n)
    noise = torch.randn(len(positions), *examples.latents.shape[1:], generator=generator)
    with torch.inference_mode():
        encoded = states()
        turns = positions % len(encoded)
        losses = [
            denoising_losses(pipe, examples, positions[part], encoded[turns[part]], times[part], noise[part])
            for part in torch.arange(len(positions)).split(batch_size)
        ]
        return float(torch.cat(losses).mean())


def held_out_loss(
    pipe: StableDiffusionInpaintPipeline,
    images: UInt8[Tensor, "N 3 S S"],
    masks: Bool[Tensor, "N S S"] | None,
    prompts: Sequence[str],
    seed: int,
) -> float:
    """Return the loss of eq. 1 of ``images`` under ``prompts``, on noise and timesteps fixed by
    ``seed``: comparable between prompts, and with an `Inversion`'s held-out losses.

    Args:
        images, masks: as in `encode_examples`.
        prompts: words the pipeline knows; they take turns.
    """
    ids = tokenize(pipe, pipe.tokenizer, prompts).to(pipe.text_encoder.device)
    return _held_out(pipe, encode_examples(pipe, images, masks), lambda: pipe.text_encoder(ids).last_hidden_state, seed)


def invert(
    pipe: StableDiffusionInpaintPipeline,
    images: UInt8[Tensor, "N 3 S S"],
    masks: Bool[Tensor, "N S S"] | None,
    placeholder_token: str,
    initial_word: str,
    templates: Sequence[str],
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    vectors: int = 1,
) -> Inversion:
    """Learn the embedding of ``placeholder_token`` from ``images`` by eq. 1, with Adam.

    The pipeline is left as it was: use the token by `dbb.models.tokens.save_token` and `dbb.models.tokens.add_token`.

    Args:
        images, masks: the inversion set, as in `encode_examples`.
        initial_word: a word of one token, whose embedding is the start.
        templates: prompts with one ``{}`` each, where the token goes, e.g. "a photo of a {} bird".
        vectors: how many embeddings stand side by side for the token, 1 or more. All start alike; their places in the
            prompt part them (as in diffusers, examples/textual_inversion).

    Raises:
        InputError: for an empty set, no vector, a word of several tokens, a token that is a word already, or a template
            that does not keep the token.
    """
    if len(images) == 0:
        raise InputError(f"no image to learn {placeholder_token} from: choose a larger inversion set")
    if vectors < 1:
        raise InputError(f"{vectors} vectors for {placeholder_token}: give it 1 or more")
    word_id = single_token(pipe.tokenizer, initial_word)
    require_free(pipe.tokenizer, placeholder_token, vectors)
    tokenizer = deepcopy(pipe.tokenizer)
    tokenizer.add_tokens(names := token_names(placeholder_token, vectors))
    token_ids = tokenizer.convert_tokens_to_ids(names)
    prompts = [template.format(placeholder_token) for template in templates]
    for prompt in prompts:
        require_token(pipe, tokenizer, prompt, placeholder_token)
    ids = tokenize(pipe, tokenizer, prompts).to(pipe.text_encoder.device)

    examples = encode_examples(pipe, images, masks)
    generator = stage_generator("inversion", placeholder_token, seed)
    initial = pipe.text_encoder.get_input_embeddings().weight[word_id].detach().float().clone()
    rows = nn.Parameter(initial.repeat(vectors, 1))
    optimizer = torch.optim.Adam([rows], lr=learning_rate)
    total = pipe.scheduler.config.num_train_timesteps
    keep = {round(steps * k / SNAPSHOTS) for k in range(SNAPSHOTS + 1)}
    snapshots, losses, times_drawn, templates_drawn = {0: _as_saved(rows)}, [], [], []

    with _frozen(pipe.unet, pipe.text_encoder):
        before = _held_out(pipe, examples, lambda: _states(pipe, ids, token_ids, rows), seed)
        for step in track(range(1, steps + 1), f"inversion of {placeholder_token}"):
            positions = torch.randint(len(images), (batch_size,), generator=generator)
            times = torch.randint(total, (batch_size,), generator=generator)
            chosen = torch.randint(len(prompts), (batch_size,), generator=generator)
            noise = torch.randn(batch_size, *examples.latents.shape[1:], generator=generator)
            used, which = chosen.unique(return_inverse=True)
            states = _states(pipe, ids[used], token_ids, rows)[which]
            loss = denoising_losses(pipe, examples, positions, states, times, noise).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            times_drawn.append(times.numpy())
            templates_drawn.append(chosen.numpy())
            if step in keep:
                snapshots[step] = _as_saved(rows)
        after = _held_out(pipe, examples, lambda: _states(pipe, ids, token_ids, rows), seed)

    shape = (steps, batch_size)
    return Inversion(
        placeholder_token,
        _as_saved(rows),
        initial.cpu(),
        np.array(losses),
        np.array(times_drawn).reshape(shape),
        np.array(templates_drawn).reshape(shape),
        before,
        after,
        snapshots,
    )


def _as_saved(rows: Float[Tensor, "n D"]) -> Float32[Tensor, "..."]:
    """Return a copy of ``rows`` in the form of a token file: (D,) for one vector."""
    return rows.detach().cpu().clone().squeeze(0)

"""Textual inversion (eq. 1): learn one token per class, while everything else stays frozen."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, StableDiffusionInpaintPipeline
from torch import nn
from transformers import CLIPTokenizer
from transformers.utils import logging as transformers_logging

from dbb.data.images import ImageSet
from dbb.errors import InputError
from dbb.models import encode_images, latent_masks, to_signed
from dbb.progress import track
from dbb.seeds import stage_generator
from dbb.store import load_weights, save_weights

SNAPSHOTS = 5
HELD_OUT_TIMES = 8


@dataclass(frozen=True)
class Examples:
    """The images of an inversion set as the denoiser sees them.

    latents: z0, (N, 4, h, w).
    condition: what the denoiser gets beside z_t: for 9 input channels the mask and the masked image's
        latents, (N, 5, h, w); for 4 input channels nothing, (N, 0, h, w).
    """

    latents: torch.Tensor
    condition: torch.Tensor


@dataclass(frozen=True)
class Inversion:
    """A learned token.

    embedding: float32 (D,), C_i* of eq. 1; initial: float32 (D,), where it started.
    losses: float64 (steps,), each step's loss; timesteps, templates: int64 (steps, B), what each step drew.
    held_out_before, held_out_after: loss on one fixed draw of noise and timesteps that no step saw.
    snapshots: steps done -> float32 (D,), the embedding on its way.
    """

    token: str
    embedding: torch.Tensor
    initial: torch.Tensor
    losses: np.ndarray
    timesteps: np.ndarray
    templates: np.ndarray
    held_out_before: float
    held_out_after: float
    snapshots: dict[int, torch.Tensor]


def minority_images(
    images: ImageSet, group_accuracy: Sequence[float], label: int, n: int, seed: int
) -> np.ndarray:
    """Return the positions of ``n`` images of class ``label`` from its minority group, int64, drawn by ``seed``.

    images: the validation split, whose groups are known. group_accuracy: (G,), the base classifier's there: the
    minority group of a class is the one that it knows worst, so no label of the training groups is needed.

    All of the group, and so fewer than ``n``, when it has no more. Raises InputError for a class without images.
    """
    accuracy = np.array(group_accuracy, dtype=float)
    present = [g for g in np.unique(images.groups[images.labels == label]) if np.isfinite(accuracy[g])]
    if not present:
        raise InputError(f"class {label} has no image in this split: there is no minority to learn from")
    members = np.flatnonzero(images.groups == min(present, key=lambda g: accuracy[g]))
    order = torch.randperm(len(members), generator=stage_generator("inversion set", label, seed)).numpy()
    return np.sort(members[order[:n]])


def encode_examples(
    pipe: StableDiffusionInpaintPipeline, images: torch.Tensor, masks: torch.Tensor | None
) -> Examples:
    """Encode an inversion set once: images uint8 (N, 3, S, S), masks bool (N, S, S), True where to paint.

    ``masks`` are needed by a denoiser with 9 input channels, and not used by one with 4.

    Raises InputError for a denoiser with another number, or missing masks.
    """
    channels = pipe.unet.config.in_channels
    if channels not in (4, 9):
        raise InputError(f"the denoiser has {channels} input channels: use a model with 4 (text to image) or "
                         "9 (inpainting)")
    if channels == 9 and masks is None:
        raise InputError("this is an inpainting model (9 input channels): give a mask for each image")
    with torch.inference_mode():
        pixels = to_signed(images)
        latents = torch.cat([encode_images(pipe, batch) for batch in pixels.split(16)])
        condition = latents[:, :0]
        if channels == 9:
            hidden = pixels * ~masks[:, None]
            masked = torch.cat([encode_images(pipe, batch) for batch in hidden.split(16)])
            condition = torch.cat([latent_masks(pipe, masks), masked], dim=1)
    # An inference tensor may not take part in a graph; its clone made outside may.
    return Examples(latents.clone(), condition.clone())


def denoising_losses(
    pipe: StableDiffusionInpaintPipeline,
    examples: Examples,
    positions: torch.Tensor,
    states: torch.Tensor,
    timesteps: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Return the squared error of eq. 1 for each image, float32 (B,), the mean over the latents' elements.

    positions: int64 (B,), which of ``examples``; states: (B, L, D), their encoded prompts; timesteps:
    int64 (B,); noise: eps, (B, 4, h, w). For a v-predicting denoiser the target is v in place of eps.
    """
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)
    clean, timesteps = examples.latents[positions], timesteps.to(examples.latents.device)
    noise = noise.to(clean)
    noised = torch.cat([schedule.add_noise(clean, noise, timesteps), examples.condition[positions]], dim=1)
    predicted = pipe.unet(noised, timesteps, encoder_hidden_states=states.to(noised.dtype)).sample
    target = denoising_target(schedule, clean, noise, timesteps)
    return (predicted.float() - target.float()).square().mean(dim=(1, 2, 3))


def denoising_target(
    schedule: DDPMScheduler, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> torch.Tensor:
    """Return what the denoiser should answer for ``clean`` latents z0 under ``noise`` eps, both (B, 4, h, w).

    Eps itself for an epsilon-predicting model; for a v-predicting one v = sqrt(abar_t) eps - sqrt(1 - abar_t) z0.

    Raises InputError for a model of another kind.
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
    layer: nn.Embedding, ids: torch.Tensor, token_id: int, row: torch.Tensor
) -> Iterator[torch.Tensor]:
    """Let ``layer`` answer ``row`` where ``ids`` is ``token_id``; yields ids that lie inside its table."""
    here = (ids == token_id)[..., None]
    hook = layer.register_forward_hook(lambda _layer, _ids, out: torch.where(here, row.to(out), out))
    try:
        yield ids.masked_fill(ids == token_id, 0)
    finally:
        hook.remove()


def _states(
    pipe: StableDiffusionInpaintPipeline, ids: torch.Tensor, token_id: int, row: torch.Tensor
) -> torch.Tensor:
    """Encode prompts, int64 (B, L), with ``row`` (D,) as the placeholder's embedding: (B, L, D).

    The encoder's own table is neither resized nor written, and only ``row`` can receive a gradient.
    """
    encoder = pipe.text_encoder
    with _substituted(encoder.get_input_embeddings(), ids, token_id, row) as known:
        return encoder(known).last_hidden_state


def _tokenize(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> torch.Tensor:
    return tokenizer(list(prompts), padding="max_length", truncation=True, return_tensors="pt").input_ids


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
    states: Callable[[], torch.Tensor],
    seed: int,
    batch_size: int = 32,
) -> float:
    """Mean loss over every image at `HELD_OUT_TIMES` evenly spaced timesteps, noise fixed by ``seed``.

    states: gives the encoded prompts, (T, L, D), which take turns.
    """
    n, total = len(examples.latents), pipe.scheduler.config.num_train_timesteps
    generator = stage_generator("held-out noise", seed)
    positions = torch.arange(n).repeat_interleave(HELD_OUT_TIMES)
    times = ((torch.arange(HELD_OUT_TIMES) + 0.5) * total / HELD_OUT_TIMES).long().repeat(n)
    noise = torch.randn(len(positions), *examples.latents.shape[1:], generator=generator)
    with torch.inference_mode():
        encoded = states()
        turns = positions % len(encoded)
        losses = [denoising_losses(pipe, examples, positions[part], encoded[turns[part]], times[part],
                                   noise[part])
                  for part in torch.arange(len(positions)).split(batch_size)]
        return float(torch.cat(losses).mean())


def held_out_loss(
    pipe: StableDiffusionInpaintPipeline,
    images: torch.Tensor,
    masks: torch.Tensor | None,
    prompts: Sequence[str],
    seed: int,
) -> float:
    """Return the loss of eq. 1 of ``images`` under ``prompts`` (words the pipeline knows), on noise and
    timesteps fixed by ``seed``: comparable between prompts, and with an `Inversion`'s held-out losses.

    images, masks: as in `encode_examples`; the prompts take turns.
    """
    ids = _tokenize(pipe.tokenizer, prompts).to(pipe.text_encoder.device)
    return _held_out(pipe, encode_examples(pipe, images, masks),
                     lambda: pipe.text_encoder(ids).last_hidden_state, seed)


def invert(
    pipe: StableDiffusionInpaintPipeline,
    images: torch.Tensor,
    masks: torch.Tensor | None,
    placeholder_token: str,
    initial_word: str,
    templates: Sequence[str],
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Inversion:
    """Learn the embedding of ``placeholder_token`` from ``images`` by eq. 1, with Adam.

    images, masks: the inversion set, as in `encode_examples`.
    initial_word: a word of one token, whose embedding is the start.
    templates: prompts with one ``{}`` each, where the token goes, e.g. "a photo of a {} bird".

    The pipeline is left as it was: use the token by `save_token` and `add_token`.

    Raises InputError for an empty set, a word of several tokens, a token that is a word already, or a
    template that does not keep the token.
    """
    if len(images) == 0:
        raise InputError(f"no image to learn {placeholder_token} from: choose a larger inversion set")
    word_id = _single_token(pipe.tokenizer, initial_word)
    if placeholder_token in pipe.tokenizer.get_vocab():
        raise InputError(f"{placeholder_token!r} is in the vocabulary already: choose another placeholder, "
                         "or load the pipeline anew")
    tokenizer = deepcopy(pipe.tokenizer)
    tokenizer.add_tokens(placeholder_token)
    token_id = tokenizer.convert_tokens_to_ids(placeholder_token)
    prompts = [template.format(placeholder_token) for template in templates]
    for prompt in prompts:
        _require_token(tokenizer, prompt, placeholder_token)
    ids = _tokenize(tokenizer, prompts).to(pipe.text_encoder.device)

    examples = encode_examples(pipe, images, masks)
    generator = stage_generator("inversion", placeholder_token, seed)
    initial = pipe.text_encoder.get_input_embeddings().weight[word_id].detach().float().clone()
    row = nn.Parameter(initial.clone())
    optimizer = torch.optim.Adam([row], lr=learning_rate)
    total = pipe.scheduler.config.num_train_timesteps
    keep = {round(steps * k / SNAPSHOTS) for k in range(SNAPSHOTS + 1)}
    snapshots, losses, times_drawn, templates_drawn = {0: initial.cpu()}, [], [], []

    with _frozen(pipe.unet, pipe.text_encoder):
        before = _held_out(pipe, examples, lambda: _states(pipe, ids, token_id, row), seed)
        for step in track(range(1, steps + 1), f"inversion of {placeholder_token}"):
            positions = torch.randint(len(images), (batch_size,), generator=generator)
            times = torch.randint(total, (batch_size,), generator=generator)
            chosen = torch.randint(len(prompts), (batch_size,), generator=generator)
            noise = torch.randn(batch_size, *examples.latents.shape[1:], generator=generator)
            used, which = chosen.unique(return_inverse=True)
            states = _states(pipe, ids[used], token_id, row)[which]
            loss = denoising_losses(pipe, examples, positions, states, times, noise).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            times_drawn.append(times.numpy())
            templates_drawn.append(chosen.numpy())
            if step in keep:
                snapshots[step] = row.detach().cpu().clone()
        after = _held_out(pipe, examples, lambda: _states(pipe, ids, token_id, row), seed)

    shape = (steps, batch_size)
    return Inversion(placeholder_token, row.detach().cpu(), initial.cpu(), np.array(losses),
                     np.array(times_drawn).reshape(shape), np.array(templates_drawn).reshape(shape),
                     before, after, snapshots)


def _single_token(tokenizer: CLIPTokenizer, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False).input_ids
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise InputError(f"{word!r} is {len(ids)} tokens to this text encoder: start from a word that is one")
    return ids[0]


def _require_token(tokenizer: CLIPTokenizer, prompt: str, token: str) -> None:
    if tokenizer.get_vocab().get(token) not in _tokenize(tokenizer, [prompt])[0].tolist():
        raise InputError(f"the prompt {prompt!r} does not use the token {token}: load the token, and write it "
                         f"in the prompt within the first {tokenizer.model_max_length - 2} tokens")


def token_file(directory: str | Path, class_name: str) -> Path:
    """Return the file of a class's token."""
    return Path(directory) / f"{class_name}.safetensors"


def save_token(path: str | Path, token: str, embedding: torch.Tensor) -> None:
    """Write a token in the standard learned-embeddings form: one float32 tensor (D,) under its name."""
    save_weights(path, {token: embedding.float()})


def load_token(path: str | Path) -> tuple[str, torch.Tensor]:
    """Return the token and its embedding (D,) from a learned-embeddings file.

    Raises InputError when the file is missing, corrupt, or holds something else.
    """
    tensors = load_weights(path)
    if len(tensors) != 1 or (found := next(iter(tensors.items())))[1].ndim != 1:
        raise InputError(f"{path} is no learned-embeddings file of one token: run notebook 03-tokens again")
    return found


def add_token(pipe: StableDiffusionInpaintPipeline, path: str | Path) -> int:
    """Add the token in a learned-embeddings file to the pipeline's vocabulary, and return its id.

    Raises InputError when the file is bad, of another text encoder, or its token is already a word.
    """
    token, embedding = load_token(path)
    width = pipe.text_encoder.get_input_embeddings().weight.shape[1]
    if len(embedding) != width:
        raise InputError(f"{path} has {len(embedding)} values, this text encoder wants {width}: learn the token "
                         "on the model that shall use it")
    return add_embedding(pipe, token, embedding)


def add_embedding(pipe: StableDiffusionInpaintPipeline, token: str, embedding: torch.Tensor) -> int:
    """Add ``token`` with its ``embedding`` (D,) to the pipeline's vocabulary, and return its id.

    Raises InputError when the token is already a word.
    """
    if token in pipe.tokenizer.get_vocab():
        raise InputError(f"{token} is in the vocabulary already: load the pipeline anew")
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it warns how it fills the new row, which is overwritten
    try:
        with torch.random.fork_rng():
            pipe.load_textual_inversion({token: embedding})
    finally:
        transformers_logging.set_verbosity(level)
    check_token_used(pipe, f"a {token} thing", token)
    return pipe.tokenizer.convert_tokens_to_ids(token)


def check_token_used(pipe: StableDiffusionInpaintPipeline, prompt: str, token: str) -> None:
    """Raise InputError unless the encoded ``prompt`` holds the id of ``token``.

    A token can be loaded and still be unused: absent from the prompt, spelled otherwise, or cut off.
    """
    _require_token(pipe.tokenizer, prompt, token)


def nearest_words(
    pipe: StableDiffusionInpaintPipeline, embedding: torch.Tensor, k: int
) -> list[tuple[str, float]]:
    """Return the ``k`` words of the vocabulary nearest to ``embedding`` (D,) with their cosine, best first.

    Word pieces, single characters and added tokens do not count as words.
    """
    suffix = "</w>"
    words = {t.removesuffix(suffix): i for t, i in pipe.tokenizer.get_vocab().items()
             if t.endswith(suffix) and len(t) > len(suffix) + 1}
    table = pipe.text_encoder.get_input_embeddings().weight.detach().float().cpu()
    cosines = torch.cosine_similarity(table[list(words.values())], embedding.float().cpu(), dim=1)
    best = cosines.topk(min(k, len(words)))
    names = list(words)
    return [(names[i], value) for value, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]

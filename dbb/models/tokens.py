"""Placeholder tokens: their files, their place in a pipeline's vocabulary, and whether a prompt uses them.

A token of several vectors is several entries of the vocabulary, "<t>", "<t>_1", ..., as diffusers'
`load_textual_inversion` makes them; the pipeline writes them out wherever a prompt says "<t>".
"""

from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

import torch
from diffusers import StableDiffusionInpaintPipeline
from jaxtyping import Float, Int64
from torch import Tensor
from transformers import CLIPTokenizer
from transformers.utils import logging as transformers_logging

from dbb.errors import InputError
from dbb.store import load_weights, save_weights


def tokenize(
    pipe: StableDiffusionInpaintPipeline, tokenizer: CLIPTokenizer, prompts: Sequence[str]
) -> Int64[Tensor, "B L"]:
    """Return the ids of ``prompts``, a token of several vectors written out as the pipeline does it."""
    written_out = pipe.maybe_convert_prompt(list(prompts), tokenizer)
    return tokenizer(written_out, padding="max_length", truncation=True, return_tensors="pt").input_ids


def single_token(tokenizer: CLIPTokenizer, word: str) -> int:
    """Return the id of ``word``.

    Raises:
        InputError: for a word that is not exactly one token.
    """
    ids = tokenizer(word, add_special_tokens=False).input_ids
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise InputError(f"{word!r} is {len(ids)} tokens to this text encoder: start from a word that is one")
    return ids[0]


def token_names(token: str, vectors: int) -> list[str]:
    """Return the vocabulary's entries of a token of several vectors, as `load_textual_inversion` names them."""
    return [token, *(f"{token}_{i}" for i in range(1, vectors))]


def require_free(tokenizer: CLIPTokenizer, token: str, vectors: int) -> None:
    """Raise InputError when ``token``, or an entry that a prompt would write out with it, is in the vocabulary."""
    # One name more than it has vectors: a prompt would be written out with an entry that goes on from them.
    taken = [name for name in token_names(token, vectors + 1) if name in tokenizer.get_vocab()]
    if taken:
        raise InputError(
            f"{taken[0]!r} is in the vocabulary already: choose another placeholder, or load the pipeline anew"
        )


def require_token(pipe: StableDiffusionInpaintPipeline, tokenizer: CLIPTokenizer, prompt: str, token: str) -> None:
    """Raise InputError unless all ids of ``token``, side by side, are in the encoded ``prompt``."""
    vocabulary = tokenizer.get_vocab()
    others = takewhile(vocabulary.__contains__, (f"{token}_{i}" for i in count(1)))
    wanted = [vocabulary.get(name) for name in (token, *others)]
    ids = tokenize(pipe, tokenizer, [prompt])[0].tolist()
    if wanted not in (ids[start : start + len(wanted)] for start in range(len(ids))):
        raise InputError(
            f"the prompt {prompt!r} does not use the token {token}: load the token, and write it "
            f"in the prompt within the first {tokenizer.model_max_length - 2} tokens"
        )


def token_file(directory: str | Path, class_name: str) -> Path:
    """Return the file of a class's token."""
    return Path(directory) / f"{class_name}.safetensors"


def save_token(path: str | Path, token: str, embedding: Float[Tensor, "*n D"]) -> None:
    """Write a token in the standard learned-embeddings form: one float32 tensor under its name, (D,), or (n, D) for
    n vectors.
    """
    save_weights(path, {token: embedding.float()})


def load_token(path: str | Path) -> tuple[str, Float[Tensor, "*n D"]]:
    """Return the token and its embedding, (D,) or (n, D), from a learned-embeddings file.

    Raises:
        InputError: when the file is missing, corrupt, or holds something else.
    """
    tensors = load_weights(path)
    if len(tensors) != 1 or (found := next(iter(tensors.items())))[1].ndim not in (1, 2) or not found[1].numel():
        raise InputError(f"{path} is no learned-embeddings file of one token: run notebook 03-tokens again")
    return found


def add_token(pipe: StableDiffusionInpaintPipeline, path: str | Path) -> int:
    """Add the token in a learned-embeddings file to the pipeline's vocabulary, and return its (first) id.

    Raises:
        InputError: when the file is bad, of another text encoder, or its token is already a word.
    """
    token, embedding = load_token(path)
    width = pipe.text_encoder.get_input_embeddings().weight.shape[1]
    if embedding.shape[-1] != width:
        raise InputError(
            f"{path} has {embedding.shape[-1]} values, this text encoder wants {width}: learn the token "
            "on the model that shall use it"
        )
    return add_embedding(pipe, token, embedding)


def add_embedding(pipe: StableDiffusionInpaintPipeline, token: str, embedding: Float[Tensor, "*n D"]) -> int:
    """Add ``token`` with its ``embedding``, (D,) or (n, D), to the pipeline's vocabulary, and return its (first) id.

    Of n vectors the others are called "<token>_1", "<token>_2", ...; a prompt names the token alone.

    Raises:
        InputError: when one of these is already a word.
    """
    require_free(pipe.tokenizer, token, len(torch.atleast_2d(embedding)))
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it warns how it fills the new row, which is overwritten
    try:
        with torch.random.fork_rng(devices=[]):
            pipe.load_textual_inversion({token: embedding})
    finally:
        transformers_logging.set_verbosity(level)
    check_token_used(pipe, f"a {token} thing", token)
    return pipe.tokenizer.convert_tokens_to_ids(token)


def check_token_used(pipe: StableDiffusionInpaintPipeline, prompt: str, token: str) -> None:
    """Raise InputError unless the encoded ``prompt`` holds the id of ``token``; of several vectors all, in order.

    A token can be loaded and still be unused: absent from the prompt, spelled otherwise, or cut off.
    """
    require_token(pipe, pipe.tokenizer, prompt, token)


def nearest_words(
    pipe: StableDiffusionInpaintPipeline, embedding: Float[Tensor, "*n D"], k: int
) -> list[tuple[str, float]]:
    """Return the ``k`` words of the vocabulary nearest to ``embedding`` with their cosine, best first.

    Word pieces, single characters and added tokens do not count as words.

    Args:
        embedding: (D,), or (n, D), for whose mean they are found.
    """
    suffix = "</w>"
    words = {
        t.removesuffix(suffix): i
        for t, i in pipe.tokenizer.get_vocab().items()
        if t.endswith(suffix) and len(t) > len(suffix) + 1
    }
    table = pipe.text_encoder.get_input_embeddings().weight.detach().float().cpu()
    wanted = torch.atleast_2d(embedding.float().cpu()).mean(0)
    cosines = torch.cosine_similarity(table[list(words.values())], wanted, dim=1)
    best = cosines.topk(min(k, len(words)))
    names = list(words)
    return [(names[i], value) for value, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]

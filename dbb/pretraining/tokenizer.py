"""A CLIP tokenizer with a small vocabulary of our own: known words are one token, others fall to pieces."""

import string
from collections.abc import Iterable
from itertools import pairwise

from transformers import CLIPTokenizer

from dbb.errors import InputError

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
CHARACTERS = string.ascii_lowercase + string.digits + string.punctuation

Merge = tuple[str, str]


def _pieces(word: str, ranks: dict[Merge, int]) -> list[str]:
    """Byte-pair encode ``word``: join the neighbours of the lowest rank until no known pair is left."""
    pieces = [*word[:-1], word[-1] + END_OF_WORD]
    while known := [pair for pair in pairwise(pieces) if pair in ranks]:
        first, second = min(known, key=ranks.__getitem__)
        joined, i = [], 0
        while i < len(pieces):
            both = pieces[i : i + 2] == [first, second]
            joined.append(first + second if both else pieces[i])
            i += 2 if both else 1
        pieces = joined
    return pieces


def merges_for(words: Iterable[str]) -> list[Merge]:
    """Return byte-pair merges, in order of rank, under which each of ``words`` becomes one piece.

    Each word is encoded under the merges of the words before it, and what is left in several pieces is
    chained by merges of a higher rank. These come into play only after all earlier ones, so they cannot undo
    an earlier word.
    """
    ranks: dict[Merge, int] = {}
    for word in words:
        pieces = _pieces(word, ranks)
        while len(pieces) > 1:
            ranks[pieces[0], pieces[1]] = len(ranks)
            pieces = _pieces(word, ranks)
    return list(ranks)


def tokenizer_from_words(words: Iterable[str], model_max_length: int) -> CLIPTokenizer:
    """Return a CLIPTokenizer to which each of ``words`` is one token.

    The start token has id 0 and the end token, which also pads, id 1: give the text model's configuration the
    same ids. (End token id 2 switches CLIPTextModel to its legacy rule of the highest id, which added tokens
    break.)

    Args:
        words: lower-case ASCII letters only (CLIP's own rules split off digits and punctuation); order and repetition
            do not matter. A word not among them falls apart into known pieces, at worst characters.
        model_max_length: tokens of a prompt, with the start and the end token; what is longer is cut.

    Raises:
        InputError: for a word that CLIP's rules would split.
    """
    words = sorted(set(words))
    for word in words:
        if not (word.isascii() and word.isalpha() and word.islower()):
            raise InputError(f"{word!r} cannot be one token: use lower-case letters a-z only, one word each")
    merges = merges_for(words)
    tokens = [START, END, *CHARACTERS, *(c + END_OF_WORD for c in CHARACTERS), *(a + b for a, b in merges)]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=model_max_length)

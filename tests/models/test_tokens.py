"""Placeholder tokens: their files, their place in the vocabulary, and whether a prompt uses them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from standins import make_inpainting

from dbb.errors import InputError
from dbb.models.inpainting import load_inpainting
from dbb.models.tokens import (
    add_embedding,
    add_token,
    check_token_used,
    load_token,
    nearest_words,
    save_token,
    single_token,
    token_file,
)

TOKEN = "<landbird>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_inpainting(tmp_path_factory.mktemp("inpainting"))


@pytest.mark.parametrize("shape", [(32,), (3, 32)])
def test_a_token_comes_back_from_its_file(tmp_path, shape) -> None:
    path = token_file(tmp_path, "wading bird")
    assert path == tmp_path / "wading bird.safetensors"
    embedding = torch.randn(shape)
    save_token(path, TOKEN, embedding.half())
    name, again = load_token(path)
    assert name == TOKEN and again.dtype == torch.float32 and torch.equal(again, embedding.half().float())


def test_only_a_word_of_one_token_is_a_start(folder) -> None:
    tokenizer = load_inpainting(str(folder)).tokenizer
    assert tokenizer.convert_ids_to_tokens(single_token(tokenizer, "bird")) == "bird</w>"
    for word in ("zebra", "a bird", ""):
        with pytest.raises(InputError, match="start from a word that is one"):
            single_token(tokenizer, word)


def test_bad_files_are_named(folder, tmp_path) -> None:
    pipe = load_inpainting(str(folder))
    save_file({TOKEN: torch.zeros(7)}, tmp_path / "short.safetensors")
    save_file({TOKEN: torch.zeros(2, 7)}, tmp_path / "narrow.safetensors")
    save_file({TOKEN: torch.zeros(0, 32)}, tmp_path / "empty.safetensors")
    save_file({TOKEN: torch.zeros(1, 2, 32)}, tmp_path / "deep.safetensors")
    save_file({TOKEN: torch.zeros(32), "b": torch.zeros(32)}, tmp_path / "two.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00\x01")
    for name, message in [
        ("short", "7 values"),
        ("narrow", "7 values"),
        ("empty", "one token"),
        ("deep", "one token"),
        ("two", "one token"),
        ("cut", "corrupt"),
        ("none", "missing"),
    ]:
        with pytest.raises(InputError, match=message):
            add_token(pipe, tmp_path / f"{name}.safetensors")


def test_all_vectors_of_a_token_must_be_in_the_prompt(folder) -> None:
    whole, cut = f"{'a bird ' * 6}{TOKEN}", f"a {'a bird ' * 6}{TOKEN}"  # 14 tokens, and 15, where 14 fit
    one, two = load_inpainting(str(folder)), load_inpainting(str(folder))
    add_embedding(one, TOKEN, torch.zeros(32))
    add_embedding(two, TOKEN, torch.zeros(2, 32))
    check_token_used(one, cut, TOKEN)
    check_token_used(two, whole, TOKEN)
    for prompt in (cut, f"a {TOKEN}_1 bird", "a bird"):
        with pytest.raises(InputError, match="does not use"):
            check_token_used(two, prompt, TOKEN)


def test_a_token_that_was_never_loaded_is_refused(folder) -> None:
    with pytest.raises(InputError, match="does not use"):
        check_token_used(load_inpainting(str(folder)), f"a {TOKEN} bird", TOKEN)


def test_nearest_word_of_a_words_own_embedding_is_the_word(folder) -> None:
    pipe = load_inpainting(str(folder))
    row = pipe.text_encoder.get_input_embeddings().weight[pipe.tokenizer.convert_tokens_to_ids("duck</w>")]
    words = nearest_words(pipe, row.detach(), 3)
    assert words[0] == ("duck", pytest.approx(1.0)) and len(words) == 3
    assert words[0][1] >= words[1][1] >= words[2][1]
    around = torch.stack([row + 1, row - 1]).detach()
    assert nearest_words(pipe, around, 1) == [("duck", pytest.approx(1.0))]


def test_an_added_embedding_is_what_the_prompt_reads(folder) -> None:
    pipe = load_inpainting(str(folder))
    token_id = add_embedding(pipe, "<landbird-after-60>", torch.arange(32.0))
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[token_id], torch.arange(32.0))
    check_token_used(pipe, "a <landbird-after-60> bird", "<landbird-after-60>")
    with pytest.raises(InputError, match="in the vocabulary already"):
        add_embedding(pipe, "<landbird-after-60>", torch.zeros(32))


def test_one_vector_alone_in_a_table_is_one_vector(folder, tmp_path) -> None:
    save_file({TOKEN: torch.arange(32.0)[None]}, tmp_path / "t.safetensors")
    pipe = load_inpainting(str(folder))
    token_id = add_token(pipe, tmp_path / "t.safetensors")
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight[token_id], torch.arange(32.0))
    assert f"{TOKEN}_1" not in pipe.tokenizer.get_vocab()


@pytest.mark.parametrize("prompt", ["a photo of a landbird bird", "a < landbird > bird", "a bird " * 8 + TOKEN])
def test_a_prompt_without_the_token_is_refused(folder, tmp_path, prompt) -> None:
    pipe = load_inpainting(str(folder))
    save_token(tmp_path / "t.safetensors", TOKEN, torch.zeros(32))
    add_token(pipe, tmp_path / "t.safetensors")
    with pytest.raises(InputError, match="does not use"):
        check_token_used(pipe, prompt, TOKEN)

"""The small models' tokenizer: CLIP's own class, and a token for each of its words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from dbb.errors import InputError
from dbb.pretraining.tokenizer import tokenizer_from_words


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=7), min_size=1, max_size=12))
def test_every_known_word_is_one_token_however_words_overlap(words: list[str]) -> None:
    tokenizer = tokenizer_from_words(words, model_max_length=8)
    assert all(len(tokenizer.tokenize(word)) == 1 for word in words)
    assert len({tokenizer.tokenize(word)[0] for word in words}) == len(set(words))


def test_tokenizer_roundtrip_and_unknown_words(tmp_path) -> None:
    tokenizer_from_words(["bird", "photo"], model_max_length=6).save_pretrained(tmp_path)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    assert tokenizer.model_max_length == 6
    assert tokenizer.tokenize("Photo, bird") == ["photo</w>", ",</w>", "bird</w>"]
    assert "".join(tokenizer.tokenize("zebra")) == "zebra</w>"
    assert tokenizer.unk_token_id not in tokenizer("zebra", add_special_tokens=False).input_ids
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1)


def test_a_word_that_clip_would_split_is_refused() -> None:
    with pytest.raises(InputError, match="two words"):
        tokenizer_from_words(["two words"], model_max_length=8)

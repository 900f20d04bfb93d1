"""Generation: eq. 2, compositing, and independence of the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from standins import SIZE, boxes, make_inpainting, pictures
from torchvision.transforms.functional import to_pil_image

from dbb.models.inpainting import encode_images, latent_masks, load_inpainting, to_signed, to_uint8
from dbb.seeds import stage_generator
from dbb.stages.generation import composite, encode_prompt, inpaint, masked_noising, noising_pictures, sample


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    folder: Path = make_inpainting(tmp_path_factory.mktemp("inpainting"))
    return load_inpainting(str(folder))


def test_masked_noising_follows_eq_2() -> None:
    generator = torch.Generator().manual_seed(0)
    z0, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    mask = torch.rand(2, 1, 8, 8, generator=generator) > 0.5
    zt = masked_noising(z0, mask, noise, torch.tensor([0.9, 0.04]))
    inside, outside = mask.expand_as(z0), ~mask.expand_as(z0)
    assert torch.equal(zt[outside], z0[outside])
    for i, (signal_, noise_) in enumerate([(0.9**0.5, 0.1**0.5), (0.2, 0.96**0.5)]):
        torch.testing.assert_close(zt[i][inside[i]], (signal_ * z0[i] + noise_ * noise[i])[inside[i]])
    assert torch.equal(masked_noising(z0, mask.float(), noise, 1.0), z0)


def test_an_image_does_not_depend_on_its_batch(pipe) -> None:
    images, masks, states = pictures(4), boxes(4), encode_prompt(pipe, "a duck", 2.0)
    together = inpaint(pipe, states, images, masks, range(4), 3, 2.0)
    alone = torch.cat([inpaint(pipe, states, images[i : i + 1], masks[i : i + 1], [i], 3, 2.0) for i in range(4)])
    assert (together.int() - alone.int()).abs().max() <= 1
    other = inpaint(pipe, states, images, masks, range(4, 8), 3, 2.0)
    assert (together.int() - other.int()).abs().max() > 10


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_inpainting_is_the_pipelines_own_call(pipe, guidance_scale) -> None:
    images, masks = pictures(2), boxes(2)
    with torch.no_grad():
        expected = pipe(
            prompt=["a duck"] * 2,
            image=list(map(to_pil_image, images)),
            mask_image=[to_pil_image(m.to(torch.uint8) * 255) for m in masks],
            height=SIZE,
            width=SIZE,
            strength=1.0,
            num_inference_steps=3,
            guidance_scale=guidance_scale,
            output_type="np",
            generator=[torch.Generator().manual_seed(s) for s in (7, 8)],
        ).images
    states = encode_prompt(pipe, "a duck", guidance_scale)
    ours = inpaint(pipe, states, images, masks, [7, 8], 3, guidance_scale)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - expected * 255).max() < 0.501, "rounded, and nothing else"


def test_inpainting_keeps_the_size_of_its_images_and_is_led_away_from_the_states_it_is_given(pipe) -> None:
    images, masks = pictures(2)[..., ::2, ::2], boxes(2)[..., ::2, ::2]
    (duck, empty), (crow, _) = (encode_prompt(pipe, prompt, 4.0) for prompt in ("a duck", "a crow"))
    usual, other = (inpaint(pipe, (duck, away), images, masks, [7, 8], 2, 4.0) for away in (empty, crow))
    assert usual.shape == images.shape and not torch.equal(usual, other)


def test_compositing_takes_each_pixel_from_one_of_the_two() -> None:
    painted, originals, masks = pictures(3, seed=1), pictures(3), boxes(3)
    both = composite(painted, originals, masks)
    inside = masks[:, None].expand_as(both)
    assert torch.equal(both[inside], painted[inside]) and torch.equal(both[~inside], originals[~inside])


def test_sample_changes_only_the_mask_and_follows_the_prompt(pipe) -> None:
    images, masks = pictures(2), boxes(2)
    drawn = sample(pipe, ["a duck", "a crow in the forest"], images, masks, [0, 1], 2, 3.0)
    assert drawn.shape == (2, 2, 3, SIZE, SIZE) and drawn.dtype == torch.uint8
    outside = ~masks[:, None].expand_as(images)
    assert all(torch.equal(d[outside], images[outside]) for d in drawn)
    assert not torch.equal(drawn[0], drawn[1])


def test_pictures_of_eq_2_start_at_the_original_and_end_in_noise(pipe) -> None:
    images = noising_pictures(pipe, pictures(1)[0], boxes(1)[0], [0, 500, 999], seed=0)
    assert images.shape == (3, 3, SIZE, SIZE)
    change = (images[1:].float() - images[:1].float()).abs()
    assert change[0][:, boxes(1)[0]].mean() > change[0][:, ~boxes(1)[0]].mean()


def test_pictures_of_eq_2_are_decoded_from_one_noise_that_the_seed_names(pipe) -> None:
    image, mask, timesteps = pictures(1)[0], boxes(1)[0], [900, 20]
    abar = DDPMScheduler.from_config(pipe.scheduler.config).alphas_cumprod
    with torch.inference_mode():
        z0 = encode_images(pipe, to_signed(image[None]))
        noise = torch.randn(z0.shape, generator=stage_generator("eq. 2", 3))
        small = latent_masks(pipe, mask[None]).bool()
        noised = torch.cat(
            [torch.where(small, abar[t].sqrt() * z0 + (1 - abar[t]).sqrt() * noise, z0) for t in timesteps]
        )
        expected = to_uint8(pipe.vae.decode(noised / pipe.vae.config.scaling_factor).sample / 2 + 0.5)
    drawn = noising_pictures(pipe, image, mask, timesteps, seed=3)
    assert (drawn.int() - expected.int()).abs().max() <= 1
    assert (noising_pictures(pipe, image, mask, timesteps, seed=4).int() - expected.int()).abs().max() > 10


def test_noising_stays_on_its_device_and_in_its_precision() -> None:
    there = torch.zeros(2, 4, 8, 8, device="meta", dtype=torch.float16)
    zt = masked_noising(there, there[:, :1].bool(), there, 0.5)
    assert zt.device.type == "meta" and zt.dtype == torch.float16
    generator = torch.Generator().manual_seed(0)
    z0, noise = (torch.randn(1, 4, 8, 8, generator=generator).half() for _ in range(2))
    alpha_bar = torch.tensor([0.9], dtype=torch.float16)
    share = alpha_bar.double()
    precise = share.sqrt() * z0.double() + (1 - share).sqrt() * noise.double()
    zt = masked_noising(z0, torch.ones(1, 1, 8, 8), noise, alpha_bar)
    assert zt.dtype == torch.float16, "and rounded to it once, at the end"
    assert ((zt.double() - precise).abs() <= precise.abs() * 1.01 * 2**-11 + 1e-6).all()


@pytest.mark.parametrize("guidance_scale", [0.0, 1.0, 1.5])
def test_guidance_above_1_needs_the_empty_prompt_s_states(pipe, guidance_scale) -> None:
    prompt, empty = encode_prompt(pipe, "a duck", guidance_scale)
    with torch.no_grad():
        expected = pipe.text_encoder(torch.tensor([pipe.tokenizer("a duck", padding="max_length").input_ids]))[0]
        nothing = pipe.text_encoder(torch.tensor([pipe.tokenizer("", padding="max_length").input_ids]))[0]
    torch.testing.assert_close(prompt, expected)
    if guidance_scale > 1:
        torch.testing.assert_close(empty, nothing)
    else:
        assert empty is None


def test_nothing_keeps_a_graph(pipe) -> None:
    states = encode_prompt(pipe, "a duck", 2.0)
    assert not any(state.requires_grad for state in states)
    images = inpaint(pipe, states, pictures(1), boxes(1), [0], 1, 2.0)
    assert images.dtype == torch.uint8 and not images.requires_grad


def test_the_noise_is_the_same_under_every_prompt(pipe) -> None:
    images, masks = pictures(2), boxes(2)
    drawn = sample(pipe, ["a duck", "a crow", "a duck"], images, masks, [5, 6], 2, 3.0)
    assert torch.equal(drawn[0], drawn[2])
    one = composite(inpaint(pipe, encode_prompt(pipe, "a crow", 3.0), images, masks, [5, 6], 2, 3.0), images, masks)
    assert torch.equal(drawn[1], one)

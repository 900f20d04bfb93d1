"""Generation: eq. 2, compositing, and independence of the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from standins import SIZE, boxes, make_inpainting, pictures
from torchvision.transforms.functional import to_pil_image

from dbb.models.inpainting import load_inpainting
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
    for i, (signal_, noise_) in enumerate([(0.9 ** 0.5, 0.1 ** 0.5), (0.2, 0.96 ** 0.5)]):
        torch.testing.assert_close(zt[i][inside[i]], (signal_ * z0[i] + noise_ * noise[i])[inside[i]])
    assert torch.equal(masked_noising(z0, mask.float(), noise, 1.0), z0)


def test_an_image_does_not_depend_on_its_batch(pipe) -> None:
    images, masks, states = pictures(4), boxes(4), encode_prompt(pipe, "a duck", 2.0)
    together = inpaint(pipe, states, images, masks, range(4), 3, 2.0)
    alone = torch.cat([inpaint(pipe, states, images[i:i + 1], masks[i:i + 1], [i], 3, 2.0) for i in range(4)])
    assert (together.int() - alone.int()).abs().max() <= 1
    other = inpaint(pipe, states, images, masks, range(4, 8), 3, 2.0)
    assert (together.int() - other.int()).abs().max() > 10


def test_inpainting_is_the_pipelines_own_call(pipe) -> None:
    images, masks = pictures(2), boxes(2)
    with torch.no_grad():
        expected = pipe(prompt=["a duck"] * 2, image=list(map(to_pil_image, images)),
                        mask_image=[to_pil_image(m.to(torch.uint8) * 255) for m in masks], height=SIZE, width=SIZE,
                        strength=1.0, num_inference_steps=3, guidance_scale=4.0, output_type="np",
                        generator=[torch.Generator().manual_seed(s) for s in (7, 8)]).images
    ours = inpaint(pipe, encode_prompt(pipe, "a duck", 4.0), images, masks, [7, 8], 3, 4.0)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - expected * 255).max() < 1


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
